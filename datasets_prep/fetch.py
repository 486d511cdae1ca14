"""One file over HTTP, resumed after any interruption and never a mixture of two versions."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmark import __version__
from benchmark.errors import DatasetError

CHUNK = 1 << 18
TIMEOUT_S = 30.0
AGENT = {"User-Agent": f"depthbench/{__version__}", "Accept-Encoding": "identity"}
ADVICE = "The address is built from --base-url; compare it with https://www.cvlibs.net/datasets/kitti/raw_data.php"
PASSING = (408, 425, 429)


class Patience(NamedTuple):
    """How often a transfer is tried without headway, and the first pause in seconds, doubled each time."""

    attempts: int
    pause_s: float


PATIENT = Patience(attempts=6, pause_s=1.0)


class _InterruptedError(Exception):
    """The transfer stopped for a reason that may pass."""


def fetch(
    url: str,
    target: Path,
    *,
    report: Callable[[int, int | None], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda line: None,
    patience: Patience = PATIENT,
    advice: str = ADVICE,
) -> None:
    """Download `url` to `target`, by way of `<target>.part`, which any interruption leaves and the next call continues.

    The part is continued only when the server vouches, by If-Range and by the ETag (or date) it answers with, that the
    file is still the same one. `report(done, total)` counts bytes, `say(line)` gets each interruption; `advice` is for whoever
    asked for a file that the server does not have.

    Raises:
        DatasetError: the file does not exist, the server cannot be reached, or the disk is full.
    """
    part = part_path(target)
    best = failures = 0
    while True:
        try:
            _attempt(url, part, report=report, advice=advice)
            break
        except _InterruptedError as error:
            reached = size_of(part)
            failures = 1 if reached > best else failures + 1
            best = max(best, reached)
            if failures >= patience.attempts:
                raise DatasetError(
                    f"{url}: {error}; given up after {failures} attempts without headway. {_kept(part)} "
                    "Check the connection and run the same command again."
                ) from error
            pause = patience.pause_s * 2 ** (failures - 1)
            say(f"{target.name}: {error}; trying again in {pause:.0f} s from byte {reached}")
            time.sleep(pause)
    part.replace(target)
    _state_path(part).unlink(missing_ok=True)


def remote_size(url: str) -> int | None:
    """Size in bytes by HTTP HEAD; None where the server does not say.

    Raises:
        DatasetError: the file does not exist, or the server cannot be reached.
    """
    try:
        with _open(url, {}, method="HEAD") as response:
            return _number(response.headers.get("Content-Length"))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (404, 410):
            raise _refused(url, error) from error
        return None
    except _InterruptedError as error:
        raise DatasetError(f"{url}: {error}. Check the connection and --base-url, and run the same command again.") from error


def part_path(target: Path) -> Path:
    """Where the bytes of an unfinished download lie."""
    return target.with_name(f"{target.name}.part")


def size_of(path: Path) -> int:
    """Bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def _attempt(url: str, part: Path, *, report: Callable[[int, int | None], None], advice: str) -> None:
    """One request: append to the part, or begin it anew."""
    validator = _read_validator(part)
    offset = size_of(part) if validator else 0
    headers = {"Range": f"bytes={offset}-", "If-Range": validator} if offset and validator else {}
    try:
        response = _open(url, headers)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and offset:
            if error.headers.get("Content-Range") == f"bytes */{offset}":
                return  # interrupted after the last byte and before the renaming
            part.unlink()
            raise _InterruptedError("the server's file is shorter than what was downloaded, so it is begun anew") from error
        if error.code in PASSING or error.code >= 500:
            raise _InterruptedError(f"the server answered {error.code} {error.reason}") from error
        raise _refused(url, error, advice) from error
    with response:
        start, total = _placed(response, part, offset, validator)
        end = _write(response, part, start, total=total, report=report)
    if total is not None and end != total:
        raise _InterruptedError(f"the connection ended at byte {end} of {total}")


def _placed(response: http.client.HTTPResponse, part: Path, offset: int, validator: str | None) -> tuple[int, int | None]:
    """Where the body of a response begins in the file, and the size of the whole file."""
    if response.status != 206:
        return 0, _number(response.headers.get("Content-Length"))
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    span, _, total = rest.partition("/")
    same = _validator(response) == validator
    if unit != "bytes" or _number(span.split("-")[0]) != offset or _number(total) is None or not same:
        part.unlink()
        what = (
            "with another version of the file" if not same else f"with Content-Range {response.headers.get('Content-Range')!r}"
        )
        raise _InterruptedError(f"the server answered a request from byte {offset} {what}, so it is begun anew")
    return offset, int(total)


def _write(
    response: http.client.HTTPResponse,
    part: Path,
    start: int,
    *,
    total: int | None,
    report: Callable[[int, int | None], None],
) -> int:
    """Append the body from byte `start` on; the number of bytes then in the file."""
    free = shutil.disk_usage(part.parent).free + (size_of(part) if start == 0 else 0)
    if total is not None and total - start > free:
        raise DatasetError(
            f"{part.parent} has {free / 1e9:.2f} GB free, but {part.name.removesuffix('.part')} needs "
            f"{(total - start) / 1e9:.2f} GB more. {_kept(part)} Make room or choose another folder, and run the "
            "same command again."
        )
    end = start
    try:
        if start == 0:
            part.unlink(missing_ok=True)
            _state_path(part).write_text(json.dumps({"validator": _validator(response)}), "utf-8")
        with part.open("ab") as file:
            for chunk in _chunks(response):
                file.write(chunk)
                end += len(chunk)
                report(end, total)
    except OSError as error:
        raise DatasetError(
            f"{part} could not be written at byte {end}: {error}. {_kept(part)} "
            "Make room or correct the permissions, and run the same command again."
        ) from error
    return end


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _InterruptedError(f"the connection broke ({_reason(error)})") from error
        if not chunk:
            return
        yield chunk


def _open(url: str, headers: dict[str, str], *, method: str = "GET") -> http.client.HTTPResponse:
    if not url.startswith(("http://", "https://")):
        raise DatasetError(f"{url} is not an http or https address. Correct --base-url.")
    request = urllib.request.Request(url, headers=AGENT | headers, method=method)
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise DatasetError(
                f"{url}: the server's certificate was not accepted ({error.reason}). Nothing was downloaded."
            ) from error
        raise _InterruptedError(f"the server cannot be reached ({_reason(error.reason)})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _InterruptedError(f"the connection broke ({_reason(error)})") from error
    return response


def _refused(url: str, error: urllib.error.HTTPError, advice: str = ADVICE) -> DatasetError:
    return DatasetError(f"{url}: the server answered {error.code} {error.reason}; the file was expected. {advice}.")


def _validator(response: http.client.HTTPResponse) -> str | None:
    """What If-Range may carry: a strong ETag, else the date of the last change."""
    etag = response.headers.get("ETag")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")


def _state_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_validator(part: Path) -> str | None:
    try:
        state = json.loads(_state_path(part).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    validator = state.get("validator") if isinstance(state, dict) else None
    return validator if isinstance(validator, str) and validator.isprintable() else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _kept(part: Path) -> str:
    return f"{size_of(part)} bytes are kept in {part}." if part.exists() else "Nothing was downloaded."


def _reason(error: object) -> str:
    return str(error) or type(error).__name__

"""The released weights of Monodepth2 and Depth Hints: where they lie, what they should score, and how to get them safely."""

from __future__ import annotations

import contextlib
import csv
import datetime
import difflib
import hashlib
import json
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from baselines.atomic_folder import atomic_folder
from baselines.training_extra import require_training
from baselines.weights_content import check_checkpoint, check_disparities, check_sizes, checkpoint_in, wanted
from benchmark.errors import DatasetError, OptionError, TrainingError
from benchmark.io.files import atomic_write, sha256_of
from datasets_prep.fetch import PATIENT, Patience, fetch
from datasets_prep.progress import Progress, say
from datasets_prep.unpack import DamagedError, HostileError, unpack

BASE_URL = "https://storage.googleapis.com/niantic-lon-static/research/"
NOTICE = (
    "Released by Niantic under the Monodepth v2 License and the DepthHints License: for non-commercial use, not to be "
    "redistributed. Their training data, KITTI, is under CC BY-NC-SA 3.0."
)
ADVICE = "The address is built from --base-url; compare it with the project's README on GitHub"
ORIGIN = "origin.json"  # beside the weights: from where they came, and the hash of what came
MAX_BYTES = 4 * 10**9  # of an archive, and unpacked; the published ones have a tenth of this


class Release(NamedTuple):
    """A line of released.csv: a trained model that can be downloaded.

    Attributes:
        name: of the model, as its authors call it.
        method: Monodepth2 or Depth Hints.
        modality: of the training: M monocular, S stereo, MS both.
        width: of the training images.
        height: of the training images.
        layers: of the ResNet; None where the source does not say.
        pretrained: whether the training began with ImageNet weights.
        trained_on: the split.
        archive: of the weights, below the base URL.
        md5: of the archive; None where none is published.
        disparities: of the Eigen test images, below the base URL; None where none are published.
        abs_rel: that its authors print; None where no score is known, like the following three.
        a1: share of ratios below 1.25.
        protocol: that the scores hold under.
        scaling: that they hold with.
        source: of the scores.
        licence: of the weights.
        note: on the scores.
    """

    name: str
    method: str
    modality: str
    width: int
    height: int
    layers: int | None
    pretrained: bool
    trained_on: str
    archive: str
    md5: str | None
    disparities: str | None
    abs_rel: float | None
    a1: float | None
    protocol: str | None
    scaling: str | None
    source: str | None
    licence: str
    note: str


class Downloaded(NamedTuple):
    """Weights (a folder) or disparities (a file), and whether they were there before."""

    path: Path
    already: bool


def releases() -> list[Release]:
    """All models that are known, in the order of the file."""
    text = (files("baselines") / "released.csv").read_text("utf-8")
    return [_release(row) for row in csv.DictReader(text.splitlines())]


def release(name: str) -> Release:
    """The model of that name.

    Raises:
        OptionError: there is none; the nearest name is told.
    """
    known = {one.name: one for one in releases()}
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        raise OptionError(
            f"No released model is called {name}{f'; did you mean {close[0]}?' if close else '.'} "
            "`depthbench weights list` shows all."
        )
    return known[name]


def table() -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Header and rows for the terminal."""
    header = ("name", "method", "trained", "size", "ResNet", "abs_rel", "δ<1.25", "scaling", "MD5", "note")
    return header, [
        (
            one.name, one.method, one.modality, f"{one.width}x{one.height}", one.layers or "?", _score(one.abs_rel),
            _score(one.a1), one.scaling or "", "known" if one.md5 else "unknown", one.note,
        )
        for one in releases()
    ]  # fmt: skip


class Source(NamedTuple):
    """Where weights or disparities lie on the server, what their MD5 should be (None: unknown), and where they go."""

    url: str
    md5: str | None
    target: Path
    origin: Path

    @property
    def already(self) -> bool:
        """Whether they were downloaded before."""
        return self.origin.is_file() and self.target.exists()


def find_source(
    name: str, out: Path, *, disparities: bool = False, accept_unverified: bool = False, base_url: str = BASE_URL
) -> Source:
    """What `download` would fetch; nothing is fetched.

    Raises:
        OptionError: there is no such model, it has no disparities, nothing vouches for the file, or PyTorch is missing.
    """
    one = release(name)
    path = one.disparities if disparities else one.archive
    if path is None:
        have = ", ".join(other.name for other in releases() if other.disparities)
        raise OptionError(f"{name} has no published disparities; those that have: {have}.")
    target = out / (f"{name}.npy" if disparities else name)
    origin = _beside(target) if disparities else target / ORIGIN
    source = Source(f"{base_url.rstrip('/')}/{path}", None if disparities else one.md5, target, origin)
    if source.already:
        return source
    if source.md5 is None and not accept_unverified:
        raise OptionError(
            f"No checksum is published for {source.url}, so nothing vouches for the file. Pass --accept-unverified to download "
            "it all the same; its sha256 is then recorded beside it."
        )
    if not disparities:
        require_training("weights download, which looks into what it installs,")
    return source


def download(
    name: str, out: Path, *, disparities: bool = False, accept_unverified: bool = False, base_url: str = BASE_URL,
    patience: Patience = PATIENT,
) -> Downloaded:  # fmt: skip
    """Fetch the weights of a model into the folder `out/name`, or its disparities into `out/name.npy`; resumable.

    What has no published MD5 is fetched only if that is accepted; its sha256 is then recorded beside it, as for the others.

    Raises:
        OptionError: there is no such model, it has no disparities, or nothing vouches for the file.
        DatasetError: the server cannot be reached, or the archive is damaged or hostile.
        TrainingError: the bytes are not those that were published, or not those of a checkpoint.
    """
    source = find_source(name, out, disparities=disparities, accept_unverified=accept_unverified, base_url=base_url)
    if source.already:
        return Downloaded(source.target, already=True)
    # Each address has a name of its own: what another one sent is never taken for its.
    begun = f".{source.target.name}."
    arrived = out / f"{begun}{hashlib.sha256(source.url.encode()).hexdigest()[:8]}.download"
    _fetch(source.url, arrived, name=name, patience=patience)
    about = _about(release(name), source.url, arrived, source.md5)
    if disparities:
        with _refused(source.url, arrived, arrived):
            check_disparities(arrived)
        arrived.replace(source.target)
        with atomic_write(source.origin) as file:
            file.write(about)
    else:
        _install(source.url, arrived, source.target, about)
    for path in out.glob(f"{begun}*.download*"):
        path.unlink(missing_ok=True)
    return Downloaded(source.target, already=False)


def _fetch(url: str, arrived: Path, *, name: str, patience: Patience) -> None:
    if arrived.exists():
        return  # whole, from a run that was interrupted afterwards
    try:
        arrived.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{arrived.parent} cannot be made: {error}. Choose another --out.") from error
    with Progress(url.rsplit("/", maxsplit=1)[-1]) as report:

        def bounded(done: int, total: int | None) -> None:
            if max(done, total or 0) > MAX_BYTES:
                raise TrainingError(f"{url} is larger than {MAX_BYTES / 1e9:.0f} GB, as no checkpoint is. Check the address.")
            report(done, total)

        def named(line: str) -> None:
            say(line.replace(arrived.name, name))

        fetch(url, arrived, report=bounded, say=named, patience=patience, advice=ADVICE)


@contextlib.contextmanager
def _refused(url: str, arrived: Path, *places: Path) -> Iterator[None]:
    """What is found to be wrong in the block is the server's: its file is removed, so that the next run asks again.

    Raises:
        DatasetError, TrainingError: that of the block, naming the address in place of our temporary `places`.
    """
    try:
        yield
    except (DamagedError, HostileError, TrainingError) as error:
        arrived.unlink(missing_ok=True)
        text = str(error)
        for place in places:
            text = text.replace(str(place), url)
        kind = TrainingError if isinstance(error, TrainingError) else DatasetError
        raise kind(f"{text} Nothing of it was installed, and what came was removed.") from error


def _about(one: Release, url: str, arrived: Path, md5: str | None) -> bytes:
    """The record of a download as JSON.

    Raises:
        TrainingError: the MD5 is not the published one; the file is removed.
    """
    with arrived.open("rb") as file:
        got = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    size, sha256 = arrived.stat().st_size, sha256_of(arrived)
    if md5 not in (None, got):
        arrived.unlink()
        raise TrainingError(
            f"{url} has the MD5 {got} ({size} bytes); published is {md5}. The file was removed: it was damaged on the way or "
            "is another one. Download it again, or check the address."
        )
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    about: dict[str, Any] = {
        "name": one.name, "method": one.method, "url": url, "bytes": size, "sha256": sha256, "md5": got,
        "verified": "published MD5" if md5 else "not verified: no checksum is published", "licence": one.licence,
        "downloaded": when,
    }  # fmt: skip
    return (json.dumps(about, indent=2) + "\n").encode()


def _install(url: str, archive: Path, folder: Path, about: bytes) -> None:
    """Unpack the files of a checkpoint into the folder, which appears whole."""
    with atomic_folder(folder) as temporary:
        unpacked = temporary / "archive"
        with _refused(url, archive, archive, unpacked):
            check_sizes(archive, MAX_BYTES)
            unpack(archive, unpacked, wanted=wanted)
            found = checkpoint_in(unpacked, archive)
            check_checkpoint(found)
        for path in found.iterdir():
            if path.is_file():
                path.replace(temporary / path.name)
        shutil.rmtree(unpacked)
        (temporary / ORIGIN).write_bytes(about)


def _release(row: dict[str, str]) -> Release:
    values: dict[str, Any] = {key: value or None for key, value in row.items()}
    values |= {key: int(row[key]) for key in ("width", "height", "layers") if row[key]}
    values |= {key: float(row[key]) for key in ("abs_rel", "a1") if row[key]}
    return Release(**values | {"pretrained": row["pretrained"] == "yes", "note": row["note"]})


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.{ORIGIN}")

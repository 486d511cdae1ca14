"""A web server on 127.0.0.1 that serves byte strings and misbehaves on request."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass
class Site:
    """What is served, how it misbehaves, and what was asked of it."""

    files: dict[str, bytes] = field(default_factory=dict)
    drop_at: list[int] = field(default_factory=list)  # each GET cuts its body after so many bytes, first entry first
    statuses: list[int] = field(default_factory=list)  # each GET is answered with this error, first entry first
    ignore_range: bool = False
    ignore_if_range: bool = False
    etag: bool = True
    requests: list[tuple[str, str, str | None, int]] = field(default_factory=list)  # method, path, Range, status
    url: str = ""

    def ranges(self) -> list[str | None]:
        return [asked for method, _, asked, _ in self.requests if method == "GET"]


class _Handler(http.server.BaseHTTPRequestHandler):
    site: Site

    def log_message(self, *args: object) -> None: ...

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        site, body = self.site, self.site.files.get(self.path)
        status = site.statuses.pop(0) if with_body and site.statuses else 200 if body is not None else 404
        if body is None or status != 200:
            self._log(status)
            self.send_error(status)
            return
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        start = self._start(etag)
        if start is not None and start >= len(body):
            self._log(416)
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._log(200 if start is None else 206)
        self.send_response(200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if site.etag:
            self.send_header("ETag", etag)
        rest = body[start or 0 :]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if with_body:
            self.wfile.write(rest[: site.drop_at.pop(0)] if site.drop_at else rest)

    def _start(self, etag: str) -> int | None:
        asked = self.headers.get("Range")
        if asked is None or self.site.ignore_range:
            return None
        fits = self.headers.get("If-Range") in (None, etag) or self.site.ignore_if_range
        return int(asked.removeprefix("bytes=").removesuffix("-")) if fits else None

    def _log(self, status: int) -> None:
        self.site.requests.append((self.command, self.path, self.headers.get("Range"), status))


@contextlib.contextmanager
def serve(files: Mapping[str, bytes]) -> Iterator[Site]:
    """Serve `files` (path beginning with `/` -> bytes) for the length of the block."""
    site = Site(dict(files))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": site}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def zip_of(members: Mapping[str, bytes]) -> bytes:
    """A zip archive with these members, stored, so that its size is about theirs."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()

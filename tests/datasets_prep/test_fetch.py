"""One file over HTTP: resumed, restarted or refused, never a mixture."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from archive_server import Site, serve

from benchmark.errors import DatasetError
from datasets_prep import fetch as module
from datasets_prep.fetch import Patience, fetch, part_path, remote_size

BODY = bytes(range(256)) * 4000  # 1.024 MB
OTHER = bytes(reversed(range(256))) * 3000
HASTE = Patience(attempts=3, pause_s=0.0)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve({"/a.zip": BODY}) as running:
        yield running


def test_whole_file_in_one_request(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    fetch(f"{site.url}/a.zip", tmp_path / "a.zip", report=lambda done, total: seen.append((done, total)))
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip"]
    assert seen[-1] == (1_024_000, 1_024_000)
    assert site.ranges() == [None]


def test_dropped_connection_is_resumed_where_it_broke(site: Site, tmp_path: Path) -> None:
    site.drop_at = [600_000, 100_000]
    lines: list[str] = []
    fetch(f"{site.url}/a.zip", tmp_path / "a.zip", say=lines.append, patience=HASTE)
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert site.ranges() == [None, "bytes=600000-", "bytes=700000-"]
    assert lines[0].endswith("from byte 600000")


def test_given_up_without_headway_and_continued_by_the_next_call(site: Site, tmp_path: Path) -> None:
    site.drop_at = [5000, 0, 0, 0]
    with pytest.raises(DatasetError, match=r"3 attempts without headway. 5000 bytes are kept") as caught:
        fetch(f"{site.url}/a.zip", tmp_path / "a.zip", patience=HASTE)
    assert "\n" not in str(caught.value)
    assert part_path(tmp_path / "a.zip").read_bytes() == BODY[:5000]
    site.drop_at = []
    fetch(f"{site.url}/a.zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert site.ranges()[-1] == "bytes=5000-"


def test_headway_renews_patience(site: Site, tmp_path: Path) -> None:
    site.drop_at = [1000] * 20
    fetch(f"{site.url}/a.zip", tmp_path / "a.zip", patience=HASTE)
    assert (tmp_path / "a.zip").read_bytes() == BODY


@pytest.mark.parametrize("drops", [[600_000], [600_000, 700_000]])
def test_server_without_ranges_is_begun_anew(site: Site, tmp_path: Path, drops: list[int]) -> None:
    site.ignore_range, site.drop_at = True, drops
    fetch(f"{site.url}/a.zip", tmp_path / "a.zip", patience=HASTE)
    assert (tmp_path / "a.zip").read_bytes() == BODY


def test_server_without_ranges_that_always_drops_is_given_up(site: Site, tmp_path: Path) -> None:
    site.ignore_range, site.drop_at = True, [600_000] * 10
    with pytest.raises(DatasetError, match="3 attempts without headway"):
        fetch(f"{site.url}/a.zip", tmp_path / "a.zip", patience=HASTE)
    assert len(site.drop_at) == 7


@pytest.mark.parametrize("ignores_if_range", [False, True])
@pytest.mark.parametrize("kept", [5000, 800_000])  # the new file has 768,000 bytes
def test_file_that_changed_on_the_server_is_begun_anew(site: Site, tmp_path: Path, ignores_if_range: bool, kept: int) -> None:
    site.drop_at = [kept, 0, 0, 0]
    with pytest.raises(DatasetError):
        fetch(f"{site.url}/a.zip", tmp_path / "a.zip", patience=HASTE)
    site.files["/a.zip"], site.ignore_if_range, site.drop_at = OTHER, ignores_if_range, []
    fetch(f"{site.url}/a.zip", tmp_path / "a.zip", patience=HASTE)
    assert (tmp_path / "a.zip").read_bytes() == OTHER


def test_server_that_vouches_for_nothing_is_not_continued(site: Site, tmp_path: Path) -> None:
    site.etag, site.drop_at = False, [5000]
    fetch(f"{site.url}/a.zip", tmp_path / "a.zip", patience=HASTE)
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert site.ranges() == [None, None]


@pytest.mark.parametrize("state", [None, "{", '["x"]', '{"validator": 3}', '{"validator": "a\\nRange: x"}'])
def test_part_of_unknown_origin_is_not_continued(site: Site, tmp_path: Path, state: str | None) -> None:
    part = part_path(tmp_path / "a.zip")
    part.write_bytes(b"something else")
    if state is not None:
        part.with_name("a.zip.part.json").write_text(state)
    fetch(f"{site.url}/a.zip", tmp_path / "a.zip", patience=HASTE)
    assert (tmp_path / "a.zip").read_bytes() == BODY


def test_part_that_is_already_whole_is_only_renamed(site: Site, tmp_path: Path) -> None:
    site.drop_at = [1000, 0, 0, 0]
    with pytest.raises(DatasetError):
        fetch(f"{site.url}/a.zip", tmp_path / "a.zip", patience=HASTE)
    part_path(tmp_path / "a.zip").write_bytes(BODY)
    site.drop_at = []
    fetch(f"{site.url}/a.zip", tmp_path / "a.zip", patience=HASTE)
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert site.requests[-1][3] == 416


def test_passing_faults_of_the_server_are_waited_out(site: Site, tmp_path: Path) -> None:
    site.statuses = [503, 429]
    fetch(f"{site.url}/a.zip", tmp_path / "a.zip", patience=HASTE)
    assert (tmp_path / "a.zip").read_bytes() == BODY


@pytest.mark.parametrize("status", [403, 404])
def test_what_is_not_there_is_an_error_at_once(site: Site, tmp_path: Path, status: int) -> None:
    site.statuses = [status]
    with pytest.raises(DatasetError, match=rf"/a\.zip: the server answered {status} .*--base-url"):
        fetch(f"{site.url}/a.zip", tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []
    assert len(site.requests) == 1


def test_refused_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.zip"
    with pytest.raises(DatasetError, match=r"cannot be reached .*refused"):
        fetch(url, tmp_path / "a.zip", patience=HASTE)
    with pytest.raises(DatasetError, match=r"cannot be reached .*refused"):
        remote_size(url)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a.zip", "a.zip"])
def test_other_schemes_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(DatasetError, match="not an http or https address"):
        fetch(url, tmp_path / "a.zip")


def test_remote_size(site: Site) -> None:
    assert remote_size(f"{site.url}/a.zip") == 1_024_000
    with pytest.raises(DatasetError, match="404"):
        remote_size(f"{site.url}/b.zip")
    assert [method for method, *_ in site.requests] == ["HEAD", "HEAD"]


def test_too_little_room_is_said_before_the_first_byte(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: _Usage(free=1000))
    with pytest.raises(DatasetError, match=r"0\.00 GB free, but a\.zip needs 0\.00 GB more"):
        fetch(f"{site.url}/a.zip", tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


class _Usage(NamedTuple):
    free: int


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_full_disk_is_one_paragraph(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(target: Path) -> Path:
        return Path("/dev/full")

    monkeypatch.setattr(module, "part_path", full)
    monkeypatch.setattr(module, "_state_path", lambda part: tmp_path / "state.json")
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
    with pytest.raises(DatasetError, match="No space left on device") as caught:
        fetch(f"{site.url}/a.zip", tmp_path / "a.zip", patience=HASTE)
    assert "\n" not in str(caught.value)


def test_ctrl_c_leaves_the_part_and_the_next_call_continues(site: Site, tmp_path: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done >= 500_000:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fetch(f"{site.url}/a.zip", tmp_path / "a.zip", report=interrupt)
    kept = part_path(tmp_path / "a.zip").stat().st_size
    assert 500_000 <= kept < 1_024_000
    fetch(f"{site.url}/a.zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == BODY
    assert site.ranges()[-1] == f"bytes={kept}-"

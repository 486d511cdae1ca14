"""Zip archives: sound ones land whole, hostile and damaged ones are refused by name."""

import io
import stat
import zipfile
from pathlib import Path

import pytest
from archive_server import zip_of

from benchmark.errors import DatasetError
from datasets_prep import unpack as module
from datasets_prep.unpack import DamagedError, unpack

MEMBERS = {"d/a/1.bin": bytes(range(256)) * 40, "d/a/2.bin": b"two" * 100, "d/c.txt": b"x: 1\n"}


def archive(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "drive.zip"
    path.write_bytes(content)
    return path


def test_members_are_written_whole(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = lambda done, total: seen.append((done, total))  # noqa: E731
    result = unpack(archive(tmp_path, zip_of(MEMBERS)), tmp_path / "root", report=report)
    assert {name: (tmp_path / "root" / name).read_bytes() for name in MEMBERS} == MEMBERS
    assert result == (frozenset(MEMBERS), 3)
    assert seen == [(10240, 10545), (10540, 10545), (10545, 10545)]


def test_only_wanted_members_are_written(tmp_path: Path) -> None:
    result = unpack(archive(tmp_path, zip_of(MEMBERS)), tmp_path, wanted=lambda name: name.endswith(".txt"))
    assert result.n_written == 1
    assert not (tmp_path / "d/a").exists()


def test_truncated_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "d/a").mkdir(parents=True)
    (tmp_path / "d/a/1.bin").write_bytes(b"half")
    unpack(archive(tmp_path, zip_of(MEMBERS)), tmp_path)
    assert (tmp_path / "d/a/1.bin").read_bytes() == MEMBERS["d/a/1.bin"]


@pytest.mark.parametrize(
    "name", ["../evil.txt", "d/../../evil.txt", "/tmp/evil.txt", "C:/evil.txt", "d\\..\\evil.txt", "d/e:stream"]
)
def test_member_that_leaves_the_root_is_refused_by_name(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path, zip_of({"d/good.txt": b"1", name: b"evil"}))
    root = tmp_path / "root"
    with pytest.raises(DatasetError, match=r"evil|stream") as caught:
        unpack(path, root)
    assert repr(name) in str(caught.value)
    assert not isinstance(caught.value, DamagedError)
    assert not root.exists()


def test_links_and_encrypted_members_are_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("d/link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        out.writestr(info, "/etc/passwd")
    with pytest.raises(DatasetError, match="'d/link' is a link"):
        unpack(archive(tmp_path, buffer.getvalue()), tmp_path)
    locked = bytearray(zip_of({"d/secret": b"x"}))
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DatasetError, match="'d/secret' is encrypted"):
        unpack(archive(tmp_path, bytes(locked)), tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_member_listed_twice_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        out.writestr("d/a", "1")
        out.writestr("d/a", "2")
    with pytest.raises(DatasetError, match="'d/a' is listed twice"):
        unpack(archive(tmp_path, buffer.getvalue()), tmp_path)


@pytest.mark.parametrize("wanted", [True, False])
def test_flipped_bit_is_found_by_its_crc(tmp_path: Path, wanted: bool) -> None:
    content = bytearray(zip_of(MEMBERS))
    content[content.index(b"twotwo")] ^= 1
    with pytest.raises(DamagedError, match=r"damaged: Bad CRC-32 for file 'd/a/2.bin'"):
        unpack(archive(tmp_path, bytes(content)), tmp_path, wanted=lambda name: wanted)
    assert not (tmp_path / "d/a/2.bin").exists()
    assert [path.name for path in tmp_path.rglob("*.part")] == []


@pytest.mark.parametrize("content", [b"", b"<html>please log in</html>", zip_of(MEMBERS)[:-30]])
def test_what_is_no_zip_is_damaged(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DamagedError, match=r"drive\.zip is damaged"):
        unpack(archive(tmp_path, content), tmp_path)


def test_too_little_room_is_said_before_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 10_000

    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(DatasetError, match=r"has 0.00 GB free"):
        unpack(archive(tmp_path, zip_of(MEMBERS)), tmp_path / "root")
    assert not list((tmp_path / "root").iterdir())


def test_file_in_the_place_of_a_folder_is_one_paragraph(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("a file")
    with pytest.raises(DatasetError, match="could not be unpacked"):
        unpack(archive(tmp_path, zip_of(MEMBERS)), tmp_path)

"""Packs of the challenge servers: what is written comes back, and whatever a server would not take is refused in a sentence."""

import stat
import struct
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
import small_world as world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.errors import PredictionError, ResultError
from benchmark.io.files import sha256_of
from benchmark.io.predictions import read_predictions
from benchmark.io.submissions import PACK_FORMATS, encode_png16, read_pack, write_pack

RAW = np.arange(1, 61, dtype=np.uint16).reshape(6, 10) * 1000
PNG = encode_png16(RAW)
KITTI_PNG = encode_png16(np.full((352, 1216), 2765, np.uint16))
Entry = tuple[str | zipfile.ZipInfo, bytes]


def png_with(value: int) -> bytes:
    image = RAW.copy()
    image[2, 7] = value
    return encode_png16(image)


def read_whole(path: Path, *, count: int) -> None:
    """Open a pack and load each image."""
    pack = read_pack(path, count=count)
    for i in range(len(pack)):
        pack.load(i)


def packed(path: Path, entries: Iterable[Entry], *, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that repeat
        for name, content in entries:
            archive.writestr(name, content)
    return path


def ddad(count: int = 3, content: bytes = PNG) -> list[Entry]:
    return [(f"{i:06d}.png", content) for i in range(count)]


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


def altered(path: Path, change: Callable[[bytearray], None]) -> Path:
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)
    return path


def test_the_published_numbers() -> None:
    kitti, challenge = PACK_FORMATS["kitti_benchmark"], PACK_FORMATS["ddad_challenge"]
    assert (kitti.names(kitti.count)[0], kitti.names(kitti.count)[-1]) == ("0000000000.png", "0000000499.png")
    assert (challenge.names(challenge.count)[0], challenge.names(challenge.count)[-1]) == ("000000.png", "003079.png")
    assert (kitti.size, challenge.size) == ((352, 1216), None)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    images = [RAW + np.uint16(i) for i in range(30)]
    write_pack(tmp_path / "p.zip", "ddad_challenge", lambda i: encode_png16(images[i]), count=30)
    pack = read_pack(tmp_path / "p.zip", count=30)
    assert (len(pack), pack.shape, pack.form, pack.declared, pack.frame_id) == (
        30,
        (30, 6, 10),
        "ddad_challenge",
        "depth",
        None,
    )
    for i, image in enumerate(images):
        np.testing.assert_array_equal(pack.load_raw(i), image)
        assert pack.load(i).dtype == np.float32
        np.testing.assert_array_equal(pack.load(i), image / 256)
    assert pack.sha256() == sha256_of(tmp_path / "p.zip")


def test_equal_images_make_equal_bytes_in_order(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        write_pack(tmp_path / name, "kitti_benchmark", lambda _: KITTI_PNG, count=40)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        entries = archive.infolist()
        assert [entry.filename for entry in entries] == [f"{i:010d}.png" for i in range(40)]
        assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
        assert {entry.external_attr >> 16 for entry in entries} == {stat.S_IFREG | 0o644}


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "p.zip").write_bytes(b"earlier")

    def encode(i: int) -> bytes:
        if i == 20:
            raise PredictionError("no depth")
        return PNG

    with pytest.raises(PredictionError, match="no depth"):
        write_pack(tmp_path / "p.zip", "ddad_challenge", encode, count=30)
    assert world.names_in(tmp_path) == ["p.zip"]
    assert (tmp_path / "p.zip").read_bytes() == b"earlier"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"p\.zip: the pack could not be written .*choose a folder"):
        write_pack(tmp_path / "no" / "p.zip", "ddad_challenge", lambda _: PNG, count=3)


def test_only_a_few_images_are_made_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.io.submissions.writing.cpu_count", lambda: 2)
    begun: list[int] = []
    written: list[int] = []
    distance: list[int] = []
    keep = zipfile.ZipFile.writestr

    def encode(i: int) -> bytes:
        begun.append(i)
        distance.append(len(begun) - len(written))
        return PNG

    def writestr(archive: zipfile.ZipFile, info: zipfile.ZipInfo, content: bytes) -> None:
        keep(archive, info, content)
        written.append(1)

    monkeypatch.setattr(zipfile.ZipFile, "writestr", writestr)
    write_pack(tmp_path / "p.zip", "ddad_challenge", encode, count=60)
    assert len(begun) == 60
    assert max(distance) <= 6


def test_a_bar_on_a_terminal_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for shown in (False, True):
        monkeypatch.setattr(sys.stderr, "isatty", lambda shown=shown: shown)
        write_pack(tmp_path / "p.zip", "ddad_challenge", lambda _: PNG, count=30)
        err = capsys.readouterr().err
        assert ["pack: 100%" in err, "30/30" in err] == [shown] * 2


def test_the_published_number_is_asked_for_by_default(tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match=r"3077 are missing, the first is 000003\.png; expected the 3080 files"):
        read_pack(packed(tmp_path / "p.zip", ddad()))


def test_a_pack_on_another_protocol_hears_of_its_own(tmp_path: Path) -> None:
    path = packed(tmp_path / "p.zip", ddad())
    with pytest.raises(PredictionError, match=r"694 are missing, .* or score them with `--protocol ddad_challenge_self` or"):
        read_predictions(path, tuple(map(str, range(697))))
    with pytest.raises(PredictionError, match=r"pack exactly these$"):
        read_pack(path)


def test_65535_is_far_for_the_challenge_and_an_overrun_for_kitti(tmp_path: Path) -> None:
    pack = read_pack(packed(tmp_path / "p.zip", ddad(1, png_with(65535))), count=1)
    assert pack.load(0)[2, 7] == 65535 / 256
    raw = np.full((352, 1216), 2765, np.uint16)
    raw[2, 7] = 65535
    kitti = read_pack(packed(tmp_path / "k.zip", [("0000000000.png", encode_png16(raw))]), count=1)
    with pytest.raises(PredictionError, match=r"65535 at row 2, column 7 .* expected 1 to 65534 everywhere"):
        kitti.load(0)


def test_a_verdict_keeps_the_file_away(tmp_path: Path) -> None:
    def refuse() -> None:
        raise PredictionError("worthless")

    with pytest.raises(PredictionError, match="worthless"):
        write_pack(tmp_path / "p.zip", "ddad_challenge", lambda _: PNG, count=3, verdict=refuse)
    assert world.names_in(tmp_path) == []


def test_predictions_of_a_split_by_their_suffix(tmp_path: Path) -> None:
    path = packed(tmp_path / "p.zip", reversed(ddad()))
    assert read_predictions(path, ("a", "b", "c")).shape == (3, 6, 10)
    with pytest.raises(PredictionError, match=r"1 is missing, the first is 000003\.png"):
        read_predictions(path, ("a", "b", "c", "d"))


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([], "no submission pack, it is empty; expected the files 0000000000.png to 0000000499.png"),
        ([("a.png", PNG)], "no submission pack, its first entry is 'a.png'"),
        ([(f"pred/{i:06d}.png", PNG) for i in range(3)], "'pred/000000.png' lies in a sub-folder"),
        ([*ddad(), ("__MACOSX/._000000.png", b"")], "'__MACOSX/._000000.png' lies in a sub-folder"),
        ([("pred/", b""), *ddad()], "'pred/' lies in a sub-folder"),
        ([*ddad(), ("../000003.png", PNG)], "'../000003.png' leaves the folder"),
        ([*ddad(), ("a/../../x.png", PNG)], "'a/../../x.png' leaves the folder"),
        ([*ddad(), ("/etc/x.png", PNG)], "'/etc/x.png' leaves the folder"),
        ([*ddad(), ("..\\x.png", PNG)], "leaves the folder"),
        ([*ddad(), ("C:\\x.png", PNG)], "leaves the folder"),
        ([*ddad(2), (link("000002.png"), b"/etc/passwd")], "'000002.png' is a link, which is never followed"),
        ([ddad()[0], ddad()[2]], "1 is missing, the first is 000001.png; expected the 3 files"),
        ([*ddad(), ("000003.png", PNG)], "1 entry has another name, it is '000003.png'"),
        ([*ddad(), ("readme.txt", b"")], "1 entry has another name, it is 'readme.txt'"),
        ([*ddad(), ("0000000000.png", PNG)], "2 are missing, the first is 0000000001.png; 3 entries have other names"),
        ([*ddad(), ddad()[1]], "'000001.png' is there more than once"),
        ([(f"{i:06d}.PNG", PNG) for i in range(3)], "no submission pack, its first entry is '000000.PNG'"),
        (ddad(3, encode_png16(RAW)[:60]), "000000.png: the PNG is cut short"),
        (ddad(3, b"GIF89a"), "000000.png: not a PNG"),
        ([*ddad(2), ("000002.png", png_with(0))], "000002.png: 0 at row 2, column 7 (1 such pixels"),
        ([(f"{i:010d}.png", PNG) for i in range(3)], "0000000000.png: 6x10 pixels; the KITTI depth prediction benchmark takes"),
    ],
)
def test_what_is_refused(tmp_path: Path, entries: list[Entry], said: str) -> None:
    path = packed(tmp_path / "my pack.zip", entries)
    with pytest.raises(PredictionError) as caught:
        read_whole(path, count=3)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert said in message
    assert "\n" not in message
    assert "expected" in message or "alone" in message


@pytest.mark.parametrize("image", [RAW.astype(np.uint8), np.dstack([RAW] * 3), np.dstack([RAW] * 4)])
def test_other_pngs_are_refused_at_the_door(tmp_path: Path, image: NDArray[np.uint16]) -> None:
    content = cv2.imencode(".png", image)[1].tobytes()
    with pytest.raises(PredictionError, match=r"000001\.png: a PNG of .* expected a 16-bit image of one channel"):
        read_pack(packed(tmp_path / "p.zip", [ddad()[0], ("000001.png", content), ddad()[2]]), count=3)


def test_a_png_that_declares_a_giant(tmp_path: Path) -> None:
    header = struct.pack(">II", 100_000, 100_000) + PNG[24:29]
    giant = PNG[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + PNG[33:]
    with pytest.raises(PredictionError, match="declares 100000x100000 pixels"):
        read_pack(packed(tmp_path / "p.zip", ddad(3, giant)), count=3)


def test_a_bomb_is_refused_by_what_it_declares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "p.zip", ddad(3, bytes(2**26 + 1)), compression=zipfile.ZIP_DEFLATED)
    entries = [(f"{i:010d}.png", bytes(2_000_000)) for i in range(3)]
    kitti = packed(tmp_path / "k.zip", entries, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 300_000
    monkeypatch.setattr(zipfile.ZipFile, "open", None)  # nothing is inflated
    with pytest.raises(PredictionError, match=r"000000\.png declares 67108865 bytes in \d+; expected PNGs"):
        read_pack(path, count=3)
    with pytest.raises(PredictionError, match=r"declares 2000000 bytes in \d+; expected PNGs.* at most 1118208 bytes"):
        read_pack(kitti, count=3)


def test_entries_on_top_of_each_other(tmp_path: Path) -> None:
    """Every entry of the directory points at the first file."""
    noise = encode_png16(np.random.default_rng(0).integers(1, 65535, (40, 50), np.uint16))
    path = packed(tmp_path / "p.zip", ddad(3, noise))
    content = path.read_bytes()
    directory = content[content.index(b"PK\1\2") :]
    one = 30 + len("000000.png") + len(noise)
    end = bytearray(directory)
    for i in range(3):
        at = i * (46 + len("000000.png"))
        struct.pack_into("<I", end, at + 42, 0)
    struct.pack_into("<I", end, len(end) - 6, one)
    path.write_bytes(content[:one] + end)
    with pytest.raises(PredictionError, match=r"so they lie on top of each other"):
        read_pack(path, count=3)


def test_other_methods_and_encryption(tmp_path: Path) -> None:
    path = packed(tmp_path / "p.zip", ddad(), compression=zipfile.ZIP_LZMA)
    with pytest.raises(PredictionError, match=r"000000\.png is compressed by method 14; expected PNGs, stored or deflated"):
        read_pack(path, count=3)

    def encrypt(content: bytearray) -> None:
        content[content.index(b"PK\1\2") + 8] |= 1

    with pytest.raises(PredictionError, match=r"000000\.png is encrypted"):
        read_pack(altered(packed(path, ddad()), encrypt), count=3)


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    def flip(content: bytearray) -> None:
        content[30 + len("000000.png") + len(PNG) - 20] ^= 1

    with pytest.raises(PredictionError, match=r"000000\.png: cannot be read from the zip \(Bad CRC-32"):
        read_whole(altered(packed(tmp_path / "p.zip", ddad()), flip), count=3)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match=r"no\.zip: cannot be opened .No such file"):
        read_pack(tmp_path / "no.zip")
    with pytest.raises(PredictionError, match=r"cannot be opened \(Is a directory\); expected a zip of PNGs"):
        read_pack(tmp_path)  # as a file without permission: the system says why


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_is_one_clear_error_or_none(tmp_path: Path, data: st.DataObject) -> None:
    path = packed(tmp_path / "p.zip", ddad())
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with world.only_refusals_of(path):
        read_whole(path, count=3)

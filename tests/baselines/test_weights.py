"""Released weights: the list, and the whole way from a web server to a folder that loads."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from archive_server import Site, serve, zip_of
from click.testing import CliRunner, Result

from baselines import weights as module
from baselines.weights import BASE_URL, ORIGIN, download, release, releases
from benchmark.cli import main
from benchmark.errors import DatasetError, OptionError, TrainingError
from benchmark.protocol import load_protocol
from benchmark.splits import load_split
from datasets_prep.fetch import Patience

Files = dict[str, bytes]
DISPARITIES = "/monodepth2/mono_640x192_eigen.npy"
HASTE = Patience(attempts=3, pause_s=0.0)
VERIFIED, UNVERIFIED = "mono+stereo_640x192", "DH-Resnet50"
PATH, OTHER_PATH = "/monodepth2/mono%2Bstereo_640x192.zip", "/depth-hints/DH-Resnet50/models.zip"


def npy_of(*shape: int) -> bytes:
    packed = io.BytesIO()
    np.save(packed, np.ones(shape, np.float32))
    return packed.getvalue()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a small network's checkpoint, in the published layout."""
    pytest.importorskip("torch", reason="needs depthbench[train]")
    from baselines.checkpoints import parts_of, save_parts
    from baselines.networks.monodepth2_depth import Monodepth2Depth
    from baselines.networks.monodepth2_pose import SeparatePose

    folder = tmp_path_factory.mktemp("trained") / "small"
    save_parts(
        folder, parts_of(Monodepth2Depth(width=1 / 16), SeparatePose(width=1 / 16)), height=64, width=96, use_stereo=True
    )
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, checkpoint: Files) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve({PATH: zip_of(checkpoint), OTHER_PATH: zip_of(checkpoint), DISPARITIES: npy_of(697, 2, 3)}) as running:
        yield running


@pytest.fixture
def _published(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the archive of the test site were the published one."""
    md5 = hashlib.md5(site.files[PATH]).hexdigest()
    known = [one._replace(md5=md5) if one.name == VERIFIED else one for one in releases()]
    monkeypatch.setattr(module, "releases", lambda: known)


def fetched(site: Site, name: str, out: Path, **how: Any) -> Path:
    return download(name, out, base_url=f"{site.url}/", patience=HASTE, **how).path


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["weights", *map(str, words)])


def test_every_release_is_complete() -> None:
    known = releases()
    assert len({one.name for one in known}) == len(known) == 18
    assert sum(one.md5 is not None for one in known) == 9
    assert sum(one.disparities is not None for one in known) == 6 + 5
    for one in known:
        assert one.method in {"Monodepth2", "Depth Hints"}
        assert one.modality in {"M", "S", "MS"}
        assert (one.width, one.height) in {(640, 192), (1024, 320)}
        assert one.md5 is None or len(bytes.fromhex(one.md5)) == 16
        assert one.archive.endswith(".zip")
        assert one.disparities is None or one.disparities.endswith(".npy")
        scores = (one.abs_rel, one.a1, one.protocol, one.scaling, one.source)
        assert None not in scores or scores == (None,) * 5
        if one.protocol:
            assert load_protocol(one.protocol)
            assert one.scaling == ("median" if one.modality == "M" else "stereo")


def test_the_splits_that_they_were_trained_on_exist() -> None:
    for name in sorted({one.trained_on for one in releases()}):
        assert load_split(f"{name}/train")


def test_the_published_scores() -> None:
    """Monodepth2's README and that of Depth Hints."""
    assert release("mono_640x192")[11:15] == (0.115, 0.877, "kitti_eigen", "median")
    assert release("mono+stereo_1024x320")[11:15] == (0.106, 0.876, "kitti_eigen", "stereo")
    assert release("DH-HR-Resnet50")[11:15] == (0.096, 0.890, "kitti_eigen", "stereo")
    assert release("mono_640x192").md5 == "a964b8356e08a02d009609d9e3928f7c"
    assert BASE_URL + release("mono_640x192").archive == (
        "https://storage.googleapis.com/niantic-lon-static/research/monodepth2/mono_640x192.zip"
    )


def test_the_file_has_no_column_that_nothing_reads() -> None:
    with (Path(module.__file__).with_name("released.csv")).open(newline="") as file:
        assert set(next(csv.reader(file))) == set(module.Release._fields)


def test_list_shows_all() -> None:
    result = run("list")
    assert result.exit_code == 0
    assert all(one.name in result.stdout for one in releases())
    assert "0.115" in result.stdout
    assert "non-commercial" in result.stderr


@pytest.mark.usefixtures("_published")
def test_a_verified_archive_becomes_a_folder(site: Site, tmp_path: Path, checkpoint: Files) -> None:
    folder = fetched(site, VERIFIED, tmp_path)
    assert folder == tmp_path / VERIFIED
    assert {path.name: path.read_bytes() for path in folder.glob("*.pth")} == checkpoint
    assert [path.name for path in tmp_path.iterdir()] == [VERIFIED]
    origin = json.loads((folder / ORIGIN).read_text())
    assert origin["sha256"] == hashlib.sha256(site.files[PATH]).hexdigest()
    assert origin["verified"] == "published MD5"
    assert origin["url"] == f"{site.url}{PATH}"
    assert download(VERIFIED, tmp_path, base_url=site.url).already
    assert len(site.requests) == 1


@pytest.mark.usefixtures("_published")
def test_an_interrupted_download_continues(site: Site, tmp_path: Path, checkpoint: Files) -> None:
    size = len(site.files[PATH])
    site.drop_at = [size // 3] * 3
    folder = fetched(site, VERIFIED, tmp_path)
    assert (folder / "encoder.pth").read_bytes() == checkpoint["encoder.pth"]
    assert [asked for asked in site.ranges() if asked] != []


def test_another_file_than_the_published_one_is_removed(site: Site, tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"has the MD5 \w{32} \(\d+ bytes\); published is c024d69012485ed05d7eaa9617a96b81\."
    ):
        fetched(site, VERIFIED, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_nothing_vouches_for_is_not_fetched_unless_accepted(site: Site, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"No checksum is published for .*models\.zip.*--accept-unverified"):
        fetched(site, UNVERIFIED, tmp_path)
    assert site.requests == []
    folder = fetched(site, UNVERIFIED, tmp_path, accept_unverified=True)
    origin = json.loads((folder / ORIGIN).read_text())
    assert origin["sha256"] == hashlib.sha256(site.files[OTHER_PATH]).hexdigest()
    assert origin["verified"] == "not verified: no checksum is published"


def test_a_checkpoint_inside_a_folder_is_found_and_junk_left_out(site: Site, tmp_path: Path, checkpoint: Files) -> None:
    inner = {f"models/weights_19/{name}": content for name, content in checkpoint.items()}
    junk = {"__MACOSX/models/weights_19/._encoder.pth": b"x", "models/.DS_Store": b"x", "models/readme.txt": b"x"}
    site.files[OTHER_PATH] = zip_of({**inner, **junk})
    folder = fetched(site, UNVERIFIED, tmp_path, accept_unverified=True)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*checkpoint, ORIGIN])


@pytest.mark.parametrize(
    ("members", "error", "text"),
    [
        ({"../encoder.pth": b"x"}, DatasetError, "would be written outside the folder"),
        ({"/encoder.pth": b"x"}, DatasetError, "would be written outside the folder"),
        (
            {"pose.pth": b"x"},
            TrainingError,
            r"holds 0 folders with encoder\.pth and depth\.pth; expected one\. It has pose\.pth",
        ),
        ({"readme": b"x"}, TrainingError, "It has no .pth file"),
        ({f"{at}/{name}": b"x" for at in "ab" for name in ("encoder.pth", "depth.pth")}, TrainingError, "holds 2 folders"),
        ({f"{n}.pth": b"x" for n in range(1001)}, TrainingError, "unpacks to 1001 files"),
    ],
)
def test_hostile_and_other_archives_are_refused(
    members: dict[str, bytes], error: type[Exception], text: str, site: Site, tmp_path: Path
) -> None:
    good = site.files[OTHER_PATH]
    site.files[OTHER_PATH] = zip_of(members)
    with pytest.raises(error, match=text) as caught:
        fetched(site, UNVERIFIED, tmp_path / "out", accept_unverified=True)
    assert str(caught.value).endswith("Nothing of it was installed, and what came was removed.")
    assert f"{site.url}{OTHER_PATH}" in str(caught.value)
    assert list(tmp_path.rglob("*")) == [tmp_path / "out"]
    site.files[OTHER_PATH] = good
    assert fetched(site, UNVERIFIED, tmp_path / "out", accept_unverified=True).is_dir()


def test_what_is_no_checkpoint_is_not_installed(site: Site, tmp_path: Path, checkpoint: Files) -> None:
    site.files[OTHER_PATH] = zip_of(checkpoint | {"depth.pth": b"x"})
    with pytest.raises(TrainingError, match=rf"^{site.url}{OTHER_PATH}/depth\.pth cannot be read.* what came was removed\.$"):
        fetched(site, UNVERIFIED, tmp_path, accept_unverified=True)
    assert list(tmp_path.iterdir()) == []


def test_what_is_installed_predicts(site: Site, tmp_path: Path) -> None:
    folder = fetched(site, UNVERIFIED, tmp_path, accept_unverified=True)
    from baselines.predict_network_poses import open_predictor

    assert open_predictor(folder, device="cpu").network.size == (64, 96)


def test_a_folder_in_the_way_keeps_the_archive_of_this_address_only(site: Site, tmp_path: Path) -> None:
    (tmp_path / UNVERIFIED).mkdir()
    (tmp_path / UNVERIFIED / "notes.txt").touch()
    for _ in range(2):
        with pytest.raises(TrainingError, match=r"holds notes\.txt"):
            fetched(site, UNVERIFIED, tmp_path, accept_unverified=True)
    assert len(site.requests) == 1
    (tmp_path / UNVERIFIED / "notes.txt").unlink()
    site.files["/mirror" + OTHER_PATH] = site.files[OTHER_PATH]
    url = f"{site.url}/mirror"
    folder = download(UNVERIFIED, tmp_path, base_url=url, patience=HASTE, accept_unverified=True).path
    assert len(site.requests) == 2
    assert json.loads((folder / ORIGIN).read_text())["url"] == url + OTHER_PATH
    assert [path.name for path in tmp_path.iterdir()] == [UNVERIFIED]


def test_what_is_too_large_is_refused(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("encoder.pth", "depth.pth"):
            file.writestr(name, bytes(200_000))
    site.files[OTHER_PATH] = packed.getvalue()
    monkeypatch.setattr(module, "MAX_BYTES", 300_000)
    with pytest.raises(TrainingError, match=r"unpacks to 2 files of 0\.0 GB"):  # the archive itself is small
        fetched(site, UNVERIFIED, tmp_path / "a", accept_unverified=True)
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with pytest.raises(TrainingError, match="is larger than"):
        fetched(site, UNVERIFIED, tmp_path / "b", accept_unverified=True)


def test_a_damaged_archive_is_removed_so_that_the_next_run_fetches_it(site: Site, tmp_path: Path) -> None:
    whole = site.files[OTHER_PATH]
    site.files[OTHER_PATH] = whole[: len(whole) // 2]
    with pytest.raises(DatasetError, match="is damaged"):
        fetched(site, UNVERIFIED, tmp_path, accept_unverified=True)
    assert list(tmp_path.iterdir()) == []
    site.files[OTHER_PATH] = whole
    assert fetched(site, UNVERIFIED, tmp_path, accept_unverified=True).is_dir()


def test_disparities_are_a_file_with_its_origin_beside_it(site: Site, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--accept-unverified"):
        fetched(site, "mono_640x192", tmp_path, disparities=True)
    path = fetched(site, "mono_640x192", tmp_path, disparities=True, accept_unverified=True)
    assert path.read_bytes() == site.files[DISPARITIES]
    origin = json.loads((tmp_path / f"mono_640x192.npy.{ORIGIN}").read_text())
    assert origin["sha256"] == hashlib.sha256(site.files[DISPARITIES]).hexdigest()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mono_640x192.npy", f"mono_640x192.npy.{ORIGIN}"]
    with pytest.raises(
        OptionError, match=r"has no published disparities; those that have: mono_640x192, .*DH-HR-Mono\+Stereo\."
    ):
        fetched(site, "mono_odom_640x192", tmp_path, disparities=True)


def test_what_are_no_disparities_is_removed(site: Site, tmp_path: Path) -> None:
    good, site.files[DISPARITIES] = site.files[DISPARITIES], b"<html>none</html>"
    with pytest.raises(TrainingError, match=rf"^{site.url}{DISPARITIES} is not a whole .*removed\.$"):
        fetched(site, "mono_640x192", tmp_path, disparities=True, accept_unverified=True)
    assert list(tmp_path.iterdir()) == []
    site.files[DISPARITIES] = good
    assert fetched(site, "mono_640x192", tmp_path, disparities=True, accept_unverified=True).is_file()


def test_a_missing_file_tells_where_to_look(site: Site, tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"mono_640x192\.zip: the server answered 404 .*--base-url; compare it with the project's README"
    ):
        fetched(site, "mono_640x192", tmp_path)


@pytest.mark.usefixtures("_published")
def test_the_verb(site: Site, tmp_path: Path) -> None:
    result = run("download", VERIFIED, "--out", tmp_path, "--base-url", site.url)
    assert result.exit_code == 0, result.output
    assert "non-commercial" in result.stderr
    assert f"{tmp_path / VERIFIED}: downloaded" in result.stderr
    assert "abs_rel 0.106, δ<1.25 0.874 under kitti_eigen with --scaling stereo" in result.stderr
    assert "already there" in run("download", VERIFIED, "--out", tmp_path, "--base-url", site.url).stderr


@pytest.mark.usefixtures("_published")
def test_nothing_is_fetched_before_all_models_are_accepted(site: Site, tmp_path: Path) -> None:
    result = run("download", VERIFIED, UNVERIFIED, "--out", tmp_path, "--base-url", site.url)
    assert isinstance(result.exception, OptionError)
    assert "--accept-unverified" in str(result.exception)
    assert result.output == ""
    assert site.requests == []


def test_an_unknown_name_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"called mono_640x193; did you mean mono_640x192\?"):
        release("mono_640x193")

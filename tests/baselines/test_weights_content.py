"""What a download may hold: each way in which a checkpoint or a file of disparities is none."""

from pathlib import Path

import numpy as np
import pytest

from baselines.weights_content import check_checkpoint, check_disparities
from benchmark.errors import TrainingError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of small networks, in the published layout."""
    pytest.importorskip("torch", reason="needs depthbench[train]")
    from baselines.checkpoints import parts_of, save_parts
    from baselines.networks.monodepth2_depth import Monodepth2Depth
    from baselines.networks.monodepth2_pose import SeparatePose

    parts = parts_of(Monodepth2Depth(width=1 / 16), SeparatePose(width=1 / 16))
    save_parts(tmp_path / "small", parts, height=64, width=96, use_stereo=False)
    return tmp_path / "small"


def test_a_checkpoint_with_and_without_motions(folder: Path) -> None:
    check_checkpoint(folder)
    for name in ("pose_encoder.pth", "pose.pth"):
        (folder / name).unlink()
    check_checkpoint(folder)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("encoder.pth", bytes(1000), r"encoder\.pth .*; expected a file of torch\.save"),
        ("depth.pth", b"x", r"depth\.pth cannot be read"),
        ("adam.pth", b"x", r"adam\.pth cannot be read"),
        ("encoder.pth", "depth.pth", "is not a Monodepth2 checkpoint: expected encoder.conv1.weight in encoder.pth"),
        ("pose.pth", "depth.pth", r"pose\.pth: not of a Monodepth2 pose network"),
        ("pose_encoder.pth", "encoder.pth", r"is the checkpoint of another network: pose_encoder\.pth has"),
    ],
)
def test_what_is_no_checkpoint(name: str, content: bytes | str, text: str, folder: Path) -> None:
    (folder / name).write_bytes((folder / content).read_bytes() if isinstance(content, str) else content)
    with pytest.raises(TrainingError, match=text):
        check_checkpoint(folder)


def test_disparities_are_whole_and_of_all_test_images(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.ones((697, 2, 3), np.float32))
    check_disparities(path)
    whole = path.read_bytes()
    for content in (b"<html>none</html>", b"", whole[:-1]):
        path.write_bytes(content)
        with pytest.raises(TrainingError, match=r"is not a whole \.npy; expected a \.npy of float32 \(697, h, w\)"):
            check_disparities(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(TrainingError, match=r"float32 \(697, 2, 3\) and 1 bytes more"):
        check_disparities(path)


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.ones((652, 2, 3), np.float32), r"holds float32 \(652, 2, 3\); expected"),
        (np.ones((697, 0, 3), np.float32), r"holds float32 \(697, 0, 3\)"),
        (np.ones((697, 2), np.float32), r"holds float32 \(697, 2\)"),
        (np.ones((697, 2, 3)), "holds float64"),
        (np.array([None] * 697), "is not a whole"),
    ],
)
def test_other_arrays(array: np.ndarray, text: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(TrainingError, match=text):
        check_disparities(tmp_path / "a.npy")


def test_an_archive_of_arrays(tmp_path: Path) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        np.savez(file, a=np.ones((697, 2, 3), np.float32))
    with pytest.raises(TrainingError, match="is an archive of arrays"):
        check_disparities(tmp_path / "a.npy")

"""Whether what was downloaded is what it should be: a checkpoint that loads, predictions of the Eigen test images."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from benchmark.errors import TrainingError, first_of

NEEDED = ("encoder.pth", "depth.pth")
MAX_MEMBERS = 1000
TEST_IMAGES = 697  # of kitti_eigen/test


def checkpoint_in(unpacked: Path, archive: Path) -> Path:
    """The one folder with a checkpoint, wherever the archive has it.

    Raises:
        TrainingError: there is none, or several.
    """
    folders = [path.parent for path in unpacked.rglob(NEEDED[0]) if all((path.parent / name).is_file() for name in NEEDED)]
    if len(folders) != 1:
        there = first_of(sorted(str(path.relative_to(unpacked)) for path in unpacked.rglob("*.pth"))) or "no .pth file"
        raise TrainingError(
            f"{archive} holds {len(folders)} folders with {' and '.join(NEEDED)}; expected one. It has {there}."
        )
    return folders[0]


def wanted(name: str) -> bool:
    """Weights, and the options of the training; not what a Mac adds."""
    last = name.rsplit("/", maxsplit=1)[-1]
    return not last.startswith(".") and (last.endswith(".pth") or last == "opt.json")


def check_sizes(archive: Path, max_bytes: int) -> None:
    """Look at what a zip says that it unpacks to.

    Raises:
        TrainingError: too many files, or more than `max_bytes`.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
    except (zipfile.BadZipFile, OSError):
        return  # said better where it is unpacked
    size = sum(info.file_size for info in members)
    if len(members) > MAX_MEMBERS or size > max_bytes:
        raise TrainingError(
            f"{archive} unpacks to {len(members)} files of {size / 1e9:.1f} GB; expected the few of a checkpoint, "
            f"{max_bytes / 1e9:.0f} GB at most. Nothing was unpacked; check where it came from."
        )


def check_checkpoint(folder: Path) -> None:
    """Read every .pth of a folder as data, and load depth and pose network from it as `predict` does.

    Raises:
        TrainingError: a file is no file of torch.save, or not of the network's keys and shapes.
    """
    from baselines.checkpoints import depth_options, load_parts, parts_of
    from baselines.networks.monodepth2_depth import Monodepth2Depth
    from baselines.predict_network_poses import pose_network
    from baselines.state_files import read_state

    for path in sorted(folder.glob("*.pth")):
        read_state(path)
    load_parts(folder, parts_of(Monodepth2Depth(**depth_options(folder))))
    if (folder / "pose.pth").is_file():
        load_parts(folder, parts_of(pose_network(folder)))


def check_disparities(path: Path) -> None:
    """Look at a .npy of the disparities (697, h, w), float32, without reading it all.

    Raises:
        TrainingError: it is something else, or not whole.
    """
    expected = f"expected a .npy of float32 ({TEST_IMAGES}, h, w), the disparities of kitti_eigen/test"
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise TrainingError(f"{path} is not a whole .npy; {expected}. Check the address.") from error
    if not isinstance(array, np.memmap):
        raise TrainingError(f"{path} is an archive of arrays; {expected}. Check the address.")
    came, extra = f"{array.dtype} {array.shape}", path.stat().st_size - array.offset - array.nbytes
    fits = array.dtype == np.float32 and array.ndim == 3 and len(array) == TEST_IMAGES and array.size > 0
    del array  # Windows removes no file that is mapped
    if not fits:
        raise TrainingError(f"{path} holds {came}; {expected}. Check the address.")
    if extra:
        raise TrainingError(f"{path} holds {came} and {extra} bytes more; {expected}. Check the address.")

"""A checkpoint and a split of KITTI odometry -> camera motions, from frame to frame or accumulated: `depthbench predict`."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.batch import Source
from baselines.checkpoints import depth_options, load_parts, parts_of
from baselines.image_cache import load_image
from baselines.networks import POSE_NETWORKS
from baselines.networks.interface import PoseNetwork
from baselines.networks.monodepth2_pose import PoseCNNPose, SeparatePose, SharedPose, scale_translation
from baselines.networks.pose_cnn import WIDTHS as POSE_CNN_WIDTHS
from baselines.networks.pose_decoder import WIDTH as POSE_WIDTH
from baselines.predict_network import Network, Summary, checkpoint_folder, open_network
from baselines.prediction_file import Size
from baselines.samples import find_images, find_split
from baselines.state_files import listed, read_state
from baselines.training_state import network_of, recipe_of
from benchmark.cores import cpu_count
from benchmark.errors import DatasetError, OptionError, TrainingError
from benchmark.io.files import atomic_write
from benchmark.io.relative_poses import chained
from benchmark.io.trajectories import write_kitti
from benchmark.splits import Frame, Split
from datasets_prep.progress import Progress

Motions = npt.NDArray[np.float32]

FILES = (".npy", ".txt")
UNITS = (
    "in units of the network (of one trained on KITTI's stereo pairs x5.4 makes metres); `depthbench evaluate_pose` scores it"
)
PAIRS = 8  # that go through the network at a time
FORWARD = "next_from_this"  # what a pose network says of the pair (t, t + 1), as Monodepth2 saves it


class PosePredictor(NamedTuple):
    """A pose network, and the depth network of its checkpoint, which some of them build on."""

    network: Network
    pose: PoseNetwork

    @torch.inference_mode()
    def __call__(self, images: npt.NDArray[np.uint8]) -> Motions:
        """T_next_this (n - 1, 4, 4) between successive RGB images (n, h, w, 3), in units of the network."""
        x = torch.tensor(images, device=self.network.device).permute(0, 3, 1, 2).float() / 255
        depth = self.network.depth
        pair: dict[Source, Tensor] = {0: x[:-1], 1: x[1:]}
        features: dict[Source, list[Tensor]] | None = None
        if self.pose.needs_features:
            every = depth.features(x)
            features = {0: [one[:-1] for one in every], 1: [one[1:] for one in every]}
        T = self.pose(pair, features)[1]
        if self.pose.scales_with_depth:
            T = scale_translation(T, depth.inverse_depth(depth(x[:-1]).sigmoids[0]))
        return np.asarray(T.float().cpu().numpy())


def open_predictor(folder: Path, *, size: Size | None = None, device: str = "auto") -> PosePredictor:
    """The networks of a checkpoint folder, ours or a published one, or of the last checkpoint of a run.

    Raises:
        TrainingError: no checkpoint, a damaged one, or one without motions.
        OptionError: a size that the network cannot take, or a GPU that is not there.
    """
    network = open_network(folder, size=size, device=device)
    folder = checkpoint_folder(folder)
    pose = pose_network(folder)
    load_parts(folder, parts_of(pose))
    return PosePredictor(network, pose.to(network.device).eval())


def pose_network(folder: Path) -> PoseNetwork:
    """The pose network for which a checkpoint loads: that of its recipe; of a published one by its files, keys and shapes.

    Raises:
        TrainingError: the checkpoint has none, or one of another kind.
    """
    recipe = recipe_of(folder)
    if (recipe and recipe["pose"] is None) or (not recipe and not (folder / "pose.pth").is_file()):
        raise TrainingError(
            f"{folder}: holds no pose network; expected a checkpoint that learnt from neighbours in time. Stereo pairs alone "
            "teach no motion: choose the checkpoint of another recipe"
        )
    if (pose := network_of(folder, "pose", POSE_NETWORKS)) is not None:
        return pose
    content = {key.removeprefix("module."): x for key, x in read_state(folder / "pose.pth").items()}
    if isinstance(first := content.get("net.0.weight"), Tensor) and first.ndim == 4:
        n = len(first)
        if "pose_conv.weight" in content:
            return PoseCNNPose(width=n / POSE_CNN_WIDTHS[0])
        if not (folder / "pose_encoder.pth").is_file():
            return SharedPose(layers=depth_options(folder)["layers"], width=n / POSE_WIDTH)
        encoder = read_state(folder / "pose_encoder.pth")
        layers = 50 if any(key.endswith("layer1.0.conv3.weight") for key in encoder) else 18
        return SeparatePose(layers=layers, width=n / POSE_WIDTH)
    raise TrainingError(
        f"{folder / 'pose.pth'}: not of a Monodepth2 pose network: expected net.0.weight, ...; it has {listed(list(content))}"
    )


def predict_network_poses(
    folder: Path, split: str, data: Path | None, out: Path, *, size: Size | None = None, device: str = "auto",
    quiet: bool = False,
) -> Summary:  # fmt: skip
    """Write the motions of every sequence of a split, in units of the network: `depthbench evaluate_pose` finds the scale.

    Args:
        folder: of a checkpoint, or of a run.
        split: name or list file, of one camera of KITTI odometry; consecutive frames.
        data: folder that holds `kitti_odometry/`, or that folder itself; None is $DEPTHBENCH_DATA.
        out: for one sequence a `.npy` of motions from frame to frame (n - 1, 4, 4), as Monodepth2 saves them, or a `.txt` of
            accumulated poses, KITTI's twelve columns; else a folder of `<sequence>.txt`. Each file appears only whole.
        size: of the images that the network gets; None is that of its training.
        device: auto takes a GPU where there is one.
        quiet: no progress on stderr.

    Raises:
        InputError: the checkpoint, the data or the output is at fault.
    """
    started = time.perf_counter()
    frames = find_split(split, data)
    sequences = _sequences(frames, out)
    predictor = open_predictor(folder, size=size, device=device)
    files = dict(zip(frames.frames, find_images(frames, data), strict=True))
    load = partial(load_image, size=predictor.network.size, resampler=predictor.network.resampler)
    with Progress("predict", unit="frame", quiet=quiet) as report, ThreadPoolExecutor(cpu_count()) as pool:
        done = 0
        for sequence, own in sequences.items():
            parts = []
            for chunk in _chunks(own):
                parts.append(predictor(np.stack(list(pool.map(load, (files[frame] for frame in chunk))))))
                report(done + chunk[-1].number - own[0].number + 1, len(files))
            done += len(own)
            path = out if out.suffix in FILES else out / f"{sequence}.txt"
            _write(path, np.concatenate(parts), first=own[0].number)
    what = f"{_what(out)} of {predictor.network.name} on {len(files)} frames of {', '.join(sequences)}, {UNITS}"
    return Summary(out, what, len(files), time.perf_counter() - started, predictor.network.notes)


def _what(out: Path) -> str:
    return "motions from frame to frame" if out.suffix == ".npy" else "poses of the camera"


def _sequences(split: Split, out: Path) -> dict[str, list[Frame]]:
    """The frames of each sequence in order of time."""
    cameras = {frame.camera for frame in split.frames}
    if split.dataset != "kitti_odometry" or len(cameras) > 1:
        raise DatasetError(
            f"{split.name}: frames of {split.dataset}, {', '.join(sorted(cameras))}; poses are predicted for one camera of "
            "kitti_odometry, such as kitti_odom_09/test: choose another --split, or predict depth"
        )
    found = {drive: sorted(frame for frame in split.frames if frame.drive == drive) for drive in split.drives}
    if len(found) > 1 and out.suffix in FILES:
        raise OptionError(f"{out}: {split.name} has {len(found)} sequences; choose a folder for their files as --out")
    for sequence, own in found.items():
        numbers = [frame.number for frame in own]
        holes = np.flatnonzero(np.diff(numbers) != 1)
        if len(holes) or len(own) < 2:
            at = f"goes from frame {numbers[holes[0]]} to {numbers[holes[0] + 1]}" if len(holes) else "has one frame"
            raise DatasetError(
                f"{split.name}: sequence {sequence} {at}; expected every frame between the first and the last, two at least, "
                "because motion is found from one to the next: fill the list, or split it"
            )
    return found


def _chunks(frames: list[Frame]) -> Iterator[list[Frame]]:
    """Runs of frames; each begins with the last one of the run before."""
    for at in range(0, len(frames) - 1, PAIRS):
        yield frames[at : at + PAIRS + 1]


def _write(path: Path, relative: Motions, *, first: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npy":
            with atomic_write(path) as file:
                np.save(file, relative)
            return
        trajectory = chained(relative.astype(np.float64), FORWARD, source=str(path))
        numbered = np.arange(first, first + len(trajectory.poses))
        write_kitti(path, dataclasses.replace(trajectory, frame=numbered))
    except OSError as error:
        raise OptionError(f"{path}: cannot be written ({error.strerror or error}); choose another --out") from error

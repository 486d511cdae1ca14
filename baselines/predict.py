"""Split + data -> prediction file: `depthbench predict`. Each prior becomes a task, which makes the map of one frame."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from baselines import priors
from baselines.prediction_file import Size, Task, check_out, manifest_path, write_predictions
from benchmark.errors import DatasetError, GroundTruthError, OptionError
from benchmark.io.npy import MAX_SIDE
from benchmark.matching import truth_positions
from benchmark.splits import Frame, Split, resolve_split
from datasets_prep import kitti_raw
from datasets_prep.image_lists import other_camera, partner
from datasets_prep.images import read_image
from datasets_prep.roots import data_root
from datasets_prep.sources import require_files


class Plan(NamedTuple):
    """How a prior predicts a split: the method's name, the task, the split that it learnt from, and what to tell the user."""

    method: str
    task: Task
    training: str | None = None
    note: str = ""


class Summary(NamedTuple):
    """What was predicted, and in what time."""

    out: Path
    manifest: Path
    method: str
    split: str
    frames: int
    size: Size
    seconds: float
    note: str

    def text(self) -> str:
        """One line for people, and a second one where there is something to note."""
        line = (
            f"{self.out}: {self.method} on {self.frames} frames of {self.split}, {self.size[0]}x{self.size[1]}, metres, "
            f"{self.seconds:.1f} s, {1000 * self.seconds / self.frames:.1f} ms a frame; {self.manifest} describes it to "
            "`depthbench evaluate`"
        )
        return f"{line}\n{self.note}" if self.note else line


def predict(
    prior: str,
    split: str,
    data: Path | None,
    out: Path,
    *,
    size: Size = (192, 640),
    depth: float | None = None,
    clip: float | None = None,
    train_gt: Path | None = None,
    gt: Path | None = None,
    sigma: float | None = None,
    seed: int | None = None,
    jobs: int | None = None,
    quiet: bool = False,
) -> Summary:
    """Write a prior's depth for every frame of a split, and the manifest beside it. None takes an option's default.

    Args:
        prior: one of PRIORS.
        split: name or list file.
        data: folder that holds `kitti_raw/`, or that folder itself; None is $DEPTHBENCH_DATA.
        out: `.npy` in the split's order, or `.h5` with frame ids; it appears only whole.
        size: (h, w) of the maps.
        depth: metres of `constant`.
        clip: largest depth of `ground_plane` in metres.
        train_gt: ground truth of a training split, for `median_map`.
        gt: ground truth of the split, for `noisy_truth`.
        sigma: standard deviation of the noise's logarithm, for `noisy_truth`.
        seed: of the noise; a frame's noise depends on it and on the frame's id alone.
        jobs: threads; None is one for each usable core.
        quiet: no progress on stderr.

    Raises:
        OptionError: an unknown prior, or options that it does not take, lacks or cannot use.
        InputError: the data or the output is at fault; nothing is left behind.
    """
    started = time.perf_counter()
    given = {"data": data, "depth": depth, "clip": clip, "train_gt": train_gt, "gt": gt, "sigma": sigma, "seed": seed}
    options = _settle(prior, {name: value for name, value in given.items() if value is not None})
    if not all(2 <= side <= MAX_SIDE for side in size):
        raise OptionError(f"--size {size[0]}x{size[1]}: expected a height and a width of 2 to {MAX_SIDE} pixels")
    frames = resolve_split(split)
    check_out(out, frames)
    for given_file in (train_gt, gt):
        if given_file is not None and given_file.resolve() in {out.resolve(), manifest_path(out).resolve()}:
            raise OptionError(f"{out}: --out names the ground truth that is read; choose another name for the predictions")
    plan = OPENERS[prior](frames, size, **options)
    write_predictions(
        out, frames, plan.task, size=size, method=plan.method, training=plan.training, jobs=jobs, quiet=quiet
    )  # fmt: skip
    seconds = time.perf_counter() - started
    return Summary(out, manifest_path(out), plan.method, frames.name, len(frames.frames), size, seconds, plan.note)


def _settle(prior: str, given: dict[str, Any]) -> dict[str, Any]:
    """The options of a prior, those that were given and the defaults of the others."""
    if prior not in PRIORS:
        raise OptionError(f"no method is called {prior!r}; known: {', '.join(PRIORS)}, and stereo_vo for poses")
    takes = PRIORS[prior]
    for name, value in given.items():
        if name not in takes:
            owners = [owner for owner, options in PRIORS.items() if name in options]
            known = f"takes {', '.join(map(_flag, takes))}"
            raise OptionError(f"{_flag(name)} belongs to {' and '.join(owners)}; {prior} {known}")
        if isinstance(value, float) and not 0 < value < math.inf:
            raise OptionError(f"{_flag(name)} {value}: expected a number above zero")
    settled = {**takes, **given}
    for name, value in settled.items():
        if value is REQUIRED:
            raise OptionError(f"{prior} needs {_flag(name)}, a file of `depthbench export_gt`")
    return settled


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _constant(split: Split, size: Size, *, depth: float) -> Plan:
    depths = priors.constant(size, depth_m=depth)
    return Plan(f"constant_{depth:g}m", lambda i: depths)


def _ground_plane(split: Split, size: Size, *, data: Path | None, clip: float) -> Plan:
    calibrations = _calibrations(split, data_root("kitti_raw", data))
    maps = {
        (date, camera): priors.ground_plane(calibrations[date].K(camera), calibrations[date].shape, size, clip_m=clip)
        for date, camera in {_rig(frame) for frame in split.frames}
    }
    return Plan(f"ground_plane_{clip:g}m", lambda i: maps[_rig(split.frames[i])])


def _median_map(split: Split, size: Size, *, train_gt: Path) -> Plan:
    from benchmark.io.ground_truth_hdf5 import read_hdf5

    if not train_gt.is_file():
        raise GroundTruthError(f"{train_gt}: no such file; make it with `depthbench export_gt` from a training split")
    truth = read_hdf5(train_gt)
    try:
        depths = priors.median_map(truth, size)
    except ValueError as error:
        raise GroundTruthError(f"{train_gt}: {error} in any of its {len(truth)} frames; export it again") from error
    shared = len(set(truth.header.frame_id) & set(split.frame_ids))
    note = f"note: {shared} of the frames are in {train_gt} too: the map has seen their ground truth" if shared else ""
    return Plan("median_map", lambda i: depths, truth.header.split, note)


def _sgm(split: Split, size: Size, *, data: Path | None) -> Plan:
    root = data_root("kitti_raw", data)
    find = partial(kitti_raw.image_path, root)
    require_files(split, find, what="image", root=root, dataset="kitti_raw")
    require_files(split, lambda frame: find(partner(frame)), what="second view", root=root, dataset="kitti_raw")
    calibrations = _calibrations(split, root)
    baselines = {rig: _baseline(calibrations[rig[0]], rig[1]) for rig in {_rig(frame) for frame in split.frames}}

    def task(i: int) -> npt.NDArray[np.float32]:
        frame = split.frames[i]
        calibration = calibrations[_rig(frame)[0]]
        image, other = (_image(root, one, calibration) for one in (frame, partner(frame)))
        try:
            return priors.stereo_sgm(
                image, other, focal_px=calibration.K(frame.camera)[0, 0], baseline_m=baselines[_rig(frame)], size=size
            )
        except ValueError as error:
            raise DatasetError(
                f"{find(frame)}: {error} of {split.frame_ids[i]} in {find(partner(frame))}; expected two views of one scene, "
                "neither of them blank: look at both images"
            ) from error

    return Plan("sgm", task)


def _noisy_truth(split: Split, size: Size, *, gt: Path, sigma: float, seed: int) -> Plan:
    from benchmark.io.ground_truth_files import read_ground_truth

    truth = read_ground_truth(gt, split, dataset=split.dataset, depth_kind="exact")
    where = truth_positions(truth, split)

    def task(i: int) -> npt.NDArray[np.float32]:
        name = split.frame_ids[i]
        at = where[i]
        height, width = truth.shape[at].tolist()
        try:
            depths = priors.truth_map(*truth.points(at), (height, width), size)
        except ValueError as error:
            raise GroundTruthError(f"{gt}: {error} in {name}; export it again, or leave this frame out") from error
        # The words of the id seed the generator, so that neither the order of the list nor the threads matter.
        rng = np.random.default_rng([seed, *name.encode()])
        return priors.log_normal_noise(depths, sigma=sigma, rng=rng)

    return Plan(f"noisy_truth_{sigma:g}", task)


def _rig(frame: Frame) -> tuple[str, str]:
    return kitti_raw.date_of(frame.drive), kitti_raw.check_camera(frame)


def _calibrations(split: Split, root: Path) -> dict[str, kitti_raw.Calibration]:
    return {date: kitti_raw.load_calibration(root, date) for date in sorted({_rig(frame)[0] for frame in split.frames})}


def _baseline(calibration: kitti_raw.Calibration, camera: str) -> float:
    """Metres by which the other camera of the pair stands to the right of this one."""
    P, Q = calibration.projection(camera), calibration.projection(other_camera(camera))
    baseline = float(P[0, 3] / P[0, 0] - Q[0, 3] / Q[0, 0])  # a centre lies at x = -P[0, 3] / f
    if baseline == 0 or not np.allclose(P[:, :3], Q[:, :3], atol=0.01):
        raise DatasetError(
            f"{calibration.path}: {camera} and {other_camera(camera)} are no rectified stereo pair (baseline {baseline:g} m, "
            f"fx {P[0, 0]:g} and {Q[0, 0]:g}); expected one K and two places: put the original file back"
        )
    return baseline


def _image(root: Path, frame: Frame, calibration: kitti_raw.Calibration) -> npt.NDArray[np.uint8]:
    """The image (H, W, 3) of a frame, held to the size that its calibration is for."""
    path = kitti_raw.image_path(root, frame)
    image = read_image(path)
    if image.shape[:2] != calibration.shape:
        came, expected = ("x".join(map(str, shape)) for shape in (image.shape[:2], calibration.shape))
        raise DatasetError(
            f"{path}: {came} pixels (height x width), expected {expected}, as {calibration.path} says. The image was resized "
            "or is of another day: put the original back"
        )
    return image


REQUIRED = object()
# The options that each prior takes, with their defaults; `data` of None is $DEPTHBENCH_DATA.
PRIORS: dict[str, dict[str, Any]] = {
    "constant": {"depth": priors.CONSTANT_M},
    "ground_plane": {"data": None, "clip": priors.CLIP_M},
    "median_map": {"train_gt": REQUIRED},
    "sgm": {"data": None},
    "noisy_truth": {"gt": REQUIRED, "sigma": 0.1, "seed": 0},
}
OPENERS: dict[str, Callable[..., Plan]] = {
    "constant": _constant,
    "ground_plane": _ground_plane,
    "median_map": _median_map,
    "sgm": _sgm,
    "noisy_truth": _noisy_truth,
}

"""Where the ground truth of a split comes from: one frozen source per data set, which turns frames into a Part.

A source can be sent to another process or machine: it holds paths and calibrations, no open file. `files` names all that
is read for one frame, the depth first: a shard is made again when any of them changes.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmark.errors import DatasetError
from benchmark.io.ground_truth import PNG_SCALE, Part, sparsify
from benchmark.splits import Frame, Split, resolve_split, split_sha256
from datasets_prep import ddad, ddad_splits, kitti_depth, kitti_raw, packnet_maps
from datasets_prep.ddad_source import DdadSource

SHOWN = 5  # missing files and drives that an error names before it counts the rest
SELECTION = "kitti_depth_selection/val"  # listed from the data set, not from a file of splits
RAW_DEPTHS = ("lidar_forward_x", "camera_z")
SCAN_BYTES = 1 << 22  # an HDL-64 scan has 2 MB


@dataclass(frozen=True)
class RawSource:
    """LiDAR scans of KITTI raw, projected. `calibrations` by recording day."""

    root: Path
    calibrations: dict[str, kitti_raw.Calibration]
    depth_kind: str
    collision: str
    data_scale: float | None = None

    def files(self, frame: Frame) -> tuple[Path, ...]:
        """The scan of a frame; the calibrations are in memory."""
        return (kitti_raw.velodyne_path(self.root, frame),)

    def part(self, frames: Sequence[Frame]) -> Part:
        """Project the scans of consecutive frames."""
        from datasets_prep.lidar import project_scan

        maps, shapes, intrinsics = [], [], []
        buffer = np.empty(SCAN_BYTES, np.uint8)
        for frame in frames:
            calibration = self.calibrations[kitti_raw.date_of(frame.drive)]
            scan = kitti_raw.read_velodyne(kitti_raw.velodyne_path(self.root, frame), buffer=buffer)
            M = calibration.M_image_lidar(frame.camera)
            shape = calibration.shape
            maps.append(project_scan(scan, M, shape=shape, depth=self.depth_kind, collision=self.collision))
            shapes.append(shape)
            intrinsics.append(calibration.K(frame.camera))
        return Part(
            np.array(shapes, np.int64),
            np.stack(intrinsics),
            np.concatenate([m.row_count for m in maps]),
            np.concatenate([m.indices for m in maps]),
            np.concatenate([m.data for m in maps]),
        )


@dataclass(frozen=True)
class AnnotatedSource:
    """Annotated depth PNGs, kept as uint16."""

    root: Path
    depth_kind: str = "annotated_png"
    data_scale: float | None = PNG_SCALE

    def files(self, frame: Frame) -> tuple[Path, ...]:
        """The annotated map of a frame, and the calibration beside it where there is one."""
        return _with_calibration(kitti_depth.annotated_path(self.root, frame), self.root, frame)

    def part(self, frames: Sequence[Frame]) -> Part:
        """Read the maps of consecutive frames."""
        K = np.stack([kitti_depth.find_K(self.root, frame) for frame in frames])
        return sparsify([kitti_depth.load_annotated(self.root, frame) for frame in frames], K)


@dataclass(frozen=True)
class PacknetSource:
    """PackNet-SfM's downloadable LiDAR maps."""

    root: Path
    depth_kind: str = "camera_z"
    data_scale: float | None = None

    def files(self, frame: Frame) -> tuple[Path, ...]:
        """The map of a frame, and the calibration beside it where there is one."""
        return _with_calibration(packnet_maps.map_path(self.root, frame), self.root, frame)

    def part(self, frames: Sequence[Frame]) -> Part:
        """Read the maps of consecutive frames."""
        K = np.stack([kitti_depth.find_K(self.root, frame) for frame in frames])
        return sparsify([packnet_maps.load_map(self.root, frame) for frame in frames], K)


@dataclass(frozen=True)
class SelectionSource:
    """The devkit's cropped validation maps."""

    selected: dict[Frame, kitti_depth.SelectedFrame]
    depth_kind: str = "annotated_png"
    data_scale: float | None = PNG_SCALE

    def files(self, frame: Frame) -> tuple[Path, ...]:
        """The cropped map of a frame and its intrinsics."""
        return self.selected[frame].depth, self.selected[frame].intrinsics

    def part(self, frames: Sequence[Frame]) -> Part:
        """Read the maps of consecutive frames."""
        chosen = [self.selected[frame] for frame in frames]
        K = np.stack([kitti_depth.read_selection_K(one.intrinsics) for one in chosen])
        return sparsify([kitti_depth.load_selected(one) for one in chosen], K)


def _with_calibration(depth: Path, root: Path, frame: Frame) -> tuple[Path, ...]:
    calibration = kitti_depth.find_calibration(root, frame)
    return (depth,) if calibration is None else (depth, calibration)


Source = RawSource | AnnotatedSource | PacknetSource | SelectionSource | DdadSource


def find_split(dataset: str, root: Path, split: str | None, camera: str | None, *, context: Sequence[int] = ()) -> Split:
    """The frames to export: a split's name, a list file, or the devkit's cropped selection.

    Args:
        dataset: one of DEPTH_KINDS.
        root: of the data set; the cropped selection is listed from it.
        split: None is the field's test split of the data set.
        camera: takes the place of every frame's camera, such as `image_03`; of DDAD, the cameras to export, such as
            `CAMERA_01`. The split is then another one.
        context: of DDAD, neighbours that every frame must have, in samples.

    Raises:
        DatasetError: the frames are of another data set, or repeat once the camera is replaced.
    """
    name = split or DEFAULT_SPLITS[dataset]
    if dataset == "ddad":
        return ddad_splits.find_split(root, name, camera, context=context)
    listed = dataset == "kitti_depth" and name == SELECTION
    found = _selection_split(root) if listed else resolve_split(name)
    if camera is not None:
        found = _with_camera(found, camera)
    if found.dataset not in {dataset, "kitti_raw"}:
        raise DatasetError(
            f"{name}: a list of {found.dataset}, its first drive is {found.drives[0]!r}; {dataset} has no ground truth for "
            "it. Choose a list of KITTI raw frames, such as kitti_eigen/test"
        )
    if "image" in found.drives:
        raise DatasetError(
            f"{name}: the test images of the depth benchmark are anonymous, their depth is not published. Choose another "
            "list, such as kitti_eigen_benchmark/test"
        )
    return found


def _selection_split(root: Path) -> Split:
    frames = tuple(one.frame for one in kitti_depth.selection(root))
    sha256 = split_sha256(frames, ordered=True)
    source = "KITTI depth devkit, val_selection_cropped, sorted by file name"
    return Split(SELECTION, "kitti_depth", "val", True, frames, sha256, source)


def _with_camera(split: Split, camera: str) -> Split:
    if camera not in kitti_raw.CAMERAS:
        raise DatasetError(f"unknown camera {camera!r}; known: {', '.join(kitti_raw.CAMERAS)}")
    frames = tuple(frame._replace(camera=camera) for frame in split.frames)
    if frames == split.frames:
        return split
    if len(set(frames)) < len(frames):
        raise DatasetError(
            f"{split.name}: {len(frames) - len(set(frames))} frames would repeat with --camera {camera}, because the "
            "list holds both cameras; export it without --camera"
        )
    sha256 = split_sha256(frames, split.ordered)
    return Split(f"{split.name}@{camera}", split.dataset, split.role, split.ordered, frames, sha256, split.source)


def open_source(
    dataset: str, root: Path, split: Split, *, depth: str | None, collision: str, depth_rule: str = "last_point",
    ego_masks: Path | None = None,
) -> Source:  # fmt: skip
    """The source of a split's ground truth, all its files present.

    Args:
        dataset: one of DEPTH_KINDS.
        root: of the data set.
        split: the frames that are asked for.
        depth: `lidar_forward_x` (None) or `camera_z` for KITTI raw; annotated depth has one kind.
        collision: see `lidar.project_scan`.
        depth_rule: DDAD's, see `ddad.project_points`.
        ego_masks: DDAD's folder of masks; points on the car itself are then left out.

    Raises:
        DatasetError: files are missing, a calibration is damaged, or the data set has no such depth.
    """
    kinds = DEPTH_KINDS[dataset]
    kind = depth or kinds[0]
    if kind not in kinds:
        raise DatasetError(f"{dataset} has no depth {kind!r}; known: {', '.join(kinds)}")
    if split.name == SELECTION:
        return SelectionSource({one.frame: one for one in kitti_depth.selection(root)})
    if dataset == "kitti_raw":
        return _raw_source(root, split, kind, collision)
    if dataset == "ddad":
        return _ddad_source(root, split, depth_rule, ego_masks)
    source = AnnotatedSource(root) if dataset == "kitti_depth" else PacknetSource(root)
    require_files(split, lambda frame: source.files(frame)[0], what="depth map", root=root, dataset=dataset)
    return source


def _raw_source(root: Path, split: Split, kind: str, collision: str) -> RawSource:
    # The scans first: where nothing is there, their count says more than the first calibration that is missing.
    scan = partial(kitti_raw.velodyne_path, root)
    require_files(split, scan, what="LiDAR scan", root=root, dataset="kitti_raw")
    cameras = sorted({(kitti_raw.date_of(frame.drive), kitti_raw.check_camera(frame)) for frame in split.frames})
    calibrations = {date: kitti_raw.load_calibration(root, date) for date in dict(cameras)}
    for date, camera in cameras:
        calibrations[date].projection(camera)  # a camera without one is said now, not after half of the scans
    return RawSource(root, calibrations, kind, collision)


def _ddad_source(root: Path, split: Split, rule: str, ego_masks: Path | None) -> DdadSource:
    files = ddad.scene_files(root)
    source = DdadSource({scene: files[scene] for scene in split.drives if scene in files}, rule, ego_masks)
    require_files(split, lambda frame: source.files(frame)[0], what="LiDAR scan", root=root, dataset="ddad")
    # A camera without calibration or mask is said now, not after half of the scans.
    seen: set[tuple[Path, str]] = set()
    for frame in split.frames:
        one = ddad.recording(source.scenes, frame)
        if (one.calibration, frame.camera) not in seen:
            seen.add((one.calibration, frame.camera))
            one.K()
            source.mask(frame)
    return source


def require_files(
    split: Split, path_of: Callable[[Frame], Path], *, what: str, root: Path, dataset: str, shown: int = SHOWN
) -> None:
    """Raise DatasetError unless every frame has its file: counts by drive, the first `shown` names, what to do."""
    missing = [frame for frame in split.frames if not path_of(frame).is_file()]
    if not missing:
        return
    drives = Counter(frame.drive for frame in missing)
    counts = [f"{drive} {count}" for drive, count in drives.most_common(SHOWN)]
    paths = list(dict.fromkeys(path_of(frame) for frame in missing))  # cameras share a scan
    names = [str(path.relative_to(root)) for path in paths[:shown]]
    raise DatasetError(
        f"{root}: {len(missing)} of the {len(split.frames)} frames of {split.name} have no {what}. Missing by drive: "
        f"{_listed(counts, len(drives), 'drives')}. First: {_listed(names, len(paths), 'files')}. Nothing was "
        f"written; {_where_to_get(dataset, root, split)}"
    )


def _where_to_get(dataset: str, root: Path, split: Split) -> str:
    if dataset == "packnet_kitti":
        return packnet_maps.OBTAIN
    if dataset == "ddad":
        return ddad.OBTAIN
    name = split.source if split.role == "custom" else split.name.partition("@")[0]
    command = ["depthbench", "datasets", "verify", "--dataset", dataset, "--data", str(root), "--split", name]
    return f"`{shlex.join(command)}` names their archives"


def _listed(shown: Sequence[str], total: int, noun: str) -> str:
    rest = total - len(shown)
    return ", ".join(shown) + (f" and {rest} more {noun}" if rest else "")


DEFAULT_SPLITS = {
    "kitti_raw": "kitti_eigen/test",
    "kitti_depth": "kitti_eigen_benchmark/test",
    "packnet_kitti": "kitti_eigen/test",
    "ddad": "ddad/val",
}
DEPTH_KINDS = {
    "kitti_raw": RAW_DEPTHS,
    "kitti_depth": ("annotated_png",),
    "packnet_kitti": ("camera_z",),
    "ddad": ("camera_z",),
}

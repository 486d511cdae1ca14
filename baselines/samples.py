"""Split -> training samples: for each target the images of its sources, intrinsics, and the side of the other camera."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from baselines.conventions import FOCAL
from baselines.image_sources import IMAGE_SOURCES, ImageSource, Matrix
from benchmark.errors import DatasetError, OptionError, TrainingError
from benchmark.splits import Frame, Split, resolve_split
from datasets_prep import ddad, ddad_splits
from datasets_prep.image_lists import frame_names, partner
from datasets_prep.roots import data_root

if TYPE_CHECKING:
    from baselines.batch import Source

Neighbours = Literal["required", "available"]

INTRINSICS = ("kitti", "calibrated")
# The field's intrinsics of every KITTI image, in widths and heights (monodepth2 datasets/kitti_dataset.py at b676244).
FIXED_K = np.array([[FOCAL, 0, 0.5], [0, 1.92, 0.5], [0, 0, 1]])
# -1: the target is the left camera of the pair, 1: it is the right one (monodepth2 datasets/mono_dataset.py at b676244).
SIDES = {f"image_{digits}": -1 if int(digits) % 2 == 0 else 1 for digits in ("00", "01", "02", "03", "0", "1", "2", "3")}


@dataclass(frozen=True)
class Samples:
    """n training samples of one split; sample i is of `split.frames` less those that lack a neighbour, in that order.

    `sources`: keys of the images, the target 0 first. `frames`: (n, sources) the frame of each source. `files`: the image file
    of every frame that occurs. `K`: (n, 3, 3) float64 in widths and heights of the image, of which `pixel_K` makes pixels.
    `side`: (n,) int8, -1 where the target is the left camera of its pair, 1 where it is the right one; 0 without "s".
    `calibrated`: K is the camera's own, and not the field's fixed one. `notes`: what people should know, such as how many
    targets were left out.
    """

    split: Split
    root: Path
    sources: tuple[Source, ...]
    frames: tuple[tuple[Frame, ...], ...]
    files: dict[Frame, Path]
    K: Matrix
    side: npt.NDArray[np.int8]
    calibrated: bool
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def targets(self) -> tuple[Frame, ...]:
        """The target of each sample."""
        return tuple(one[0] for one in self.frames)

    @cached_property
    def image_format(self) -> str:
        """`png` as distributed, `jpg` as the field converts the images before training, or `mixed`."""
        kinds = {path.suffix.lower().replace("jpeg", "jpg") for path in self.files.values()}
        return kinds.pop()[1:] if len(kinds) == 1 else "mixed"

    def pixel_K(self, size: tuple[int, int]) -> npt.NDArray[np.float32]:
        """K (n, 3, 3) in pixels of images of `size` (h, w): rows times width and height, as the field does.

        Pixel centres are at whole numbers, so that an exact rescaling would also move the principal point, by less than half a
        pixel; the field leaves that out, and so do we.
        """
        return (np.array([size[1], size[0], 1.0])[:, None] * self.K).astype(np.float32)


def find_split(name: str, data: Path | None) -> Split:
    """The split of that name or list file; DDAD lists its own, also by camera (`ddad/train@CAMERA_01`)."""
    if name.partition("@")[0] in ddad_splits.OWN_LISTS and not Path(name).is_file():
        return ddad_splits.find_split(data_root("ddad", data), name)
    return resolve_split(name)


def find_images(split: Split, data: Path | None) -> list[Path]:
    """The image file of every frame of a split, in its order; DatasetError where some are missing."""
    root, source = _open(split, data, stereo=False)
    _require(source.files, split.frames, what="image", split=split, root=root)
    return [source.files[frame] for frame in split.frames]


def find_samples(
    split: Split, data: Path | None, *, context: Sequence[int] = (-1, 1), stereo: bool = False, intrinsics: str = "kitti",
    neighbours: Neighbours = "available",
) -> Samples:  # fmt: skip
    """The samples of a split, every image of theirs present.

    Args:
        split: targets of kitti_raw, kitti_odometry or ddad.
        data: folder that holds the data set under its name, or that folder itself; None is $DEPTHBENCH_DATA.
        context: offsets of the neighbours in time, without the target's 0.
        stereo: also the other camera of the pair, as source "s".
        intrinsics: "kitti", the field's fixed ones for every image, or "calibrated", those of the data set.
        neighbours: of a target that lacks a neighbour. "available": it is left out, and a note counts such targets, because
            recordings begin, end and have holes. "required": it is an error, because the list was published with them all.

    Raises:
        OptionError: options that no data set takes, or that this one does not.
        DatasetError: an image of a target, or of the other camera, is missing: the first ten, and how many.
        TrainingError: nothing is left.
    """
    offsets = tuple(context)
    _check(split, offsets, stereo=stereo, intrinsics=intrinsics)
    root, source = _open(split, data, stereo=stereo)
    _require(source.files, split.frames, what="image", split=split, root=root)
    others = [partner(frame) for frame in split.frames] if stereo else []
    _require(source.files, others, what="image of the other camera", split=split, root=root)
    around = {frame: tuple(source.neighbour(frame, step) for step in offsets) for frame in split.frames}
    whole = {frame: tuple(one for one in own if one in source.files) for frame, own in around.items()}
    lacking = [frame for frame in split.frames if len(whole[frame]) < len(offsets)]
    notes = _note(split, lacking, offsets, root, required=neighbours == "required")
    targets = [frame for frame in split.frames if len(whole[frame]) == len(offsets)]
    frames = tuple((frame, *whole[frame], *((partner(frame),) if stereo else ())) for frame in targets)
    calibrated = intrinsics == "calibrated"
    return Samples(
        split=split, root=root, sources=(0, *offsets, *(("s",) if stereo else ())), frames=frames,
        files={frame: source.files[frame] for one in frames for frame in one},
        K=np.stack([source.K(frame) if calibrated else FIXED_K for frame in targets]),
        side=np.array([SIDES[frame.camera] if stereo else 0 for frame in targets], np.int8),
        calibrated=calibrated, notes=(*split.notes, *notes),
    )  # fmt: skip


def _open(split: Split, data: Path | None, *, stereo: bool) -> tuple[Path, ImageSource]:
    if split.dataset not in IMAGE_SOURCES:
        raise OptionError(f"{split.name}: frames of {split.dataset}; expected a split of {', '.join(IMAGE_SOURCES)}")
    try:
        root = data_root(split.dataset, data)
    except DatasetError as error:
        if command := _rendered_by(split, data or Path("DIR")):
            raise DatasetError(f"{error} The frames of {split.name} are rendered: {command}") from error
        raise
    return root, IMAGE_SOURCES[split.dataset](root, split, stereo=stereo)


def _check(split: Split, offsets: tuple[int, ...], *, stereo: bool, intrinsics: str) -> None:
    if intrinsics not in INTRINSICS:
        raise OptionError(f"intrinsics {intrinsics!r}: expected {' or '.join(INTRINSICS)}")
    if 0 in offsets or len(set(offsets)) < len(offsets) or not (offsets or stereo):
        raise OptionError(
            f"context {list(offsets)}, stereo {stereo}: expected neighbours such as -1 and 1, each once and without 0, or the "
            "other camera: without another view there is nothing to compare the target with"
        )
    if split.dataset == "ddad" and (stereo or intrinsics == "kitti"):
        raise OptionError(
            f"{split.name}: ddad has no stereo pairs, and its cameras are not KITTI's; expected stereo false and intrinsics "
            "'calibrated'"
        )


def _require(files: Mapping[Frame, Path], frames: Sequence[Frame], *, what: str, split: Split, root: Path) -> None:
    missing = [frame for frame in frames if frame not in files]
    if missing:
        raise DatasetError(
            f"{root}: {len(missing)} of the {len(frames)} frames of {split.name} have no {what}: {frame_names(missing)}. Fetch "
            f"what is missing ({_where_to_get(split, root)}), or choose a list of frames that are there"
        )


def _note(split: Split, lacking: Sequence[Frame], offsets: Sequence[int], root: Path, *, required: bool) -> tuple[str, ...]:
    """What to say of targets that lack a neighbour: nothing, a note, or an error."""
    if not lacking:
        return ()
    text = " or ".join(f"{step:+d}" for step in offsets)
    head = f"{len(lacking)} of the {len(split.frames)} frames of {split.name} lack their neighbour {text}"
    if required:
        raise DatasetError(
            f"{root}: {head}: {frame_names(lacking)}. The recipe requires them, as the list was published with them: fetch "
            f"the rest of the data ({_where_to_get(split, root)}), or let the recipe say `neighbours: available`, which leaves "
            "such frames out"
        )
    if len(lacking) == len(split.frames):
        raise TrainingError(
            f"{root}: {head}: {frame_names(lacking)}. No sample is left: choose a split of consecutive frames, or "
            "another context"
        )
    drives = f"{len({frame.drive for frame in lacking})} of {len(split.drives)} recordings"
    return (f"{head} and are left out, in {drives}; the first is {frame_names(lacking[:1])}",)


def _where_to_get(split: Split, root: Path) -> str:
    """What brings the frames of a split: the renderer where they are its own, else whoever distributes them."""
    if command := _rendered_by(split, root.parent):
        return f"{command} renders it"
    if split.dataset == "ddad":
        return ddad.OBTAIN
    return (
        f"`{shlex.join(['depthbench', 'datasets', 'verify', '--data', str(root), '--split', _name(split)])}` names the archives"
    )


def _rendered_by(split: Split, out: Path) -> str:
    """The command that renders the drives of a split into a folder, like what is there; empty where they are not its own."""
    from datasets_prep.world.make import FORMS  # compiled loops, wanted here alone
    from datasets_prep.world.record import read_record

    form = FORMS[split.dataset]
    if not all(form.name.fullmatch(drive) for drive in split.drives):
        return ""
    record = read_record(form, out / form.folder)
    same = ["--size", f"{record.height}x{record.width}", "--seed", str(record.seed)] if record else []
    return f"`{shlex.join(['depthbench', 'datasets', 'render', '--out', str(out), '--split', _name(split), *same])}`"


def _name(split: Split) -> str:
    """What to pass as --split."""
    return split.source if split.role == "custom" else split.name

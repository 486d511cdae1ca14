"""Which frames of DDAD: its own lists or a file, all cameras or some, with or without their neighbours in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmark.errors import DatasetError, OptionError
from benchmark.listed_splits import gaps
from benchmark.splits import Frame, IndexEntry, Split, load_split, read_index, read_list, split_sha256
from datasets_prep import ddad

OWN_LISTS = ("ddad/train", "ddad/val")
MAX_CONTEXT = 100  # samples; a scene has 50 or 100


def find_split(root: Path, name: str, cameras: str | None = None, *, context: Sequence[int] = ()) -> Split:
    """The frames of `ddad/train` and `ddad/val`, whose scenes the data set lists, of another split in its layout, or of a file.

    Scenes and samples may have fewer cameras than others: `notes` name those of the data set's own lists.

    Args:
        root: of the data set.
        name: of a split, also with its cameras (`ddad/val@CAMERA_01`), or a list file.
        cameras: `CAMERA_01,CAMERA_05`; None is all. A choice of cameras is another split, `ddad/val@CAMERA_01`.
        context: offsets in samples, such as (-1, 1); only frames that have all these neighbours stay, as `+context-1,1`.

    Raises:
        DatasetError: a camera that no frame has, a list of another data set, or frames that the data set lacks.
        OptionError: cameras given twice, or a context that is none.
    """
    base, at, chosen = name.partition("@")
    if at and not chosen and not Path(name).is_file():
        raise OptionError(f"--split {name}: no camera after the @; expected one such as {base}@CAMERA_01, or {base}")
    if chosen and cameras:
        raise OptionError(f"--split {name} --camera {cameras}: the cameras are named twice; leave --camera out")
    if base in OWN_LISTS:
        split = _own(root, base, cameras or chosen)
    elif base in read_index():
        split = _with_cameras(_held_to_ddad(load_split(base)), cameras or chosen)
    elif Path(name).is_file():
        split = _with_cameras(_held_to_ddad(read_list(Path(name))), cameras)
    else:
        raise DatasetError(f"{name}: no split of ddad and no file of that name; choose ddad/val, ddad/train or a list file")
    return _with_context(split, ddad.scene_files(root), context) if context else split


def _own(root: Path, name: str, cameras: str | None) -> Split:
    entry = read_index()[name]
    files = ddad.scene_files(root, entry.role)
    _require_scenes(root, name, files)
    frames: list[Frame] = []
    samples: dict[str, int] = {}
    for scene, file in files.items():
        found = ddad.recordings(file)
        frames += found
        samples[scene] = len({one.sample for one in found.values()})
    if not frames:
        raise DatasetError(f"{root}: no sample of the {len(files)} scenes of {name} has an image. {ddad.OBTAIN}")
    split = _with_cameras(_of(Split(name, "ddad", entry.role, True, (), "", entry.source), frames), cameras)
    blind = {scene: n for scene, file in files.items() if (n := ddad.without_image(file))}
    notes = _short(entry, samples), _blind(blind), *gaps(split.frames, samples, {frame.camera for frame in split.frames})
    return replace(split, notes=tuple(filter(None, notes)))


def _require_scenes(root: Path, name: str, files: Mapping[str, Path]) -> None:
    """Look for all scene files before the first is read."""
    absent = [file for file in files.values() if not file.is_file()]
    if absent:
        raise DatasetError(
            f"{root}: {len(absent)} of {len(files)} scenes of {name} have no scene file, the first is "
            f"{absent[0].relative_to(root)}; unpack the whole archive there: {ddad.OBTAIN}"
        )


def _short(entry: IndexEntry, samples: Mapping[str, int]) -> str:
    """What to know of a tree with other scenes or samples than were published; nothing of a whole one."""
    n = sum(samples.values())
    if (len(samples), n) == (entry.drives, entry.frames):
        return ""
    here = f"{len(samples)} of {entry.drives} scenes and {n} of {entry.frames} samples are here"
    return f"{here}: this is not the whole published split, and no protocol scores it as that"


def _blind(scenes: Mapping[str, int]) -> str:
    """The samples of scenes that have no image."""
    total = sum(scenes.values())
    return f"samples without any image: {total} in {len(scenes)} scenes, the first in {next(iter(scenes))}" if scenes else ""


def _of(split: Split, frames: Sequence[Frame], suffix: str = "") -> Split:
    """The split with other frames, under a name that says which."""
    kept = tuple(frames)
    return replace(split, name=split.name + suffix, frames=kept, sha256=split_sha256(kept, split.ordered))


def _held_to_ddad(split: Split) -> Split:
    if split.dataset != "ddad":
        raise DatasetError(
            f"{split.name}: a list of {split.dataset}, its first drive is {split.drives[0]!r}; expected frames of ddad"
        )
    return split


def _with_cameras(split: Split, cameras: str | None) -> Split:
    if not cameras:
        return split
    wanted, present = set(cameras.upper().replace(",", " ").split()), {frame.camera for frame in split.frames}
    if not wanted or not wanted <= present:
        unknown = ", ".join(sorted(wanted - present)) or repr(cameras)
        raise DatasetError(
            f"{split.name}: no frame of the camera {unknown}; it has {', '.join(sorted(present))}. Choose another --camera"
        )
    return _of(split, [frame for frame in split.frames if frame.camera in wanted], f"@{','.join(sorted(wanted))}")


def _with_context(split: Split, scenes: Mapping[str, Path], context: Sequence[int]) -> Split:
    offsets = sorted(set(context) - {0})
    text = ",".join(map(str, offsets))
    if not offsets or max(map(abs, offsets)) > MAX_CONTEXT:
        raise OptionError(
            f"--context {','.join(map(str, context))}: expected offsets in samples, not 0 and at most {MAX_CONTEXT}, such as "
            "-1,1"
        )
    kept = []
    for frame in split.frames:
        ddad.recording(scenes, frame)
        if None not in ddad.neighbours(scenes[frame.drive], frame, offsets):
            kept.append(frame)
    if not kept:
        raise DatasetError(
            f"{split.name}: none of its {len(split.frames)} images has all the neighbours {text}; choose another --context"
        )
    gone = len(split.frames) - len(kept)
    notes = [f"{gone} of {len(split.frames)} images are left out, because they lack a neighbour of --context {text}"]
    return replace(_of(split, kept, f"+context{text}"), notes=(*split.notes, *notes[: gone > 0]))

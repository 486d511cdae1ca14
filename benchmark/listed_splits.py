"""Splits whose list comes with the data set, held to the index by the frames of their exported ground truth.

The name of such a split may go on. `ddad/val@CAMERA_01,CAMERA_05` has the frames of these cameras alone; what follows a plus
was declared at the export: `ddad/val+context-1,1` has the samples with these neighbours, `+nearest_point` and `+ego_masks` say
that the depth is another one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from benchmark.errors import GroundTruthError, SplitError
from benchmark.split_formats import dataset_of
from benchmark.splits import Frame, IndexEntry, Split, find_entry, parse_frame_id, split_sha256

NAME = re.compile(r"(?P<base>[^@+]*)(?:@(?P<cameras>[^@+]*))?(?P<declared>(?:\+[^@+]*)*)")
CONTEXT = re.compile(r"\+context(-?[0-9]+(?:,-?[0-9]+)*)")
SHOWN = 5  # gaps that a note names before it counts the rest


def listed_split(name: str, ids: Sequence[str], *, exported: str) -> Split:
    """The split of that name out of an exported ground truth, which may hold more cameras; `notes` say what it lacks.

    Args:
        name: of the split, or of a choice of it.
        ids: frame ids of the ground truth.
        exported: the split that the ground truth says it holds.

    Raises:
        SplitError: the name is unknown, the number of frames or samples is not the published one, a frame repeats or is of
            another data set.
        GroundTruthError: the ground truth was exported for other cameras, or with other declared options.
    """
    entry, asked, held = find_entry(name), NAME.fullmatch(name), NAME.fullmatch(exported)
    if entry is None or entry.sha256 is not None or asked is None:
        raise SplitError(f"unknown split {name!r} among those whose list comes with the data set; see `depthbench splits list`")
    wanted, there = (set(m["cameras"].split(",")) if m and m["cameras"] else set() for m in (asked, held))
    if held and (held["declared"] != asked["declared"] or (there and not (wanted and wanted <= there))):
        raise GroundTruthError(
            f"the ground truth was exported as {exported}, expected {name}: other cameras or options make another number. "
            f"Export it so with `depthbench export_gt`, or choose a protocol on {exported}"
        )
    frames = _parsed(name, ids, entry)
    chosen = tuple(frame for frame in frames if not wanted or frame.camera in wanted)
    notes: tuple[str, ...] = ()
    if entry.counts == "samples":
        notes = _hold_samples(name, frames, wanted, entry)
    elif len(ids) != entry.frames:
        raise SplitError(
            f"{name}: {len(ids)} frames, expected {entry.frames} ({entry.source}); the data set is incomplete where its "
            "ground truth was exported"
        )
    sha256 = split_sha256(chosen, entry.ordered)
    return Split(name, entry.dataset, entry.role, entry.ordered, chosen, sha256, entry.source, notes)


def gaps(frames: Iterable[Frame], samples: Mapping[str, int], cameras: Iterable[str]) -> tuple[str, ...]:
    """One note that names the scenes in which a camera has fewer frames than there are samples; none if all are there."""
    found = Counter((frame.drive, frame.camera) for frame in frames)
    lacks = [(scene, c, n, n - found[scene, c]) for scene, n in samples.items() for c in sorted(cameras) if found[scene, c] < n]
    if not lacks:
        return ()
    shown = [f"{camera} in {missing} of the {n} samples of {scene}" for scene, camera, n, missing in lacks[:SHOWN]]
    rest = f" and {len(lacks) - SHOWN} more" if len(lacks) > SHOWN else ""
    scenes, total = len({scene for scene, *_ in lacks}), sum(missing for *_, missing in lacks)
    gone = "1 image in all is" if total == 1 else f"{total} images in all are"
    return (f"{scenes} of {len(samples)} scenes have fewer cameras, {gone} not there: {', '.join(shown)}{rest}",)


def _parsed(name: str, ids: Sequence[str], entry: IndexEntry) -> tuple[Frame, ...]:
    # The frames of KITTI depth that were not made anonymous keep the drives of KITTI raw.
    namings = {entry.dataset, "kitti_raw"} if entry.dataset == "kitti_depth" else {entry.dataset}
    frames: dict[Frame, None] = {}
    for text in ids:
        frame = parse_frame_id(text)
        if frame in frames or dataset_of(frame) not in namings:
            problem = "repeats" if frame in frames else f"is no frame of {entry.dataset}"
            raise SplitError(f"{name}: {text} {problem}; export the ground truth again with `depthbench export_gt`")
        frames[frame] = None
    return tuple(frames)


def _hold_samples(name: str, frames: Sequence[Frame], wanted: set[str], entry: IndexEntry) -> tuple[str, ...]:
    """Every scene, one camera of which has every sample; the note on cameras that lack some."""
    found = Counter((frame.drive, frame.camera) for frame in frames)
    samples: dict[str, int] = {}
    for (scene, _), n in found.items():
        samples[scene] = max(n, samples.get(scene, 0))
    expected = entry.frames - (entry.drives or 0) * _dropped(name)
    if (len(samples), sum(samples.values())) != (entry.drives, expected):
        raise SplitError(
            f"{name}: {len(samples)} scenes with {sum(samples.values())} samples ({len(frames)} images), expected "
            f"{entry.drives} with {expected} ({entry.source}); the data set is incomplete where its ground truth was exported, "
            "or a scene lacks the one camera that was: `depthbench export_gt` without --camera tells"
        )
    return gaps(frames, samples, wanted or {frame.camera for frame in frames})


def _dropped(name: str) -> int:
    """Samples that each scene loses at its ends, where not all neighbours of a declared context exist."""
    context = CONTEXT.search(name)
    offsets = [0, *map(int, context[1].split(","))] if context else [0]
    return max(offsets) - min(offsets)

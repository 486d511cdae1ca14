"""Which ground truth belongs to which prediction: joined by frame id, never by position, except for a bare array."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmark.errors import GroundTruthError, PredictionError
from benchmark.io.ground_truth import GroundTruth
from benchmark.io.predictions import Predictions, positions
from benchmark.protocol import DepthProtocol
from benchmark.splits import Split, find_entry, read_index

# What an export declares in the name of its split because it changes the depth; `ddad/val+nearest_point`.
DEPTH_OPTIONS = re.compile(r"\+(nearest_point|ego_masks)")


def depth_options(split: str) -> frozenset[str]:
    """The options in the name of a split that its depth was made with; a list file of one's own names none."""
    return frozenset(DEPTH_OPTIONS.findall(split))


@dataclass(frozen=True)
class Match:
    """The frames of a protocol in order, with their place in the ground truth and in the predictions (None: missing)."""

    split: Split
    frame_id: tuple[str, ...]
    truth: tuple[int, ...]
    prediction: tuple[int | None, ...]
    surplus: int


def match(truth: GroundTruth, predictions: Predictions, *, split: Split, pred_split: Split) -> Match:
    """Join by id.

    Args:
        truth: may hold more frames than the split.
        predictions: may hold more frames than the split; a bare array follows `pred_split`.
        split: the frames of the protocol.
        pred_split: the frames a bare array was predicted for.

    Raises:
        GroundTruthError: frames of the split have no ground truth.
        PredictionError: a bare array of another length, or nothing in common.
    """
    where = truth_positions(truth, split)
    check_length(predictions, pred_split)
    found = positions(predictions, pred_split.frame_ids, split.frame_ids)
    used = sum(i is not None for i in found)
    if used == 0:
        raise PredictionError(
            f"{predictions.source}: none of its {len(predictions)} predictions is a frame of {split.name}, whose first frame "
            f"is {split.frame_ids[0]}; predict those frames, or choose the protocol of the list that was predicted"
        )
    surplus = len(predictions) - used + predictions.surplus
    return Match(split, split.frame_ids, where, tuple(found), surplus)


def truth_positions(truth: GroundTruth, split: Split) -> tuple[int, ...]:
    """Where each frame of the split lies in the ground truth.

    Raises:
        GroundTruthError: frames of the split have no ground truth.
    """
    index = {name: i for i, name in enumerate(truth.header.frame_id)}
    absent = [name for name in split.frame_ids if name not in index]
    if absent:
        raise GroundTruthError(
            f"{truth.source}: the ground truth ({truth.header.split}, {len(truth)} frames) lacks {len(absent)} of the "
            f"{len(split.frame_ids)} frames of {split.name}, the first is {absent[0]}; export it with "
            f"`depthbench export_gt --split {split.name}`"
        )
    return tuple(index[name] for name in split.frame_ids)


def check_length(predictions: Predictions, pred_split: Split) -> None:
    """A bare array follows an ordered list and has its length; predictions with frame ids may have any.

    Raises:
        PredictionError: another length, with the list that has it where there is one.
    """
    if predictions.frame_id is not None:
        return
    n, expected = len(predictions), len(pred_split.frame_ids)
    if not pred_split.ordered:
        raise PredictionError(
            f"{predictions.source}: an array has no names, and {pred_split.name} is a set of frames without an order; save the "
            "predictions with frame ids, as .h5 or a folder"
        )
    if n == expected:
        return
    others = [
        name
        for name, entry in read_index().items()
        if (entry.dataset, entry.frames, entry.ordered) == (pred_split.dataset, n, True) and entry.sha256 is not None
    ]
    if predictions.shape and expected in predictions.shape[1:]:
        axis = predictions.shape.index(expected, 1)
        hint = f"the shape is {predictions.shape}: if the frames lie along axis {axis}, save np.moveaxis(array, {axis}, 0)"
    elif others:
        hint = (
            f"{n} is the length of {others[0]}: if that is what was predicted, add `--pred-split {others[0]}`, "
            "and the frames both lists share are joined by name"
        )
    else:
        hint = (
            "an array has no names, so its order and length must be those of the list: predict exactly that list, or save "
            "a folder named by frame"
        )
    raise PredictionError(
        f"{predictions.source}: holds {n} predictions; {pred_split.name} has {expected} frames, in that order. "
        f"{hint[0].upper()}{hint[1:]}"
    )


def check_ground_truth(truth: GroundTruth, protocol: DepthProtocol) -> None:
    """The ground truth is of the kind the protocol is defined on.

    Raises:
        GroundTruthError: another data set, another kind of depth, or depth that was made with other declared options.
    """
    wanted, header = protocol.ground_truth, truth.header
    made, asked = depth_options(header.split), depth_options(protocol.split)
    if made != asked and find_entry(protocol.split) is not None:
        raise GroundTruthError(
            f"{truth.source}: the ground truth was exported as {header.split}, and {protocol.name} is defined on "
            f"{protocol.split}: its depth is another one. Export it as {protocol.split}, or "
            "score it under a protocol of your own whose split is a list file"
        )
    if (header.dataset, header.depth_kind) != (wanted.dataset, wanted.depth_kind):
        raise GroundTruthError(
            f"{truth.source}: the ground truth is {header.depth_kind} of {header.dataset}; {protocol.name} is defined on "
            f"{wanted.depth_kind} of {wanted.dataset}, and numbers on the two cannot be compared. Export the other one, or "
            "choose the protocol made for this one"
        )

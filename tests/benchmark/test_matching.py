"""Frames are joined by name; a bare array needs the length of its list."""

import dataclasses
import re

import numpy as np
import pytest
import small_world as world
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import GroundTruthError, PredictionError
from benchmark.io.ground_truth import GroundTruth
from benchmark.io.predictions import ArrayPredictions
from benchmark.matching import check_ground_truth, match
from benchmark.protocol import load_protocol
from benchmark.splits import Split, load_split

FIVE = world.tiny_split(5)
IDS = FIVE.frame_ids


def part_of(kept: list[int]) -> Split:
    return dataclasses.replace(FIVE, frames=tuple(FIVE.frames[i] for i in kept))


@given(
    truth=st.permutations(range(5)),
    named=st.lists(st.integers(0, 4), min_size=1, unique=True),
    wanted=st.lists(st.integers(0, 4), min_size=1, unique=True),
)
def test_every_frame_meets_its_own(truth: list[int], named: list[int], wanted: list[int]) -> None:
    ground_truth = world.truth_of(truth)
    predictions = ArrayPredictions(world.predictions(len(named)), frame_id=tuple(IDS[i] for i in named))
    split = part_of(wanted)
    if not set(named) & set(wanted):
        with pytest.raises(PredictionError, match=f"none of its {len(named)} predictions is a frame of custom/test"):
            match(ground_truth, predictions, split=split, pred_split=FIVE)
        return
    joined = match(ground_truth, predictions, split=split, pred_split=FIVE)
    assert joined.frame_id == tuple(IDS[i] for i in wanted)
    assert [ground_truth.header.frame_id[i] for i in joined.truth] == list(joined.frame_id)
    for name, at in zip(joined.frame_id, joined.prediction, strict=True):
        assert (predictions.frame_id or ())[at] == name if at is not None else name not in (predictions.frame_id or ())
    assert joined.surplus == len(set(named) - set(wanted))


def test_a_bare_array_follows_the_list_it_was_made_for() -> None:
    whole, kept = load_split("kitti_eigen/test"), load_split("kitti_eigen_benchmark/test")
    predictions = ArrayPredictions(world.predictions(697))
    truth = _truth_of(whole)
    joined = match(truth, predictions, split=kept, pred_split=whole)
    assert joined.surplus == 45
    assert [whole.frame_ids[i] for i in joined.prediction if i is not None] == list(kept.frame_ids)


def test_only_lists_that_can_be_named_are_proposed() -> None:
    """1000 is the length of a list that comes with its data set, 500 of one of another data set."""
    whole = load_split("kitti_eigen/test")
    for n, proposed in ((1000, False), (500, False), (652, True)):
        with pytest.raises(PredictionError) as caught:
            match(_truth_of(whole), ArrayPredictions(world.predictions(n)), split=whole, pred_split=whole)
        assert ("--pred-split" in str(caught.value)) == proposed


def _truth_of(split: Split):  # type: ignore[no-untyped-def]
    from benchmark.io.ground_truth import assemble, sparsify

    one = np.zeros((3, 4), np.float32)
    one[1, 2] = 5
    return assemble(world.header(split.frame_ids), [sparsify([one] * len(split.frame_ids), np.eye(3))])


@pytest.mark.parametrize(("given_", "expected"), [(652, "kitti_eigen"), (697, "kitti_eigen_benchmark")])
def test_652_for_697_and_the_reverse_are_recognised(given_: int, expected: str) -> None:
    split = load_split(f"{expected}/test")
    other = {652: "kitti_eigen_benchmark/test", 697: "kitti_eigen/test"}[given_]
    with pytest.raises(PredictionError) as caught:
        match(_truth_of(split), ArrayPredictions(world.predictions(given_), "a.npy"), split=split, pred_split=split)
    assert str(caught.value) == (
        f"a.npy: holds {given_} predictions; {split.name} has {len(split.frame_ids)} frames, in that order. {given_} is the "
        f"length of {other}: if that is what was predicted, add `--pred-split {other}`, and the frames both lists share are "
        "joined by name"
    )


def test_another_length_is_explained() -> None:
    with pytest.raises(
        PredictionError, match=r"holds 4 predictions; custom/test has 5 frames, in that order. An array has no names"
    ):
        match(world.tiny_truth(5), ArrayPredictions(world.predictions(4)), split=FIVE, pred_split=FIVE)


@pytest.mark.parametrize(("axis", "shape"), [(1, (6, 5, 20)), (2, (6, 20, 5))])
def test_frames_along_another_axis_are_recognised(axis: int, shape: tuple[int, ...]) -> None:
    predictions = ArrayPredictions(np.ones(shape, np.float32))
    said = f"The shape is {shape}: if the frames lie along axis {axis}, save np.moveaxis(array, {axis}, 0)"
    with pytest.raises(PredictionError, match=re.escape(said)):
        match(world.tiny_truth(5), predictions, split=FIVE, pred_split=FIVE)


def test_ground_truth_that_lacks_frames_is_named() -> None:
    truth = dataclasses.replace(world.truth_of([0, 2, 4]), source="a b/gt.h5")
    with pytest.raises(GroundTruthError) as caught:
        match(truth, ArrayPredictions(world.predictions(5)), split=FIVE, pred_split=FIVE)
    assert str(caught.value) == (
        f"a b/gt.h5: the ground truth (custom/test, 3 frames) lacks 2 of the 5 frames of custom/test, the first is {IDS[1]}; "
        "export it with `depthbench export_gt --split custom/test`"
    )


@pytest.mark.parametrize(
    ("dataset", "kind", "fits"),
    [
        ("kitti_raw", "lidar_forward_x", True),
        ("kitti_raw", "camera_z", False),
        ("kitti_raw", "annotated_png", False),
        ("ddad", "lidar_forward_x", False),
    ],
)
def test_ground_truth_of_another_kind(dataset: str, kind: str, fits: bool) -> None:
    truth = world.tiny_truth(2, dataset=dataset, depth_kind=kind)
    protocol = load_protocol("kitti_eigen")
    if fits:
        check_ground_truth(truth, protocol)
        return
    with pytest.raises(GroundTruthError) as caught:
        check_ground_truth(truth, protocol)
    assert f"the ground truth is {kind} of {dataset}; kitti_eigen is defined on lidar_forward_x of kitti_raw" in str(
        caught.value
    )


def test_depth_made_with_other_options_is_refused() -> None:
    protocol = load_protocol("world_ddad")
    plain = world.tiny_truth(2, dataset="ddad", depth_kind="camera_z")

    def made_as(split: str) -> GroundTruth:
        return dataclasses.replace(plain, header=dataclasses.replace(plain.header, split=split))

    for options in ("+nearest_point", "+ego_masks", "+nearest_point+ego_masks"):
        with pytest.raises(GroundTruthError, match=r"its depth is another one\. Export it as world_ddad/val"):
            check_ground_truth(made_as(protocol.split + options), protocol)
    check_ground_truth(made_as(f"{protocol.split}+context-1,1"), protocol)
    # A list file cannot name options: whoever scores one says so in the record.
    check_ground_truth(made_as("mine.txt+ego_masks"), dataclasses.replace(protocol, split="mine.txt"))

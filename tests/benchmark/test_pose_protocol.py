"""Protocols of ego-motion as data: complete, hashed, followed by the engine, refused when anything in them is wrong."""

import dataclasses
import typing
from pathlib import Path

import numpy as np
import pytest
from command import Run
from pose_paths import drive, noisy, trajectory

from benchmark.align_poses import ALIGNMENTS
from benchmark.errors import ProtocolError, TrajectoryError
from benchmark.evaluate_pose import evaluate_pose
from benchmark.metrics.pose import POSE_METRICS, SNIPPET_FRAMES
from benchmark.pose_protocol import (
    SNIPPET_RULES,
    PoseProtocol,
    is_snippet_metric,
    load_any_protocol,
    load_pose_protocol,
)
from benchmark.protocol import EGO_MOTION, FOLDER, differences, load_protocol, protocol_names
from benchmark.score_poses import rules_of

NAMES = protocol_names(ego_motion=True)
POSES = {
    "00": 4541, "01": 1101, "02": 4661, "03": 801, "04": 271, "05": 2761, "06": 1101, "07": 1101, "08": 4071, "09": 1591,
    "10": 1201,
}  # fmt: skip
# Version and first digits of the hash, as published; see the table of depth in test_protocol.py.
PUBLISHED = {
    "kitti_odometry": (1, "fffab2a1d8bb3ac1"),
    "odom_snippet5_monodepth2": (1, "05d504713dd406dc"),
    "odom_snippet5_sfmlearner": (1, "8d60292b2e0cbacb"),
    "world_odometry": (1, "0798c04d9c8ead6e"),
}


def variant(tmp_path: Path, *changes: tuple[str, str], of: str = "kitti_odometry", name: str = "mine") -> Path:
    """A published protocol under another name, with pieces of its text replaced."""
    text = (FOLDER / f"{of}.yaml").read_text("utf-8").replace(f"name: {of}", f"name: {name}")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / f"{name}.yaml"
    path.write_text(text, "utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ProtocolError) as caught:
        load_pose_protocol(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_every_protocol_is_complete(name: str) -> None:
    protocol = load_pose_protocol(name)
    assert (FOLDER / f"{name}.yaml").read_bytes().startswith(EGO_MOTION + b"\n")
    assert (protocol.task, protocol.name) == ("ego_motion", name)
    assert protocol.title
    assert protocol.source
    assert protocol.sequences
    assert set(protocol.metrics) <= set(POSE_METRICS)
    assert name not in protocol_names()


def test_the_sequences_are_those_of_kitti() -> None:
    assert load_pose_protocol("kitti_odometry").sequences == POSES
    for name in ("odom_snippet5_monodepth2", "odom_snippet5_sfmlearner"):
        assert load_pose_protocol(name).sequences == {"09": 1591, "10": 1201}


def test_no_protocol_changes_under_its_version() -> None:
    found = {name: (p.version, p.sha256[:16]) for name in NAMES for p in [load_pose_protocol(name)]}
    assert found == PUBLISHED
    assert len({load_pose_protocol(name).sha256 for name in NAMES}) == len(NAMES)


def test_prose_and_the_headline_do_not_change_the_hash_and_numbers_do(tmp_path: Path) -> None:
    published = load_pose_protocol("kitti_odometry")

    def sha256(*changes: tuple[str, str]) -> str:
        return dataclasses.replace(load_pose_protocol(str(variant(tmp_path, *changes))), name="kitti_odometry").sha256

    assert sha256(('title: "', 'title: "Reworded: '), ("verified: evaluator", "verified: none")) == published.sha256
    assert sha256(("alignment: 7dof", "alignment: scale")) == published.sha256  # it stands beside the hash in every record
    changed = {
        sha256(("step_frames: 10", "step_frames: 1")),
        sha256(("max_gap_s: 0.01", "max_gap_s: 0.02")),
        sha256(("coverage: 0.99", "coverage: 0.98")),
        sha256(('"04": 271, ', "")),
        sha256((", rpe_rot_rmse: deg", "")),
        sha256(("version: 1", "version: 2")),
    }
    assert len(changed | {published.sha256}) == 7


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rebase: first_predicted\n", "", "missing key rebase"),
        ("rebase: first_predicted", "rebase: first_frame", "rebase is 'first_frame'; known: first_predicted"),
        ("rebase:", "rebasing:", "unknown key rebasing (did you mean rebase?); missing key rebase"),
        ("task: ego_motion", "task: depth", "task is 'depth'; known: ego_motion"),
        ("aggregate: mean_over_sequences", "aggregate: pooled", "aggregate is 'pooled'; known: mean_over_sequences"),
        ("alignment: 7dof", "alignment: sim3", "alignment is 'sim3'; known: none, scale, scale_7dof, 6dof, 7dof"),
        ('"00": 4541', "0: 4541", "sequences key 0 is 0 (int); expected str"),
        ('"00": 4541', '"00": 1', "expected 2 or more poses for each, or null for any"),
        ("by: frame_or_time", "by: frame", "association by frame with max_gap_s 0.01; expected"),
        ("max_gap_s: 0.01", "max_gap_s: 0.0", "max_gap_s 0.0; expected seconds above 0"),
        ("max_gap_s: 0.01", "max_gap_s: null", "max_gap_s None; expected seconds above 0"),
        ("coverage: 0.99\n", "", "missing key coverage"),
        ("coverage: 0.99", "coverage: 0", "coverage 0.0; expected a share of the frames, above 0 and at most 1"),
        ("coverage: 0.99", "coverage: 99", "coverage 99.0; expected a share"),
        ("step_frames: 10", "step_frames: 99999999999999999999", "a step, all 1 or more, up to 1e+09 m and 1e+06 frames"),
        ("800]", "80000000000000000000]", "expected ascending lengths and a step, all 1 or more, up to"),
        ("[100, 200,", "[200, 100,", "expected ascending lengths and a step, all 1 or more"),
        ("step_frames: 10", "step_frames: 0", "step_frames 0; expected ascending lengths and a step"),
        ('t_err: "%", r_err: deg/100m, ', "", "expected null exactly where t_err and r_err are left out"),
        ("t_err:", "terr:", "unknown metric 'terr'; known: t_err, "),
        ("ate_rmse: m,", "ate_rmse: cm,", "metric ate_rmse in 'cm'; expected 'm'"),
        ("ate_rmse: m,", "snippet5_rmse: m,", "snippets None; expected null exactly where no snippet5 metric"),
        ("version: 1", "version: 0", "version 0; expected 1 or more"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, *, old: str, new: str, said: str) -> None:
    assert said in refusal(variant(tmp_path, (old, new)))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("chain: inverse_products", "chain: forward", "is defined by {frames: 5, chain: inverse_products, normaliser: "),
        ("short_tails: true", "short_tails: false", "short_tails: true}; change it to that, or the metric"),
        ("frames: 5", "frames: 3", "snippet5_monodepth2 is defined by {frames: 5"),
        ("normaliser: frames", "normaliser: root_frames", "normaliser: frames"),
        ("normaliser: frames", "normaliser: none", "known: frames, root_frames"),
        ("segments: null", "segments: {lengths_m: [100], step_frames: 10}", "segments SegmentRule"),
    ],
)  # fmt: skip
def test_snippets_that_the_engine_does_not_know_are_refused(tmp_path: Path, *, old: str, new: str, said: str) -> None:
    assert said in refusal(variant(tmp_path, (old, new), of="odom_snippet5_monodepth2"))


def test_a_protocol_may_ask_for_exactly_what_there_is() -> None:
    assert typing.get_args(typing.get_type_hints(PoseProtocol)["alignment"]) == tuple(ALIGNMENTS)
    assert {name for name in POSE_METRICS if is_snippet_metric(name)} == {n for n in POSE_METRICS if n.startswith("snippet")}
    assert {rule.frames for rule in SNIPPET_RULES.values()} == {SNIPPET_FRAMES}


def test_the_engine_follows_the_segments_of_a_protocol(tmp_path: Path) -> None:
    """100 frames of a metre: from every 5th of frames 0-79 to the first frame further than 20 m."""
    rule = "segments: {lengths_m: [100, 200, 300, 400, 500, 600, 700, 800], step_frames: 10}"
    path = variant(tmp_path, (rule, "segments: {lengths_m: [20], step_frames: 5}"))
    gt = trajectory(drive(100, turn_rad=0.0))
    (row,) = evaluate_pose(gt, gt, alignments=["none"], rules=rules_of(load_pose_protocol(str(path))))
    assert row.pair is not None
    assert row.pair.segments.first.tolist() == list(range(0, 80, 5))
    assert set(row.pair.segments.length_m) == {20.0}


def test_a_protocol_without_segments_scores_a_short_path(tmp_path: Path) -> None:
    (row,) = evaluate_pose(
        trajectory(drive(30)),
        trajectory(noisy(drive(30))),
        alignments=["none"],
        rules=rules_of(load_pose_protocol("odom_snippet5_monodepth2")),
    )
    assert row.n_segments == 0
    assert row.metrics["snippet5_monodepth2"] > 0


def test_the_engine_follows_the_time_gap_of_a_protocol(tmp_path: Path) -> None:
    stamps = 0.1 * np.arange(200)
    gt, late = (dataclasses.replace(trajectory(drive(200)), time=stamps + lag, form="tum") for lag in (0.0, 0.015))
    with pytest.raises(TrajectoryError, match=r"200 of 200 times match none .* within 0\.01 s"):
        evaluate_pose(gt, late, rules=rules_of(load_pose_protocol("kitti_odometry")))
    patient = variant(tmp_path, ("max_gap_s: 0.01", "max_gap_s: 0.02"))
    (row,) = evaluate_pose(gt, late, alignments=["none"], rules=rules_of(load_pose_protocol(str(patient))))
    assert (row.n_poses, row.n_missing) == (200, 0)


def test_names_of_the_other_kind_are_sent_to_the_other_verb(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"kitti_odometry: is a protocol of ego-motion.*`depthbench evaluate_pose POSES"):
        load_protocol("kitti_odometry")
    with pytest.raises(ProtocolError, match=r"mine\.yaml: is a protocol of ego-motion"):
        load_protocol(str(variant(tmp_path)))
    with pytest.raises(ProtocolError, match=r"kitti_eigen: is a protocol of depth; .*`depthbench evaluate PREDICTIONS"):
        load_pose_protocol("kitti_eigen")
    depth = tmp_path / "depth.yaml"
    depth.write_text((FOLDER / "kitti_eigen.yaml").read_text("utf-8").replace("name: kitti_eigen", "name: depth"), "utf-8")
    with pytest.raises(ProtocolError, match=r"depth\.yaml: is a protocol of depth"):
        load_pose_protocol(str(depth))
    with pytest.raises(ProtocolError, match=r"unknown protocol 'kitti_odometri' \(did you mean kitti_odometry\?\)"):
        load_pose_protocol("kitti_odometri")
    assert [load_any_protocol(str(path)).name for path in (depth, variant(tmp_path))] == ["depth", "mine"]


def test_published_names_are_kept(tmp_path: Path) -> None:
    changed = variant(tmp_path, ("step_frames: 10", "step_frames: 1"), name="kitti_odometry")
    assert "is the name of a published protocol, and this one differs from it" in refusal(changed)
    same = variant(tmp_path, ('title: "', 'title: "Reworded: '), name="kitti_odometry")
    assert load_pose_protocol(str(same)).sha256 == load_pose_protocol("kitti_odometry").sha256
    assert "published protocol of depth" in refusal(variant(tmp_path, name="kitti_eigen"))
    depth = tmp_path / "kitti_odometry.yaml"
    text = (FOLDER / "kitti_eigen.yaml").read_text("utf-8")
    depth.write_text(text.replace("name: kitti_eigen", "name: kitti_odometry"), "utf-8")
    with pytest.raises(ProtocolError, match="kitti_odometry is the name of a published protocol of ego-motion"):
        load_protocol(str(depth))
    other = variant(tmp_path, name="other").rename(tmp_path / "another.yaml")
    assert "the file is called another, the protocol in it other" in refusal(other)


def test_the_two_snippet_protocols_differ_in_what_the_papers_do_not_say() -> None:
    one, other = (load_pose_protocol(f"odom_snippet5_{name}") for name in ("monodepth2", "sfmlearner"))
    differ = {key: (a, b) for key, a, b in differences(one, other)}
    assert differ["snippets.chain"] == ("inverse_products", "forward")
    assert differ["snippets.short_tails"] == (True, False)
    assert "snippets.normaliser" not in differ


def test_the_command_lists_and_shows_both_kinds(run: Run) -> None:
    listed = {line.split()[0]: line.split()[1] for line in run("protocols", "list").out.splitlines()[2:]}
    assert listed["kitti_odometry"] == "poses"
    assert listed["kitti_eigen"] == "depth"
    shown = run("protocols", "show", "kitti_odometry").out
    assert "segments.step_frames       10" in shown
    assert load_pose_protocol("kitti_odometry").sha256 in shown
    compared = run("protocols", "show", "odom_snippet5_monodepth2", "--diff", "kitti_odometry").out
    assert ["alignment", "none", "7dof"] in [line.split() for line in compared.splitlines()]
    unknown = run("protocols", "show", "kitti_odometri")
    assert unknown.code == 1
    assert "did you mean kitti_odometry?" in unknown.err

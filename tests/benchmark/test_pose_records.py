"""Records of ego-motion: the published numbers through the command, their tables, and what is refused."""

import copy
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Outcome, Run
from pose_paths import KITTI_ODOM_EVAL, drive, noisy, trajectory
from snippet_files import snippet_array

from benchmark.errors import OptionError, ResultError
from benchmark.geometry import inverse, relative_motions
from benchmark.io.files import sha256_of
from benchmark.io.pose_results import POSE_SCHEMA
from benchmark.io.results import validate_record
from benchmark.io.trajectories import write_kitti
from benchmark.pose_protocol import load_pose_protocol
from benchmark.pose_records import sha256_of_path
from benchmark.score_poses import PoseRequest, score_poses

ORDER = ["7dof", "none", "scale", "scale_7dof", "6dof"]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Predictions and ground truth of two sequences, as long as KITTI's are named and not as long as they are."""
    return write(tmp_path, {"09": drive(200), "10": drive(150)})


def write(tmp_path: Path, paths: dict[str, np.ndarray], *, predicted: dict[str, np.ndarray] | None = None) -> tuple[Path, Path]:
    for folder in ("gt", "pred"):
        (tmp_path / folder).mkdir()
        for seed, (sequence, poses) in enumerate(paths.items()):
            made = (predicted or {}).get(sequence, noisy(poses, seed=seed))
            write_kitti(tmp_path / folder / f"{sequence}.txt", trajectory(poses if folder == "gt" else made))
    return tmp_path / "pred", tmp_path / "gt"


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def records_of(done: Outcome) -> list[dict[str, Any]]:
    assert done.code == 0, done.err
    found: list[dict[str, Any]] = json.loads(done.out)
    return found


@pytest.mark.golden
def test_kitti_odom_eval_is_met_by_the_command_and_its_records(real_data: Path, tmp_path: Path, run: Run) -> None:
    golden = json.loads((real_data / "golden.json").read_text())["kitti_odometry"]["kitti_odom_eval"]["results"]
    pred, gt = real_data / "kitti_odometry/results/example_1", real_data / "kitti_odometry/poses"
    records = records_of(run("evaluate_pose", pred, "--gt", gt, "--out", tmp_path, "--json"))
    assert [record["alignment"] for record in records] == ORDER
    for record in records:
        expected = golden[f"example_1/align={record['alignment'].replace('none', 'None')}"]
        assert record["n_segments"] == sum(expected[sequence]["n_segments"] for sequence in ("09", "10"))
        assert record["warnings"] == []
        for name, key in KITTI_ODOM_EVAL.items():
            tolerance = 1e-6 if "rot" in name else 1e-9
            values = {sequence: expected[sequence][key] for sequence in ("09", "10")}
            assert record["metrics"][name]["by_sequence"] == pytest.approx(values, rel=tolerance), name
            assert record["metrics"][name]["mean"] == pytest.approx(np.mean([*values.values()]), rel=tolerance), name
    first = records[0]
    assert first["inputs"]["predictions"] == {sequence: sha256_of(pred / f"{sequence}.txt") for sequence in ("09", "10")}
    assert first["inputs"]["ground_truth"] == {sequence: sha256_of(gt / f"{sequence}.txt") for sequence in ("09", "10")}
    assert (first["method"], first["sequences"], first["n_poses"], first["n_missing"]) == ("example_1", ["09", "10"], 2792, 0)
    assert len(list(tmp_path.iterdir())) == 15


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "means", "snippets"),
    [("monodepth2", {"09": 0.014253, "10": 0.012019}, 2790), ("sfmlearner", {"09": 0.014165, "10": 0.011965}, 2784)],
)
def test_snippet_protocols_are_met(real_data: Path, run: Run, *, name: str, means: dict[str, float], snippets: int) -> None:
    folder = real_data / "kitti_odometry"
    arguments = (folder / "results/example_1", "--gt", folder / "poses", "--protocol", f"odom_snippet5_{name}")
    (record,) = records_of(run("evaluate_pose", *arguments, "--json"))
    assert record["metrics"][f"snippet5_{name}"]["by_sequence"] == pytest.approx(means, abs=1e-6)
    assert set(record["metrics"]) == {f"snippet5_{name}", f"snippet5_{name}_std"}
    assert (record["alignment"], record["n_segments"], record["n_snippets"]) == ("none", 0, snippets)
    table = run("evaluate_pose", *arguments).out
    assert "t_err" not in table
    assert table.startswith(f"odom_snippet5_{name} v1: example_1\n")


def test_the_tables_reproduce_the_record(folders: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    pred, gt = folders
    out = tmp_path / "new" / "results"
    assert (
        run("evaluate_pose", pred, "--gt", gt, "--method", "walk", "--out", out, "--align", "7dof", "--align", "none").code == 0
    )
    endings = (".csv", ".json", ".segments.csv")
    assert sorted(path.name for path in out.iterdir()) == sorted(
        f"walk.kitti_odometry.{alignment}{ending}" for alignment in ("7dof", "none") for ending in endings
    )
    for alignment in ("7dof", "none"):
        stem = f"walk.kitti_odometry.{alignment}"
        record = json.loads((out / f"{stem}.json").read_text())
        rows, segments = read_csv(out / f"{stem}.csv"), read_csv(out / f"{stem}.segments.csv")
        assert [row["sequence"] for row in rows] == record["sequences"] == ["09", "10"]
        assert len(segments) == record["n_segments"] == sum(int(row["n_segments"]) for row in rows)
        for name, metric in record["metrics"].items():
            assert metric["by_sequence"] == {row["sequence"]: float(row[name]) for row in rows}
            assert metric["mean"] == pytest.approx(np.mean([float(row[name]) for row in rows]), rel=1e-15)
        for name in ("t_err", "r_err"):
            assert record["metrics"][name]["all"] == pytest.approx(np.mean([float(s[name]) for s in segments]), rel=1e-14)
        assert record["scale"]["09"]["factor"] == float(rows[0]["scale"])
        assert {float(row["length_m"]) for row in segments} == {100.0}
        assert segments[0]["first_frame"] == "0"


def test_what_is_printed_is_what_is_written(folders: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    pred, gt = folders
    once, again = tmp_path / "once", tmp_path / "again"
    printed = records_of(run("evaluate_pose", pred, "--gt", gt, "--out", once, "--json"))
    assert [record["alignment"] for record in printed] == ORDER
    for record in printed:
        stem = f"{record['method']}.kitti_odometry.{record['alignment']}"
        assert json.loads((once / f"{stem}.json").read_text()) == record
    assert run("evaluate_pose", pred, "--gt", gt, "--out", again).code == 0
    for path in once.iterdir():
        one, other = (folder.joinpath(path.name).read_text().splitlines() for folder in (once, again))
        assert [line for line in one if '"created"' not in line] == [line for line in other if '"created"' not in line]


def test_the_protocols_metrics_are_printed_first(folders: tuple[Path, Path], run: Run) -> None:
    pred, gt = folders
    done = run("evaluate_pose", pred, "--gt", gt)
    assert done.code == 0
    heads = [line.split(":")[0] for line in done.out.splitlines() if " segments" in line]
    assert heads[:3] == ["09", "10", "mean over the sequences"]
    assert sum(line.startswith("scale_7dof ") for line in done.out.splitlines()) == 4
    assert max(map(len, done.out.splitlines())) <= 122
    assert "warning: 09: the ground truth has 200 poses, that of kitti_odometry 1591" in done.out
    header = next(line for line in done.out.splitlines() if line.startswith("alignment"))
    assert header.split()[:5] == ["alignment", "scale", "scale", "t_err", "r_err"]


def test_ground_truth_of_another_length_is_a_warning(folders: tuple[Path, Path], run: Run) -> None:
    pred, gt = folders
    (record,) = records_of(run("evaluate_pose", pred / "10.txt", "--gt", gt / "10.txt", "--align", "7dof", "--json"))
    assert record["warnings"] == [
        "10: the ground truth has 150 poses, that of kitti_odometry 1201; the numbers are not comparable with published ones"
    ]
    assert (record["method"], record["sequences"]) == ("pred", ["10"])


def test_sequences_that_the_protocol_does_not_know_are_in_no_mean_and_no_record(tmp_path: Path, run: Run) -> None:
    pred, gt = write(tmp_path, {"09": drive(200), "mine": drive(180), "10": drive(150)})
    done = run("evaluate_pose", pred, "--gt", gt)
    assert "mine: 180 poses" in done.out
    assert "mean over the sequences: 350 poses" in done.out
    assert "warning: mine: not among the sequences of kitti_odometry, so in no mean and no record" in done.out
    (record,) = records_of(run("evaluate_pose", pred, "--gt", gt, "--align", "none", "--json"))
    assert record["sequences"] == ["09", "10"]
    assert "mine: not among the sequences of kitti_odometry, so in no mean and no record" in record["warnings"]
    alone = run("evaluate_pose", pred / "mine.txt", "--gt", gt, "--out", tmp_path / "out")
    assert alone.code == 1
    assert alone.err.startswith("depthbench: mine: no sequence of kitti_odometry, whose sequences are 00, 01, ")
    assert not (tmp_path / "out").exists()
    assert run("evaluate_pose", pred / "mine.txt", "--gt", gt).code == 0
    for sequence in ("09", "10"):
        (pred / f"{sequence}.txt").rename(pred / f"my{sequence}.txt")
        (gt / f"{sequence}.txt").rename(gt / f"my{sequence}.txt")
    none = run("evaluate_pose", pred, "--gt", gt)
    assert none.code == 0
    assert "mean over" not in none.out  # the warning says that they are in no mean
    assert "warning: mine, my09, my10: not among the sequences of kitti_odometry, so in no mean and no record" in none.out


def own_protocol(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = (POSE_SCHEMA.parent / "protocols/kitti_odometry.yaml").read_text("utf-8")
    sequences = next(line for line in text.splitlines() if line.startswith("sequences:"))
    for old, new in (("name: kitti_odometry", "name: mine"), (sequences, "sequences: null"), *changes):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / "mine.yaml"
    path.write_text(text, "utf-8")
    return path


def test_ones_own_protocol_takes_any_sequences(tmp_path: Path, run: Run) -> None:
    pred, gt = write(tmp_path, {"street": drive(180), "field": drive(150)})
    protocol = own_protocol(
        tmp_path, ("[100, 200, 300, 400, 500, 600, 700, 800]", "[50, 100]"), ("alignment: 7dof", "alignment: 6dof")
    )
    records = records_of(run("evaluate_pose", pred, "--gt", gt, "--protocol", protocol, "--out", tmp_path / "out", "--json"))
    assert [record["alignment"] for record in records] == ["6dof", "none", "scale", "scale_7dof", "7dof"]
    assert records[0]["protocol"] == {"name": "mine", "version": 1, "sha256": load_pose_protocol(str(protocol)).sha256}
    assert (records[0]["sequences"], records[0]["warnings"]) == (["field", "street"], [])
    segments = read_csv(tmp_path / "out" / "pred.mine.6dof.segments.csv")
    assert {float(row["length_m"]) for row in segments} == {50.0, 100.0}


def test_a_sequence_without_a_score_is_refused_unless_allowed(tmp_path: Path, run: Run) -> None:
    line = np.tile(np.eye(4), (150, 1, 1))
    line[:, 2, 3] = np.arange(150)
    pred, gt = write(tmp_path, {"04": line, "09": drive(200)}, predicted={"04": line})
    arguments = ("evaluate_pose", pred, "--gt", gt, "--align", "7dof", "--out", tmp_path / "out", "--json")
    refused = run(*arguments)
    assert refused.code == 1
    assert "alignment 7dof: 1 of 2 sequences have no score (0 allowed); the first is 04: the positions lie on" in refused.err
    assert "`--allow-missing 1`" in refused.err
    assert not (tmp_path / "out").exists()
    (record,) = records_of(run(*arguments, "--allow-missing", 1))
    assert record["sequences"] == ["09"]
    assert record["warnings"][-1].startswith("04 is in no mean: the positions lie on a point or a line")
    straight, bend = read_csv(tmp_path / "out" / "pred.kitti_odometry.7dof.csv")
    assert (straight["t_err"], straight["reason"][:17], bend["reason"]) == ("nan", "the positions lie", "")
    assert float(bend["t_err"]) == record["metrics"]["t_err"]["mean"]
    assert "mean over" not in run(*arguments[:-1], "--allow-missing", 1).out  # only one sequence is left
    (record,) = records_of(run("evaluate_pose", pred, "--gt", gt, "--align", "none", "--json"))
    assert record["sequences"] == ["04", "09"]
    alone = run("evaluate_pose", pred / "04.txt", "--gt", gt, "--align", "7dof", "--json", "--allow-missing", 1)
    assert "1 of 1 sequences have no score" in alone.err
    assert alone.err.endswith("Mend its poses, or choose other alignments with --align\n")


def test_a_mean_over_some_says_without_which(tmp_path: Path, run: Run) -> None:
    line = np.tile(np.eye(4), (150, 1, 1))
    line[:, 2, 3] = np.arange(150)
    pred, gt = write(tmp_path, {"04": line, "09": drive(200), "10": drive(150)}, predicted={"04": line})
    done = run("evaluate_pose", pred, "--gt", gt, "--allow-missing", 1, "--plots", tmp_path / "plots", "--align", "7dof")
    assert "mean over the sequences: 350 poses" in done.out
    assert done.out.count("7dof: without 04, over 350 poses, 0 missing, ") == 2
    assert "(7dof without 04)" in (tmp_path / "plots/all.errors_by_length.svg").read_text("utf-8")


def test_keyframes_have_no_rpe_and_the_refusal_says_why(tmp_path: Path, run: Run) -> None:
    pred, gt = write(tmp_path, {"09": drive(200), "10": drive(150)})
    kept = np.arange(0, 200, 10)
    write_kitti(pred / "09.txt", trajectory(noisy(drive(200))[kept], frame=kept))
    why = "no number for rpe_trans_mean, rpe_trans_rmse, rpe_rot_acos_mean, rpe_rot_mean, rpe_rot_rmse: no two consecutive"
    alone = run("evaluate_pose", pred / "09.txt", "--gt", gt, "--json")
    assert why in alone.err
    assert "mean over" not in alone.err
    assert alone.err.endswith("copy the protocol under another name and leave these metrics out\n")
    assert (
        "A mean over the others is another benchmark: say `--allow-missing 1`"
        in run("evaluate_pose", pred, "--gt", gt, "--json").err
    )


def test_a_record_over_other_sequences_is_not_replaced(folders: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    pred, gt = folders
    arguments = ("--gt", gt, "--align", "none", "--align", "7dof", "--out", tmp_path / "out")
    assert run("evaluate_pose", pred, *arguments).code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    refused = run("evaluate_pose", pred / "09.txt", *arguments)
    assert refused.code == 1
    assert refused.err.startswith(
        f"depthbench: {tmp_path / 'out' / 'pred.kitti_odometry.7dof.json'}: is the record of sequences 09, 10, and would be "
        "replaced by that of 09; expected"
    )
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert run("evaluate_pose", pred, *arguments).code == 0
    assert run("evaluate_pose", pred / "09.txt", *arguments, "--method", "other").code == 0
    for torn in ("", "[]", '{"sequences": 1}', "\xff"):
        (tmp_path / "out/pred.kitti_odometry.7dof.json").write_bytes(torn.encode("latin-1"))
        assert run("evaluate_pose", pred, *arguments).code == 0


def test_files_that_are_passed_over_are_in_the_record(folders: tuple[Path, Path], run: Run) -> None:
    pred, gt = folders
    (pred / "result.txt").write_text("Sequence: 09")
    said = "result.txt: passed over, no ground truth has the name; expected the name of a sequence, such as 09.txt"
    assert f"warning: {said}" in " ".join(run("evaluate_pose", pred, "--gt", gt).out.split())
    records = records_of(run("evaluate_pose", pred, "--gt", gt, "--json", "--align", "none"))
    assert said in records[0]["warnings"]


def test_requests_from_python_may_name_paths_as_text_and_their_choices_are_checked(folders: tuple[Path, Path]) -> None:
    pred, gt = map(str, folders)
    assert score_poses(PoseRequest(pred, gt, alignments=("none",))).method == "pred"
    with pytest.raises(OptionError, match="--align foo: is unknown; expected one of none, scale, "):
        score_poses(PoseRequest(pred, gt, alignments=("foo",)))
    with pytest.raises(OptionError, match="--direction back: is unknown; expected one of next_from_this, "):
        score_poses(PoseRequest(pred, gt, direction="back"))


@pytest.mark.parametrize("option", ["--out", "--plots"])
def test_a_folder_of_no_name_is_wrong_usage(folders: tuple[Path, Path], tmp_path: Path, run: Run, option: str) -> None:
    pred, gt = folders
    (tmp_path / "file").write_text("")
    for given in ("", tmp_path / "file"):
        refused = run("evaluate_pose", pred, "--gt", gt, option, given)
        assert (refused.code, refused.out) == (2, "")
        assert f"Invalid value for '{option}': {given or 'nothing'}: expected a folder" in refused.err


def test_a_snippet_that_stands_still_has_no_score(tmp_path: Path, run: Run) -> None:
    still = drive(200)
    still[50:70] = still[50]
    pred, gt = write(tmp_path, {"09": drive(200)}, predicted={"09": still})
    done = run("evaluate_pose", pred, "--gt", gt, "--protocol", "odom_snippet5_sfmlearner", "--json")
    assert done.code == 1
    assert "no number for snippet5_sfmlearner, snippet5_sfmlearner_std: a snippet stands still in the prediction" in done.err


def test_a_record_needs_nearly_all_frames(tmp_path: Path, run: Run) -> None:
    """Six frames of one segment were a valid record of sequence 09."""
    pred, gt = write(tmp_path, {"09": drive(300), "10": drive(150)})

    def predict(kept: np.ndarray) -> Outcome:
        write_kitti(pred / "09.txt", trajectory(noisy(drive(300))[kept], frame=kept))
        return run("evaluate_pose", pred, "--gt", gt, "--align", "7dof", "--json")

    refused = predict(np.arange(4, 300))
    assert refused.code == 1
    said = "09: 296 of 300 frames are predicted (98.7 %), and kitti_odometry expects 99 % or more"
    assert f"depthbench: {said}; a method" in refused.err
    assert "give it another name and a lower `coverage`" in refused.err
    printed = run("evaluate_pose", pred, "--gt", gt)
    assert (printed.code, f"warning: {said}" in " ".join(printed.out.split())) == (0, True)
    assert run("evaluate_pose", pred, "--gt", gt, "--allow-missing", 1, "--json").code == 1
    (record,) = records_of(predict(np.arange(2, 299)))  # a method that begins at its third frame
    assert record["n_missing"] == 3
    patient = own_protocol(tmp_path, ("coverage: 0.99", "coverage: 0.1"))
    assert predict(np.arange(100, 300)).code == 1
    (record,) = records_of(run("evaluate_pose", pred, "--gt", gt, "--align", "7dof", "--protocol", patient, "--json"))
    assert record["warnings"] == ["09: 100 of 300 frames have no pose, and what needs them is not scored"]


def test_a_record_of_snippets_needs_nearly_all_of_them(tmp_path: Path, run: Run) -> None:
    _, gt = write(tmp_path, {"09": drive(200)})
    np.save(tmp_path / "09.npy", snippet_array(noisy(drive(200)))[:190])
    arguments = ("evaluate_pose", tmp_path / "09.npy", "--gt", gt, "--protocol", "odom_snippet5_sfmlearner")
    assert "09: 190 of 196 snippets are predicted (96.9 %), and odom_snippet5" in run(*arguments, "--json").err
    assert "warning: 09: the ground truth has 196 snippets, that of odom_snippet5_sfmlearner 1587" in run(*arguments).out
    (tmp_path / "09.npy").rename(tmp_path / "04.npy")
    (gt / "09.txt").rename(gt / "04.txt")
    strange = run("evaluate_pose", tmp_path / "04.npy", *arguments[2:]).out
    assert "warning: 04: not among the sequences of odom_snippet5_sfmlearner, so in no mean and no record" in strange
    assert "04: the ground truth" not in strange


def test_frames_without_neighbours_have_no_snippet(tmp_path: Path, run: Run) -> None:
    pred, gt = write(tmp_path, {"09": drive(200)})
    kept = np.array([k for k in range(200) if k % 3])
    write_kitti(pred / "09.txt", trajectory(noisy(drive(200))[kept], frame=kept))
    refused = run("evaluate_pose", pred, "--gt", gt, "--protocol", "odom_snippet5_sfmlearner", "--json")
    assert "no number for snippet5_sfmlearner, snippet5_sfmlearner_std: no 5 consecutive frames are predicted" in refused.err


def test_motions_in_both_directions_are_a_warning(tmp_path: Path, run: Run) -> None:
    paths = {"05": drive(150), "09": drive(200), "10": drive(150)}
    pred, gt = write(tmp_path, paths)
    for name, poses in paths.items():
        (pred / f"{name}.txt").unlink()
        steps = relative_motions(noisy(poses))
        np.save(pred / f"{name}.npy", inverse(steps) if name == "09" else steps)
    (record,) = records_of(run("evaluate_pose", pred, "--gt", gt, "--align", "none", "--json"))
    said = "the ground truth shows motions in both directions, 05, 10 as this_from_next and 09 as next_from_this; one method"
    assert [text for text in record["warnings"] if text.startswith(said)]
    (pred / "09.npy").unlink()
    (record,) = records_of(run("evaluate_pose", pred, "--gt", gt, "--align", "none", "--json"))
    assert not [text for text in record["warnings"] if "both directions" in text]


def test_missing_frames_and_the_direction_of_motions_are_recorded(tmp_path: Path, run: Run) -> None:
    pred, gt = write(tmp_path, {"09": drive(200), "10": drive(150)})
    kept = np.arange(2, 200)
    write_kitti(pred / "09.txt", trajectory(noisy(drive(200))[kept], frame=kept))
    (pred / "10.txt").unlink()
    np.save(pred / "10.npy", inverse(relative_motions(noisy(drive(150)))).astype(np.float32))
    (record,) = records_of(run("evaluate_pose", pred, "--gt", gt, "--align", "7dof", "--json"))
    assert (record["n_poses"], record["n_missing"]) == (348, 2)
    assert record["inputs"]["direction"]["10"]["name"] == "next_from_this"
    assert record["inputs"]["direction"]["10"]["detected"]
    assert record["inputs"]["direction"]["10"]["agreement"] > 0.9
    assert set(record["inputs"]["direction"]) == {"10"}
    (record,) = records_of(
        run(
            "evaluate_pose",
            pred / "10.npy",
            "--gt",
            gt / "10.txt",
            "--align",
            "7dof",
            "--direction",
            "next_from_this",
            "--json",
        )
    )
    assert record["inputs"]["direction"]["10"] == {
        "name": "next_from_this",
        "detected": False,
        "agreement": None,
        "other": None,
    }


def test_predicted_snippets_are_scored_under_their_own_protocol(tmp_path: Path, run: Run) -> None:
    _, gt = write(tmp_path, {"09": drive(200)})
    poses = noisy(drive(200))
    np.save(tmp_path / "09.npy", np.stack([(inverse(poses[k : k + 1]) @ poses[k : k + 5])[:, :3] for k in range(196)]))
    arguments = ("evaluate_pose", tmp_path / "09.npy", "--gt", gt / "09.txt", "--json")
    (record,) = records_of(run(*arguments, "--protocol", "odom_snippet5_sfmlearner", "--method", "snippets"))
    assert (record["n_poses"], record["n_snippets"], record["path_length_m"]) == (196, 196, None)
    assert record["scale"] == {"09": {"factor": None, "drift_percent": None}}
    assert record["metrics"]["snippet5_sfmlearner"]["mean"] > 0
    (warning,) = record["warnings"]  # and nothing of snippets being no path
    assert warning.startswith(
        "09: the ground truth has 196 snippets, that of odom_snippet5_sfmlearner 1587; the numbers are not"
    )
    refused = run(*arguments)
    assert refused.code == 1
    assert "09: its prediction is snippets, which have no t_err, r_err, ate_rmse, " in refused.err
    assert refused.err.endswith("Snippets have a score under the protocol odom_snippet5_sfmlearner\n")
    plots = run(*arguments[:-1], "--plots", tmp_path / "plots")
    assert plots.code == 2
    assert "5-frame errors in m" in plots.out  # the table is printed all the same
    assert plots.err.endswith("09: snippets have no trajectory to draw; expected whole trajectories\n")
    assert not (tmp_path / "plots").exists()


def test_a_protocol_may_ask_for_times_or_for_frames(folders: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    pred, gt = folders
    by_time = own_protocol(tmp_path, ("by: frame_or_time", "by: time"))
    refused = run("evaluate_pose", pred, "--gt", gt, "--protocol", by_time)
    assert refused.code == 1
    assert "09.txt: was matched by frame number, and mine asks for time; expected TUM files" in refused.err
    by_frame = own_protocol(tmp_path, ("by: frame_or_time, max_gap_s: 0.01", "by: frame, max_gap_s: null"))
    assert run("evaluate_pose", pred, "--gt", gt, "--protocol", by_frame).code == 0


def test_methods_are_named_after_the_file_or_the_folder(folders: tuple[Path, Path], run: Run) -> None:
    pred, gt = folders
    named = {
        run("evaluate_pose", path, "--gt", gt / "09.txt", *options).out.splitlines()[0].split(": ")[1]
        for path, options in ((pred / "09.txt", ()), (pred / "09.txt", ("--method", "orb")))
    }
    assert named == {"pred", "orb"}
    (pred / "my poses.txt").write_bytes((pred / "09.txt").read_bytes())
    assert score_poses(PoseRequest(pred / "my poses.txt", gt / "09.txt")).method == "my_poses"
    for name in ("a/b", ""):
        assert run("evaluate_pose", pred / "09.txt", "--gt", gt, "--method", name).err.startswith(
            f"depthbench: method name {name!r}: expected"
        )


def test_a_depth_protocol_is_refused_and_the_other_way_round(folders: tuple[Path, Path], run: Run) -> None:
    pred, gt = folders
    assert (
        "Score depth maps with `depthbench evaluate " in run("evaluate_pose", pred, "--gt", gt, "--protocol", "kitti_eigen").err
    )
    assert (
        "Score poses with `depthbench evaluate_pose " in run("evaluate", pred, "--gt", gt, "--protocol", "kitti_odometry").err
    )


def test_the_schema_is_closed_and_complete(folders: tuple[Path, Path]) -> None:
    record = score_poses(PoseRequest(*folders)).records()[0]
    validate_record(record, "a.json", schema_file=POSE_SCHEMA)
    for key in record:
        with pytest.raises(ResultError, match=f"a.json: the record: '{key}' is a required property"):
            validate_record({k: v for k, v in record.items() if k != key}, "a.json", schema_file=POSE_SCHEMA)
    for place, value in {
        "alignment": "sim3", "task": "depth", "n_segments": -1, "sequences": ["09", "09"], "extra": 1, "metrics": {},
        "n_poses": 0, "scale": {"09": {"factor": "1"}}, "created": "today", "status": "ok",
    }.items():  # fmt: skip
        changed = copy.deepcopy(record)
        changed[place] = value
        with pytest.raises(ResultError, match=r"^a\.json: "):
            validate_record(changed, "a.json", schema_file=POSE_SCHEMA)
    schema = json.loads(POSE_SCHEMA.read_text("utf-8"))
    assert set(schema["required"]) == set(schema["properties"]) == set(record)
    objects = [node for node in walk(schema) if node.get("type") == "object"]
    assert len(objects) >= 12
    assert all("additionalProperties" in node for node in objects)


def walk(node: Any) -> list[dict[str, Any]]:
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return ([node] if isinstance(node, dict) else []) + [found for item in inner for found in walk(item)]


def test_a_folder_that_cannot_be_made(folders: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    (tmp_path / "file").write_text("")
    pred, gt = folders
    assert "cannot write the results" in run("evaluate_pose", pred, "--gt", gt, "--out", tmp_path / "file" / "out").err


def test_the_hash_of_a_folder_is_that_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("b")
    (tmp_path / "a.txt").write_text("a")
    one = sha256_of_path(tmp_path)
    (tmp_path / "a.txt").write_text("A")
    assert sha256_of_path(tmp_path) != one
    assert sha256_of_path(tmp_path / "b.txt") == sha256_of(tmp_path / "b.txt")


def test_a_protocol_of_snippets_takes_no_alignment(tmp_path: Path, run: Run) -> None:
    pred, gt = write(tmp_path, {"09": drive(200)})
    done = run("evaluate_pose", pred, "--gt", gt, "--protocol", "odom_snippet5_monodepth2", "--align", "7dof")
    assert (done.code, "no alignment changes it; leave --align out" in done.err) == (2, True)

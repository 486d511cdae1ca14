"""The embedded run from end to end on small pictures, its second run, and what it refuses."""

import errno
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result
from small_world import names_in

from benchmark import quickstart
from benchmark.cli import main
from benchmark.errors import InputError, ResultError
from benchmark.io.pose_results import POSE_SCHEMA
from benchmark.io.results import validate_record
from benchmark.quickstart_commands import next_commands
from benchmark.quickstart_folder import NAMES, check_folder, places
from benchmark.quickstart_sections import AROUND
from datasets_prep.images import read_image

SIZE = "48x160"


class Run(NamedTuple):
    """A folder that the quickstart filled, and what it said."""

    out: Path
    result: Result


def call(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


def scores_in(out: Path) -> dict[str, float]:
    """abs_rel of the boards by method, protocol and scaling."""
    records = [json.loads(path.read_text("utf-8")) for path in sorted((out / "results").glob("*.json"))]
    boards = [r for r in records if r["protocol"]["name"] in quickstart.PROTOCOLS]
    return {f"{r['method']} {r['protocol']['name']} {r['scaling']}": r["metrics"]["abs_rel"]["mean"] for r in boards}


def pictures_of(out: Path) -> list[str]:
    return re.findall(r'<img src="([^"]+)"', (out / "index.html").read_text("utf-8"))


def left_over(out: Path) -> list[Path]:
    return [path for path in out.rglob("*") if path.name.endswith((".tmp", ".parts"))]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("a folder") / "my quickstart"
    result = call("quickstart", "--out", out, "--size", SIZE)
    assert result.exit_code == 0, result.output
    return Run(out, result)


def test_everything_is_there_and_nothing_else(first: Run) -> None:
    assert names_in(first.out) == sorted(set(NAMES.values()) - {"runs", "training.png"})  # which --train makes
    assert names_in(first.out / "panels") == sorted(f"{name}.png" for name in quickstart.METHODS)
    assert names_in(first.out / "predictions") == sorted(
        f"{name}.{suffix}" for name in (*quickstart.METHODS, "constant_six_cameras") for suffix in ("npy", "yaml")
    )
    assert names_in(first.out / "data") == ["ddad", "kitti_depth", "kitti_odometry", "kitti_raw", "world.yaml", "world_labels"]
    assert left_over(first.out) == []


def test_every_method_has_a_valid_record_under_every_setting(first: Run) -> None:
    paths = [path for path in sorted((first.out / "results").glob("*.json")) if path.stem.split(".")[1] in quickstart.PROTOCOLS]
    for path in paths:
        record = json.loads(path.read_text("utf-8"))
        validate_record(record, path.name)
        assert (record["n_images"], record["n_missing"]) == (60, 0)
        assert path.with_suffix(".csv").is_file()
    settings = [f"{protocol}.{scaling}" for protocol in quickstart.PROTOCOLS for scaling in ("median", "none")]
    assert [path.stem for path in paths] == sorted(f"{name}.{setting}" for name in quickstart.METHODS for setting in settings)


def test_the_numbers_are_those_of_what_the_methods_know(first: Run) -> None:
    """Noise of 10 % is an abs_rel of 0.1 * sqrt(2 / pi) = 0.08; and who knows more of the street scores better."""
    scores = {name: scores_in(first.out)[f"{name} world_exact none"] for name in quickstart.METHODS}
    assert scores["noisy_truth"] == pytest.approx(0.08, abs=0.02)
    assert scores["noisy_truth"] < scores["sgm"] < scores["median_map"] < scores["constant"] < scores["ground_plane_80m"]


def test_the_path_of_the_drive_is_found_and_shown(first: Run) -> None:
    record = json.loads((first.out / "results" / "stereo_vo.world_odometry.none.json").read_text("utf-8"))
    validate_record(record, "stereo_vo", schema_file=POSE_SCHEMA)
    assert (record["n_poses"], record["n_missing"]) == (260, 0)
    assert record["n_segments"] >= 25
    assert record["path_length_m"] > 250
    assert record["metrics"]["t_err"]["mean"] < 3  # percent
    shown = [f"{record['metrics'][name]['mean']:.3f}" for name in ("t_err", "r_err", "ate_rmse")]
    html, markdown = ((first.out / name).read_text("utf-8") for name in ("index.html", "leaderboard.md"))
    assert f'<tr><th scope="row">stereo_vo</th><td>none</td><td>{shown[0]}</td><td>{shown[1]}</td><td>{shown[2]}' in html
    assert f"| stereo_vo | none | {' | '.join(shown)}" in markdown
    assert re.search(rf"\nstereo_vo +none +{' +'.join(shown)} ", first.result.stdout)


def test_each_camera_has_its_score_and_its_picture(first: Run) -> None:
    record = json.loads((first.out / "results" / "constant.world_ddad.median.json").read_text("utf-8"))
    validate_record(record, "constant")
    cameras = record["parts"]["camera"]
    assert set(cameras) == set(AROUND)
    assert {found["n_images"] for found in cameras.values()} == {6}
    html = (first.out / "index.html").read_text("utf-8")
    rows = [(camera, f"{cameras[camera]['metrics']['abs_rel']:.3f}") for camera in AROUND]
    assert re.findall(r'<th scope="row">(CAMERA_\d\d)</th><td>[a-z ]+</td><td>([\d.]+)</td>', html) == rows
    picture = read_image(first.out / "cameras.png")
    assert f'<img src="cameras.png" width="{picture.shape[1]}" height="{picture.shape[0]}"' in html
    assert picture.shape[1] > 6 * 320


def test_the_page_and_the_markdown_show_the_numbers(first: Run) -> None:
    html, markdown = ((first.out / name).read_text("utf-8") for name in ("index.html", "leaderboard.md"))
    for key, value in scores_in(first.out).items():
        method, _, scaling = key.split()
        assert re.search(rf'<th scope="row">{method}</th><td[^>]*>{value:.3f}<', html)
        assert re.search(rf"\| {re.escape(method.replace('_', chr(92) + '_'))} \| {scaling} \| \**{value:.3f}\** \|", markdown)
    for text in (html, markdown):
        assert "never comparable with numbers of KITTI" in text
    panels = [f"panels/{name}.png" for name in quickstart.METHODS]
    assert pictures_of(first.out) == ["comparison.png", *panels, "trajectory.png", "cameras.png"]


def test_what_the_terminal_shows(first: Run) -> None:
    lines = first.result.stdout.split("\n")
    tables = ["world_exact v1", "world_lidar v1", "world_odometry v1", "world_ddad v1: constant, scaling median"]
    assert [line for line in lines if re.match(r"world_\w+ v1", line)] == tables
    assert "never comparable with numbers of KITTI" in first.result.stdout
    assert f"The page: {first.out / 'index.html'}" in lines
    assert [re.fullmatch(r" *\d+\.\d s  (\w+) .*", line)[1] for line in first.result.stderr.split("\n") if "s  " in line] == [  # type: ignore[index]
        "rendered", "exported", "predicted", "scored", "found", "rendered", "drew",
    ]  # fmt: skip


def test_the_printed_commands_work_as_printed(first: Run) -> None:
    verbs = ("evaluate", "check", "evaluate_pose", "export_gt", "protocols")
    commands = [line for line in first.result.stdout.split("\n") if line.startswith("  ")]
    commands = [line for line in commands if any(f" {verb} " in line for verb in verbs)]
    assert len(commands) == len(verbs)
    for command in commands:
        words = shlex.split(command)
        verb = next(i for i, word in enumerate(words) if word in verbs)
        done = call(*words[verb:])
        assert done.exit_code == 0, f"{command}: {done.output}"
    (first.out / "gt_by_hand.h5").unlink()


def test_a_second_run_renders_only_what_is_missing(first: Run) -> None:
    before, page = scores_in(first.out), (first.out / "leaderboard.md").read_bytes()
    image = next((first.out / "data").rglob("image_03/data/0000000003.png"))
    content = image.read_bytes()
    image.unlink()
    scan = next((first.out / "data" / "ddad").rglob("LIDAR/*.npz"))
    points = scan.read_bytes()
    scan.unlink()
    (first.out / "index.html").unlink()
    (first.out / "mine.txt").write_text("mine")
    again = call("quickstart", "--out", first.out, "--size", SIZE)
    assert again.exit_code == 0, again.output
    assert "rendered 1 stereo frames with LiDAR, 79 found" in again.stderr
    assert image.read_bytes() == content
    assert scan.read_bytes() == points
    assert scores_in(first.out) == before
    assert (first.out / "leaderboard.md").read_bytes() == page
    assert (first.out / "index.html").is_file()
    assert (first.out / "mine.txt").read_text() == "mine"
    (first.out / "mine.txt").unlink()


def test_another_world_in_the_same_folder_is_refused(first: Run) -> None:
    done = call("quickstart", "--out", first.out, "--size", SIZE, "--seed", "1")
    assert done.exit_code == 1
    assert "--force" in str(done.exception)


@pytest.mark.parametrize("stage", ["render", "_export", "_predict", "_score", "drive", "_publish"])
def test_an_interrupted_run_leaves_a_folder_that_is_ours(
    first: Run, stage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Interrupted while it renders, a new folder holds nothing but a world; later, it has its mark."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    out, stages = tmp_path / "out", ["_export", "_predict", "_score", "_publish"]
    if stage == "render":
        monkeypatch.setattr("datasets_prep.world.make._make", interrupt)
    elif stage == "drive":
        for earlier in stages[:-1]:
            monkeypatch.setattr(quickstart, earlier, lambda *_: None)
        shutil.copytree(first.out / "data", out / "data", copy_function=os.link)
        monkeypatch.setattr("baselines.predict_poses.trajectory", interrupt)
    else:
        shutil.copytree(first.out / "data", out / "data", copy_function=os.link)
        for earlier in stages[: stages.index(stage)]:
            monkeypatch.setattr(quickstart, earlier, lambda *_: None)
        monkeypatch.setattr("benchmark.quickstart_sections.sections", lambda *_, **__: [])
        monkeypatch.setattr(quickstart, stage, interrupt)
    with pytest.raises(KeyboardInterrupt):
        quickstart.quickstart(out, size=(48, 160), quiet=True)
    assert places(out)["mark"].is_file() == (stage != "render")
    assert check_folder(places(out), force=False)
    assert left_over(out) == []


def test_a_full_disk_is_one_paragraph(first: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(quickstart, "_export", full)
    with pytest.raises(ResultError, match=r"No space left on device\).*same command again.*another --out") as caught:
        quickstart.quickstart(first.out, size=(48, 160), quiet=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        ["--size", "10x20"],
        ["--size", "640x192"],
        ["--size", "9999x9999"],
        ["--seed", "-1"],
        ["--seed", "2147483648"],
    ],
)
def test_a_size_or_a_seed_out_of_range_is_one_paragraph(options: list[str], tmp_path: Path) -> None:
    done = call("quickstart", "--out", tmp_path / "out", *options)
    assert done.exit_code == 1
    assert isinstance(done.exception, InputError)
    assert options[1].split("x")[0] in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ResultError, match=r"not empty \(thesis\.tex\).*--force"):
        quickstart.quickstart(tmp_path)
    assert names_in(tmp_path) == ["thesis.tex"]


def test_force_writes_beside_foreign_files_and_never_over_them(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    assert not check_folder(places(tmp_path), force=True)
    (tmp_path / "index.html").write_text("their page")
    with pytest.raises(ResultError, match=r"index\.html: is there already.*Move it away"):
        quickstart.quickstart(tmp_path, force=True)
    assert names_in(tmp_path) == ["index.html", "thesis.tex"]


@pytest.mark.parametrize("mark", ["", "[]", "{}", '{"creator": 3}', '{"creator": "another program"}', "\x00"])
def test_a_file_with_the_name_of_our_mark_is_no_mark(tmp_path: Path, mark: str) -> None:
    (tmp_path / "quickstart.json").write_text(mark)
    with pytest.raises(ResultError, match="not empty"):
        check_folder(places(tmp_path), force=False)


def test_a_file_or_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match="a file; a folder"):
        quickstart.quickstart(tmp_path / "file")
    with pytest.raises(InputError, match=r"cannot be written .*another --out"):
        quickstart.quickstart(tmp_path / "file" / "out", size=(48, 160), quiet=True)


def test_an_empty_folder_is_welcome(tmp_path: Path) -> None:
    assert not check_folder(places(tmp_path), force=False)
    assert not check_folder(places(tmp_path / "new"), force=False)


def test_a_command_calls_this_program_as_it_was_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "a venv" / "depthbench"
    script.parent.mkdir()
    script.write_text("")
    monkeypatch.setattr("sys.argv", [str(script)])
    monkeypatch.setenv("PATH", str(tmp_path))
    first = next_commands(places(Path("out")), quickstart.TEST)[0][1]
    rest = ["evaluate", "out/predictions/sgm.yaml", "--gt", "out/gt_exact.h5", "--protocol", "world_exact"]
    assert shlex.split(first) == [str(script), *rest]
    monkeypatch.setattr("sys.argv", ["/somewhere/benchmark/cli.py"])
    first = next_commands(places(Path("out")), quickstart.TEST)[0][1]
    assert shlex.split(first) == [sys.executable, "-m", "benchmark.cli", *rest]


@pytest.mark.slow
def test_the_readmes_table_is_what_it_prints(tmp_path: Path) -> None:
    readme = Path(__file__).parents[2] / "README.md"
    if not readme.is_file():
        pytest.skip("the README is not installed")
    shown = re.search(r"```\n(world_exact v1\n.*?)\n```", readme.read_text("utf-8"), re.DOTALL)
    result = call("quickstart", "--out", tmp_path / "out")
    assert shown is not None
    assert result.stdout.partition("\n\n")[0] == shown[1]


@pytest.mark.parametrize("text", ["192", "192x", "x640", "-2x5", "192x640x3", "192 x 640", "", "1e3x640", "1234567x1"])
@pytest.mark.parametrize("verb", [("quickstart",), ("datasets", "render"), ("predict", "constant", "--split", "x")])
def test_a_size_is_two_numbers(tmp_path: Path, verb: tuple[str, ...], text: str) -> None:
    result = call(*verb, "--out", tmp_path / "out.npy", "--size", text)
    assert result.exit_code == 2
    assert "expected a height and a width in pixels, such as 192x640" in result.stderr
    assert names_in(tmp_path) == []

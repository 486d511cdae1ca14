"""`quickstart --train` with a recipe that trains in a second: what it adds, that it continues, and what it refuses."""

import json
import os
import re
import shlex
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from small_world import names_in

from benchmark import quickstart, quickstart_training
from benchmark.cli import main
from benchmark.errors import OptionError
from benchmark.io.results import validate_record
from benchmark.quickstart_folder import mark, places
from datasets_prep import kitti_raw
from datasets_prep.roots import data_root

SIZE = "64x160"
STEPS = 8
LIST = "drive,camera,frames\n" + "".join(f"2031_05_01_drive_0101_sync,image_0{k},0-1\n" for k in (2, 3))
SMALL = {
    "name": "tiny", "data.size": [64, 96], "depth.width": 0.25, "schedule.batch": 2, "schedule.length": STEPS,
    "schedule.drops": [6],
}  # fmt: skip


class Run(NamedTuple):
    """A folder that `quickstart --train` filled, and what it said."""

    out: Path
    result: Result


def call(out: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["quickstart", "--train", "--out", str(out), "--size", SIZE, *words])


def write_recipe(folder: Path) -> Path:
    """The shipped recipe, made tiny, on two frames of a street that the rest of the quickstart does not have."""
    from baselines.recipe import recipe_path

    (folder / "four.csv").write_text(LIST)
    recipe: dict[str, Any] = yaml.safe_load(recipe_path("world_s").read_text("utf-8"))
    for key, value in {**SMALL, "data.split": str(folder / "four.csv")}.items():
        *path, last = key.split(".")
        place = recipe
        for one in path:
            place = place[one]
        place[last] = value
    (folder / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    return folder / "tiny.yaml"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    torch = pytest.importorskip("torch", reason="needs depthbench[train]")
    file, before = write_recipe(tmp_path_factory.mktemp("a recipe")), torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quickstart_training, "RECIPE", str(file))
        patch.setattr("benchmark.quickstart_sections.sections", lambda *_, **__: [])  # seconds, and tested elsewhere
        torch.set_num_threads(1)
        yield file
        torch.set_num_threads(before)


@pytest.fixture(scope="module")
def first(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("a folder") / "my quickstart"
    result = call(out)
    assert result.exit_code == 0, result.output
    return Run(out, result)


def record_of(out: Path, protocol: str, scaling: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((out / "results" / f"tiny.{protocol}.{scaling}.json").read_text("utf-8"))
    return record


def test_the_network_is_scored_as_the_others_are(first: Run) -> None:
    names = [path.stem for path in (first.out / "results").glob("tiny.*.json")]
    assert sorted(names) == sorted(f"tiny.{p}.{s}" for p in quickstart.PROTOCOLS for s in ("median", "factor=5.327"))
    html, markdown = ((first.out / name).read_text("utf-8") for name in ("index.html", "leaderboard.md"))
    for protocol in quickstart.PROTOCOLS:
        for scaling in ("median", "factor=5.327"):
            record = record_of(first.out, protocol, scaling)
            validate_record(record, protocol)
            assert (record["n_images"], record["n_missing"], record["inputs"]["kind"]) == (60, 0, "disparity")
            value = f"{record['metrics']['abs_rel']['mean']:.3f}"
            assert re.search(rf'<th scope="row">tiny</th><td[^>]*>{value}<', html)
            assert re.search(rf"\| tiny \| {scaling} \| \**{value}\** \|", markdown)
            assert re.search(rf"\ntiny +{scaling} +{value} ", first.result.stdout)
    assert "scaling factor=5.327</b>: each prediction was multiplied by 5.327" in html
    assert "one of them a network that it has trained on other streets" in html
    assert "never comparable with numbers of KITTI" in html


def test_the_factor_is_the_distance_of_the_cameras_in_units_of_the_training(first: Run) -> None:
    calibration = kitti_raw.load_calibration(data_root("kitti_raw", first.out / "data"), "2031_05_01")
    left, right = (calibration.projection(camera) for camera in ("image_02", "image_03"))
    distance = (left[0, 3] - right[0, 3]) / left[0, 0]
    assert pytest.approx(distance / 0.1, rel=1e-4) == quickstart_training.FACTOR


def test_it_is_in_the_pictures(first: Run) -> None:
    html = (first.out / "index.html").read_text("utf-8")
    assert list(quickstart.METHODS)[-1] == "noisy_truth"
    panels = [f"panels/{name}.png" for name in (*list(quickstart.METHODS)[:-1], "tiny", "noisy_truth")]
    pictures = ["comparison.png", *panels, "training.png"]
    assert re.findall(r'<img src="([^"]+)"', html) == pictures
    assert all((first.out / path).is_file() for path in pictures)
    assert "error maps of median_map, tiny, sgm" in html
    assert "<b>tiny</b> Monodepth2, stereo, on the street world: a network, trained here for 8 steps of 2 images" in html


def test_metres_are_the_factor_over_the_disparity(first: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the picture is drawn from, against the file of the predictions."""
    drawn: dict[str, Any] = {}

    def spy(image: Any, truth: Any, maps: dict[str, Any], **_: object) -> None:
        drawn.update(maps)
        raise InterruptedError

    monkeypatch.setattr("benchmark.plots.draw", spy)
    from benchmark.quickstart_pictures import Seen, pictures

    frame = quickstart.load_split(quickstart.TEST).frame_ids.index(quickstart.PANEL_FRAME)
    with pytest.raises(InterruptedError):
        list(
            pictures(
                places(first.out), {"tiny": Seen("", 5.327)}, ["tiny"], split=quickstart.TEST, frame=quickstart.PANEL_FRAME
            )
        )
    disparity = np.load(first.out / "predictions" / "tiny.npy")[frame]
    assert disparity.shape == (64, 96)
    np.testing.assert_allclose(drawn["tiny"] * disparity, 5.327, rtol=1e-6)


def test_what_differs_from_the_published_recipe_is_on_the_page_and_said(first: Run) -> None:
    html = (first.out / "index.html").read_text("utf-8")
    rows = dict(re.findall(r'<th scope="row">([a-z_.]+)</th><td>([^<]*</td><td>[^<]*)</td></tr>', html))
    assert rows["data.size"] == "192, 640</td><td>64, 96"
    assert rows["schedule.length"] == "20</td><td>8"
    assert rows["initial.encoders"] == "imagenet</td><td>scratch"
    assert not [key for key in rows if key.startswith(("validate", "evaluate"))]
    assert "data.size: (192, 640) -> (64, 96)" in first.result.stderr
    assert re.search(r"<dt>training of tiny</dt><dd>split .*four\.csv, sha256 [0-9a-f]{64}, seed 0, cpu, torch 2", html)


def test_the_steps_and_the_page_before_the_training(first: Run) -> None:
    """The page of the ordinary quickstart is there while the network learns."""
    steps = [found[1] for found in re.finditer(r"^ *\d+\.\d s  (\w+) ", first.result.stderr, re.MULTILINE)]
    ordinary = ["rendered", "exported", "predicted", "scored", "drew"]
    assert steps == [*ordinary, "rendered", "trained", "predicted", "drew"]
    assert f"{first.out / 'index.html'} shows that; it will be written again" in first.result.stderr
    assert "rendered 2 stereo frames to learn from, 0 found" in first.result.stderr


def test_the_printed_command_colours_images(first: Run) -> None:
    (command,) = [line for line in first.result.stdout.split("\n") if line.startswith("  ") and " --images " in line]
    words = shlex.split(command)
    done = CliRunner().invoke(main, words[words.index("predict") :])
    assert done.exit_code == 0, done.output
    assert names_in(first.out / "coloured")[:2] == ["0000000000_disp.npy", "0000000000_disp.png"]
    shutil.rmtree(first.out / "coloured")


def test_what_is_trained_is_not_trained_again(first: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    before, page = np.load(first.out / "predictions" / "tiny.npy"), (first.out / "leaderboard.md").read_bytes()
    monkeypatch.setattr("baselines.retrain.retrain", never)
    again = call(first.out)
    assert again.exit_code == 0, again.output
    assert "found tiny trained" in again.stderr
    np.testing.assert_array_equal(np.load(first.out / "predictions" / "tiny.npy"), before)
    assert (first.out / "leaderboard.md").read_bytes() == page


def test_an_interrupted_training_continues_and_ends_as_if_it_had_not_been(
    first: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from baselines.observe import Observer

    def stop(self: object, at: Any) -> None:
        if at.steps == 3:
            os.kill(os.getpid(), signal.SIGINT)

    out = tmp_path / "out"
    shutil.copytree(first.out / "data", out / "data", copy_function=os.link)
    monkeypatch.setattr(Observer, "validate", stop)
    stopped = call(out)
    assert stopped.exit_code != 0
    last = out / "runs" / "tiny" / "models" / "last"
    assert f"{last} holds it, and the same command continues" in stopped.stderr
    assert "tiny" not in (out / "index.html").read_text("utf-8")
    monkeypatch.undo()
    done = call(out)
    assert done.exit_code == 0, done.output
    assert re.search(r"continues after step [34]\n", done.stderr)
    np.testing.assert_array_equal(*(np.load(one / "predictions" / "tiny.npy") for one in (out, first.out)))
    assert record_of(out, "world_exact", "median")["metrics"] == record_of(first.out, "world_exact", "median")["metrics"]


@pytest.mark.parametrize("reason", ["force", "another seed", None])
def test_what_was_trained_on_another_world_is_forgotten(
    reason: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And nothing else is; another seed without --force comes this far where the world's folder was deleted by hand."""
    here = places(tmp_path)
    mark(here, (64, 160), 0)
    made = [here["runs"] / "tiny" / "log.csv", here["training"], here["predictions"] / "tiny.npy"]
    made += [here["results"] / "tiny.world_exact.median.json", here["panels"] / "tiny.png"]
    kept = [here["predictions"] / "tiny_map.npy", here["panels"] / "sgm.png"]
    for path in (*made, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    for step in ("_render", "_export", "_predict", "_score", "_publish"):
        monkeypatch.setattr(quickstart, step, lambda *_, **__: None)
    monkeypatch.setattr("benchmark.quickstart_sections.sections", lambda *_, **__: [])
    quickstart.quickstart(tmp_path, size=(64, 160), seed=int(reason == "another seed"), force=reason == "force", quiet=True)
    assert {path.exists() for path in made} == {reason is None}
    assert all(path.is_file() for path in kept)


def test_without_torch_it_says_so_before_anything_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("baselines.training_extra.find_spec", lambda name: None if name == "torch" else "there")
    done = call(tmp_path / "out")
    assert isinstance(done.exception, OptionError)
    text = str(done.exception)
    assert text.startswith("quickstart --train needs torch, which this Python does not have; ")
    assert "`pip install -e '.[train]'`" in text
    assert "\n" not in text
    assert not (tmp_path / "out").exists()

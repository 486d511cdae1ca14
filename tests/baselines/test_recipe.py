"""A shipped recipe is complete and short, a small one is its method's own; all mistakes in one are refused at once."""

from typing import Any

import pytest
import tiny_training as tiny
import yaml

from baselines.recipe import FOLDER, SMALLER, difference, flat, load_recipe, recipe_names, recipe_path, refuse_unused
from benchmark.errors import OptionError, TrainingError

MAX_LINES = 40  # a recipe is read at a glance
WORLD = {
    "world_s": "monodepth2_s", "world_ms": "monodepth2_ms", "world_m": "monodepth2_m", "world_m_from_ms": "monodepth2_m",
    "world_dh_s": "depth_hints_r18",
}  # fmt: skip


def problem(folder, changes: dict[str, Any], *, without: str | None = None) -> str:
    """What is said of the tiny recipe with these changes; one paragraph that begins with its file."""
    made = tiny.content(changes)
    if without is not None:
        del made[without]
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(made))
    with pytest.raises(TrainingError) as caught:
        load_recipe(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_complete_and_short(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    text = recipe_path(name).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    assert len(recipe.sha256) == 64


def test_no_small_recipe_is_forgotten_here():
    assert {name for name in recipe_names() if name.startswith("world_")} == WORLD.keys()


@pytest.mark.parametrize("name", WORLD)
def test_a_small_recipe_is_the_methods_own(name):
    recipe = load_recipe(name)
    assert recipe.scales_down == WORLD[name]
    changed = difference(recipe, load_recipe(WORLD[name]))
    assert {"data.size", "depth.width", "schedule.batch", "optimiser.lr"} <= changed.keys()
    assert [key for key in changed if not key.startswith(SMALLER)] == []
    assert (changed["depth.width"], changed["data.size"]) == ((1.0, 0.5), ((192, 640), (64, 192)))


def test_a_small_recipe_that_changes_the_method_is_refused(tmp_path):
    made = yaml.safe_load(recipe_path("world_s").read_text())
    made["losses"]["minimum_reprojection"]["ssim"] = 0.5
    made["losses"]["average_reprojection"] = {"weight": 1.0}
    made["data"]["flip"] = 0.0
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(made))
    with pytest.raises(TrainingError, match="scales_down monodepth2_s changes the method: ") as caught:
        load_recipe(str(path))
    said = str(caught.value)
    assert "data.flip 0.5 -> 0.0, losses.minimum_reprojection.ssim 0.85 -> 0.5, losses.average_reprojection.weight None" in said
    made["scales_down"] = None
    path.write_text(yaml.safe_dump(made))
    assert load_recipe(str(path)).data.flip == 0.0
    made["scales_down"] = "monodepth_s"
    path.write_text(yaml.safe_dump(made))
    with pytest.raises(TrainingError, match="no recipe is called 'monodepth_s', and no file; did you mean monodepth2_s"):
        load_recipe(str(path))


def test_the_difference_of_two_recipes():
    changed = difference(load_recipe("monodepth2_s"), load_recipe("monodepth2_m"))
    assert changed.pop("name") == ("monodepth2_m", "monodepth2_s")
    changed.pop("title")
    changed.pop("evaluate.scalings")
    assert changed == {
        "data.split": ("kitti_eigen_zhou/train", "kitti_eigen_full/train"),
        "data.context": ((-1, 1), ()), "data.stereo": (False, True),
        "pose.network": ("separate_resnet", None), "pose.layers": (18, None), "pose.width": (1.0, None),
        "pose.scale": (0.01, None), "pose.forward_tz": (0.0, None),
    }  # fmt: skip


def test_all_mistakes_in_the_keys_are_one_paragraph(tmp_path):
    bad = {
        "sed": 1,
        "data.flop": 0.5,
        "data.size": "64x96",
        "schedule.unit": "hours",
        "data.flip": True,
        "optimiser.lr": "1e-4",
    }
    assert problem(tmp_path, bad, without="title") == "; ".join([
        "unknown key sed (did you mean seed?)",
        "missing key title",
        "unknown key data.flop (did you mean flip?)",
        "data.size is '64x96' (str); expected tuple[int, ...]",
        "data.flip is True (bool); expected float",
        "schedule.unit is 'hours'; known: epochs, steps",
        "optimiser.lr is '1e-4' (str); expected float (YAML reads 1e-3 as text: write 1.0e-3 or 0.001)",
    ])  # fmt: skip


@pytest.mark.parametrize(
    "key",
    [key for key in flat(tiny.content()) if key.split(".")[0] in {"data", "synthesis", "initial", "schedule", "optimiser"}],
)
def test_no_nested_key_has_a_default(tmp_path, key):
    made = tiny.content()
    *places, last = key.split(".")
    part = made
    for place in places:
        part = part[place]
    del part[last]
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(made))
    with pytest.raises(TrainingError) as caught:
        load_recipe(str(path))
    assert str(caught.value) == f"{path}: missing key {key}"


@pytest.mark.parametrize(("changes", "said"), [
    ({"data.size": [64]}, "data.size is [64]; expected [height, width]"),
    ({"data.stereo": False}, "there is no second view to learn from"),
    ({"data.context": [-1, 0], "pose": tiny.POSE}, "data.context is [-1, 0]; expected offsets in time such as [-1, 1]"),
    ({"data.context": [1, 1], "pose": tiny.POSE}, "data.context is [1, 1]"),
    ({"data.context": [1]}, "pose is needed with temporal neighbours (data.context), and null without"),
    ({"pose": tiny.POSE}, "pose is needed with temporal neighbours (data.context), and null without"),
    ({**tiny.MONO, "data.hints": True}, "data.hints need data.stereo"),
    ({"schedule.batch": 0}, "schedule.batch and schedule.length are at least 1"),
    ({"schedule.length": 0}, "schedule.batch and schedule.length are at least 1"),
    ({"schedule.drops": [4, 2]}, "schedule.drops is [4, 2]; expected ascending numbers"),
    ({"schedule.drops": [-5]}, "schedule.drops is [-5]; expected steps after the first and before the end at 8"),
    ({"schedule.drops": [8]}, "schedule.drops is [8]; expected steps after the first and before the end at 8"),
    ({"schedule.factor": -1.0}, "schedule.factor is -1.0; expected a number above 0, at most 1"),
    ({"schedule.factor": 0.0}, "schedule.factor is 0.0; expected a number above 0, at most 1"),
    ({"data.resampler": "foo"}, "data.resampler is 'foo'; known: lanczos, bicubic, bilinear, box, nearest"),
    ({"data.jitter.hue": 5.0}, "data.jitter.hue is 5.0; expected 0 to 0.5"),
    ({"data.jitter.brightness": -1.0}, "data.jitter.brightness is -1.0; expected 0 to 1"),
    ({"losses.minimum_reprojection.ssim": 5}, "losses.minimum_reprojection.ssim is 5; expected 0 to 1"),
    ({"synthesis.noise": -1.0}, "synthesis.noise is -1.0; expected a standard deviation, 0 or more"),
    ({"depth.width": 1e-9}, "depth.width is 1e-09; expected 0.015625 to 8"),
    ({**tiny.MONO, "pose": {**tiny.POSE, "width": 100}}, "pose.width is 100; expected 0.015625 to 8"),
    ({"name": ""}, "name is ''; expected letters, digits and . _ -, at most 100, the first a letter or a digit"),
    ({"name": "a/b ../x"}, "name is 'a/b ../x'; expected letters, digits and . _ -"),
    ({"name": "mine\n"}, "name is 'mine\\n'; expected letters"),
    ({"evaluate": {"protocol": "kitti_eigen", "scalings": []}},
     "evaluate.scalings is empty; kitti_eigen is about depth, expected scalings such as [median]"),
    ({"seed": 2**63}, "seed is 9223372036854775808; expected 0 or more, at most 9223372036854775807"),
    ({"optimiser.lr": 0.0}, "optimiser.lr is 0.0; expected a number above zero"),
    ({"data.flip": 1.5}, "data.flip is 1.5; expected 0 to 1"),
    ({"data.jitter.probability": -0.5}, "data.jitter.probability is -0.5; expected 0 to 1"),
    ({"losses": {}}, "losses is empty"),
    ({"seed": -1}, "seed is -1; expected 0 or more"),
    ({"validate": {"split": "a", "protocol": "b", "frames": 0, "every": 0}},
     "validate.frames and validate.every are at least 1"),
])  # fmt: skip
def test_values_that_make_no_sense(tmp_path, changes, said):
    assert said in problem(tmp_path, changes)


def test_values_at_the_ends_of_their_ranges(tmp_path):
    jitter = {"probability": 1.0, "brightness": 1.0, "contrast": 0.0, "saturation": 1.0, "hue": 0.5}
    changes = {
        "name": "A-1.b_", "seed": 2**63 - 1, "data.jitter": jitter, "synthesis.noise": 0.0, "schedule.drops": [1, 7],
        "schedule.factor": 1.0, "losses.minimum_reprojection.ssim": 0, "depth.width": 1 / 64,
        "evaluate": {"protocol": "odom_snippet5_monodepth2", "scalings": []},
    }  # fmt: skip
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tiny.content(changes)))
    assert load_recipe(str(path)).seed == 2**63 - 1


def test_what_a_recipe_has_no_use_for_is_refused(tmp_path):
    given = {name: tmp_path / name for name in ("hints", "start", "imagenet")}
    with pytest.raises(OptionError) as caught:
        refuse_unused(load_recipe("world_s"), **given)
    assert str(caught.value) == (
        "recipe world_s: --hints has no meaning, it learns from no depth hints (data.hints is false); --start has no meaning, "
        "it starts from no other run (initial.start is null); --imagenet has no meaning, its encoders start from scratch. "
        "Leave that out, or take a recipe that has a use for it"
    )
    refuse_unused(load_recipe("world_s"), **dict.fromkeys(given))
    for name, option in (("world_dh_s", "hints"), ("world_m_from_ms", "start"), ("monodepth2_s", "imagenet")):
        refuse_unused(load_recipe(name), **{**dict.fromkeys(given), option: tmp_path})


def test_all_values_that_make_no_sense_are_one_paragraph(tmp_path):
    said = problem(tmp_path, {"data.size": [64], "optimiser.lr": -1.0, "losses": {}, "data.hints": True, "data.stereo": False})
    assert len(said.split("; ")) >= 5


def test_an_unknown_recipe(tmp_path):
    with pytest.raises(TrainingError, match=r"no recipe is called 'monodepth_m', and no file; did you mean monodepth2_m"):
        load_recipe("monodepth_m")
    with pytest.raises(TrainingError, match=r"no recipe is called 'zzzzzz', and no file; known: depth_hints_hr, "):
        load_recipe("zzzzzz")
    with pytest.raises(TrainingError, match=r"no recipe is called '.*mine\.yaml'"):
        load_recipe(str(tmp_path / "mine.yaml"))


def test_the_hash_is_of_the_values_alone(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("# a remark\n" + recipe_path("monodepth2_s").read_text())
    assert load_recipe(str(path)).sha256 == load_recipe("monodepth2_s").sha256
    path.write_text(recipe_path("monodepth2_s").read_text().replace("seed: 0", "seed: 1"))
    assert load_recipe(str(path)).sha256 != load_recipe("monodepth2_s").sha256


def test_the_recipes_are_files_of_the_package():
    assert (FOLDER / "monodepth2_m.yaml").is_file()


def test_the_command_lists_and_shows_them(run):
    listed = run("recipes", "list")
    assert listed.code == 0
    assert all(name in listed.out for name in recipe_names())
    shown = run("recipes", "show", "world_s")
    assert shown.out == recipe_path("world_s").read_text()
    differing = run("recipes", "show", "world_s", "--diff", "monodepth2_s")
    assert "depth.width" in differing.out
    assert "data.flip" not in differing.out
    same = run("recipes", "show", "world_s", "--diff", "world_s")
    assert (same.code, same.out) == (0, "world_s and world_s: no value differs\n")
    wrong = run("recipes", "show", "world_x")
    assert wrong.code == 1
    assert "did you mean" in wrong.err

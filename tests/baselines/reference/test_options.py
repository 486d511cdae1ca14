import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from baselines.recipe import Recipe, load_recipe, recipe_names
from baselines.reference import depth_hints, monodepth2
from baselines.reference.fixes import FIXES, apply_fixes, release
from baselines.reference.shared_jitter import shared
from benchmark.errors import TrainingError

HINTS = Path("/hints")
# The options of train.py that the authors' commands leave at their defaults (options.py at b676244).
DEFAULTS = (
    "--height 192 --width 640 --frame_ids 0 -1 1 --num_layers 18 --scales 0 1 2 3 --min_depth 0.1 --max_depth 100.0 "
    "--disparity_smoothness 0.001 --weights_init pretrained --batch_size 12 --num_epochs 20 --scheduler_step_size 15 "
    "--learning_rate 0.0001 --pose_model_type separate_resnet"
)
HINTED = "--use_stereo --use_depth_hints --depth_hint_path /hints --scheduler_step_size 5"
HINTED_STEREO = f"{HINTED} --frame_ids 0 --disparity_smoothness 0.0"
NO_PT = "--weights_init scratch --num_epochs 30"
# 5 epochs without a drop; what is loaded replaces every weight.
LARGE = "--height 320 --width 1024"
FROM_SMALL = (
    f"{LARGE} --num_epochs 5 --learning_rate 1e-05 --scheduler_step_size 6 --weights_init scratch --load_weights_folder START "
    "--models_to_load encoder depth"
)
# What the commands change (monodepth2 experiments/*.sh at b676244, README of depth-hints at aa2ecf7).
COMMANDS = {
    "monodepth2_m": "",
    "monodepth2_s": "--frame_ids 0 --use_stereo",
    "monodepth2_ms": "--use_stereo",
    "monodepth2_m_no_pt": NO_PT,
    "monodepth2_s_no_pt": f"--frame_ids 0 --use_stereo {NO_PT}",
    "monodepth2_ms_no_pt": f"--use_stereo {NO_PT}",
    "monodepth2_m_1024x320": f"{FROM_SMALL} pose_encoder pose",
    "monodepth2_s_1024x320": f"--frame_ids 0 --use_stereo {FROM_SMALL}",
    "monodepth2_ms_1024x320": f"--use_stereo {FROM_SMALL} pose_encoder pose",
    "monodepth2_m_r50": "--num_layers 50",
    "monodepth2_m_r50_no_pt": f"--num_layers 50 {NO_PT}",
    "monodepth2_m_odom": "",
    "monodepth2_ms_odom": "--use_stereo",
    "depth_hints_r18": HINTED_STEREO,
    "depth_hints_r50": f"{HINTED_STEREO} --num_layers 50",
    "depth_hints_r50_no_pt": f"{HINTED_STEREO} --num_layers 50 --weights_init scratch",
    "depth_hints_hr": f"{HINTED_STEREO} --num_layers 50 {LARGE}",
    "depth_hints_hr_no_pt": f"{HINTED_STEREO} --num_layers 50 --weights_init scratch {LARGE}",
    "depth_hints_ms": HINTED,
    "depth_hints_hr_ms": f"{HINTED} {LARGE}",
}


def options(name: str, start: Path | None = None) -> list[str]:
    recipe = load_recipe(name)
    if "depth_hints" in recipe.losses:
        return depth_hints.arguments(recipe, hints=HINTS, start=start)
    return monodepth2.arguments(recipe, start=start)


def by_option(words: list[str]) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            said[word] = []
        else:
            said[next(reversed(said))].append(word)
    return said


def with_losses(**losses: dict) -> Recipe:
    return dataclasses.replace(load_recipe("monodepth2_m"), losses=losses)


def with_part(name: str, **values: object) -> Recipe:
    recipe = load_recipe("monodepth2_m")
    part = getattr(recipe, name)
    changed = {**part, **values} if isinstance(part, dict) else dataclasses.replace(part, **values)
    return dataclasses.replace(recipe, **{name: changed})


def test_all_published_recipes_have_a_command_here():
    assert {name for name in recipe_names() if not name.startswith("world")} == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_published_command_lines(name, tmp_path):
    (tmp_path / "adam.pth").touch()
    expected = by_option(DEFAULTS.split()) | by_option(COMMANDS[name].replace("START", str(tmp_path)).split())
    if expected["--frame_ids"] == ["0"]:
        del expected["--pose_model_type"]
    words = options(name, tmp_path if load_recipe(name).initial.start else None)
    said = by_option(words)
    assert said == expected
    assert sum(word.startswith("--") for word in words) == len(said)  # none twice


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.startswith("world")])
def test_no_small_recipe_can_be_said(name):
    with pytest.raises(TrainingError, match=r"depth\.width is [0-9.]+, the code has 1\.0.*schedule\.unit is steps"):
        options(name)


def test_adams_state_is_loaded_wherever_it_lies(tmp_path):
    recipe = load_recipe("monodepth2_s_1024x320")
    with pytest.raises(TrainingError, match=r"parts is encoder, depth, adam, the code goes on without .*adam\.pth"):
        monodepth2.arguments(recipe, start=tmp_path)
    (tmp_path / "adam.pth").touch()
    weights = dataclasses.replace(recipe.initial, start=dataclasses.replace(recipe.initial.start, parts=("encoder", "depth")))
    with pytest.raises(TrainingError, match=r"parts is encoder, depth, the code loads .*adam\.pth as well"):
        monodepth2.arguments(dataclasses.replace(recipe, initial=weights), start=tmp_path)


def test_the_choices_of_the_loss():
    smooth = {"weight": 0.001}
    average = with_losses(average_reprojection={"weight": 1.0, "ssim": 0, "automask": False}, smoothness=smooth)
    assert monodepth2.arguments(average)[-3:] == ["--disable_automasking", "--no_ssim", "--avg_reprojection"]
    mask = with_losses(predictive_mask={"weight": 1.0, "ssim": 0.85, "mask_weight": 0.2}, smoothness=smooth)
    assert monodepth2.arguments(mask)[-2:] == ["--disable_automasking", "--predictive_mask"]
    plain = with_losses(minimum_reprojection={"weight": 1.0, "ssim": 0.85, "automask": True})
    assert "--disparity_smoothness 0.0" in " ".join(monodepth2.arguments(plain))
    native = dataclasses.replace(plain, synthesis=dataclasses.replace(plain.synthesis, native_scales=True))
    assert monodepth2.arguments(native)[-1] == "--v1_multiscale"


@pytest.mark.parametrize(
    ("recipe", "problem"),
    [
        (with_part("data", resampler="area"), "data.resampler is area, the code has lanczos"),
        (with_part("data", flip=0.0), "data.flip is 0.0, the code has 0.5"),
        (with_part("depth", bias=-3.0), "depth.bias is -3.0, the code has 0.0"),
        (with_part("depth", dropout=0.1), "depth.dropout is 0.1, the code has nothing like it"),
        (with_part("pose", layers=50), "pose.layers is 50, the code has those of the depth network"),
        (with_part("synthesis", noise=0.0), "synthesis.noise is 0.0, the code has 1e-05"),
        (with_part("schedule", unit="steps"), "schedule.unit is steps, the code has epochs"),
        (with_part("schedule", drops=(10, 14)), r"schedule.drops is \[10, 14\], the code drops at regular distances"),
        (with_part("schedule", drops=(4,)), r"schedule.drops is \[4\], the code drops at regular distances"),
        (with_part("losses", minimum_reprojection={"weight": 1.0, "ssim": 0.5, "automask": True}), "ssim is 0.5"),
        (
            with_part("losses", minimum_reprojection={"weight": 2.0}),
            "losses.minimum_reprojection.weight is 2.0, the code has 1.0",
        ),
        (with_losses(smoothness={"weight": 1.0}), "losses are smoothness, the code has one of minimum_reprojection"),
        (load_recipe("monodepth2_m_1024x320"), "initial.start is monodepth2_m, and no checkpoint of it was given"),
        (load_recipe("depth_hints_ms"), "data.hints is true, the code knows no depth hints"),
    ],
)
def test_what_the_code_cannot_do_is_named(recipe, problem):
    with pytest.raises(TrainingError, match=f"cannot train it: .*{problem}"):
        monodepth2.arguments(recipe)


def test_what_the_code_of_depth_hints_cannot_do_is_named():
    with pytest.raises(TrainingError, match="no folder of hints was given"):
        depth_hints.arguments(load_recipe("depth_hints_ms"))
    with pytest.raises(TrainingError, match=r"losses are minimum_reprojection, smoothness, the code has depth_hints"):
        depth_hints.arguments(load_recipe("monodepth2_ms"), hints=HINTS)
    recipe = load_recipe("depth_hints_ms")
    for changed, problem in [
        ({"losses": {"depth_hints": {"weight": 1.0, "automask": False}}}, "automask is false, the code has true"),
        ({"synthesis": dataclasses.replace(recipe.synthesis, native_scales=True)}, "native_scales is true, the code has false"),
    ]:
        with pytest.raises(TrainingError, match=problem):
            depth_hints.arguments(dataclasses.replace(recipe, **changed), hints=HINTS)


def write_files(folder: Path) -> None:
    from stub_checkout import write_checkout

    write_checkout(folder)


def test_old_libraries_get_the_fixes_that_they_take(tmp_path):
    write_files(tmp_path)
    applied = apply_fixes(tmp_path, {"torch": "1.2.0", "torchvision": "0.4.1", "PIL": "6.1.0"})
    assert [fix.fix.name for fix in applied] == ["next", "lanczos"]
    assert "imagenet_url" not in [fix.fix.name for fix in apply_fixes(tmp_path, {"torchvision": "0.13.1"})]
    assert "imagenet_url" in [fix.fix.name for fix in apply_fixes(tmp_path, {"torchvision": "0.14.0"})]
    assert release("2.13.0+cu126") == (2, 13, 0)


def test_a_fix_that_finds_nothing_says_so(tmp_path):
    write_files(tmp_path)
    first = apply_fixes(tmp_path, {})
    assert [fix.places for fix in first] == [2, 1, 1, 1, 1, 1]
    again = apply_fixes(tmp_path, {})
    assert {fix.fix.name: fix.places for fix in again} == {fix.name: 0 for fix in FIXES}
    assert "not found, left as it is" in again[0].text()


def test_the_mended_optimiser_takes_the_asked_learning_rate(tmp_path):
    write_files(tmp_path)
    apply_fixes(tmp_path, {})
    space: dict = {}
    exec((tmp_path / "trainer.py").read_text(), space)
    kept = {}
    trainer = SimpleNamespace(
        opt=SimpleNamespace(learning_rate=1e-5), model_optimizer=SimpleNamespace(load_state_dict=kept.update)
    )
    space["d"](trainer, {"state": {3: "moments"}, "param_groups": [{"lr": 1e-4, "params": [0]}]})
    assert kept == {"state": {3: "moments"}, "param_groups": [{"lr": 1e-5, "params": [0]}]}


def test_the_jitter_draws_once_and_keeps_the_drawn_order():
    draws = []

    class ColorJitter:
        @staticmethod
        def get_params(*ranges):
            draws.append(ranges)
            return [2, 0, 3, 1], 1.1, 0.9, 1.2, -0.05

    names = ("brightness", "contrast", "saturation", "hue")
    adjust = {f"adjust_{name}": lambda image, factor, name=name: [*image, (name, factor)] for name in names}
    transforms = SimpleNamespace(ColorJitter=ColorJitter, functional=SimpleNamespace(**adjust))
    jitter = shared(transforms, (0.8, 1.2), (0.8, 1.2), (0.8, 1.2), (-0.1, 0.1))
    expected = [("saturation", 1.2), ("brightness", 1.1), ("hue", -0.05), ("contrast", 0.9)]
    assert jitter([]) == jitter([]) == expected
    assert len(draws) == 1

"""The shipped recipes are the published trainings: what the authors state is theirs, what they do not is said to be ours."""

import dataclasses
from typing import Any

import pytest

from baselines.recipe import flat, load_recipe, recipe_names, recipe_path

ZHOU, FULL, ODOM = "kitti_eigen_zhou/train", "kitti_eigen_full/train", "kitti_odom/train"
SMALL, LARGE = [192, 640], [320, 1024]
THREE, ALONE = [-1, 1], []  # with neighbours in time, without
# By the papers' own code (monodepth2 experiments/*.sh at b676244, depth-hints README at aa2ecf7): split, size, neighbours,
# stereo, ResNet, encoders, epochs, epochs after which the rate falls (the scheduler steps at the beginning of an epoch), rate.
# None: it is in UNSTATED.
PUBLISHED: dict[str, tuple[Any, ...]] = {
    "monodepth2_m": (ZHOU, SMALL, THREE, False, 18, "imagenet", 20, [14], 1e-4),
    "monodepth2_s": (FULL, SMALL, ALONE, True, 18, "imagenet", 20, [14], 1e-4),
    "monodepth2_ms": (ZHOU, SMALL, THREE, True, 18, "imagenet", 20, [14], 1e-4),
    "monodepth2_m_no_pt": (ZHOU, SMALL, THREE, False, 18, "scratch", 30, [14, 29], 1e-4),
    "monodepth2_s_no_pt": (FULL, SMALL, ALONE, True, 18, "scratch", 30, [14, 29], 1e-4),
    "monodepth2_ms_no_pt": (ZHOU, SMALL, THREE, True, 18, "scratch", 30, [14, 29], 1e-4),
    "monodepth2_m_1024x320": (ZHOU, LARGE, THREE, False, 18, "scratch", 5, [], 1e-5),
    "monodepth2_s_1024x320": (FULL, LARGE, ALONE, True, 18, "scratch", 5, [], 1e-5),
    "monodepth2_ms_1024x320": (ZHOU, LARGE, THREE, True, 18, "scratch", 5, [], 1e-5),
    "monodepth2_m_r50": (ZHOU, SMALL, THREE, False, 50, "imagenet", 20, [14], 1e-4),
    "monodepth2_m_r50_no_pt": (ZHOU, SMALL, THREE, False, 50, "scratch", 30, [14, 29], 1e-4),
    "monodepth2_m_odom": (ODOM, SMALL, THREE, False, 18, "imagenet", None, None, 1e-4),
    "monodepth2_ms_odom": (ODOM, SMALL, THREE, True, 18, "imagenet", None, None, 1e-4),
    "depth_hints_r18": (FULL, SMALL, ALONE, True, 18, "imagenet", 20, None, 1e-4),
    "depth_hints_r50": (FULL, SMALL, ALONE, True, 50, "imagenet", 20, [4, 9, 14, 19], 1e-4),
    "depth_hints_r50_no_pt": (FULL, SMALL, ALONE, True, 50, "scratch", 20, [4, 9, 14, 19], 1e-4),
    "depth_hints_hr": (FULL, LARGE, ALONE, True, 50, "imagenet", 20, [4, 9, 14, 19], 1e-4),
    "depth_hints_hr_no_pt": (FULL, LARGE, ALONE, True, 50, "scratch", 20, [4, 9, 14, 19], 1e-4),
    "depth_hints_ms": (ZHOU, SMALL, THREE, True, None, "imagenet", 20, None, 1e-4),
    "depth_hints_hr_ms": (ZHOU, LARGE, THREE, True, None, "imagenet", 20, None, 1e-4),
}
# What they do not state: our choice, with a remark in the recipe that names the keys.
BATCH = {"schedule.batch": 12}
LENGTH = {"schedule.length": 20, "schedule.drops": (14,)}
DROPS = {"schedule.drops": (4, 9, 14, 19)}
MIXED = {"depth.layers": 18, "losses.smoothness.weight": 0.001, **DROPS}
UNSTATED: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("monodepth2_m_1024x320", "monodepth2_s_1024x320", "monodepth2_ms_1024x320"), BATCH),
    **dict.fromkeys(("depth_hints_hr", "depth_hints_hr_no_pt"), BATCH),
    **dict.fromkeys(("monodepth2_m_odom", "monodepth2_ms_odom"), LENGTH),
    "depth_hints_r18": {"losses.smoothness.weight": 0.0, **DROPS},
    "depth_hints_ms": MIXED,
    "depth_hints_hr_ms": {**MIXED, **BATCH},
}


def test_no_recipe_is_forgotten_here():
    assert {name for name in recipe_names() if not name.startswith("world_")} == PUBLISHED.keys()


def stated(name: str) -> dict[str, Any]:
    """What the authors state of a recipe, by its keys."""
    split, size, context, stereo, layers, encoders, epochs, drops, lr = PUBLISHED[name]
    hinted = name.startswith("depth_hints")
    loss = f"losses.{'depth_hints' if hinted else 'minimum_reprojection'}"
    pose = {"network": "separate_resnet", "width": 1.0, "scale": 0.01, "forward_tz": 0.0} if context else {}
    values = {
        "data.split": split, "data.size": tuple(size), "data.context": tuple(context), "data.stereo": stereo,
        "data.hints": hinted, "data.resampler": "lanczos", "data.intrinsics": "kitti", "data.flip": 0.5,
        "data.jitter.probability": 0.5, "data.jitter.brightness": 0.2, "data.jitter.contrast": 0.2,
        "data.jitter.saturation": 0.2, "data.jitter.hue": 0.1,
        "depth.network": "monodepth2", "depth.layers": layers, "depth.width": 1.0, "depth.scales": [0, 1, 2, 3],
        "depth.min_depth": 0.1, "depth.max_depth": 100.0, "depth.bias": 0.0,
        **{f"pose.{key}": value for key, value in pose.items()},
        "synthesis.native_scales": False, "synthesis.noise": 1e-5,
        f"{loss}.weight": 1.0, f"{loss}.ssim": 0.85, f"{loss}.automask": True,
        # The stereo command of Depth Hints turns smoothness off.
        "losses.smoothness.weight": 0.0 if hinted else 0.001,
        "initial.encoders": encoders, "optimiser.name": "adam", "optimiser.lr": lr,
        "schedule.batch": 12, "schedule.unit": "epochs", "schedule.length": epochs,
        "schedule.drops": None if drops is None else tuple(drops), "schedule.factor": 0.1,
    }  # fmt: skip
    return {key: value for key, value in values.items() if key not in UNSTATED.get(name, {})}


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_the_authors_state(name):
    recipe = load_recipe(name)
    values, expected = flat(dataclasses.asdict(recipe)), stated(name)
    assert None not in expected.values()
    assert {key: values.get(key) for key in expected} == expected
    method = {
        key for key in values if key.startswith(("data.", "depth.", "pose.", "synthesis.", "losses.", "schedule.", "opt"))
    }
    assert method - expected.keys() - UNSTATED.get(name, {}).keys() <= {"data.neighbours", "pose.layers"}
    # The pose encoder is as deep as the depth encoder (trainer.py at b676244, lines 65-77).
    assert values.get("pose.layers", values["depth.layers"]) == values["depth.layers"]
    assert (recipe.pose is None, recipe.data.neighbours, recipe.scales_down) == (not recipe.data.context, "required", None)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_they_do_not_state_is_remarked(name):
    values, chosen = flat(dataclasses.asdict(load_recipe(name))), UNSTATED.get(name, {})
    assert {key: values[key] for key in chosen} == chosen
    lines = recipe_path(name).read_text(encoding="utf-8").splitlines()
    remarks = " ".join(line for line in lines if line.lstrip().startswith("#"))
    words = {key.removesuffix(".weight").split(".")[-1] for key in chosen}
    words -= {"drops"} if "length" in words else set()  # whether the rate falls a second time follows from the length
    assert [word for word in words if word not in remarks] == []
    assert bool(remarks) == bool(chosen)


@pytest.mark.parametrize(("name", "parts"), [
    ("m", ["encoder", "depth", "pose_encoder", "pose", "adam"]), ("s", ["encoder", "depth", "adam"]),
    ("ms", ["encoder", "depth", "pose_encoder", "pose", "adam"]),
])  # fmt: skip
def test_the_large_images_start_from_ten_epochs_at_640x192(name, parts):
    """Of the networks those that are named, and Adam's state that lies beside them (trainer.py at b676244, lines 624-628)."""
    start = load_recipe(f"monodepth2_{name}_1024x320").initial.start
    assert start is not None
    assert (start.recipe, start.epoch, list(start.parts)) == (f"monodepth2_{name}", 9, parts)
    assert all(load_recipe(one).initial.start is None for one in PUBLISHED if not one.endswith("1024x320"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_how_they_are_scored(name):
    evaluate = load_recipe(name).evaluate
    assert evaluate is not None
    if name.endswith("odom"):
        assert evaluate.protocol == "odom_snippet5_monodepth2"
    else:
        assert evaluate.protocol == "kitti_eigen"
        assert evaluate.scalings[0] == ("stereo" if PUBLISHED[name][3] else "median")

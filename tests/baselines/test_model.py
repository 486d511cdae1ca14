"""The networks of every shipped recipe: how large they are, in which order they are saved, and what is refused."""

import copy
import functools

import pytest
import tiny_training as tiny
import yaml

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from baselines.model import build_model  # noqa: E402
from baselines.recipe import load_recipe, recipe_names, recipe_path  # noqa: E402
from benchmark.errors import TrainingError  # noqa: E402

# Parameters of the published networks, classifiers included.
DEPTH = {18: 14_842_236, 50: 34_571_132}
POSE = {18: 13_013_492, 50: 27_274_228}


def count(network: torch.nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def tiny_model(tmp_path, changes=None):
    return build_model(load_recipe(str(tiny.write_recipe(tmp_path, changes=changes))))


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_builds_its_networks_and_knows_its_losses(name):
    recipe = load_recipe(name)
    with torch.device("meta"):  # shapes without numbers: a ResNet-50 costs nothing
        model = build_model(recipe)
    names = ["encoder", "depth", *(["pose_encoder", "pose"] if recipe.data.context else [])]
    assert list(model.parts()) == names
    if recipe.depth["width"] == 1.0:
        assert count(model.depth_network) == DEPTH[recipe.depth["layers"]]
        assert model.pose_network is None or count(model.pose_network) == POSE[recipe.depth["layers"]]


def test_classifiers_are_in_the_parts_and_never_learn(tmp_path):
    model = tiny_model(tmp_path, tiny.BOTH)
    frozen = [name for name, one in model.named_parameters() if not one.requires_grad]
    assert frozen == [f"{net}.{at}.encoder.fc.{x}" for net, at in (
        ("depth_network", "encoder"), ("pose_network", "pose_encoder")) for x in ("weight", "bias")]  # fmt: skip
    numbers = [sum(1 for _ in part.parameters()) for part in model.parts().values()]
    assert numbers == [62, 24, 62, 8]  # 28 in the decoder of the four published scales


def test_what_the_networks_say(tmp_path):
    model = tiny_model(tmp_path, tiny.BOTH)
    images = {source: torch.rand(2, 3, 64, 96) for source in (0, -1, 1)}
    sigmoids, masks, poses = model(images)
    assert {scale: tuple(one.shape) for scale, one in sigmoids.items()} == {0: (2, 1, 64, 96), 1: (2, 1, 32, 48)}
    assert masks is None
    assert {source: tuple(T.shape) for source, T in poses.items()} == {-1: (2, 4, 4), 1: (2, 4, 4)}
    assert model.poses(model(images)).keys() == {-1, 1}
    torch.testing.assert_close(model.inverse_depth(torch.tensor([0.0, 0.5, 1.0])), torch.tensor([0.01, 5.005, 10.0]))


def test_without_neighbours_there_are_no_poses(tmp_path):
    outputs = tiny_model(tmp_path)({0: torch.rand(1, 3, 64, 96)})
    assert outputs.poses == {}


@pytest.mark.parametrize("network", ["shared", "posecnn"])
def test_the_other_pose_networks(tmp_path, network):
    pose = {"network": network, "scale": 0.01, "forward_tz": 0.0}
    pose |= {"width": 0.25} | ({"layers": 18} if network == "shared" else {})
    model = tiny_model(tmp_path, {**tiny.MONO, "pose": pose})
    outputs = model({source: torch.rand(2, 3, 64, 96) for source in (0, -1, 1)})
    poses = model.poses(outputs)
    made = poses if isinstance(poses, dict) else poses(torch.full((2, 1, 64, 96), 3.0))
    assert set(made) == {-1, 1}
    if network == "posecnn":  # the translation is in units of the mean depth
        moved = made[1][:, :3, 3]
        torch.testing.assert_close(moved, 3 * outputs.poses[1][:, :3, 3])


def test_all_wrong_options_are_one_paragraph(tmp_path):
    bad = {
        **tiny.MONO, "depth.scale": [0], "depth.layers": "18", "pose": {**tiny.POSE, "network": "separate"},
        "losses": {
            "minimum_reprojection": {"weight": True, "ssim": 0.85, "auto_mask": True}, "edges": {"weight": 1.0},
            "smoothness": {},
        },
    }  # fmt: skip
    with pytest.raises(TrainingError) as caught:
        tiny_model(tmp_path, bad)
    said = str(caught.value)
    assert said.startswith("recipe tiny: ")
    assert "\n" not in said
    for part in (
        "unknown key depth.scale (did you mean scales?)", "depth.layers is '18' (str); expected int",
        "pose.network is 'separate'; known: separate_resnet, shared, posecnn",
        "losses.minimum_reprojection.weight is True; expected a number, 0 or more",
        "unknown key losses.minimum_reprojection.auto_mask (did you mean automask?)",
        "losses.edges is unknown; known: minimum_reprojection, ", "losses.smoothness.weight is None",
    ):  # fmt: skip
        assert part in said


def keys_of(content, *path):
    """The place of every value below the top."""
    for key, value in content.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from keys_of(value, *path, key)


@pytest.mark.parametrize("name", ["monodepth2_m_1024x320", "depth_hints_ms", "world_m"])
def test_every_key_of_a_recipe_has_to_be_there(tmp_path, name):
    content = yaml.safe_load(recipe_path(name).read_text(encoding="utf-8")) | {"scales_down": None}
    for place in keys_of(content):
        if place[:-1] in {(), ("losses",)}:
            continue
        cut = copy.deepcopy(content)
        inner = functools.reduce(lambda values, key: values[key], place[:-1], cut)
        del inner[place[-1]]
        (tmp_path / "cut.yaml").write_text(yaml.safe_dump(cut))
        dotted = ".".join(place)
        with pytest.raises(TrainingError, match=rf"missing key {dotted}\b|{dotted} is None"):
            build_model(load_recipe(str(tmp_path / "cut.yaml")))


@pytest.mark.parametrize(("depth", "said"), [
    ({}, "missing key depth.network; known: monodepth2"), ({"network": "mono"}, "depth.network is 'mono'; known: monodepth2"),
    ({"network": ["a"]}, r"depth.network is \['a'\]; known: monodepth2"),
])  # fmt: skip
def test_a_network_that_is_not_named(tmp_path, depth, said):
    with pytest.raises(TrainingError, match=said):
        tiny_model(tmp_path, {"depth": depth})


def test_sizes_that_the_network_cannot_take(tmp_path):
    with pytest.raises(
        TrainingError,
        match=r"recipe tiny, data\.size: .* both have to be multiples of 32.* The nearest sizes that work are 64x192",
    ):
        tiny_model(tmp_path, {"data.size": [64, 208]})


@pytest.mark.parametrize(("changes", "said"), [
    ({"depth.layers": 34}, "recipe tiny, depth: A ResNet of 34"),
    ({**tiny.MONO, "pose": {**tiny.POSE, "layers": 34}}, "recipe tiny, pose: A ResNet of 34"),
    ({"depth.scales": [0, 4]}, "scales"), ({"depth.scales": [1, 2]}, "expected 0, the full size"),
    ({"depth.width": 0.0}, "width"), ({"depth.min_depth": 200.0}, "min_depth"),
])  # fmt: skip
def test_networks_that_do_not_exist(tmp_path, changes, said):
    with pytest.raises(TrainingError, match=said):
        tiny_model(tmp_path, changes)


def test_a_predictive_mask_is_a_part_of_its_own(tmp_path):
    masked = {
        **tiny.MONO, "depth": {**tiny.RECIPE["depth"], "mask_sources": 2},
        "losses": {"predictive_mask": {"weight": 1.0, "ssim": 0.85, "mask_weight": 0.2}},
    }  # fmt: skip
    model = tiny_model(tmp_path, masked)
    assert list(model.parts()) == ["encoder", "depth", "pose_encoder", "pose", "predictive_mask"]
    masks = model({source: torch.rand(1, 3, 64, 96) for source in (0, -1, 1)}).masks
    assert masks is not None
    assert tuple(masks[0].shape) == (1, 2, 64, 96)

"""The networks against the published ones: keys, shapes and outputs with seeded parameters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from seeded_parameters import fill, image, parameter, uniform  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from baselines.networks import Monodepth2Depth, PoseCNNPose, SeparatePose, SharedPose, depth_decoder, resnet  # noqa: E402

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "monodepth2_networks.json").read_text("utf-8"))
SELFTEST = GOLDEN["selftest"]
POSE_OUTPUTS = ("axisangle", "translation")


def seeded(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The network in evaluation mode; each child, a file of its own, with its keys' values."""
    network.to(dtype).eval()
    for part in network.children():
        fill(part)
    return network


def depth_outputs(layers: int, dtype: torch.dtype) -> dict[str, Tensor]:
    network = seeded(Monodepth2Depth(layers=layers), dtype)
    out = network(image((1, 3, 64, 96)).to(dtype))
    inverse_depth = network.inverse_depth(out.sigmoids[0])
    return {
        **{f"feature{i}": x for i, x in enumerate(out.features)},
        **{f"disp_sigmoid_scale{s}": x for s, x in out.sigmoids.items()},
        "scaled_disp_scale0": inverse_depth,
        "depth_scale0": 1 / inverse_depth,
    }


def pose_outputs(layers: int, dtype: torch.dtype) -> dict[str, Tensor]:
    network = seeded(SeparatePose(layers=layers), dtype)
    pair = image((1, 6, 64, 96)).to(dtype)
    return dict(zip(POSE_OUTPUTS, network.motion(pair[:, :3], pair[:, 3:]), strict=True))


def shared_outputs(dtype: torch.dtype) -> dict[str, Tensor]:
    depth, network = seeded(Monodepth2Depth(), dtype), seeded(SharedPose(), dtype)
    pair = image((1, 6, 64, 96)).to(dtype)
    features = [depth(x).features[-1] for x in pair.split(3, 1)]
    return dict(zip(POSE_OUTPUTS, network.pose(features), strict=True))


def cnn_outputs(dtype: torch.dtype) -> dict[str, Tensor]:
    network = seeded(PoseCNNPose(), dtype)
    return dict(zip(POSE_OUTPUTS, network.pose(image((1, 6, 128, 192)).to(dtype)), strict=True))


MODELS: dict[str, Callable[[torch.dtype], dict[str, Tensor]]] = {
    "monodepth2_depth_resnet18": lambda dtype: depth_outputs(18, dtype),
    "monodepth2_depth_resnet50": lambda dtype: depth_outputs(50, dtype),
    "monodepth2_pose_resnet18": lambda dtype: pose_outputs(18, dtype),
    "monodepth2_pose_resnet50": lambda dtype: pose_outputs(50, dtype),
    "monodepth2_pose_shared_resnet18": shared_outputs,
    "monodepth2_posecnn": cnn_outputs,
}
PARTS: dict[str, Callable[[], nn.Module]] = {
    "encoder_resnet18": lambda: Monodepth2Depth().encoder,
    "depth_decoder_resnet18": lambda: Monodepth2Depth().depth,
    "pose_encoder_resnet18": lambda: SeparatePose().pose_encoder,
    "pose_decoder_resnet18": lambda: SeparatePose().pose,
    "encoder_resnet50": lambda: Monodepth2Depth(layers=50).encoder,
    "depth_decoder_resnet50": lambda: Monodepth2Depth(layers=50).depth,
    "pose_encoder_resnet50": lambda: SeparatePose(layers=50).pose_encoder,
    "pose_decoder_resnet50": lambda: SeparatePose(layers=50).pose,
    "pose_decoder_shared_2frames_resnet18": lambda: SharedPose().pose,
    "posecnn_2frames": lambda: PoseCNNPose().pose,
}


def statistics(x: Tensor, indices: list[int]) -> dict[str, Any]:
    flat = x.double().flatten()
    numbers = {
        "mean": flat.mean(), "std_population": flat.std(correction=0), "min": flat.min(), "max": flat.max(),
        "abs_sum": flat.abs().sum(), "first": flat[:6], "probe_values": flat[indices],
    }  # fmt: skip
    return {name: value.numpy() for name, value in numbers.items()}


def differing(outputs: dict[str, Tensor], expected: dict[str, Any], *, tolerance: float) -> list[str]:
    """Which statistics of which outputs differ by more than the tolerance, relative to them or to the largest value."""
    found = []
    for name, numbers in expected.items():
        atol = tolerance * max(abs(numbers["min"]), abs(numbers["max"]))
        got = statistics(outputs[name], numbers["probe_indices"])
        found += [f"{name} {key}" for key in got if not np.allclose(got[key], numbers[key], rtol=tolerance, atol=atol)]
    return found


def test_the_models_and_parts_are_all_of_the_golden_file() -> None:
    assert set(MODELS) == set(GOLDEN["models"])
    assert set(PARTS) == set(GOLDEN["parts"])


def test_the_seeds_give_the_numbers_that_the_golden_file_was_made_with() -> None:
    for salt in (0, 12345):
        np.testing.assert_allclose(uniform(4, salt), SELFTEST[f"u_n4_salt{salt}"], rtol=1e-11)
    for key, expected in SELFTEST["parameters"].items():
        values = parameter(key, expected["shape"]).ravel()
        np.testing.assert_allclose([*values[:4], values.sum()], [*expected["first4"], expected["sum"]], rtol=1e-11)
    np.testing.assert_allclose(image((1, 1, 2, 3)).flatten(), SELFTEST["image_1_1_2_3"], rtol=1e-11)


@pytest.mark.parametrize("name", PARTS)
def test_keys_order_and_shapes(name: str) -> None:
    state = PARTS[name]().state_dict()
    assert [(key, list(x.shape)) for key, x in state.items()] == list(map(tuple, GOLDEN["parts"][name].items()))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_outputs(name: str, dtype: torch.dtype, tolerance: float) -> None:
    outputs, expected = MODELS[name](dtype), GOLDEN["models"][name]["outputs"]
    assert {key: list(x.shape) for key, x in outputs.items()} == {key: x["shape"] for key, x in expected.items()}
    assert all(x.dtype == dtype for x in outputs.values())
    assert differing(outputs, expected, tolerance=tolerance) == []


def test_parameter_counts() -> None:
    def count(network: nn.Module) -> int:
        return sum(x.numel() for x in network.parameters())

    models = GOLDEN["models"]
    depth = {layers: Monodepth2Depth(layers=layers) for layers in (18, 50)}
    for layers, network in depth.items():
        expected = models[f"monodepth2_depth_resnet{layers}"]
        fc = count(network.encoder.encoder.fc)
        assert count(network) == expected["params_total"]
        assert count(network.encoder) - fc == expected["params_encoder_without_fc"]
        assert count(SeparatePose(layers=layers)) == models[f"monodepth2_pose_resnet{layers}"]["params_total"]
    assert count(SharedPose()) == models["monodepth2_pose_shared_resnet18"]["params_pose_decoder"]
    assert count(PoseCNNPose()) == models["monodepth2_posecnn"]["params_total"]


def zero_padding(patch: pytest.MonkeyPatch) -> None:
    def conv(inputs: int, outputs: int) -> nn.Conv2d:
        return nn.Conv2d(inputs, outputs, 3, padding=1)

    patch.setattr(depth_decoder, "_conv", conv)


def bilinear(patch: pytest.MonkeyPatch) -> None:
    original = nn.functional.interpolate
    patch.setattr(nn.functional, "interpolate", lambda x, *, scale_factor, mode: original(x, None, scale_factor, "bilinear"))


def pooling(patch: pytest.MonkeyPatch) -> None:
    original = nn.functional.max_pool2d
    patch.setattr(nn.functional, "max_pool2d", lambda x, *, kernel_size, stride, padding: original(x, 2, 2))


def imagenet_colours(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resnet, "MEAN", torch.tensor([0.485, 0.456, 0.406]).double().view(3, 1, 1))
    patch.setattr(resnet, "DEVIATION", torch.tensor([0.229, 0.224, 0.225]).double().view(3, 1, 1))


MUTATIONS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "zero instead of reflection padding in decoder": zero_padding,
    "ReLU instead of ELU": lambda patch: patch.setattr(nn, "ELU", nn.ReLU),
    "bilinear upsampling": bilinear,
    "ImageNet per-channel mean/std instead of 0.45/0.225": imagenet_colours,
    "maxpool k2s2 instead of k3s2p1": pooling,
}


@pytest.mark.parametrize("name", MUTATIONS)
@torch.no_grad()
def test_a_mistake_changes_the_outputs_as_much_as_it_changed_the_original(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = depth_outputs(18, torch.float64)
    MUTATIONS[name](monkeypatch)
    wrong = depth_outputs(18, torch.float64)
    maps = [key for key in right if key.startswith("disp")]
    change = max(float((wrong[key] - right[key]).abs().max()) for key in maps)
    assert change == pytest.approx(GOLDEN["mutations"][name], rel=1e-4)
    expected = GOLDEN["models"]["monodepth2_depth_resnet18"]["outputs"]
    assert {f"{key} max" for key in maps} <= set(differing(wrong, expected, tolerance=1e-4))


def test_every_recorded_mistake_is_tried() -> None:
    assert set(MUTATIONS) == set(GOLDEN["mutations"])

"""The losses of Monodepth2 and Depth Hints against numbers of the authors' code."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from torch.nn.functional import avg_pool2d  # noqa: E402

from baselines.batch import Batch, Source  # noqa: E402
from baselines.geometry import pose_matrix, sample_grid  # noqa: E402
from baselines.losses import AUTO_MASKS, LOSSES, depth_hints  # noqa: E402
from baselines.losses.photometric import photometric  # noqa: E402
from baselines.losses.smoothness import edge_aware, smoothness  # noqa: E402
from baselines.losses.ssim import ssim_dissimilarity  # noqa: E402
from baselines.views import Views, synthesise  # noqa: E402

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "losses_monodepth2.json").read_text("utf-8"))
MONODEPTH2 = GOLDEN["monodepth2"]
B, H, W = 2, 32, 64
SCALES = (0, 1, 2, 3)
FRAMES: list[Source] = [0, -1, 1, "s"]


def uniform(n: int, salt: int) -> Any:
    """Integer hash of the index: `recipe.hash` of the golden file, in [0, 1)."""
    mask = np.uint64(0xFFFFFFFF)
    h = (np.arange(n, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(salt)) & mask
    for shift, factor in ((16, 2246822519), (13, 3266489917)):
        h = ((h ^ (h >> np.uint64(shift))) * np.uint64(factor)) & mask
    return torch.from_numpy((h ^ (h >> np.uint64(16))) / 2.0**32)


def smooth(salt: int, *shape: int) -> Any:
    b, c, h, w = shape
    batch, channel, row, col = (torch.arange(n, dtype=torch.float64) for n in shape)
    phase = 0.35 * col + 0.21 * row[:, None] + 0.9 * channel[:, None, None] + 0.5 * batch[:, None, None, None] + 0.01 * salt
    return 0.5 + 0.3 * torch.sin(phase) + 0.2 * (uniform(b * c * h * w, salt).view(shape) - 0.5)


def pyramid(position: int) -> list[Any]:
    image = 0.9 * torch.roll(smooth(11, B, 3, H, W), [0, 1, -1, 2][position], dims=3) + 0.1 * smooth(20 + position, B, 3, H, W)
    return [image if s == 0 else avg_pool2d(image, 2**s) for s in SCALES]


def sigmoids(scales: tuple[int, ...]) -> dict[int, Any]:
    return {s: 0.05 + 0.3 * smooth(40 + s, B, 1, H >> s, W >> s) for s in scales}


def inverse_depth(sigmoid: Any) -> Any:
    return 0.01 + 9.99 * sigmoid


def poses() -> dict[int, Any]:
    given = MONODEPTH2["cam_T_cam"]
    vectors = {
        f: [torch.tensor(given[k][str(f)], dtype=torch.float64)[:, 0] for k in ("axisangle", "translation")] for f in (-1, 1)
    }
    return {f: pose_matrix(*vectors[f], invert=f < 0) for f in (-1, 1)}


def views(sources: list[Source], scales: tuple[int, ...] = SCALES, *, hints: bool = False, **options: Any) -> Views:
    images: dict[Source, list[Any]] = {f: pyramid(i) for i, f in enumerate(FRAMES) if f in (0, *sources)}
    K = torch.tensor([[0.58 * W, 0, 0.5 * W], [0, 1.92 * H, 0.5 * H], [0, 0, 1]], dtype=torch.float64).expand(B, 3, 3)
    T = torch.eye(4, dtype=torch.float64).repeat(B, 1, 1)
    T[:, 0, 3] = -0.1
    u = uniform(B * H * W, 900).view(B, 1, H, W)
    hint = torch.where(u > 0.3, 0.3 + 2 * u, 0) if hints else None
    batch = Batch({f: i[0] for f, i in images.items()}, images, K, T, hint)
    return synthesise(batch, sigmoids(scales), inverse_depth, poses(), noise=0, **options)


def check_map(came: Any, expected: dict[str, Any]) -> None:
    assert list(came.shape) == expected["shape"]
    flat = came.flatten()
    statistics = [flat.mean(), flat.std(unbiased=False), flat.min(), flat.max(), flat.abs().sum()]
    names = ("mean", "std_population", "min", "max", "abs_sum")
    assert [float(v) for v in statistics] == pytest.approx([expected[name] for name in names], rel=1e-6)
    assert flat[: len(expected["first"])].tolist() == pytest.approx(expected["first"], rel=1e-6)
    assert flat[expected["probe_indices"]].tolist() == pytest.approx(expected["probe_values"], rel=1e-6)


def test_inputs_are_those_of_the_golden_run() -> None:
    for salt in (0, 12345):
        assert uniform(4, salt).tolist() == pytest.approx(GOLDEN["recipe"]["selftest"][f"u_n4_salt{salt}"], abs=1e-11)
    for i, frame in enumerate(FRAMES):
        for scale in (0, 3):
            check_map(pyramid(i)[scale], MONODEPTH2["inputs_check"][f"('color', {frame!r}, {scale})"])


def test_ssim_and_photometric_maps() -> None:
    previous, target = pyramid(1)[0], pyramid(0)[0]
    check_map(ssim_dissimilarity(previous, target), MONODEPTH2["ssim_dissimilarity_map"])
    check_map(photometric(previous, target), MONODEPTH2["photometric_0.85ssim_0.15l1_map"])


def test_smoothness() -> None:
    made = views([1], (0,))
    assert float(smoothness(made)["smoothness"]) == pytest.approx(MONODEPTH2["smoothness_scale0"], rel=1e-6)
    plain = edge_aware(made.sigmoids[0], made.pyramid[0])
    assert float(plain) == pytest.approx(MONODEPTH2["smoothness_unnormalised_disp_scale0"], rel=1e-6)


def test_depth_of_the_sigmoid() -> None:
    for sigmoid, (disparity, depth) in MONODEPTH2["disp_to_depth"].items():
        inverse = inverse_depth(float(sigmoid))
        assert (inverse, 1 / inverse) == pytest.approx((disparity, depth), rel=1e-6)


def test_pose_matrices() -> None:
    given, T = MONODEPTH2["cam_T_cam"], poses()
    for name, frame in (("frame_-1_inverted", -1), ("frame_+1", 1)):
        np.testing.assert_allclose(T[frame], given[name], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("align_corners", [True, False])
def test_synthesis(align_corners: bool) -> None:
    expected = MONODEPTH2[f"total_loss_align_corners_{align_corners}"]["mono_stereo_default"]
    made = views([-1, 1, "s"], align_corners=align_corners)
    K = torch.tensor([[0.58 * W, 0, 0.5 * W], [0, 1.92 * H, 0.5 * H], [0, 0, 1]], dtype=torch.float64).expand(B, 3, 3)
    check_map(sample_grid(made.scales[0].depth, K, poses()[1]), expected["sample_grid_frame1_scale0"])
    check_map(made.scales[0].warped[1], expected["warped_frame1_scale0"])
    check_map(made.scales[0].warped[2], expected["warped_stereo_scale0"])
    check_map(made.scales[3].warped[1], expected["warped_frame1_scale3"])
    kept = AUTO_MASKS["minimum_reprojection"](made)
    assert kept.double().mean().item() == pytest.approx(expected["automask_fraction_of_pixels_kept_scale0"], rel=1e-6)


COMBINATIONS: dict[str, tuple[list[Source], str, dict[str, Any], bool]] = {
    "mono_stereo_default": ([-1, 1, "s"], "minimum_reprojection", {}, False),
    "mono": ([-1, 1], "minimum_reprojection", {}, False),
    "stereo_only": (["s"], "minimum_reprojection", {}, False),
    "mono_stereo_no_automask": ([-1, 1, "s"], "minimum_reprojection", {"automask": False}, False),
    "mono_stereo_avg_reprojection": ([-1, 1, "s"], "average_reprojection", {}, False),
    "mono_stereo_v1_multiscale": ([-1, 1, "s"], "minimum_reprojection", {}, True),
    "mono_stereo_no_ssim": ([-1, 1, "s"], "minimum_reprojection", {"ssim": 0}, False),
}


def total(made: Views, loss: str, options: dict[str, Any]) -> float:
    return float(sum(LOSSES[loss](made, **options).values()) + 1e-3 * smoothness(made)["smoothness"])


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("name", COMBINATIONS)
def test_monodepth2_loss(name: str, align_corners: bool) -> None:
    expected = MONODEPTH2[f"total_loss_align_corners_{align_corners}"][name]
    sources, loss, options, native = COMBINATIONS[name]
    for scales in (SCALES, *((s,) for s in SCALES)):
        made = views(sources, scales, align_corners=align_corners, native_scales=native)
        key = "loss" if len(scales) > 1 else f"loss/{scales[0]}"
        assert total(made, loss, options) == pytest.approx(expected[key], rel=1e-6)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("name", ["stereo_hints", "mono_stereo_hints", "stereo_no_hints"])
def test_depth_hints_loss(name: str, align_corners: bool) -> None:
    expected = GOLDEN["depth_hints"][f"total_loss_align_corners_{align_corners}"][name]
    sources: list[Source] = [-1, 1, "s"] if name.startswith("mono") else ["s"]
    hints = not name.endswith("no_hints")
    for scales in (SCALES, *((s,) for s in SCALES)):
        made = views(sources, scales, hints=hints, align_corners=align_corners)
        terms = LOSSES["depth_hints"](made)
        key = "loss" if len(scales) > 1 else f"loss/{scales[0]}"
        assert total(made, "depth_hints", {}) == pytest.approx(expected[key], rel=1e-6)
        if len(scales) == 1:
            assert float(terms["reprojection"]) == pytest.approx(expected[f"reproj_loss/{scales[0]}"], rel=1e-6)
            if hints:
                assert float(terms["hint"]) == pytest.approx(expected[f"depth_hint_loss/{scales[0]}"], rel=1e-6)
    if hints:
        made = views(sources, hints=True, align_corners=align_corners)
        hinted, kept = (float(mask(made).double().mean()) for mask in (depth_hints.hinted, depth_hints.kept))
        assert hinted == pytest.approx(expected["depth_hint_pixel_fraction_scale0"], rel=1e-6)
        assert 1 - kept == pytest.approx(expected["automasked_fraction_scale0"], rel=1e-6)

"""What synthesise makes of a batch: which images, sizes, intrinsics, motions and noise."""

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from torch.nn.functional import avg_pool2d  # noqa: E402

from baselines.batch import Batch, Source  # noqa: E402
from baselines.geometry import pose_matrix, sample_grid, warp  # noqa: E402
from baselines.losses import LOSSES  # noqa: E402
from baselines.views import Views, synthesise  # noqa: E402
from benchmark.errors import TrainingError  # noqa: E402

H, W = 8, 16
K = torch.tensor([[8.0, 0, 7.5], [0, 12.0, 4], [0, 0, 1]], dtype=torch.float64)
POSE = pose_matrix(*torch.tensor([[[0.01, 0.02, 0]], [[0.1, 0, 0.2]]], dtype=torch.float64), invert=False)
RNG = np.random.default_rng(0)
LEVELS = [torch.from_numpy(RNG.random((1, 3, H >> s, W >> s))) for s in range(3)]


def batch(sources: list[Source], *, stereo: bool = True, hint: Any = None) -> Batch:
    images = {source: [level.roll(i, 3) for level in LEVELS] for i, source in enumerate([0, *sources])}
    T = torch.eye(4, dtype=torch.float64)[None].clone()
    T[0, 0, 3] = -0.1
    return Batch({}, images, K[None], T if stereo else None, hint)


def sigmoids(*scales: int) -> dict[int, Any]:
    return {s: torch.from_numpy(RNG.random((1, 1, H >> s, W >> s))) for s in scales}


def made(sources: list[Source], *scales: int, **options: Any) -> Views:
    options = {"noise": 0, "poses": {-1: POSE, 1: POSE.inverse()}, **options}
    poses = options.pop("poses")
    return synthesise(batch(sources), sigmoids(*scales), lambda s: 0.5 + s, poses, **options)


def test_every_scale_is_compared_at_full_resolution() -> None:
    views = made([1, "s"], 0, 2)
    assert views.sources == [1, "s"]
    assert list(views.frames) == [0]
    assert views.frames[0].sources.shape == (2, 1, 3, H, W)
    assert {scale: (view.level, tuple(view.depth.shape)) for scale, view in views.scales.items()} == {
        0: (0, (1, 1, H, W)), 2: (0, (1, 1, H, W)),
    }  # fmt: skip
    assert views.pyramid[2].shape == (1, 3, 2, 4)
    assert all(view.noise is None for view in views.scales.values())


def test_the_output_of_the_network_is_enlarged_before_it_becomes_depth() -> None:
    """One row [0, 1]: bilinear at twice the size is [0, 1/4, 3/4, 1]; 1 / (0.5 + that). Depth would give other numbers."""
    images: dict[Source, list[Any]] = {f: [torch.zeros(1, 3, 2, 4), torch.zeros(1, 3, 1, 2)] for f in (0, 1)}
    sigmoid = torch.tensor([[[[0.0, 1.0]]]])
    views = synthesise(Batch({}, images, torch.eye(3)[None]), {1: sigmoid}, lambda s: 0.5 + s, {1: torch.eye(4)[None]}, noise=0)
    np.testing.assert_allclose(views.scales[1].depth[0, 0], 2 * [[2, 4 / 3, 0.8, 2 / 3]], rtol=1e-6)


def test_native_scales_use_their_own_images_and_intrinsics() -> None:
    views = made([-1, 1], 0, 1, 2, native_scales=True)
    assert [view.level for view in views.scales.values()] == [0, 1, 2]
    small = torch.tensor([[2.0, 0, 7.5 / 4], [0, 3.0, 1], [0, 0, 1]], dtype=torch.float64)
    depth = 1 / (0.5 + views.sigmoids[2])
    expected = warp(LEVELS[2].roll(1, 3), sample_grid(depth, small[None], POSE))
    np.testing.assert_allclose(views.scales[2].warped[0], expected, rtol=1e-9)
    np.testing.assert_array_equal(views.frames[2].target, LEVELS[2])
    np.testing.assert_array_equal(views.frames[2].sources[1], LEVELS[2].roll(2, 3))


def test_sides_of_a_level_that_are_no_exact_halves_scale_the_intrinsics_with_them() -> None:
    images: dict[Source, list[Any]] = {
        f: [torch.rand(1, 3, 6, 10), torch.rand(1, 3, 3, 5), torch.rand(1, 3, 1, 2)] for f in (0, 1)
    }
    T = torch.eye(4)[None].clone()
    T[0, 0, 3] = 1.0
    views = synthesise(
        Batch({}, images, torch.tensor([[[10.0, 0, 5], [0, 6, 3], [0, 0, 1]]])),
        {1: torch.ones(1, 1, 3, 5)}, lambda s: s, {1: T}, native_scales=True, noise=0,
    )  # fmt: skip
    # fx 5, depth 1, one unit to the side: five columns, which is beyond the image.
    np.testing.assert_allclose(views.scales[1].warped[0], images[1][1][..., -1:].expand(1, 3, 3, 5), rtol=1e-5)


def test_poses_may_depend_on_the_inverse_depth_of_the_scale() -> None:
    seen = []

    def poses(inverse: Any) -> dict[int, Any]:
        seen.append(inverse)
        return {1: pose_matrix(torch.zeros(1, 3), inverse.mean() * torch.ones(1, 3), invert=False).double()}

    views = made([1], 0, 2, poses=poses)
    assert [tuple(inverse.shape) for inverse in seen] == [(1, 1, H, W)] * 2
    for inverse, view in zip(list(seen), views.scales.values(), strict=True):
        np.testing.assert_allclose(1 / inverse, view.depth)
        expected = warp(LEVELS[0].roll(1, 3), sample_grid(view.depth, K[None], poses(inverse)[1]))
        np.testing.assert_allclose(view.warped[0], expected, rtol=1e-6)


def test_the_stereo_image_is_warped_by_its_own_transform() -> None:
    views = made(["s"], 0, poses={})
    expected = warp(LEVELS[0].roll(1, 3), sample_grid(views.scales[0].depth, K[None], batch(["s"]).T_stereo_target))
    np.testing.assert_allclose(views.scales[0].warped[0], expected)


def test_a_stereo_image_without_its_transform_is_refused() -> None:
    with pytest.raises(TrainingError, match="without T_stereo_target"):
        synthesise(batch(["s"], stereo=False), sigmoids(0), lambda s: s, {})


def test_the_hint_is_warped_once_with_the_stereo_image() -> None:
    hint = torch.where(torch.from_numpy(RNG.random((1, 1, H, W))) > 0.3, 2.0, 0.0).double()
    views = synthesise(batch([1, "s"], hint=hint), sigmoids(0, 1), lambda s: 0.5 + s, {1: POSE})
    assert views.hint is not None
    assert torch.isfinite(views.hint.warped).all()
    known = (hint > 0).expand(1, 3, H, W)
    # fx 8, baseline -0.1, depth 2: 0.4 columns to the left, border beyond.
    image = LEVELS[0].roll(2, 3)
    left = torch.cat([image[..., :1], image[..., :-1]], dim=-1)
    np.testing.assert_allclose(views.hint.warped[known], (0.6 * image + 0.4 * left)[known], rtol=1e-5)


def test_noise_comes_from_the_seeded_generator_anew_at_each_scale() -> None:
    def drawn() -> list[Any]:
        with torch.random.fork_rng():
            torch.manual_seed(7)
            views = made([1, "s"], 0, 1, noise=1e-5)
        return [view.noise for view in views.scales.values()]

    first, again = drawn(), drawn()
    assert [tuple(noise.shape) for noise in first] == [(2, 1, 1, H, W)] * 2
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
        assert float(a.std()) == pytest.approx(1e-5, rel=0.2)
    assert not torch.equal(*first)


def test_half_precision_outputs_are_brought_to_the_precision_of_the_camera() -> None:
    sigmoid = {0: torch.full((1, 1, H, W), 0.5, dtype=torch.bfloat16)}
    views = synthesise(batch([1]), sigmoid, lambda s: 0.5 + s, {1: POSE.to(torch.bfloat16)}, noise=0)
    assert views.scales[0].depth.dtype == views.scales[0].warped.dtype == torch.float64


def test_gradients_reach_disparity_and_pose() -> None:
    sigmoid = torch.full((1, 1, H, W), 0.5, dtype=torch.float64, requires_grad=True)
    image = {f: [avg_pool2d(level, 3, 1, 1) for level in levels] for f, levels in batch([1]).images.items()}
    pose = POSE.clone().requires_grad_()
    views = synthesise(batch([1])._replace(images=image), {0: sigmoid}, lambda s: 0.5 + s, {1: pose}, noise=0)
    slopes = torch.autograd.grad(views.scales[0].warped.square().sum(), (sigmoid, pose))
    assert all(torch.isfinite(slope).all() and slope.abs().sum() > 0 for slope in slopes)


@pytest.mark.parametrize("broken", ["sigmoid", "pose"])
@pytest.mark.parametrize("loss", ["minimum_reprojection", "average_reprojection", "depth_hints"])
def test_a_nan_reaches_the_loss_and_harms_nothing_else(broken: str, loss: str) -> None:
    sigmoid, pose = torch.full((1, 1, H, W), 0.5).double(), POSE.clone()
    (sigmoid[0, 0, 3] if broken == "sigmoid" else pose[0])[2] = math.nan
    views = synthesise(batch([1]), {0: sigmoid.requires_grad_()}, lambda s: 0.5 + s, {1: pose.requires_grad_()}, noise=0)
    total = LOSSES[loss](views)["reprojection"]
    assert torch.isnan(total)
    total.backward()

"""Camera motion and view synthesis: worked by hand, and what must hold for any motion, depth and camera."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from baselines.geometry import pose_matrix, rotation, sample_grid, warp  # noqa: E402

number = st.floats(-3, 3, allow_subnormal=False)
vector = st.tuples(number, number, number).map(lambda v: torch.tensor([v], dtype=torch.float64))
K = torch.tensor([[[20.0, 0, 4.5], [0, 30.0, 2.0], [0, 0, 1]]], dtype=torch.float64)


def check_equal(came: Any, expected: Any, atol: float = 1e-12) -> None:
    np.testing.assert_allclose(came.detach(), expected, rtol=0, atol=atol)


def test_a_quarter_turn_about_z() -> None:
    quarter = rotation(torch.tensor([[0, 0, math.pi / 2]], dtype=torch.float64))
    check_equal(quarter[0], [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=2e-7)  # the axis is short by 1e-7 / angle


def test_pose_matrix_by_hand() -> None:
    v, t = torch.tensor([[0, 0, math.pi / 2]], dtype=torch.float64), torch.tensor([[1, 2, 3]], dtype=torch.float64)
    check_equal(pose_matrix(v, t, invert=False)[0], [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]], atol=1e-6)
    check_equal(pose_matrix(v, t, invert=True)[0], [[0, 1, 0, -2], [-1, 0, 0, 1], [0, 0, 1, -3], [0, 0, 0, 1]], atol=1e-6)


@given(vector)
def test_rotations_are_orthonormal(v: Any) -> None:
    R = rotation(v)[0]
    check_equal(R @ R.T, np.eye(3), atol=1e-6)
    assert float(torch.linalg.det(R)) == pytest.approx(1, abs=1e-6)


@given(vector, vector)
def test_the_inverted_pose_is_the_inverse_of_the_matrix(v: Any, t: Any) -> None:
    product = pose_matrix(v, t, invert=False) @ pose_matrix(v, t, invert=True)
    check_equal(product[0], np.eye(4), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_rotation_the_matrix_is_the_identity_and_its_slope_the_generators(dtype: Any) -> None:
    v = torch.zeros(1, 3, dtype=dtype, requires_grad=True)
    R = rotation(v)
    check_equal(R[0], np.eye(3))
    for i, (row, column) in enumerate([(2, 1), (0, 2), (1, 0)]):
        (slope,) = torch.autograd.grad(R[0, row, column], v, retain_graph=True)
        check_equal(slope[0], np.eye(3)[i])


def test_slopes_of_the_pose_are_those_of_its_differences() -> None:
    v, t = (torch.tensor([[a, 0.1, -0.2]], dtype=torch.float64, requires_grad=True) for a in (0.3, -0.4))
    assert torch.autograd.gradcheck(lambda v, t: pose_matrix(v, t, invert=True), (v, t))


def test_grid_of_a_sideways_step_by_hand() -> None:
    """fx 20, depth 2 and 5, 0.2 to the side: pixels move by 20 * 0.2 / depth = 2 and 0.8 columns of ten."""
    depth = torch.tensor([2.0, 5.0], dtype=torch.float64).repeat_interleave(5).expand(1, 1, 4, 10)
    T = torch.eye(4, dtype=torch.float64)[None].clone()
    T[0, 0, 3] = 0.2
    grid = sample_grid(depth, K, T)
    assert grid.shape == (1, 4, 10, 2)
    column = np.arange(10) + np.repeat([2, 0.8], 5)
    check_equal(grid[0, ..., 0], np.broadcast_to(2 * column / 9 - 1, (4, 10)), atol=1e-6)
    check_equal(grid[0, ..., 1], np.broadcast_to(2 * np.arange(4)[:, None] / 3 - 1, (4, 10)), atol=1e-6)


@given(vector, vector, st.integers(0, 2**32 - 1))
def test_grid_is_that_of_the_pinhole_camera(v: Any, t: Any, seed: int) -> None:
    """An independent projection in numpy, point by point, wherever it lies before the camera."""
    rng = np.random.default_rng(seed)
    depth = rng.uniform(1, 9, (3, 4))
    T = pose_matrix(v / 10, t / 10, invert=False)
    grid = sample_grid(torch.from_numpy(depth)[None, None], K, T)[0].numpy()
    camera = K[0].numpy()
    for (y, x), z in np.ndenumerate(depth):
        point = T[0].numpy() @ [*(z * np.linalg.inv(camera) @ [x, y, 1]), 1]
        if point[2] > 0.1:
            u, w, _ = camera @ point[:3] / point[2]
            np.testing.assert_allclose(grid[y, x], [2 * u / 3 - 1, 2 * w / 2 - 1], rtol=1e-5, atol=1e-5)


@given(st.integers(0, 2**32 - 1), st.sampled_from([torch.float32, torch.float64]))
def test_identity_reproduces_the_image_at_any_depth(seed: int, dtype: Any) -> None:
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 3, 5, 10, generator=generator, dtype=dtype)
    depth = 0.1 + 99.9 * torch.rand(1, 1, 5, 10, generator=generator, dtype=dtype)
    grid = sample_grid(depth, K.to(dtype), torch.eye(4, dtype=dtype)[None])
    check_equal(warp(image, grid), image, atol=2e-5)


@settings(max_examples=20)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_sources_before_the_batch_are_warped_as_one_by_one(n: int, b: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    v, t = (0.2 * torch.randn(n, b, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    images = torch.rand(n, b, 3, 4, 6, generator=generator, dtype=torch.float64)
    depth = 1 + torch.rand(b, 1, 4, 6, generator=generator, dtype=torch.float64)
    together = warp(images, sample_grid(depth, K.expand(b, 3, 3), pose_matrix(v, t, invert=False)))
    for i in range(n):
        T = pose_matrix(v[i], t[i], invert=False)
        check_equal(together[i], warp(images[i], sample_grid(depth, K.expand(b, 3, 3), T)))


def test_beyond_the_image_its_border_goes_on() -> None:
    image = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    grid = torch.tensor([[[[-7.0, -9.0], [0.0, -1.0], [0.5, 0.0], [1.0, 1.0], [3.0, 9.0]]]])
    check_equal(warp(image, grid), [[[[1, 2, 4, 6, 6]]]], atol=1e-6)


def test_synthesis_keeps_its_precision_under_autocast() -> None:
    depth, T = torch.full((1, 1, 5, 10), 3.0), torch.eye(4)[None].clone()
    T[0, 0, 3] = 0.123
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = sample_grid(depth, K.float(), T)
    assert mixed.dtype == torch.float32
    check_equal(mixed, sample_grid(depth, K.float(), T))

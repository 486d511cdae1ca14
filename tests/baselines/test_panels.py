"""What TensorBoard shows, worked by hand on batches of a few pixels."""

import numpy as np
import pytest
import tiny_training as tiny

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from baselines.batch import Batch  # noqa: E402
from baselines.panels import coloured, magma, panels  # noqa: E402
from baselines.recipe import load_recipe  # noqa: E402
from baselines.views import synthesise  # noqa: E402

BRIGHT, DARK = (0.987053, 0.991438, 0.749504), (0.001462, 0.000466, 0.013866)  # the ends of matplotlib's magma


def batch_of(n: int) -> Batch:
    """n items whose other camera sees the same image: with the baseline 0 nothing moves."""
    random = torch.Generator().manual_seed(0)
    image = torch.rand(n, 3, 64, 96, generator=random)
    K = torch.tensor([[55.68, 0, 48], [0, 122.88, 32], [0, 0, 1]]).expand(n, 3, 3)
    levels = [image, torch.nn.functional.avg_pool2d(image, 2)]
    return Batch({0: image}, {0: levels, "s": [image]}, K, torch.eye(4).expand(n, 4, 4))


def views_of(n: int, **options):
    sigmoids = {s: torch.full((n, 1, 64 >> s, 96 >> s), 0.1) for s in (0, 1)}
    return synthesise(batch_of(n), sigmoids, lambda x: 0.01 + 9.99 * x, {}, **options)


def test_the_nearest_is_bright_and_the_farthest_dark():
    disparity = np.linspace(0, 1, 1001, dtype=np.float32).reshape(7, 143)
    colours = magma(disparity)
    assert (colours.shape, colours.dtype) == ((7, 143, 3), np.float32)
    assert colours[0, 0] == pytest.approx(DARK, abs=1e-5)
    assert colours[-1, -1] == pytest.approx(BRIGHT, abs=1e-5)
    # The 95th percentile and what is above it have one colour.
    assert colours.reshape(-1, 3)[951] == pytest.approx(BRIGHT, abs=1e-5)
    assert colours.reshape(-1, 3)[900] != pytest.approx(BRIGHT, abs=1e-2)
    assert magma(np.full((2, 3), 5, np.float32)) == pytest.approx(np.tile(np.float32(DARK), (2, 3, 1)), abs=1e-5)


def test_colours_of_a_batch_are_by_item():
    disparity = torch.arange(8.0).reshape(2, 1, 2, 2)
    assert torch.equal(coloured(disparity)[0], coloured(disparity)[1])
    assert coloured(disparity).shape == (2, 3, 2, 2)


def test_pictures_of_a_batch(tmp_path):
    recipe = load_recipe(str(tiny.write_recipe(tmp_path)))
    views = views_of(6)
    shown = panels(recipe, views)
    assert set(shown) == {"input", "disparity", "warped_s", "auto_mask"}
    for picture in shown.values():
        assert (picture.shape, picture.dtype) == ((4 * 64, 96, 3), np.uint8)  # four of six items, one below the other
    target = (255 * views.frames[0].target).round().to(torch.uint8)
    assert np.array_equal(shown["input"][64:128], target[1].permute(1, 2, 0).numpy())
    assert np.abs(shown["warped_s"].astype(int) - shown["input"]).max() <= 1  # nothing moves
    assert set(np.unique(shown["auto_mask"])) <= {0, 255}


@pytest.mark.parametrize("changes", [
    {"losses": {"minimum_reprojection": {"weight": 1.0, "automask": False}}}, {"losses": {"smoothness": {"weight": 1.0}}},
])  # fmt: skip
def test_without_an_auto_mask_none_is_shown(tmp_path, changes):
    recipe = load_recipe(str(tiny.write_recipe(tmp_path, changes=changes)))
    assert set(panels(recipe, views_of(1))) == {"input", "disparity", "warped_s"}

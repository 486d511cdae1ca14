"""The losses worked by hand on images of a few pixels, and what must hold for any image."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from torch.nn.functional import avg_pool2d, binary_cross_entropy, pad  # noqa: E402

from baselines.losses import AUTO_MASKS, LOSSES, depth_hints  # noqa: E402
from baselines.losses.photometric import photometric  # noqa: E402
from baselines.losses.smoothness import edge_aware  # noqa: E402
from baselines.losses.ssim import moments, ssim_dissimilarity  # noqa: E402
from baselines.views import Frames, Hint, View, Views  # noqa: E402
from benchmark.errors import TrainingError  # noqa: E402

seeds = st.integers(0, 2**32 - 1)


def tensor(values: Any) -> Any:
    return torch.tensor(values, dtype=torch.float64)


def by_source(*images: Any) -> Any:
    return torch.stack(images)


def views(scales: dict[int, list[Any]], sources: list[Any], target: Any, **more: Any) -> Views:
    """Views at full resolution whose warped sources are given by scale; depth 1 throughout unless given."""
    depth, noise = more.pop("depth", torch.ones_like(target[:, :1])), more.pop("noise", None)
    return Views(
        sources=list(range(1, len(sources) + 1)),
        frames={0: Frames(target, by_source(*sources))},
        scales={scale: View(0, depth, by_source(*warped), noise) for scale, warped in scales.items()},
        **{"sigmoids": {}, "pyramid": {}, "hint": None, "masks": None, **more},
    )  # fmt: skip


def random_image(seed: int, *shape: int) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


# Structural dissimilarity


@given(seeds)
def test_an_image_is_like_itself(seed: int) -> None:
    image = random_image(seed, 1, 3, 4, 5)
    np.testing.assert_allclose(ssim_dissimilarity(image, image), np.zeros((1, 3, 4, 5)), atol=1e-12)


@given(seeds)
def test_dissimilarity_is_symmetric_and_within_0_and_1(seed: int) -> None:
    a, b = random_image(seed, 2, 1, 3, 4, 5)
    there = ssim_dissimilarity(a, b)
    np.testing.assert_allclose(there, ssim_dissimilarity(b, a), rtol=1e-12)
    assert 0 <= there.min() <= there.max() <= 1


def test_dissimilarity_of_flat_images_by_hand() -> None:
    """Without variance the second factor is 1: (2 * 0.1 * 0.3 + 1e-4) / (0.01 + 0.09 + 1e-4)."""
    a, b = torch.full((1, 3, 3, 3), 0.1).double(), torch.full((1, 3, 3, 3), 0.3).double()
    expected = (1 - (0.06 + 1e-4) / (0.1 + 1e-4)) / 2
    np.testing.assert_allclose(ssim_dissimilarity(a, b), np.full((1, 3, 3, 3), expected), rtol=1e-6)


def test_dissimilarity_is_that_of_pooled_moments() -> None:
    """The textbook's formula with another filter, mirrored borders included."""
    a, b = random_image(3, 2, 2, 3, 5, 6)

    def mean(image: Any) -> Any:
        return avg_pool2d(pad(image, (1, 1, 1, 1), mode="reflect"), 3, 1)

    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    similarity = (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
    np.testing.assert_allclose(ssim_dissimilarity(a, b), ((1 - similarity) / 2).clamp(0, 1), rtol=1e-9)


def test_slopes_of_the_dissimilarity_are_those_of_its_differences() -> None:
    a, b = random_image(5, 2, 1, 1, 4, 3)
    assert torch.autograd.gradcheck(lambda x: ssim_dissimilarity(x, b), (a.requires_grad_(),))


def test_several_predictions_against_one_target_are_as_one_by_one() -> None:
    predictions, target = random_image(1, 3, 2, 3, 4, 5), random_image(2, 2, 3, 4, 5)
    together = photometric(predictions, target, target_moments=moments(target))
    assert together.shape == (3, 2, 1, 4, 5)
    for one, prediction in zip(together, predictions, strict=True):
        np.testing.assert_allclose(one, photometric(prediction, target), rtol=1e-12)


# Reprojection: images of one grey value each, whose L1 errors are the differences

TARGET = torch.full((1, 3, 2, 2), 0.5).double()


def errors(*values: float) -> Any:
    """An image whose four pixels differ from the target by these amounts."""
    return TARGET + tensor(values).view(1, 1, 2, 2)


WARPED = [errors(0.1, 0.4, 0.3, 0.0), errors(0.2, 0.1, 0.4, 0.3)]
STILL = [errors(0.3, 0.2, 0.1, 0.0), errors(0.4, 0.3, 0.2, 0.2)]


def test_minimum_reprojection_by_hand() -> None:
    """Smallest warped: .1 .1 .3 .0; as they are: .3 .2 .1 .0; a tie is the identity's."""
    made = views({0: WARPED}, STILL, TARGET)
    assert float(LOSSES["minimum_reprojection"](made, ssim=0)["reprojection"]) == pytest.approx((0.1 + 0.1 + 0.1 + 0) / 4)
    assert AUTO_MASKS["minimum_reprojection"](made, ssim=0).flatten().tolist() == [True, True, False, False]
    without = LOSSES["minimum_reprojection"](made, ssim=0, automask=False)["reprojection"]
    assert float(without) == pytest.approx((0.1 + 0.1 + 0.3 + 0) / 4)
    assert AUTO_MASKS["minimum_reprojection"](made, ssim=0, automask=False).all()


def test_average_reprojection_by_hand() -> None:
    """Mean warped: .15 .25 .35 .15; as they are: .35 .25 .15 .1."""
    made = views({0: WARPED}, STILL, TARGET)
    assert float(LOSSES["average_reprojection"](made, ssim=0)["reprojection"]) == pytest.approx((0.15 + 0.25 + 0.15 + 0.1) / 4)
    assert AUTO_MASKS["average_reprojection"](made, ssim=0).flatten().tolist()[::2] == [True, False]
    without = LOSSES["average_reprojection"](made, ssim=0, automask=False)["reprojection"]
    assert float(without) == pytest.approx((0.15 + 0.25 + 0.35 + 0.15) / 4)


def test_scales_are_averaged_and_the_panels_show_the_finest() -> None:
    made = views({2: [errors(0.4, 0.4, 0.4, 0.4)], 0: [errors(0.2, 0.1, 0.2, 0.1)]}, [errors(0.3, 0.3, 0.3, 0.3)], TARGET)
    assert float(LOSSES["minimum_reprojection"](made, ssim=0)["reprojection"]) == pytest.approx((0.3 + 0.15) / 2)
    assert AUTO_MASKS["minimum_reprojection"](made, ssim=0).all()


@pytest.mark.parametrize("loss", ["minimum_reprojection", "average_reprojection", "depth_hints"])
def test_noise_is_added_to_the_identity_alone(loss: str) -> None:
    still = [errors(0.1, 0.1, 0.1, 0.1)]
    noise = tensor([1e-5, -1e-5, 1e-5, -1e-5]).view(1, 1, 1, 2, 2)
    made = views({0: still}, still, TARGET, noise=noise)
    assert AUTO_MASKS[loss](made, ssim=0).flatten().tolist() == [True, False, True, False]


def test_a_pixel_where_the_identity_wins_has_a_value_and_no_slope() -> None:
    warped = errors(0.1, 0.1, 0.4, 0.4).requires_grad_()
    made = views({0: [warped]}, [errors(0.2, 0.2, 0.2, 0.2)], TARGET)
    loss = LOSSES["minimum_reprojection"](made, ssim=0)["reprojection"]
    assert float(loss.detach()) == pytest.approx((0.1 + 0.1 + 0.2 + 0.2) / 4)
    (slope,) = torch.autograd.grad(loss, warped)
    np.testing.assert_allclose(slope[0, 0].flatten(), [1 / 12, 1 / 12, 0, 0])


def test_native_scales_are_compared_with_their_own_images() -> None:
    small = Frames(torch.full((1, 3, 1, 1), 0.2).double(), torch.full((1, 1, 3, 1, 1), 0.9).double())
    made = views({0: [errors(0.1, 0.1, 0.1, 0.1)]}, [errors(0.3, 0.3, 0.3, 0.3)], TARGET)
    coarse = View(1, torch.ones(1, 1, 1, 1).double(), torch.full((1, 1, 3, 1, 1), 0.7).double(), None)
    made = made._replace(frames={**made.frames, 1: small}, scales={**made.scales, 1: coarse})
    assert float(LOSSES["minimum_reprojection"](made, ssim=0)["reprojection"]) == pytest.approx((0.1 + 0.5) / 2)


# Predictive mask


def test_predictive_mask_by_hand() -> None:
    """Masks .5 and .25 on the sources: products .05 .2 .15 0 and .05 .025 .1 .075; entropies ln 2 and ln 4."""
    masks = tensor([[[[0.5] * 2] * 2, [[0.25] * 2] * 2]])
    terms = LOSSES["predictive_mask"](views({0: WARPED}, STILL, TARGET, masks={0: masks}), ssim=0)
    assert float(terms["reprojection"]) == pytest.approx((0.05 + 0.025 + 0.1 + 0) / 4)
    assert float(terms["mask"]) == pytest.approx(0.2 * (math.log(2) + math.log(4)) / 2)


def test_a_coarse_predictive_mask_is_enlarged_first() -> None:
    masks = tensor([[[[0.5]], [[1.0]]]])
    made = views({1: WARPED}, STILL, TARGET, masks={1: masks})
    terms = LOSSES["predictive_mask"](made, ssim=0)
    assert float(terms["reprojection"]) == pytest.approx((0.05 + 0.1 + 0.15 + 0) / 4)
    assert float(terms["mask"]) == pytest.approx(0.2 * math.log(2) / 2)


def test_the_entropy_of_a_mask_is_bounded_as_in_torch() -> None:
    masks = tensor([[[[0.0, 0.1], [0.9, 1.0]]]])
    terms = LOSSES["predictive_mask"](views({0: WARPED[:1]}, STILL[:1], TARGET, masks={0: masks}), ssim=0)
    assert float(terms["mask"]) == pytest.approx(0.2 * float(binary_cross_entropy(masks, torch.ones_like(masks))))


@pytest.mark.parametrize(("masks", "channels"), [(None, 0), ({0: torch.ones(1, 1, 2, 2)}, 1)])
def test_a_network_with_too_few_mask_channels_is_refused(masks: Any, channels: int) -> None:
    with pytest.raises(TrainingError, match=f"each of the 2 sources, and the depth network has {channels};"):
        LOSSES["predictive_mask"](views({0: WARPED}, STILL, TARGET, masks=masks))


# Depth Hints

DEPTH = tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 2, 2)


def hinted_views(hint_depth: list[float], hint_error: list[float]) -> Views:
    hint = Hint(tensor(hint_depth).view(1, 1, 2, 2), errors(*hint_error))
    return views({0: WARPED}, STILL, TARGET, depth=DEPTH, hint=hint)


def test_depth_hints_by_hand() -> None:
    """R .1 .1 .3 0, I .3 .2 .1 0, Hp .05 .3 .05 none: the hint wins the first and third, R the second and the tied last."""
    made = hinted_views([2, 2, 5, 0], [0.05, 0.3, 0.05, 0.0])
    terms = LOSSES["depth_hints"](made, ssim=0)
    assert float(terms["reprojection"]) == pytest.approx((0.1 + 0.1 + 0.3 + 0.0) / 4)
    assert float(terms["hint"]) == pytest.approx((math.log(2) + math.log(3)) / 2)
    assert depth_hints.hinted(made, ssim=0).flatten().tolist() == [True, False, True, False]


def test_depth_hints_average_over_the_pixels_that_take_part() -> None:
    """Without hints the third pixel is the identity's and leaves the mean, unlike in Monodepth2."""
    made = views({0: WARPED}, STILL, TARGET)
    terms = LOSSES["depth_hints"](made, ssim=0)
    assert list(terms) == ["reprojection"]
    assert float(terms["reprojection"]) == pytest.approx((0.1 + 0.1 + 0.0) / 3)
    assert AUTO_MASKS["depth_hints"](made, ssim=0).flatten().tolist() == [True, True, False, True]


def test_depth_hints_without_auto_mask() -> None:
    made = hinted_views([2, 2, 5, 0], [0.05, 0.3, 0.4, 0.0])
    terms = LOSSES["depth_hints"](made, ssim=0, automask=False)
    assert float(terms["reprojection"]) == pytest.approx((0.1 + 0.1 + 0.3 + 0.0) / 4)
    assert float(terms["hint"]) == pytest.approx(math.log(2))


def test_where_nothing_takes_part_the_terms_are_zero() -> None:
    made = views({0: [STILL[1]]}, [STILL[0] - 1e-3], TARGET)
    made = made._replace(frames={0: Frames(TARGET, TARGET[None])})
    assert float(LOSSES["depth_hints"](made, ssim=0)["reprojection"]) == 0


def test_hints_at_native_scales_are_refused() -> None:
    made = hinted_views([2, 2, 5, 0], [0.05, 0.3, 0.4, 0.0])
    made = made._replace(scales={1: made.scales[0]._replace(level=1)})
    with pytest.raises(TrainingError, match="native_scales: false"):
        LOSSES["depth_hints"](made)


@given(seeds)
def test_hints_that_hold_nothing_change_nothing(seed: int) -> None:
    images = list(random_image(seed, 5, 1, 3, 4, 5))
    plain = views({0: images[:2]}, images[2:4], images[4])
    empty = plain._replace(hint=Hint(torch.zeros(1, 1, 4, 5).double(), images[4]))
    terms = LOSSES["depth_hints"](empty)
    assert float(terms["hint"]) == 0
    assert float(terms["reprojection"]) == float(LOSSES["depth_hints"](plain)["reprojection"])


# Smoothness


def test_smoothness_by_hand() -> None:
    """Disparity 1 3 / 1 1 has mean 1.5; the image steps by 0.2 in the first row alone."""
    disparity, image = tensor([[[[1.0, 3.0], [1.0, 1.0]]]]), tensor([[[[0.5, 0.7], [0.5, 0.5]]]]).expand(1, 3, 2, 2)
    made = Views([], {}, {}, {1: disparity}, {1: image}, None, None)
    across = (2 * math.exp(-0.2) + 0) / 2
    down = (0 + 2 * math.exp(-0.2)) / 2
    assert float(edge_aware(disparity, image)) == pytest.approx(across + down)
    assert float(LOSSES["smoothness"](made)["smoothness"]) == pytest.approx((across + down) / 1.5 / 2)


@given(st.floats(0.01, 1), seeds)
def test_smoothness_of_a_constant_is_zero(value: float, seed: int) -> None:
    made = Views([], {}, {}, {0: torch.full((2, 1, 4, 5), value).double()}, {0: random_image(seed, 2, 3, 4, 5)}, None, None)
    assert float(LOSSES["smoothness"](made)["smoothness"]) == 0


@given(st.floats(0.1, 10), seeds)
def test_smoothness_does_not_depend_on_the_scale_of_disparity(factor: float, seed: int) -> None:
    disparity, image = 0.1 + random_image(seed, 1, 1, 4, 5), random_image(seed + 1, 1, 3, 4, 5)
    both = [Views([], {}, {}, {0: f * disparity}, {0: image}, None, None) for f in (1, factor)]
    values = [float(LOSSES["smoothness"](one)["smoothness"]) for one in both]
    assert values[0] == pytest.approx(values[1], rel=1e-4)

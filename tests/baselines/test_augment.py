"""The jitter against Pillow's own enhancers, the pyramid against Pillow's resize, flips by hand."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from baselines import augment  # noqa: E402
from baselines.augment import Augmentation, Draws  # noqa: E402
from baselines.pyramid import pyramid, resize  # noqa: E402
from baselines.recipe import Jitter  # noqa: E402

SIZE = (48, 96)
PUBLISHED = Augmentation(flip=0.5, jitter=Jitter(0.5, 0.2, 0.2, 0.2, 0.1))


def draw(seed: int, n: int, wanted: Augmentation = PUBLISHED) -> Draws:
    return augment.draw(np.random.default_rng(seed), n, wanted)


def photograph(seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """Noise upon smooth colours, with greys, black and white among them."""
    random = np.random.default_rng(seed)
    smooth = Image.fromarray(random.integers(0, 256, (5, 7, 3), dtype=np.uint8)).resize(size[::-1], Image.Resampling.BICUBIC)
    pixels = np.asarray(smooth).astype(int) + random.integers(-25, 26, (*size, 3))
    pixels[:4] = random.integers(0, 256, (4, size[1], 1))
    pixels[4:6], pixels[6:8] = 0, 255
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def tensor(images: list[Image.Image]) -> torch.Tensor:
    """(1, s, 3, h, w) uint8."""
    return torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2)[None]


def array(images: torch.Tensor) -> np.ndarray:
    """(s, h, w, 3) of one item."""
    return images[0].permute(0, 2, 3, 1).numpy()


def turned(image: Image.Image, turn: float) -> Image.Image:
    """Hue by torchvision's recipe for Pillow images: whole steps of 1/255, added to H modulo 256."""
    h, s, v = image.convert("HSV").split()
    moved = (np.asarray(h).astype(int) + int(turn * 255)) % 256
    return Image.merge("HSV", (Image.fromarray(moved.astype(np.uint8)), s, v)).convert("RGB")


WITH_PILLOW = (
    lambda image, f: ImageEnhance.Brightness(image).enhance(f),
    lambda image, f: ImageEnhance.Contrast(image).enhance(f),
    lambda image, f: ImageEnhance.Color(image).enhance(f),
    turned,
)


@pytest.mark.parametrize("kind", range(4), ids=["brightness", "contrast", "saturation", "hue"])
def test_each_change_equals_pillows(kind):
    random = np.random.default_rng(kind)
    for seed in range(6):
        factor = random.uniform(0.8, 1.2) if kind < 3 else random.uniform(-0.1, 0.1)
        images = [photograph(seed), photograph(seed + 100)]
        got = array(augment.CHANGES[kind](tensor(images), torch.tensor(factor).reshape(1, 1, 1, 1, 1)))
        expected = np.stack([np.asarray(WITH_PILLOW[kind](image, factor)) for image in images])
        assert np.array_equal(got, expected)


def test_a_whole_jitter_equals_pillows_in_any_order():
    for seed in range(8):
        draws = draw(seed, 1)._replace(jitter=np.array([True]))
        images = [photograph(seed), photograph(seed + 50), photograph(seed + 70)]
        expected = []
        for image in images:
            for kind in draws.order[0]:
                image = WITH_PILLOW[kind](image, draws.factor[0, kind])  # noqa: PLW2901
            expected.append(np.asarray(image))
        got = array(augment.jitter(tensor(images), draws))
        assert np.array_equal(got, np.stack(expected))
        assert (got != array(tensor(images))).mean() > 0.3


def test_colours_of_the_whole_cube_turn_as_pillow_turns_them():
    blue, green = np.meshgrid(np.arange(256), np.arange(256))
    for red in range(0, 256, 15):
        image = Image.fromarray(np.stack([np.full_like(blue, red), green, blue], -1).astype(np.uint8))
        for turn in (-0.1, 0.0, 0.07):
            got = array(augment.hue(tensor([image]), torch.full((1, 1, 1, 1, 1), turn)))[0]
            assert np.array_equal(got, np.asarray(turned(image, turn)))


def test_only_the_items_that_were_drawn_change_and_the_input_stays():
    images = torch.cat([tensor([photograph(i), photograph(i + 10)]) for i in range(6)])
    before = images.clone()
    draws = draw(0, 6)._replace(jitter=np.arange(6) % 2 == 0)
    changed = augment.jitter(images, draws)
    assert torch.equal(images, before)
    assert [bool((changed[i] != images[i]).any()) for i in range(6)] == [True, False] * 3
    # An item is changed as if it were alone.
    for i in (0, 2, 4):
        assert torch.equal(augment.jitter(images[i : i + 1], draws.part(slice(i, i + 1)))[0], changed[i])


def test_a_flip_mirrors_the_columns_of_the_marked_items():
    maps = torch.arange(12.0).reshape(2, 2, 3)
    assert augment.flip(maps, np.array([False, True])).tolist() == [
        [[0, 1, 2], [3, 4, 5]],
        [[8, 7, 6], [11, 10, 9]],
    ]
    assert augment.flip(maps, np.array([False, False])) is maps


def test_what_is_drawn():
    draws = draw(1, 20_000)
    assert abs(draws.flip.mean() - 0.5) < 0.02
    assert abs(draws.jitter.mean() - 0.5) < 0.02
    assert abs((draws.flip & draws.jitter).mean() - 0.25) < 0.02
    assert len(np.unique(draws.order, axis=0)) == 24
    for column, (low, high) in enumerate([(0.8, 1.2)] * 3 + [(-0.1, 0.1)]):
        own = draws.factor[:, column]
        assert low <= own.min() < low + 0.001
        assert high - 0.001 < own.max() <= high
        assert abs(own.mean() - (low + high) / 2) < 0.005
    own = draw(1, 20_000, Augmentation(0.0, Jitter(1.0, 0.0, 0.4, 0.3, 0.05)))
    assert (own.flip.any(), own.jitter.all(), np.unique(own.factor[:, 0]).tolist()) == (False, True, [1.0])
    assert np.abs(own.factor[:, 1:] - [1, 1, 0]).max(axis=0) == pytest.approx([0.4, 0.3, 0.05], rel=1e-3)
    part = draws.part(slice(4, 6))
    assert isinstance(part, Draws)
    assert all(np.array_equal(a, b[4:6]) for a, b in zip(part, draws, strict=True))


@pytest.mark.parametrize("size", [SIZE, (192, 640), (64, 96)])
def test_the_pyramid_is_pillows_to_the_last_bit(size):
    image = photograph(3, size)
    expected = [image]
    for _ in range(3):
        last = expected[-1]
        expected.append(last.resize((last.width // 2, last.height // 2), Image.Resampling.LANCZOS))
    made = pyramid(tensor([image]), 4)
    assert [tuple(level.shape[-2:]) for level in made] == [(size[0] >> s, size[1] >> s) for s in range(4)]
    for got, wanted in zip(made, expected, strict=True):
        assert got.dtype == torch.uint8
        assert np.array_equal(array(got)[0], np.asarray(wanted))


@pytest.mark.parametrize("size", [(31, 70), (48, 50), (60, 130)])
def test_any_other_size_is_pillows_as_well(size):
    image = photograph(4)
    wanted = np.asarray(image.resize(size[::-1], Image.Resampling.LANCZOS))
    assert np.array_equal(array(resize(tensor([image]), size))[0], wanted)


def test_the_pyramid_does_not_care_for_autocast():
    image = tensor([photograph(5)])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = pyramid(image, 2)[1]
    assert torch.equal(inside, pyramid(image, 2)[1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_computes_the_same():
    images = torch.cat([tensor([photograph(i), photograph(i + 10)]) for i in range(8)])
    draws = draw(2, 8)
    assert torch.equal(augment.jitter(images.cuda(), draws).cpu(), augment.jitter(images, draws))
    assert torch.equal(augment.flip(images.cuda(), draws.flip).cpu(), augment.flip(images, draws.flip))
    for own, other in zip(pyramid(images.cuda(), 4), pyramid(images, 4), strict=True):
        assert torch.equal(own.cpu(), other)

"""What a training step sees: order, slices by rank, resuming, augmentation and geometry."""

import itertools
import threading
from pathlib import Path

import numpy as np
import pytest
from kitti_tree import DRIVE, write_list
from PIL import Image
from training_tree import NUMBERS, write_raw

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from baselines import augment  # noqa: E402
from baselines.augment import Augmentation  # noqa: E402
from baselines.batch import Batch  # noqa: E402
from baselines.batches import Batches  # noqa: E402
from baselines.hints import hint_path  # noqa: E402
from baselines.image_cache import ImageCache, open_cache  # noqa: E402
from baselines.recipe import Jitter  # noqa: E402
from baselines.samples import Samples, find_samples  # noqa: E402
from benchmark.errors import OptionError, TrainingError  # noqa: E402
from benchmark.splits import Frame, read_list  # noqa: E402

SIZE = (16, 32)
PLAIN = Augmentation(0.0, Jitter(0.0, 0.2, 0.2, 0.2, 0.1))
FULL = Augmentation(0.5, Jitter(0.5, 0.2, 0.2, 0.2, 0.1))
MIRRORED = PLAIN._replace(flip=1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    write_raw(data / "kitti_raw", range(12))
    lines = [f"{DRIVE[:10]}/{DRIVE} {number} {side}\n" for number in range(1, 11) for side in "lr"]
    (data / "all.txt").write_text("".join(lines))
    write_list(data / "left.txt", list(NUMBERS))
    for number in range(12):
        for camera in ("image_02", "image_03"):
            path = hint_path(data / "hints", Frame(DRIVE, camera, number))
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.random.default_rng(number).uniform(0, 5, (1, *SIZE)).astype(np.float32))
    return data


def samples_of(folder: Path, name: str = "all.txt", **options) -> Samples:
    return find_samples(read_list(folder / name), folder, **{"stereo": True, **options})


def cache_of(folder: Path, samples: Samples, **options) -> ImageCache:
    return open_cache(folder / "cache", samples, size=SIZE, quiet=True, **options)


def batches_of(folder: Path, samples: Samples | None = None, **options) -> Batches:
    samples = samples or samples_of(folder)
    cache = cache_of(folder, samples, hints=options.pop("hints", None))
    return Batches(samples, cache, **{"batch": 4, "seed": 3, "augmentation": FULL, **options})


def tensors(batch: Batch) -> dict[str, torch.Tensor]:
    """Every tensor of a batch, by name."""
    found = {f"input {source}": image for source, image in batch.inputs.items()}
    found |= {f"image {source} {s}": level for source, levels in batch.images.items() for s, level in enumerate(levels)}
    found["K"] = batch.K
    return found | {k: v for k, v in (("T", batch.T_stereo_target), ("hint", batch.hint)) if v is not None}


def same(one: Batch, other: Batch) -> bool:
    a, b = tensors(one), tensors(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def whole(parts: list[Batch]) -> Batch:
    """The batch that several ranks share."""
    joined = {name: torch.cat([tensors(part)[name] for part in parts]) for name in tensors(parts[0])}
    first = parts[0]
    return Batch(
        {source: joined[f"input {source}"] for source in first.inputs},
        {source: [joined[f"image {source} {s}"] for s in range(len(levels))] for source, levels in first.images.items()},
        joined["K"], joined.get("T"), joined.get("hint"),
    )  # fmt: skip


def test_a_plain_batch_is_the_cache_in_the_order_of_the_split(folder):
    samples = samples_of(folder)
    cache = cache_of(folder, samples)
    made = list(Batches(samples, cache, batch=8).epoch(0))
    assert [len(batch.K) for batch in made] == [8, 8, 4]
    first = made[0]
    assert list(first.images) == [0, -1, 1, "s"]
    assert list(first.inputs) == [0, -1, 1]
    assert first.sources == [-1, 1, "s"]
    for i, frames in enumerate(samples.frames[:8]):
        for source, frame in zip(samples.sources, frames, strict=True):
            expected = torch.from_numpy(np.array(cache.images[cache.rows[frame]])).permute(2, 0, 1) / 255
            assert torch.equal(first.images[source][0][i], expected)
            assert source == "s" or torch.equal(first.inputs[source][i], expected)
    assert (first.K.shape, first.hint) == ((8, 3, 3), None)
    torch.testing.assert_close(first.K[0], torch.tensor([[0.58 * 32, 0, 16], [0, 1.92 * 16, 8], [0, 0, 1]]))
    assert first.T_stereo_target is not None
    assert first.T_stereo_target[:2, 0, 3].tolist() == pytest.approx([-0.1, 0.1])  # left and right target
    assert torch.equal(first.T_stereo_target[0, 1:], torch.eye(4)[1:])


def test_pyramids_are_pillows(folder):
    batch = next(batches_of(folder, source_levels=2).epoch(0))
    assert [tuple(level.shape[-2:]) for level in batch.images[0]] == [(16, 32), (8, 16), (4, 8), (2, 4)]
    assert [len(levels) for levels in batch.images.values()] == [4, 2, 2, 2]
    for levels in batch.images.values():
        pixels = [(level[1].permute(1, 2, 0) * 255).round().byte().numpy() for level in levels]
        for larger, smaller in itertools.pairwise(pixels):
            size = smaller.shape[1::-1]
            assert np.array_equal(smaller, np.asarray(Image.fromarray(larger).resize(size, Image.Resampling.LANCZOS)))


def test_every_sample_comes_once_an_epoch_in_an_order_of_its_own(folder):
    batches = batches_of(folder, batch=6)
    assert len(batches) == 3
    orders = [batches.order(epoch).tolist() for epoch in range(3)]
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert batches_of(folder, seed=4).order(0).tolist() != orders[0]
    # 20 = 3 x 6 + 2: the last two are left out of this epoch.
    assert sum(len(batch.K) for batch in batches.epoch(0)) == 18


def test_the_same_seed_gives_the_same_batches(folder):
    for one, other in zip(batches_of(folder).epoch(2), batches_of(folder).epoch(2), strict=True):
        assert same(one, other)
    assert not same(next(batches_of(folder).epoch(0)), next(batches_of(folder, seed=4).epoch(0)))


def test_a_run_that_resumes_sees_what_it_would_have_seen(folder):
    stream = batches_of(folder).stream()
    uninterrupted = [next(stream) for _ in range(13)]  # five a epoch
    for step in (0, 3, 5, 9):
        resumed = batches_of(folder).stream(step)
        assert all(same(next(resumed), uninterrupted[at]) for at in range(step, 13))
    for one, other in zip(batches_of(folder).epoch(1), uninterrupted[5:10], strict=True):
        assert same(one, other)


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_share_the_batches_of_one_process(folder, ranks):
    alone = batches_of(folder, hints=folder / "hints").epoch(1)
    shared = [batches_of(folder, hints=folder / "hints", rank=rank, ranks=ranks).epoch(1) for rank in range(ranks)]
    for one, *parts in zip(alone, *shared, strict=True):
        assert [len(part.K) for part in parts] == [4 // ranks] * ranks
        assert same(one, whole(parts))


def test_images_that_live_on_the_device_make_the_same_batches(folder):
    samples = samples_of(folder)
    cache = open_cache(folder / "cache", samples, size=SIZE, hints=folder / "hints", quiet=True)
    options = {"batch": 4, "seed": 1, "augmentation": FULL}
    lent = Batches(samples, cache, **options).epoch(0)
    kept = Batches(samples, cache, resident=True, **options).epoch(0)
    assert all(same(one, other) for one, other in zip(lent, kept, strict=True))


def test_a_device_that_cannot_hold_all_images_is_one_paragraph(folder, monkeypatch):
    def full(*args: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Batches, "_copied", full)
    with pytest.raises(TrainingError, match=r"cpu: its memory does not hold all 24 images \(0\.0 MB with hints\); leave"):
        batches_of(folder, resident=True)


def test_a_flip_mirrors_images_hint_and_baseline_but_not_the_fields_intrinsics(folder):
    plain = batches_of(folder, augmentation=PLAIN, hints=folder / "hints").epoch(0)
    mirrored = batches_of(folder, augmentation=MIRRORED, hints=folder / "hints").epoch(0)
    for one, other in zip(plain, mirrored, strict=True):
        assert torch.equal(one.K, other.K)
        for source, levels in one.images.items():
            # Level 0 is mirrored before it is made smaller: a symmetric window gives the mirrored levels.
            for level, turned in zip(levels, other.images[source], strict=True):
                assert torch.equal(level.flip(-1), turned)
        assert torch.equal(one.inputs[-1].flip(-1), other.inputs[-1])
        assert one.hint is not None
        assert other.hint is not None
        assert torch.equal(one.hint.flip(-1), other.hint)
        assert one.T_stereo_target is not None
        assert other.T_stereo_target is not None
        assert torch.equal(one.T_stereo_target[:, 0, 3], -other.T_stereo_target[:, 0, 3])
        assert one.T_stereo_target[:, 0, 3].abs().tolist() == pytest.approx([0.1] * 4)


def test_a_flip_mirrors_a_calibrated_principal_point(folder):
    samples = samples_of(folder, intrinsics="calibrated")
    plain = next(batches_of(folder, samples, augmentation=PLAIN).epoch(0))
    mirrored = next(batches_of(folder, samples, augmentation=MIRRORED).epoch(0))
    # 16 of 64 columns is 8 of 32; mirrored about the middle of the columns 0 to 31.
    torch.testing.assert_close(plain.K[0], torch.tensor([[10.0, 0, 8], [0, 40 / 3, 8], [0, 0, 1]]))
    torch.testing.assert_close(mirrored.K[0], torch.tensor([[10.0, 0, 23], [0, 40 / 3, 8], [0, 0, 1]]))


def test_inputs_are_jittered_and_images_are_not(folder):
    batches = batches_of(folder, augmentation=PLAIN._replace(jitter=Jitter(0.5, 0.2, 0.2, 0.2, 0.1)), batch=10)
    plain = batches_of(folder, augmentation=PLAIN, batch=10)
    changed = 0
    for position, (one, other) in enumerate(zip(batches.epoch(0), plain.epoch(0), strict=True)):
        draws = augment.draw(batches._random(1, 0, position), 10, batches._augmentation)
        assert all(torch.equal(one.images[s][0], other.images[s][0]) for s in one.images)
        for i in range(10):
            differs = [bool((one.inputs[s][i] != other.inputs[s][i]).any()) for s in one.inputs]
            assert differs == [bool(draws.jitter[i])] * 3
            changed += draws.jitter[i]
    assert 3 < changed < 17


def test_the_reading_thread_ends_with_its_iterator(folder):
    before = threading.active_count()
    stream = batches_of(folder).stream()
    next(stream)
    assert threading.active_count() == before + 1
    stream.close()
    assert threading.active_count() == before


def test_an_error_of_the_reading_thread_arrives(folder, monkeypatch):
    batches = batches_of(folder)

    def fail(*args: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(batches, "_gather", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches.stream())


def test_batches_that_cannot_be(folder):
    with pytest.raises(OptionError, match="batch 5: expected a positive multiple of the 2 processes"):
        batches_of(folder, batch=5, ranks=2)
    with pytest.raises(OptionError, match="batch 0"):
        batches_of(folder, batch=0)
    with pytest.raises(TrainingError, match="all: 20 samples are fewer than one batch of 24"):
        batches_of(folder, batch=24)
    with pytest.raises(OptionError, match="validation"):
        batches_of(folder, augmentation=None, ranks=2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("resident", [False, True])
def test_a_gpu_gets_the_same_batches(folder, resident):
    on_cpu = batches_of(folder, hints=folder / "hints").epoch(0)
    on_gpu = batches_of(folder, hints=folder / "hints", device="cuda", resident=resident).epoch(0)
    for one, other in zip(on_cpu, on_gpu, strict=True):
        own, there = tensors(one), tensors(other)
        assert all(there[name].device.type == "cuda" for name in there)
        assert all(torch.equal(own[name], there[name].cpu()) for name in own)

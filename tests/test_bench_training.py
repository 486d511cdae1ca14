"""What the rows about training compare: the same losses, the same pixels, and the loop's own step."""

from __future__ import annotations

import copy
import dataclasses
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

sys.path.insert(0, str(Path(__file__).parent / "bench"))

import bench_training  # noqa: E402
import reference_training  # noqa: E402

from baselines.hardware import Hardware, open_fabric  # noqa: E402
from baselines.model import build_model  # noqa: E402
from baselines.train import Moment, Spectator, objective_of, train  # noqa: E402

SMALL = bench_training.Scale((64, 96), 2, 7, 1)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A few frames, and the networks of the street world's recipe."""
    return bench_training.Bench(tmp_path_factory.mktemp("bench"), SMALL, recipe="world_m")


def test_both_have_the_same_loss_and_gradients(bench):
    recipe = dataclasses.replace(bench.recipe, synthesis=dataclasses.replace(bench.recipe.synthesis, noise=0.0))
    torch.manual_seed(0)
    ours = build_model(recipe).double().train()
    theirs = copy.deepcopy(ours)
    batch = next(bench.on_device()[0])
    batch = batch._replace(
        inputs={source: x.double() for source, x in batch.inputs.items()}, K=batch.K.double(),
        images={source: [x.double() for x in levels] for source, levels in batch.images.items()},
    )  # fmt: skip
    inputs = reference_training.inputs_of(batch)
    total = objective_of(recipe, ours, batch, ours(batch.inputs))[0]
    expected = reference_training.loss(theirs, inputs, noise=0.0)
    torch.testing.assert_close(total, expected, rtol=1e-9, atol=0)
    total.backward(), expected.backward()
    for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        if own.grad is not None:
            torch.testing.assert_close(own.grad, other.grad, rtol=1e-6, atol=1e-12)


def test_the_timed_step_is_that_of_the_loop(bench):
    batches = list(islice(bench.on_device()[0], 2))
    timed = bench.ours(iter(batches), Hardware("cpu"))(2)
    torch.manual_seed(0)
    model = build_model(bench.recipe).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(
        [x for part in model.parts().values() for x in part.parameters()], lr=bench.recipe.optimiser.lr, fused=True
    )
    train(
        open_fabric(Hardware("cpu")), bench.recipe, model, optimiser, iter(batches), begin=Moment(0, 2, 100), seed=0,
        spectator=Spectator(),
    )  # fmt: skip
    for own, other in zip(timed.parameters(), model.parameters(), strict=True):
        assert torch.equal(own, other)


def test_both_loaders_make_the_same_pixels(bench):
    """Of an item that is not augmented; JPEGs are decoded by two libraries."""
    files = [tuple(bench.samples.files[frame] for frame in frames) for frames in bench.samples.frames]
    item = reference_training.Items(files, SMALL.size, None)[0]
    for column, source in enumerate(bench.samples.sources):
        cached = bench.cache.images[bench.cache.rows[bench.samples.frames[0][column]]]
        found = (item["color", source, 0].permute(1, 2, 0) * 255).numpy()
        assert np.abs(found - cached).max() < 2.5
        assert [item["color_aug", source, level].shape[1:] for level in range(4)] == [(64, 96), (32, 48), (16, 24), (8, 12)]
    K = item["K"][:3, :3]
    np.testing.assert_allclose(K, bench.samples.pixel_K(SMALL.size)[0])


def test_the_jitter_is_ours():
    from PIL import Image

    from baselines import augment

    random = np.random.default_rng(0)
    image = random.integers(0, 256, (16, 24, 3), np.uint8)
    jitter = bench_jitter()
    for seed in range(8):
        draws = augment.draw(np.random.default_rng(seed), 1, augment.Augmentation(0.0, jitter))
        ours = augment.jitter(torch.from_numpy(image).permute(2, 0, 1)[None, None], draws)[0, 0].permute(1, 2, 0).numpy()
        assert (np.asarray(reference_training.jitter(Image.fromarray(image), draws)) == ours).all()


def bench_jitter():
    from baselines.recipe import Jitter

    return Jitter(1.0, 0.2, 0.2, 0.2, 0.1)


def test_the_rows(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(bench_training, "CPU", SMALL)
    monkeypatch.setattr(bench_training, "_scale", lambda: (SMALL, "cpu"))
    monkeypatch.setattr(bench_training, "Bench", lambda folder, scale, device: bench)
    monkeypatch.setattr(bench_training, "command", lambda *_: (1.0, 100.0))
    for name, row in bench_training.ROWS.items():
        found = row(tmp_path / "new")
        assert found["name"] == name
        if name == "training_resident":
            assert found["note"].startswith("skipped: no GPU")
            continue
        assert found["time_ratio"] > 0
        assert "96x64, batch 2, CPU" in found["note"]
        assert "h for 20 epochs of 39810" in found["note"]

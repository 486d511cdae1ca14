"""The rows about training: our step of Monodepth2's M recipe against the reference's, and both with what feeds them.

On a CUDA GPU at 640x192, batch 12, ours in bf16, compiled, channels last, against fp32 with TF32 at PyTorch's default (the row)
and off (in the note); images come from the mapped file, as `retrain` has it unless told otherwise, or lie in the GPU's memory
(`--resident`). Else on the CPU at a small size, both in fp32, as a ratio.
Alone: `python tests/bench/bench_training.py` prints all rows; `... ours|reference` is a process to measure memory of.
"""

import dataclasses
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from measure import Sample, alternate, command, skipped  # noqa: E402

ITEMS, EPOCHS = 39_810, 20  # of the published training
TARGET = 5.0
DRIVE = ("2011_09_26", "2011_09_26_drive_0001_sync")


class Scale(NamedTuple):
    """At which size it is measured: images (h, w), items of a batch, frames on disk, steps of a repetition."""

    size: tuple[int, int]
    batch: int
    frames: int
    steps: int


CPU, CUDA = Scale((64, 192), 4, 24, 2), Scale((192, 640), 12, 480, 20)


Step = Callable[[int], object]  # one side: trains so many steps


class Bench:
    """Frames on disk, the recipe at a scale, and the sides that are compared."""

    def __init__(self, folder: Path, scale: Scale, *, recipe: str = "monodepth2_m", device: str = "cpu") -> None:
        from baselines.augment import Augmentation
        from baselines.image_cache import open_cache
        from baselines.recipe import load_recipe
        from baselines.samples import find_samples
        from benchmark.splits import resolve_split

        published = load_recipe(recipe)
        self.scale, self.device = scale, device
        self.recipe = dataclasses.replace(
            published, data=dataclasses.replace(published.data, size=scale.size),
            schedule=dataclasses.replace(published.schedule, batch=scale.batch),
        )  # fmt: skip
        listed = write_frames(folder, scale.frames)
        self.samples = find_samples(resolve_split(str(listed)), folder)
        self.cache = open_cache(folder / "cache", self.samples, size=scale.size, quiet=True)
        self.augmentation = Augmentation(self.recipe.data.flip, self.recipe.data.jitter)

    def batches(self, *, resident: bool = False):
        """Ours, without end."""
        from baselines.batches import Batches

        return Batches(
            self.samples, self.cache, batch=self.scale.batch, device=self.device, augmentation=self.augmentation,
            resident=resident,
        ).stream()  # fmt: skip

    def items(self, workers: int) -> Iterator[dict]:
        """The reference's, without end."""
        from reference_training import Items, loader

        files = [tuple(self.samples.files[frame] for frame in frames) for frames in self.samples.frames]
        for inputs in loader(Items(files, self.scale.size, self.augmentation), self.scale.batch, workers):
            yield {key: x.to(self.device) for key, x in inputs.items()}

    def ours(self, batches: Iterator, hardware) -> Step:
        """The steps of baselines/train.py's loop, with the optimiser of `retrain`. Without the schedule, the log, the
        checkpoints and the looks at the losses, for which the loop waits every 20 steps: a repetition on a GPU has as many."""
        import torch

        from baselines.hardware import open_fabric
        from baselines.model import build_model
        from baselines.train import objective_of, seed_noise

        fabric = open_fabric(hardware)
        torch.manual_seed(0)
        model = build_model(self.recipe)
        if hardware.channels_last:
            model.to(memory_format=torch.channels_last)
        model.to(fabric.device).train()
        parameters = [x for part in model.parts().values() for x in part.parameters()]
        network, optimiser = fabric.setup(model, torch.optim.Adam(parameters, lr=self.recipe.optimiser.lr, fused=True))
        objective = objective_of
        if hardware.compile:
            network, objective = torch.compile(network), torch.compile(objective_of)

        def run(steps: int) -> object:
            for step, batch in enumerate(islice(batches, steps)):
                seed_noise(0, step, 0)
                total, _, _ = objective(self.recipe, model, batch, network(batch.inputs))
                optimiser.zero_grad(set_to_none=True)
                fabric.backward(total)
                optimiser.step()
            return model

        return run

    def reference(self, inputs: Iterator[dict], *, tf32: bool = True) -> Step:
        """The reference's, from the same weights."""
        import reference_training
        import torch

        from baselines.model import build_model

        torch.manual_seed(0)
        model = build_model(self.recipe).to(self.device).train()
        parameters = [x for part in model.parts().values() for x in part.parameters()]
        optimiser = torch.optim.Adam(parameters, lr=self.recipe.optimiser.lr)

        def run(steps: int) -> object:
            before = torch.backends.cudnn.allow_tf32
            torch.backends.cudnn.allow_tf32 = tf32  # of convolutions; that of matrix products is off by default
            try:
                for one in islice(inputs, steps):
                    reference_training.step(model, optimiser, one)
            finally:
                torch.backends.cudnn.allow_tf32 = before
            return model

        return run

    def on_device(self) -> tuple[Iterator, Iterator[dict]]:
        """The same few batches again and again, in both forms."""
        from reference_training import inputs_of

        stream = self.batches()
        few = list(islice(stream, 4))
        stream.close()
        return cycle(few), cycle([inputs_of(batch) for batch in few])


def write_frames(folder: Path, frames: int) -> Path:
    """Images of KITTI's size as the field converts them, in KITTI's layout, and the list of those with two neighbours."""
    from PIL import Image

    random = np.random.default_rng(0)
    images = folder / "kitti_raw" / DRIVE[0] / DRIVE[1] / "image_02" / "data"
    listed = folder / "train_files.txt"
    folder.mkdir(parents=True, exist_ok=True)
    listed.write_text("".join(f"{DRIVE[0]}/{DRIVE[1]} {i} l\n" for i in range(1, frames - 1)))
    if not images.is_dir():
        images.mkdir(parents=True)
        for number in range(frames):
            coarse = Image.fromarray(random.integers(0, 256, (48, 156, 3), np.uint8))
            coarse.resize((1242, 375), Image.Resampling.BICUBIC).save(images / f"{number:010d}.jpg", quality=92, subsampling=2)
    return listed


def measured(side: Step, steps: int) -> Sample:
    """Seconds, and the peak MB of the GPU where there is one, with the weights and images of both sides."""
    import torch

    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    side(steps)
    if cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - started, torch.cuda.max_memory_allocated() / 1e6 if cuda else math.nan


def _scale() -> tuple[Scale, str]:
    import torch

    return (CUDA, "cuda") if torch.cuda.is_available() else (CPU, "cpu")


def _hardware(device: str, *, resident: bool = False):
    from baselines.hardware import Hardware

    fast = device == "cuda"
    return Hardware(device, "bf16" if fast else "32", resident=resident, compile=fast, channels_last=fast)


def _told(row: dict, scale: Scale, device: str, *, besides: str = "") -> dict[str, object]:
    """The row with its note: rates, memory, hours of the published training, and where."""
    import torch

    where = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    images = scale.batch * scale.steps
    words = []
    for side in ("ours", "reference"):
        rate = images / row[f"{side}_s"]
        memory = "" if row[f"{side}_mb"] is None else f", {row[f'{side}_mb']:.0f} MB"
        words.append(f"{side} {rate:.1f} images/s{memory}, {ITEMS * EPOCHS / rate / 3600:.2f} h")
    times = 1 / row["time_ratio"]
    goal = f"; {times:.1f}x, target {TARGET:.0f}x and half an hour: " + (
        "met" if times >= TARGET and ITEMS * EPOCHS * row["ours_s"] / images <= 1800 else "missed"
    )
    h, w = scale.size
    row["note"] = (
        f"{w}x{h}, batch {scale.batch}, {where}, torch {torch.__version__}; {' / '.join(words)} for {EPOCHS} epochs of "
        f"{ITEMS}{goal if device == 'cuda' else ''}{besides}"
    )
    print(f"{'':14} {row['note']}", flush=True)
    return row


def _compare(name: str, ours: Step, theirs: Step, scale: Scale) -> dict:
    ours(3), theirs(3)  # compiles, and chooses the convolutions
    return alternate(name, lambda: measured(ours, scale.steps), lambda: measured(theirs, scale.steps), "")


def training_step(folder: Path) -> dict[str, object]:
    """The same batches on the device for both."""
    scale, device = _scale()
    bench = Bench(folder, scale, device=device)
    batches, inputs = bench.on_device()
    ours, besides = bench.ours(batches, _hardware(device)), ""
    row = _compare("training_step", ours, bench.reference(inputs), scale)
    if device == "cuda":
        off = _compare("  TF32 off", ours, bench.reference(inputs, tf32=False), scale)
        besides = f"; TF32 off: reference {scale.batch * scale.steps / off['reference_s']:.1f} images/s"
    else:
        sides = (command(HERE / "bench_training.py", side)[1] for side in ("ours", "reference"))
        besides = "; peak of a process of its own {:.0f} / {:.0f} MB".format(*sides)
    return _told(row, scale, device, besides=besides)


def training_loader(folder: Path) -> dict[str, object]:
    """The same with what feeds them: our mapped file and batched augmentation, a DataLoader with Pillow."""
    return _fed("training_loader", folder, resident=False)


def training_resident(folder: Path) -> dict[str, object]:
    """The same with our images in the memory of the GPU."""
    if _scale()[1] == "cpu":
        return skipped("training_resident", "no GPU; on a CPU it is training_loader")
    return _fed("training_resident", folder, resident=True)


def _fed(name: str, folder: Path, *, resident: bool) -> dict[str, object]:
    from benchmark.cores import cpu_count

    scale, device = _scale()
    bench, workers = Bench(folder, scale, device=device), min(12, cpu_count())
    batches = bench.batches(resident=resident)
    ours = bench.ours(batches, _hardware(device, resident=resident))
    row = _compare(name, ours, bench.reference(bench.items(workers)), scale)
    batches.close()
    return _told(row, scale, device, besides=f"; reference's loader with {workers} workers")


def rows(folder: Path, function: Callable[[Path], dict[str, object]]) -> dict[str, object]:
    """A row, or why there is none."""
    try:
        import torch  # noqa: F401
    except ImportError:
        return skipped(function.__name__, "torch is not installed (extra `train`)")
    return function(folder / "training")


ROWS = {one.__name__: partial(rows, function=one) for one in (training_step, training_loader, training_resident)}


def main() -> None:
    """All rows, or one side for a process whose memory is measured."""
    with tempfile.TemporaryDirectory(prefix="depthbench-bench-") as name:
        folder = Path(name)
        if sys.argv[1:] and sys.argv[1] in {"ours", "reference"}:
            bench = Bench(folder, CPU)
            batches, inputs = bench.on_device()
            side = bench.ours(batches, _hardware("cpu")) if sys.argv[1] == "ours" else bench.reference(inputs)
            side(3)
            return
        for function in ROWS.values():
            function(folder)


if __name__ == "__main__":
    main()

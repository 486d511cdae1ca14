"""What can go wrong while a network trains, each as one paragraph: NaN, too little memory, an interrupt."""

from __future__ import annotations

import contextlib
import math
import re
import signal
import threading
from collections.abc import Iterator, Sequence
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from baselines.recipe import Recipe
from benchmark.errors import TrainingError

if TYPE_CHECKING:
    from lightning.fabric import Fabric

# PyTorch's allocators for the CPU, cuDNN and cuBLAS; not "tensors must be allocated on the same device".
FULL = re.compile(r"out of memory|not enough memory|can't allocate|ALLOC_FAILED", re.IGNORECASE)
GOOD = "Checkpoints that were written before are good, and --resume continues from the last of them"


class Interrupt:
    """Turns Ctrl-C (and SIGTERM) into a wish, `asked`, so that a step is never left half done; a second one stops at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():  # Python delivers signals nowhere else
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def wanted(self, fabric: Fabric, *, ask: bool) -> bool:
        """Whether to stop after this step. Several ranks stop together: they tell each other, but only when to `ask`."""
        if fabric.world_size == 1:
            return self.asked
        if not ask:
            return False
        votes = fabric.all_reduce(torch.tensor(float(self.asked), device=fabric.device), reduce_op="sum")
        return bool(torch.as_tensor(votes) > 0)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def checked_means(pending: Sequence[dict[str, Tensor]], steps: int) -> dict[str, float]:
    """The mean of each term over the last steps, of which `steps` is the number of the last.

    Raises:
        TrainingError: a term is not finite; it names the step and the term.
    """
    names = list(pending[0])
    table = torch.stack([torch.stack([terms[name].float() for name in names]) for terms in pending]).cpu()
    bad = (~table.isfinite()).nonzero()
    if len(bad):
        at = int(bad[0, 0])
        wrong = [f"{name} = {table[at, i]:g}" for i, name in enumerate(names) if not math.isfinite(table[at, i])]
        raise TrainingError(
            f"step {steps - len(pending) + at + 1}: the loss is not finite: {', '.join(wrong)}. {GOOD}. Lower optimiser.lr, or "
            "train with --precision 32; the same step of the same seed sees the same images"
        )
    return dict(zip(names, table.double().mean(0).tolist(), strict=True))


def checked_weights(model: nn.Module, steps: int) -> None:
    """Refuse weights and buffers that are not finite after `steps` steps, before they take the place of a good checkpoint.

    Raises:
        TrainingError: they are not; it names the first.
    """
    bad = [name for name, values in model.state_dict().items() if not values.isfinite().all()]
    if bad:
        raise TrainingError(
            f"step {steps}: {len(bad)} weights are not finite, the first is {bad[0]}, though the loss still was. {GOOD}. Lower "
            "optimiser.lr, or train with --precision 32"
        )


@contextlib.contextmanager
def out_of_memory(recipe: Recipe) -> Iterator[None]:
    """Turn a full memory into advice.

    Raises:
        TrainingError: which settings to lower.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        full = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not full and not FULL.search(str(error)):
            raise
        height, width = recipe.data.size
        raise TrainingError(
            f"the memory does not suffice to train {recipe.name} ({text}). Lower schedule.batch ({recipe.schedule.batch}) or "
            f"data.size ({height}x{width}) in a copy of the recipe, pass --precision bf16 on a GPU, leave out --resident, or "
            "use more GPUs, which share the batch"
        ) from error

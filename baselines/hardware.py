"""On which devices a training runs, and in which precision."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import torch

from benchmark.errors import OptionError

if TYPE_CHECKING:
    from lightning.fabric import Fabric

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed"}
PATIENCE = timedelta(hours=2)  # of ranks that wait for the first one, which alone exports ground truth and validates


@dataclass(frozen=True)
class Hardware:
    """`device`: auto takes a GPU where there is one. `resident`: all images in the memory of the device."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["32", "bf16"] = "32"
    resident: bool = False
    compile: bool = False
    channels_last: bool = True


def open_fabric(hardware: Hardware) -> Fabric:
    """Lightning's Fabric, launched; under torchrun one process of its group, else alone.

    Raises:
        OptionError: a GPU is asked for and there is none.
    """
    from lightning.fabric import Fabric
    from lightning.fabric.strategies.ddp import DDPStrategy

    there = torch.cuda.is_available()
    if hardware.device == "cuda" and not there:
        built = f"PyTorch {torch.__version__} {'was built without CUDA' if torch.version.cuda is None else 'finds no GPU'}"
        raise OptionError(
            f"--device cuda: {built}; pass --device cpu, or install a CUDA build of torch on a machine with a GPU"
        )
    local, nodes = _ranks()
    fabric = Fabric(
        accelerator="cuda" if there and hardware.device != "cpu" else "cpu", devices=local, num_nodes=nodes,
        strategy=DDPStrategy(timeout=PATIENCE) if local * nodes > 1 else "auto", precision=PRECISIONS[hardware.precision],  # type: ignore[arg-type]
    )  # fmt: skip
    fabric.launch()
    return fabric


def _ranks() -> tuple[int, int]:
    """Processes of this machine and machines, as torchrun says them: 1 and 1 without it.

    Raises:
        OptionError: the environment speaks of several processes, but not as torchrun does.
    """
    ranks, local = (os.environ.get(name, "1") for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if ranks == "1":
        return 1, 1
    known = "LOCAL_WORLD_SIZE" in os.environ and ranks.isdecimal() and local.isdecimal()
    if not known or not int(local) or int(ranks) % int(local):
        raise OptionError(
            f"WORLD_SIZE is {ranks} and LOCAL_WORLD_SIZE {os.environ.get('LOCAL_WORLD_SIZE', 'not set')}; expected what "
            "torchrun sets, as many processes on every machine: start several with `torchrun --nproc-per-node 4 -m "
            "benchmark.cli retrain ...`, or unset WORLD_SIZE"
        )
    return int(local), int(ranks) // int(local)

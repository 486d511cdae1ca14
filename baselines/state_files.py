"""Files of torch.save as data: nothing in them runs, and their keys and shapes are compared with a network's."""

from __future__ import annotations

import pickle
import re
import tarfile
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmark.errors import TrainingError, first_of


def read_state(path: Path) -> dict[str, Any]:
    """The entries of a file of torch.save, in its zip form or the one before PyTorch 1.6, on the CPU.

    Raises:
        TrainingError: missing, truncated, hostile, or something else.
    """
    if not path.is_file():
        raise TrainingError(f"{path} is missing; expected a file of torch.save. Check the folder, or write it again.")
    try:
        fault = _fault(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that torch.save has not written: those are refused below
            content = None if fault else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler lets through whatever a damaged file makes it do
        raise TrainingError(_unreadable(path, error)) from error
    if fault:
        raise TrainingError(f"{path} {fault}; expected a file of torch.save. It was not loaded; write or download it again.")
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise TrainingError(f"{path} holds a {type(content).__name__}; expected the state of a network: tensors by name.")
    return dict(content)


class Fit(NamedTuple):
    """A state for a network, made of a file's entries.

    Attributes:
        state: complete and in the network's order, where there is no problem.
        note: what was made good, or nothing.
        problem: what is missing, unexpected or of another shape, or nothing.
    """

    state: dict[str, Tensor]
    note: str
    problem: str


def fit_state(network: nn.Module, content: Mapping[str, Any]) -> Fit:
    """Compare a file's entries with a network's, in both directions.

    A prefix `module.` is taken off. A missing `num_batches_tracked`, which PyTorch before 0.4.1 did not have, keeps its value.
    """
    expected = network.state_dict()
    got = {key.removeprefix("module."): value for key, value in content.items()}
    missing = [key for key in expected if key not in got]
    counters = [key for key in missing if key.endswith("num_batches_tracked")]
    kinds = {
        "lacks": [key for key in missing if key not in counters],
        "has besides": [key for key in got if key not in expected],
        "has other shapes": [
            f"{key} {shape_of(got[key])} instead of {shape_of(x)}"
            for key, x in expected.items()
            if key in got and shape_of(got[key]) != shape_of(x)
        ],
    }
    problem = ", ".join(f"{verb} {listed(keys)}" for verb, keys in kinds.items() if keys)
    note = f"{len(counters)} num_batches_tracked are missing and stay as they were" if counters else ""
    return Fit({key: got.get(key, x) for key, x in expected.items()}, note, problem)


def listed(items: list[str]) -> str:
    """How many, and the first ten."""
    return f"{len(items)} ({first_of(items)})"


def shape_of(value: object) -> str:
    """64x3x7x7, or what it is if not a tensor."""
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    if value.layout != torch.strided or value.is_complex():
        return f"a tensor of {value.dtype}, {value.layout}"
    return "x".join(map(str, value.shape)) or "a single number"


def _fault(path: Path) -> str | None:
    """What is wrong with the archive, where it is one, that not every torch looks at."""
    # Torch has a loader of its own for them, from its first year, on which its checks have been weakest.
    if tarfile.is_tarfile(path):
        return "is a tar file, as torch.save has not written since 2017"
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as opened:
        # torch.save stores; what is compressed may unpack to more than the memory holds.
        if any(info.compress_type != zipfile.ZIP_STORED for info in opened.infolist()):
            return "is compressed, as torch.save never writes"
        damaged = opened.testzip()
        return f"is damaged: {damaged} does not match its CRC" if damaged else None


def _unreadable(path: Path, error: Exception) -> str:
    if path.stat().st_size == 0:
        return f"{path} is empty; expected a file of torch.save. Write or download it again."
    # torch's own text advises to run whatever the file holds.
    if isinstance(error, pickle.UnpicklingError) and (named := re.search(r"GLOBAL ([\w.]+)", str(error))):
        return (
            f"{path} asks for {named[1]}; expected tensors and plain values only. Nothing in it was run; "
            "check where the file came from."
        )
    if isinstance(error, pickle.UnpicklingError):
        return (
            f"{path} cannot be read as a file of torch.save: it is none, or holds more than tensors and plain values. "
            "Nothing in it was run. It is truncated, damaged or something else; write or download it again."
        )
    reason = " ".join(str(error).split())[:200]
    return (
        f"{path} cannot be read as a file of torch.save ({type(error).__name__}: {reason}). It is truncated, damaged or "
        "something else; write or download it again."
    )

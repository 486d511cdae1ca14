"""Parameters and inputs that are functions of a key and a shape alone, as those that the golden networks were run with."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Values = npt.NDArray[np.float64]


def uniform(n: int, salt: int) -> Values:
    """n numbers in [0, 1): a hash of 32 bits of the index and the salt."""
    h = (np.arange(n, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(salt)) & np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 2246822519), (13, 3266489917)):
        h ^= h >> np.uint64(shift)
        h = h * np.uint64(factor) & np.uint64(0xFFFFFFFF)
    h ^= h >> np.uint64(16)
    return h / 2.0**32


def parameter(key: str, shape: Sequence[int]) -> Values:
    """The value of a key of a state dict without the prefixes of a checkpoint."""
    name = key.rsplit(".", maxsplit=1)[-1]
    if name in {"running_mean", "num_batches_tracked"}:
        return np.zeros(shape)
    if name == "running_var":
        return np.ones(shape)
    v = (2 * uniform(math.prod(shape), zlib.crc32(key.encode())) - 1).reshape(shape)
    if len(shape) >= 2:
        return v * math.sqrt(3 / math.prod(shape[1:]))
    return 1 + 0.1 * v if name == "weight" else 0.1 * v


def fill(module: nn.Module) -> None:
    """Give every parameter and buffer of a module its seeded value."""
    state = module.state_dict()
    for key, tensor in state.items():
        tensor.copy_(torch.from_numpy(np.asarray(parameter(key, tensor.shape))))


def image(shape: Sequence[int]) -> Tensor:
    """0.5 + 0.5 * sin(index), float64."""
    return torch.from_numpy(0.5 + 0.5 * np.sin(np.arange(math.prod(shape)))).reshape(tuple(shape))

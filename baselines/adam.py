"""adam.pth of the published checkpoints: Adam's moments, by the order of the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from baselines.state_files import listed, read_state, shape_of
from benchmark.errors import TrainingError

MOMENTS = ("exp_avg", "exp_avg_sq")


def adam_state(optimizer: torch.optim.Optimizer, parts: Mapping[str, nn.Module]) -> dict[str, Any]:
    """The state of an Adam as one group over the parts, whose parameters are numbered part by part in registration order."""
    group = {key: value for key, value in optimizer.state_dict()["param_groups"][0].items() if key != "params"}
    parameters = list(_parameters(parts).values())
    state = {
        n: {key: x.detach().cpu().contiguous() for key, x in optimizer.state[parameter].items()}
        for n, parameter in enumerate(parameters)
        if parameter in optimizer.state
    }
    return {"state": state, "param_groups": [group | {"params": list(range(len(parameters)))}]}


def load_adam(optimizer: torch.optim.Optimizer, path: Path, parts: Mapping[str, nn.Module]) -> None:
    """Take over the moments; the optimiser keeps the settings it has, above all its learning rate.

    The published fine-tuning at 1024x320 asks for a tenth of the rate that its files hold, and with the schedulers of today
    the files' rate would stay (trainer.py at b676244, lines 102-107 and 624-628). The unused classifiers have no moments.

    Raises:
        TrainingError: unreadable, or of other parameters than those of the parts.
    """
    content = read_state(path)
    try:
        # Numbers; before PyTorch 1.5 the addresses that the parameters had.
        names = [name for group in content["param_groups"] for name in group["params"]]
        states = [dict(content["state"].get(name, {})) for name in names]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise TrainingError(f"{path} is not the state of an optimiser ({type(error).__name__}: {error}).") from error
    parameters = _parameters(parts)
    if len(states) != len(parameters):
        counts = ", ".join(f"{name} {sum(1 for _ in part.parameters())}" for name, part in parts.items())
        raise TrainingError(
            f"{path} is of {len(states)} parameters; expected {len(parameters)} ({counts}). Load the parts that it was "
            "trained with, or start with a new optimiser."
        )
    pairs = list(zip(parameters.items(), states, strict=True))
    problems = [problem for (name, x), state in pairs if state and (problem := _problem(name, x, state))]
    if problems:
        raise TrainingError(f"{path} belongs to other networks than those of the recipe: {listed(problems)}.")
    for (_, x), state in pairs:
        if state:
            # In the parameter's own order of memory, which fused steps rely on.
            moments = {key: torch.empty_like(x, requires_grad=False).copy_(state[key]) for key in MOMENTS}
            optimizer.state[x] = {"step": torch.tensor(float(state["step"])), **moments}
    optimizer.load_state_dict(optimizer.state_dict())  # moves the counters to where this optimiser keeps them


def _parameters(parts: Mapping[str, nn.Module]) -> dict[str, nn.Parameter]:
    return {f"{part}.{key}": x for part, network in parts.items() for key, x in network.named_parameters()}


def _problem(name: str, parameter: Tensor, state: dict[str, Any]) -> str | None:
    """What is wrong with the moments of one parameter."""
    step = state.get("step")
    if not isinstance(step, int | float) and shape_of(step) != "a single number":
        return f"{name} has no count of steps"
    for key in MOMENTS:
        if shape_of(state.get(key)) != shape_of(parameter):
            return f"{name} has {key} {shape_of(state.get(key))} instead of {shape_of(parameter)}"
    return None

"""Weights on disk in the layout of the published Monodepth2 and Depth Hints models: a folder with a file for each part.

encoder.pth, depth.pth, pose_encoder.pth, pose.pth and predictive_mask.pth are state dicts, the first one with three entries
more; adam.pth is the optimiser (trainer.py at b676244, lines 57-100 and 574-628).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import nn

from baselines.adam import adam_state
from baselines.atomic_folder import atomic_folder
from baselines.networks.depth_decoder import WIDTHS
from baselines.state_files import fit_state, listed, read_state, shape_of
from benchmark.errors import TrainingError

# The published ones, in the order of the parameters in adam.pth.
PARTS = ("encoder", "depth", "pose_encoder", "pose", "predictive_mask")
ADAM = "adam.pth"
SETTINGS = ("height", "width", "use_stereo")  # of the training images; they lie in encoder.pth beside the tensors

Parts: TypeAlias = Mapping[str, nn.Module]


class Loaded(NamedTuple):
    """What a checkpoint says about its training (None where it does not), and what is worth a line of the log."""

    height: int | None
    width: int | None
    use_stereo: bool | None
    notes: list[str]


def parts_of(*networks: nn.Module | None) -> dict[str, nn.Module]:
    """The children of networks, each a file of a checkpoint, by name: the published ones first and in the published order.

    Raises:
        ValueError: two have one name, or a network has parameters outside its children, which no file would hold.
    """
    there = [network for network in networks if network is not None]
    pairs = [pair for network in there for pair in network.named_children()]
    children = dict(pairs)
    outside = [name for network in there for name, _ in network.named_parameters(recurse=False)]
    if outside or len(children) < len(pairs):
        names = outside or [name for name, _ in pairs]
        raise ValueError(f"networks need children with names of their own, and no parameters beside them: {names}")
    return {name: children[name] for name in (*PARTS, *children) if name in children}


def save_parts(
    folder: Path, parts: Parts, *, height: int, width: int, use_stereo: bool, optimizer: torch.optim.Optimizer | None = None,
    beside: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Write a checkpoint of networks trained on images of height x width; the folder appears whole.

    `beside`: what more to write, by file name.

    Raises:
        TrainingError: a folder of that name holds other files, or nothing can be written.
    """
    settings = dict(zip(SETTINGS, (height, width, use_stereo), strict=True))
    with atomic_folder(folder) as temporary:
        for name, part in parts.items():
            # On the CPU and in the usual order of memory: the file does not depend on the machine.
            state: dict[str, Any] = {key: x.detach().cpu().contiguous() for key, x in part.state_dict().items()}
            _write(state | (settings if name == "encoder" else {}), temporary / f"{name}.pth")
        if optimizer:
            _write(adam_state(optimizer, parts), temporary / ADAM)
        for file, content in (beside or {}).items():
            _write(content, temporary / file)


def _write(content: object, path: Path) -> None:
    """torch.save, whose writer of archives says a full disk as a RuntimeError about positions in the file.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        torch.save(content, path)
    except RuntimeError as error:
        if "inline_container" not in str(error) and "PytorchStreamWriter" not in str(error):
            raise
        free = shutil.disk_usage(path.parent).free
        raise OSError(f"the disk takes no more ({free / 1e6:.1f} MB are free)") from error


def load_parts(folder: Path, parts: Parts) -> Loaded:
    """Copy a checkpoint into the parts that are asked for; none is touched unless all fit.

    Raises:
        TrainingError: a file is missing or damaged, or its keys or shapes are not those of the part.
    """
    _check_folder(folder, parts)
    contents = {name: read_state(folder / f"{name}.pth") for name in parts}
    encoder = contents.get("encoder", {})
    settings = {key: encoder.pop(key) for key in SETTINGS if key in encoder}
    fits = {name: fit_state(part, contents[name]) for name, part in parts.items()}
    problems = [f"{name}.pth {fit.problem}" for name, fit in fits.items() if fit.problem]
    if problems:
        raise TrainingError(
            f"{folder} is the checkpoint of another network: {'; '.join(problems)}. "
            "Choose the network, layers, width and scales that it was trained with."
        )
    for name, part in parts.items():
        part.load_state_dict(fits[name].state)
    notes = [f"{name}.pth: {fit.note}" for name, fit in fits.items() if fit.note]
    unused = [name for name in PARTS if name not in parts and (folder / f"{name}.pth").exists()]
    notes += [f"not needed: {', '.join(f'{name}.pth' for name in unused)}"] if unused else []
    height, width, use_stereo = (settings.get(key) for key in SETTINGS)
    return Loaded(
        height if isinstance(height, int) else None,
        width if isinstance(width, int) else None,
        use_stereo if isinstance(use_stereo, bool) else None,
        notes,
    )


def depth_options(folder: Path) -> dict[str, Any]:
    """The arguments of `Monodepth2Depth` for which a checkpoint without a recipe loads: layers, width, scales.

    Raises:
        TrainingError: a file is missing or damaged, or not of a Monodepth2 network.
    """
    _check_folder(folder, ("encoder", "depth"))
    encoder, depth = (_tensors(folder / f"{name}.pth") for name in ("encoder", "depth"))
    stem = shape_of(encoder.get("encoder.conv1.weight")).split("x")
    heads = [shape_of(x).split("x") for key, x in depth.items() if key.endswith(".conv.weight") and key.count(".") == 3]
    width = int(stem[0]) / 64 if len(stem) == 4 else 0
    scales = {str(max(1, round(n * width))): scale for scale, n in enumerate(WIDTHS[:4])}
    if not width or not heads or any(len(head) != 4 or head[1] not in scales for head in heads):
        raise TrainingError(
            f"{folder} is not a Monodepth2 checkpoint: expected encoder.conv1.weight in encoder.pth and the heads "
            f"decoder.10.conv.weight, ... in depth.pth; encoder.pth has {listed(list(encoder))}, "
            f"depth.pth has {listed(list(depth))}."
        )
    layers = 50 if "encoder.layer1.0.conv3.weight" in encoder else 18
    return {"layers": layers, "width": width, "scales": tuple(scales[head[1]] for head in heads)}


def _tensors(path: Path) -> dict[str, Any]:
    return {key.removeprefix("module."): value for key, value in read_state(path).items() if key not in SETTINGS}


def _check_folder(folder: Path, names: Parts | tuple[str, ...]) -> None:
    files = [f"{name}.pth" for name in names]
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise TrainingError(f"{folder} {what}; expected the folder of a checkpoint, with {', '.join(files)}.")
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
        raise TrainingError(
            f"{folder} holds {there}; expected the files of a checkpoint, but {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing. Check the folder, or choose a network without these parts."
        )

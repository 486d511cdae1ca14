"""ImageNet weights for the encoders, from a file, an address, or torch hub's folder of downloads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import torch

from baselines.file_lock import alone
from baselines.networks.resnet import ResnetEncoder
from baselines.state_files import fit_state, read_state
from benchmark.errors import InputError, OptionError, TrainingError
from benchmark.io.files import sha256_of
from datasets_prep.fetch import Patience, fetch
from datasets_prep.progress import Progress, say

BASE_URL = "https://download.pytorch.org/models/"
# torchvision's IMAGENET1K_V1, trained as those that the published models began with; the end of a name is the beginning of
# the file's sha256.
FILES = {18: "resnet18-f37072fd.pth", 50: "resnet50-0676ba61.pth"}
HASHED = re.compile(r".*-([0-9a-f]{8,64})\.pth")
BRIEF = Patience(attempts=3, pause_s=1.0)
ADVICE = "Check the address"


class Source(NamedTuple):
    """Where the weights of an encoder came from, for the record of a training."""

    file: str
    sha256: str


def load_imagenet(
    encoder: ResnetEncoder, source: Path | str | None = None, *, base_url: str = BASE_URL, patience: Patience = BRIEF
) -> Source:  # fmt: skip
    """Give an encoder the ImageNet weights of torchvision's ResNet, the classifier included.

    For n stacked images the first convolution is repeated n times and divided by n, so that n equal images give what one
    gave (monodepth2 networks/resnet_encoder.py at b676244).

    Args:
        encoder: of the published width.
        source: a file or an http address; None takes torchvision's file from torch hub's folder, or downloads it there.
        base_url: of torchvision's files.
        patience: of the download.

    Raises:
        OptionError: the encoder is not of the published width.
        TrainingError: the file cannot be had, is damaged, or is of another network.
    """
    if encoder.width != 1:
        raise OptionError(
            f"ImageNet weights fit an encoder of width 1, not {encoder.width:g}. Choose `encoders: scratch` in the recipe, or "
            "width 1."
        )
    path = _path_of(encoder.layers, source, base_url=base_url, patience=patience)
    sha256 = _verified(path)
    content = read_state(path)
    first = content.get("conv1.weight")
    if isinstance(first, torch.Tensor) and encoder.images > 1:
        content["conv1.weight"] = first.repeat(1, encoder.images, 1, 1) / encoder.images
    fit = fit_state(encoder.encoder, content)
    if fit.problem:
        raise TrainingError(
            f"{path} is not torchvision's ResNet-{encoder.layers}: it {fit.problem}. Expected a file such as "
            f"{FILES[encoder.layers]}."
        )
    encoder.encoder.load_state_dict(fit.state)
    return Source(path.name, sha256)


def cached(name: str) -> Path:
    """Where torch hub keeps a file: $TORCH_HOME/hub/checkpoints, by default below ~/.cache/torch."""
    return Path(torch.hub.get_dir()) / "checkpoints" / name


def _path_of(layers: int, source: Path | str | None, *, base_url: str, patience: Patience) -> Path:
    """The weights as a file here."""
    if source is not None and "://" not in str(source):
        if not Path(source).is_file():
            raise TrainingError(f"{source} is not a file; expected ImageNet weights, such as torchvision's {FILES[layers]}.")
        return Path(source)
    url = f"{base_url.rstrip('/')}/{FILES[layers]}" if source is None else str(source)
    path = cached(url.rsplit("/", maxsplit=1)[-1])
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The ranks of a training ask at the same time, and two that append to one partial file would spoil it.
        with alone(path, quiet=False):
            if not path.is_file():
                with Progress(path.name) as report:
                    fetch(url, path, report=report, say=say, patience=patience, advice=ADVICE)
    except (InputError, OSError) as error:
        raise TrainingError(
            f"The ImageNet weights of ResNet-{layers} are not in {path} and could not be downloaded: {error} Put the file "
            "there, pass it with --imagenet FILE, or choose `encoders: scratch` in the recipe (for Monodepth2, a *_no_pt one)."
        ) from error
    return path


def _verified(path: Path) -> str:
    """The sha256 of a file, whose name may hold its beginning.

    Raises:
        TrainingError: it begins otherwise.
    """
    sha256 = sha256_of(path)
    named = HASHED.fullmatch(path.name)
    if named and not sha256.startswith(named[1]):
        raise TrainingError(
            f"{path} has the sha256 {sha256}, which should begin with {named[1]} as its name says. It is truncated or another "
            "file; delete it, and download it again."
        )
    return sha256

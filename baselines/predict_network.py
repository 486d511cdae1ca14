"""A checkpoint and a split, an image or a folder -> disparities."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from baselines.checkpoints import depth_options, load_parts, parts_of
from baselines.image_cache import load_image
from baselines.infer import disparities
from baselines.networks import DEPTH_NETWORKS
from baselines.networks.interface import DepthNetwork
from baselines.networks.monodepth2_depth import Monodepth2Depth
from baselines.prediction_file import Size, check_out, manifest_path, write_predictions
from baselines.reference.last_weights import MODEL, last_weights
from baselines.samples import find_images, find_split
from baselines.state_files import read_state
from baselines.training_state import STATE, network_of, recipe_of
from benchmark.errors import OptionError, TrainingError
from benchmark.io.files import atomic_write
from datasets_prep.progress import Progress

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


class Network(NamedTuple):
    """A depth network on its device, the (height, width) of the images it gets and how they are resized; `training`: the
    split that it was trained on, where that is known."""

    depth: DepthNetwork
    size: Size
    resampler: str
    name: str
    training: str | None
    device: str
    notes: tuple[str, ...]


class Summary(NamedTuple):
    """What was predicted, and in what time."""

    out: Path
    what: str
    frames: int
    seconds: float
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Lines for people."""
        line = f"{self.out}: {self.what}, {self.seconds:.1f} s, {1000 * self.seconds / max(self.frames, 1):.1f} ms a frame"
        return "\n".join([line, *self.notes])


def open_network(folder: Path, *, size: Size | None = None, device: str = "auto") -> Network:
    """The depth network of a checkpoint folder, ours or a published one.

    Args:
        folder: of a checkpoint: with training.pth its recipe says which network it is, else its shapes say which of
            Monodepth2's; or that of a run, whose last checkpoint is taken.
        size: of the images it gets; None is that of its training.
        device: auto takes a GPU where there is one.

    Raises:
        TrainingError: no checkpoint, a damaged one, or one that does not say the size.
        OptionError: a size that the network cannot take, or a GPU that is not there.
    """
    folder = checkpoint_folder(folder)
    if device == "cuda" and not torch.cuda.is_available():
        raise OptionError("--device cuda: PyTorch finds no GPU; pass --device cpu")
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    data = recipe_of(folder).get("data", {})
    depth = network_of(folder, "depth", DEPTH_NETWORKS) or Monodepth2Depth(**depth_options(folder))
    loaded = load_parts(folder, parts_of(depth))
    if size is None:
        height, width = data.get("size", (loaded.height, loaded.width))
        if height is None or width is None:
            raise TrainingError(f"{folder / 'encoder.pth'}: does not say the size of its training images; pass --size HxW")
        size = int(height), int(width)
    depth.check_size(*size, error=OptionError)
    run = folder.parent.parent
    name = (run.parent if run.name == MODEL else run).name if folder.parent.name == "models" else folder.name
    notes = tuple(note for note in loaded.notes if not note.startswith("not needed"))
    split = read_state(folder / STATE).get("split") if data else None
    # In the order of memory in which networks train by default: the last digits depend on it.
    depth.to(chosen, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Network(depth.eval(), size, data.get("resampler", "lanczos"), name, split, chosen, notes)


def checkpoint_folder(folder: Path) -> Path:
    """The folder itself, or the last checkpoint in the folder of a run, ours or one of the authors' code."""
    last = folder / "models" / "last"
    return last if last.is_dir() else last_weights(folder) or folder


def predict_split(
    folder: Path, split: str, data: Path | None, out: Path, *, size: Size | None = None, flipped: Path | None = None,
    device: str = "auto", quiet: bool = False,
) -> Summary:  # fmt: skip
    """Write the disparity of every frame of a split, and the manifest beside it; with `flipped`, also those of the mirrored
    images, mirrored back, for `depthbench evaluate --flipped`.

    Raises:
        InputError: the checkpoint, the data or the output is at fault; nothing is left behind.
    """
    started = time.perf_counter()
    network = open_network(folder, size=size, device=device)
    frames = find_split(split, data)
    outputs = {out: False} | ({flipped: True} if flipped is not None else {})
    if flipped is not None and flipped.resolve() in {out.resolve(), manifest_path(out).resolve()}:
        raise OptionError(f"{flipped}: --flipped names the file of --out; choose another name")
    for path in outputs:
        check_out(path, frames)
    files = find_images(frames, data)
    lock = threading.Lock()
    for path, mirrored in outputs.items():

        def task(i: int, mirrored: bool = mirrored) -> npt.NDArray[np.float32]:
            image = load_image(files[i], size=network.size, resampler=network.resampler)
            with lock:  # images are decoded side by side, the network uses all cores for each
                return np.asarray(disparities(network.depth, image[None], device=network.device, mirrored=mirrored)[0])

        write_predictions(
            path, frames, task, size=network.size, method=network.name, training=network.training, kind="disparity", quiet=quiet
        )  # fmt: skip
    height, width = network.size
    what = f"disparities of {network.name} on {len(files)} frames of {frames.name}, {height}x{width}"
    return Summary(out, what, len(files), time.perf_counter() - started, network.notes)


def predict_images(
    folder: Path, images: Path, out: Path, *, size: Size | None = None, device: str = "auto", quiet: bool = False
) -> Summary:  # fmt: skip
    """For an image, or all of a folder, `<name>_disp.npy` (h, w) and `<name>_disp.png` in colours, as large as the image.

    Raises:
        InputError: no image, a damaged one, two of one name, or an output that cannot be written.
    """
    from baselines.panels import magma

    started = time.perf_counter()
    network = open_network(folder, size=size, device=device)
    files = _images(images)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with Progress("predict", unit="image", quiet=quiet) as report:
            for done, path in enumerate(files, 1):
                image = load_image(path, size=network.size, resampler=network.resampler)
                disparity = disparities(network.depth, image[None], device=network.device)[0]
                with atomic_write(out / f"{path.stem}_disp.npy") as file:
                    np.save(file, disparity)
                with atomic_write(out / f"{path.stem}_disp.png") as file:
                    file.write(_png(magma(_as_large(disparity, path))))
                report(done, len(files))
    except OSError as error:
        raise OptionError(
            f"{error.filename or out}: cannot be written ({error.strerror or error}); choose another --out"
        ) from error
    what = f"disparity (.npy, {network.size[0]}x{network.size[1]}) and picture of {len(files)} images"
    return Summary(out, what, len(files), time.perf_counter() - started, network.notes)


def _images(place: Path) -> list[Path]:
    """The image itself, or those of a folder by name."""
    if place.is_file():
        return [place]
    found = sorted(path for path in place.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES) if place.is_dir() else []
    if not found:
        what = "holds no image" if place.is_dir() else "no such file"
        raise OptionError(f"{place}: {what}; expected an image or a folder with {', '.join(IMAGE_SUFFIXES)}")
    stems = [path.stem for path in found]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise OptionError(f"{place}: two images are called {twice[0]}, and their results would be one file; rename one of them")
    return found


def _as_large(disparity: npt.NDArray[np.float32], path: Path) -> npt.NDArray[np.float32]:
    import cv2
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(cv2.resize(disparity, image.size, interpolation=cv2.INTER_LINEAR), np.float32)


def _png(image: npt.NDArray[np.float32]) -> bytes:
    import cv2

    encoded: npt.NDArray[np.uint8] = cv2.imencode(".png", (255 * image[..., ::-1]).round().astype(np.uint8))[1]
    return encoded.tobytes()

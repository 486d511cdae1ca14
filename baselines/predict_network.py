"""A checkpoint and a split, an image or a folder -> disparities."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from baselines.checkpoints import depth_options, load_parts, parts_of
from baselines.image_cache import load_image, resize_image
from baselines.infer import disparities
from baselines.networks import DEPTH_NETWORKS
from baselines.networks.interface import DepthNetwork
from baselines.networks.monodepth2_depth import Monodepth2Depth
from baselines.prediction_file import Size, check_out, manifest_path, write_predictions
from baselines.reference.last_weights import MODEL, last_weights
from baselines.samples import find_images, find_split
from baselines.state_files import read_state
from baselines.training_state import STATE, network_of, recipe_of
from benchmark.errors import DatasetError, OptionError, TrainingError, first_of
from benchmark.io.files import atomic_write
from datasets_prep.images import read_image
from datasets_prep.progress import Progress

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
EXPECTED = f"expected a whole image, {', '.join(IMAGE_SUFFIXES)}"


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
        DatasetError: names the images that are damaged, or none; the others were done.
        InputError: no image, two of one name, or an output that cannot be written.
    """
    started = time.perf_counter()
    network = open_network(folder, size=size, device=device)
    files, notes = _images(images)
    faults: list[str] = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        with Progress("predict", unit="image", quiet=quiet) as report:
            for done, path in enumerate(files, 1):
                try:
                    pixels = read_image(path, advice=EXPECTED)
                except DatasetError as error:
                    faults.append(str(error))
                else:
                    _predict_image(network, pixels, out / f"{path.stem}_disp")
                report(done, len(files))
    except OSError as error:
        raise OptionError(
            f"{error.filename or out}: cannot be written ({error.strerror or error}); choose another --out"
        ) from error
    if faults:
        others = f" {len(faults)} of {len(files)} images were left out, {out} holds what became of the others" * (
            len(files) > 1
        )
        raise DatasetError(f"{first_of(faults)}.{others}")
    what = f"disparity (.npy, {network.size[0]}x{network.size[1]}) and picture of {len(files)} images"
    return Summary(out, what, len(files), time.perf_counter() - started, (*network.notes, *notes))


def _predict_image(network: Network, pixels: npt.NDArray[np.uint8], out: Path) -> None:
    """Write the disparity of an image (H, W, 3) as `<out>.npy`, and as large as the image and in colours as `<out>.png`."""
    import cv2

    from baselines.panels import magma

    image = resize_image(pixels, size=network.size, resampler=network.resampler)
    disparity = disparities(network.depth, image[None], device=network.device)[0]
    with atomic_write(out.with_name(f"{out.name}.npy")) as file:
        np.save(file, disparity)
    height, width = pixels.shape[:2]
    large = np.asarray(cv2.resize(disparity, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    with atomic_write(out.with_name(f"{out.name}.png")) as file:
        file.write(_png(magma(large)))


def _images(place: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The image itself, or those of a folder by name; and a note about what else the folder holds."""
    if place.is_file():
        return [place], ()
    files = sorted(path for path in place.iterdir() if path.is_file()) if place.is_dir() else []
    found = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if not found:
        what = "holds no image" if place.is_dir() else "no such file"
        raise OptionError(f"{place}: {what}; expected an image or a folder with {', '.join(IMAGE_SUFFIXES)}")
    for one, other in pairwise(sorted(found, key=lambda path: path.stem)):
        if one.stem == other.stem:
            raise OptionError(
                f"{place}: two images are called {one.stem}, {one.name} and {other.name}, and their results would be one file; "
                "rename one of them"
            )
    others = [path.name for path in files if path not in found]
    return found, (f"left out, not {', '.join(IMAGE_SUFFIXES)}: {first_of(others)}",) if others else ()


def _png(image: npt.NDArray[np.float32]) -> bytes:
    import cv2

    encoded: npt.NDArray[np.uint8] = cv2.imencode(".png", (255 * image[..., ::-1]).round().astype(np.uint8))[1]
    return encoded.tobytes()

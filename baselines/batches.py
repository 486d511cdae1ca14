"""Samples + cache -> batches: shuffled, sliced by rank, augmented on the device.

Which items and which draws a batch has follows from seed, epoch and position alone: a run that resumes sees what it would have
seen, on any number of ranks.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines import augment
from baselines.batch import Batch, Source
from baselines.conventions import BASELINE
from baselines.image_cache import ImageCache
from baselines.pyramid import pyramid
from baselines.samples import Samples
from benchmark.errors import OptionError, TrainingError
from datasets_prep.progress import megabytes

Rows = npt.NDArray[np.int64]

PREFETCH = 2  # batches that wait in host memory
ORDER, DRAWS = 0, 1  # streams of random numbers, so that none is used twice
CHUNK = 256  # images copied to the device at a time


class _Host(NamedTuple):
    """A batch before it is augmented, in host memory or on the device: the numbers of its samples, images (b, s, h, w, 3)
    uint8, hints (b, h, w) float32 or None, and what was drawn."""

    items: Rows
    images: Tensor
    hints: Tensor | None
    draws: augment.Draws | None


class Batches:
    """The batches of a split. `stream(step)` yields them without end from a step on, `epoch(number)` those of one epoch, of
    which there are `len()`."""

    def __init__(
        self,
        samples: Samples,
        cache: ImageCache,
        *,
        batch: int,
        seed: int = 0,
        device: torch.device | str = "cpu",
        augmentation: augment.Augmentation | None = None,
        rank: int = 0,
        ranks: int = 1,
        levels: int = 4,
        source_levels: int = 1,
        resident: bool = False,
    ) -> None:
        """Batches for training; without an `augmentation` for validation, in order and the last one smaller.

        Args:
            samples: of the split.
            cache: that holds their images, and their hints where the losses want them.
            batch: items of all ranks together; a rank gets `batch / ranks` of them.
            seed: of the order and of the augmentation.
            device: where the batches are made.
            augmentation: how images are flipped and jittered; the order is then shuffled, and a last batch that would be
                smaller is left out.
            rank: of this process, from 0.
            ranks: the number of processes.
            levels: of the target's pyramid.
            source_levels: of the pyramids of the other images; losses at native scales want as many as the target has.
            resident: keep all images on the device.

        Raises:
            OptionError: a batch that is not positive or cannot be shared by the ranks.
            TrainingError: fewer samples than one batch.
        """
        if batch < 1 or batch % ranks:
            raise OptionError(f"batch {batch}: expected a positive multiple of the {ranks} processes that share it")
        if augmentation is not None and len(samples) < batch:
            raise TrainingError(
                f"{samples.split.name}: {len(samples)} samples are fewer than one batch of {batch}; choose a larger split or a "
                "smaller batch"
            )
        if augmentation is None and ranks > 1:
            raise OptionError("batches for validation are those of one process; expected rank 0 of 1")
        self._samples, self._batch, self._seed = samples, batch, seed
        self._device, self._augmentation, self._levels = torch.device(device), augmentation, (levels, source_levels)
        self._rank, self._ranks = rank, ranks
        self._rows = np.array([[cache.rows[frame] for frame in frames] for frames in samples.frames])
        self._hint_rows = None if cache.hints is None else np.array([cache.hint_rows[frame] for frame in samples.targets])
        self._K, self._cache, self._resident = samples.pixel_K(cache.size), cache, None
        if resident:
            self._rows, self._resident = self._copy_to_device()

    def __len__(self) -> int:
        n = len(self._samples)
        return -(-n // self._batch) if self._augmentation is None else n // self._batch

    def order(self, epoch: int) -> Rows:
        """The numbers of the samples in the order of an epoch."""
        n = len(self._samples)
        return np.arange(n) if self._augmentation is None else self._random(ORDER, epoch).permutation(n)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of one epoch."""
        return self._read((number, position) for position in range(len(self)))

    def stream(self, step: int = 0) -> Iterator[Batch]:
        """The batches of all epochs, from the one of a step on: step `len() * e + p` has the batch p of epoch e."""
        return self._read(divmod(place, len(self)) for place in itertools.count(step))

    def _read(self, places: Iterator[tuple[int, int]]) -> Iterator[Batch]:
        """The batches at these (epoch, position); another thread reads ahead, and ends with the iterator."""
        waiting: queue.Queue[_Host | BaseException | None] = queue.Queue(PREFETCH)
        stop = threading.Event()

        def put(one: _Host | BaseException | None) -> None:
            while not stop.is_set():
                with contextlib.suppress(queue.Full):
                    waiting.put(one, timeout=0.1)
                    return

        def read_ahead() -> None:
            order: tuple[int, Rows] = (-1, np.empty(0, np.int64))
            try:
                if self._device.index is not None and self._device.type == "cuda":
                    torch.cuda.set_device(self._device)  # of this thread: pinned memory would open the first GPU otherwise
                for epoch, position in places:
                    if order[0] != epoch:
                        order = epoch, self.order(epoch)
                    put(self._gather(order[1], epoch, position))
                    if stop.is_set():
                        return
                put(None)
            except BaseException as error:
                put(error)

        thread = threading.Thread(target=read_ahead, name="batches", daemon=True)
        thread.start()
        try:
            while (one := waiting.get()) is not None:
                if isinstance(one, BaseException):
                    raise one
                yield self._finish(one)
        finally:
            stop.set()
            thread.join()

    def _random(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=stream))

    def _gather(self, order: Rows, epoch: int, position: int) -> _Host:
        """The images of this rank's part of a batch; what was drawn for all of it, cut likewise."""
        chosen = order[position * self._batch : (position + 1) * self._batch]
        share = self._batch // self._ranks
        own = slice(self._rank * share, (self._rank + 1) * share)
        items = chosen[own]
        draws = None
        if self._augmentation is not None:
            draws = augment.draw(self._random(DRAWS, epoch, position), len(chosen), self._augmentation).part(own)
        if self._resident is not None:
            images, hints = self._resident
            at, rows = (augment.moved(one, self._device) for one in (items, self._rows[items]))
            return _Host(items, images[rows], None if hints is None else hints[at], draws)
        images = self._take(self._cache.images, self._rows[items])
        hints = None if self._hint_rows is None else self._take(self._cache.hints, self._hint_rows[items])
        return _Host(items, images, hints, draws)

    def _take(self, values: npt.NDArray[np.generic] | None, rows: Rows) -> Tensor:
        """Rows of a cache in host memory that the device copies from fast."""
        assert values is not None
        kind = torch.uint8 if values.dtype == np.uint8 else torch.float32
        taken = torch.empty((*rows.shape, *values.shape[1:]), dtype=kind, pin_memory=self._device.type == "cuda")
        np.take(values, rows, axis=0, out=taken.numpy(), mode="clip")  # another mode would make a copy first
        return taken

    def _copy_to_device(self) -> tuple[Rows, tuple[Tensor, Tensor | None]]:
        """All images of the samples on the device, the row of each in them, and all hints by sample."""
        used, rows = np.unique(self._rows, return_inverse=True)
        try:
            images = self._copied(self._cache.images, used)
            hints = None if self._hint_rows is None else self._copied(self._cache.hints, self._hint_rows)
        except torch.cuda.OutOfMemoryError as error:
            size = sum(one.nbytes for one in (self._cache.images, self._cache.hints) if one is not None)
            raise TrainingError(
                f"{self._device}: its memory does not hold all {len(used)} images ({megabytes(size)} with hints); leave them "
                "in host memory (resident off), from which they are read ahead"
            ) from error
        return rows.reshape(self._rows.shape), (images, hints)

    def _copied(self, values: npt.NDArray[np.generic] | None, rows: Rows) -> Tensor:
        assert values is not None
        kind = torch.uint8 if values.dtype == np.uint8 else torch.float32
        copied = torch.empty((len(rows), *values.shape[1:]), dtype=kind, device=self._device)
        for at in range(0, len(rows), CHUNK):
            copied[at : at + CHUNK] = torch.from_numpy(values[rows[at : at + CHUNK]])
        return copied

    def _finish(self, host: _Host) -> Batch:
        """Move to the device, flip, jitter, make the pyramids."""
        draws, sources = host.draws, self._samples.sources
        images = host.images.to(self._device, non_blocking=True).permute(0, 1, 4, 2, 3).contiguous()
        hint = None if host.hints is None else host.hints.to(self._device, non_blocking=True)[:, None]
        K, T = self._geometry(host)
        if draws is not None:
            images = augment.flip(images, draws.flip)
            hint = None if hint is None else augment.flip(hint, draws.flip)
        shown = images[:, : len(sources) - ("s" in sources)]  # the other camera comes last, and no network sees it
        if draws is not None:
            shown = augment.jitter(shown, draws)
        inputs: dict[Source, Tensor] = {source: _float(shown[:, i]) for i, source in enumerate(sources) if source != "s"}
        levels: dict[Source, list[Tensor]] = {}
        for i, source in enumerate(sources):
            levels[source] = [_float(level) for level in pyramid(images[:, i], self._levels[source != 0])]
        return Batch(inputs, levels, K, T, hint)

    def _geometry(self, host: _Host) -> tuple[Tensor, Tensor | None]:
        """K and stereo motion of a batch; a flip mirrors the principal point of the camera, not the field's centred one."""
        K = self._K[host.items]
        flipped = np.zeros(len(K), bool) if host.draws is None else host.draws.flip
        if self._samples.calibrated:
            K[flipped, 0, 2] = self._cache.size[1] - 1 - K[flipped, 0, 2]
            K[flipped, 0, 1] *= -1
        if "s" not in self._samples.sources:
            return augment.moved(K, self._device), None
        T = np.tile(np.eye(4, dtype=np.float32), (len(K), 1, 1))
        T[:, 0, 3] = BASELINE * self._samples.side[host.items] * np.where(flipped, -1, 1)
        return augment.moved(K, self._device), augment.moved(T, self._device)


def _float(images: Tensor) -> Tensor:
    return images.float().div_(255)

"""The interface of an engine, and the loop that scores samples with one in batches."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from geoships.errors import DeviceError
from geoships.scene.tiles import Sample

Images = NDArray[np.float32]
Scores = NDArray[np.float32]

SKIPPED: Scores = np.zeros((0, 0), np.float32)  # scores of a sample that was not computed
MAX_WAITING = 4  # chunks that may queue up besides those that the engine computes; most of them hold no image


class Engine(Protocol):
    """Turns batches of images into scores.

    Attributes:
        batch_size: Maximum number of tiles in a batch; an engine or `run` may lower it.
        streams: Number of batches that the engine computes at the same time.
    """

    batch_size: int
    streams: int

    def prepare(self, shape: tuple[int, int, int]) -> None:
        """Start to get ready for images of a shape (bands, rows, columns), without waiting."""

    def submit(self, images: Images) -> Any:
        """Start to compute a batch (n, bands, rows, columns) of float32 reflectance and return a handle."""

    def collect(self, handle: Any) -> Scores:
        """Wait for a batch and return its scores from 0 to 1.

        They are (n, rows, columns); of several classes (n, classes, rows, columns), of a classifier (n,).
        """

    def release(self) -> None:
        """Give back memory that only a computation needs, after what was submitted; the next one takes it again."""


def run(engine: Engine, samples: Iterable[Sample]) -> Iterator[tuple[Sample, Scores]]:
    """Score samples in batches, in their order.

    One batch more is submitted than the engine computes at the same time, so that a GPU copies it meanwhile. When the
    device runs out of memory, the batch is halved and tried again.

    Args:
        engine: Computes the scores.
        samples: Samples of a dataset or a tile stream. A sample without an ``image`` is not computed.

    Yields:
        Each sample without its image, and its scores, as `Engine.collect` gives them but for the first axis; SKIPPED,
        of shape (0, 0), if not computed.

    Raises:
        DeviceError: A single tile does not fit into the device's memory.
    """
    waiting: deque[_Chunk] = deque()
    source = iter(samples)
    while batch := _next_batch(source, engine.batch_size):
        for chunk in _submit(engine, batch):
            waiting.append(chunk)
            while _count_computed(waiting) > engine.streams or len(waiting) > engine.streams + MAX_WAITING:
                yield from _collect(engine, waiting.popleft())
    while waiting:
        yield from _collect(engine, waiting.popleft())


@dataclass(frozen=True)
class _Chunk:
    """Submitted samples; `scored` tells which of them the engine computes, `handle` belongs to those."""

    samples: list[Sample]
    scored: list[bool]
    handle: Any


def _count_computed(chunks: Iterable[_Chunk]) -> int:
    """Number of chunks with at least one image."""
    return sum(any(chunk.scored) for chunk in chunks)


def _next_batch(source: Iterator[Sample], size: int) -> list[Sample]:
    """Samples with up to `size` images, and at most `2 * size` samples in all; empty at the end."""
    batch: list[Sample] = []
    images = 0
    for sample in source:
        batch.append(sample)
        images += "image" in sample
        if images == size or len(batch) == 2 * size:
            break
    return batch


def _submit(engine: Engine, batch: list[Sample]) -> Iterator[_Chunk]:
    """Submit a batch in as many chunks as the memory requires."""
    start = 0
    while start < len(batch):
        samples = list(_next_batch(iter(batch[start:]), engine.batch_size))
        images = [sample["image"] for sample in samples if "image" in sample]
        handle = None
        try:
            if images:
                handle = engine.submit(np.stack(images) if len(images) > 1 else images[0][None])
        except (MemoryError, RuntimeError) as error:
            _halve_batch_size(engine, error)
            continue
        start += len(samples)
        # an image is the largest part of a sample, and no longer needed
        scored = [sample.pop("image", None) is not None for sample in samples]
        images.clear()
        yield _Chunk(samples, scored, handle)


def _collect(engine: Engine, chunk: _Chunk) -> Iterator[tuple[Sample, Scores]]:
    scores = iter(engine.collect(chunk.handle)) if any(chunk.scored) else iter(())
    for sample, scored in zip(chunk.samples, chunk.scored, strict=True):
        yield sample, next(scores) if scored else SKIPPED


def _halve_batch_size(engine: Engine, error: Exception) -> None:
    check_out_of_memory(error, engine.batch_size)
    engine.batch_size //= 2
    torch = sys.modules.get("torch")  # an engine that computes on a GPU has imported it
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def check_out_of_memory(error: Exception, tiles: int) -> None:
    """Return only if an error means that a batch was too large for the memory, and a smaller batch is possible.

    Args:
        error: What was raised while the batch was computed.
        tiles: Number of tiles in the batch.

    Raises:
        Exception: The error itself, if it has another cause.
        DeviceError: The batch has only one tile.
    """
    full = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # the latter is PyTorch's
    if not (full or "allocate memory" in str(error)):
        raise error
    if tiles == 1:
        raise DeviceError(
            "the device has too little memory for one tile; choose smaller tiles (--tile-size)"
        ) from error

"""Engines: batches of reflectance in, scores out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import nn

from geoships.errors import DeviceError
from geoships.model.bundle import Bundle
from geoships.model.card import ModelInput
from geoships.support.memory import reuse_large_blocks

Sample = dict[str, torch.Tensor]
Scores = NDArray[np.float32]

SKIPPED: Scores = np.zeros((0, 0), np.float32)  # of a tile that was not computed
WAITING = 4  # parts of a run, most of them skipped, that wait for a batch under way
BF16_INSTRUCTIONS = "avx512_bf16", "amx_bf16", "bf16"  # as torch.cpu names them; the last is of ARM
BYTES_PER_PIXEL = 400  # of a U-Net's widest maps, per input pixel: 100 float32 channels


class Engine(Protocol):
    """Turns batches of images into scores.

    batch_size: greatest number of tiles that a batch may hold now; an engine may lower it.
    streams: batches that it computes at a time.
    """

    batch_size: int
    streams: int

    def prepare(self, shape: tuple[int, int, int]) -> None:
        """Begin to get ready for images of a shape (bands, rows, columns), without waiting."""

    def submit(self, images: torch.Tensor) -> Any:
        """Start on a batch (n, bands, rows, columns) of float32 reflectance and return a handle."""

    def collect(self, handle: Any) -> Scores:
        """Wait for a batch; (n, rows, columns) scores from 0 to 1."""


def run(engine: Engine, samples: Iterable[Sample]) -> Iterator[tuple[Sample, Scores]]:
    """Score samples in batches, in their order; yields each sample, less its image, with its scores (rows, columns).

    A sample that comes without an image is not computed: its scores are SKIPPED, of shape (0, 0).
    One batch more is under way than the engine computes at a time, so that a GPU copies it meanwhile. When the
    device runs out of memory the batch is halved and tried again; DeviceError when one tile is too much.
    """
    waiting: deque[_Part] = deque()
    source = iter(samples)
    while batch := _next_batch(source, engine.batch_size):
        for part in _submit(engine, batch):
            waiting.append(part)
            while _busy(waiting) > engine.streams or len(waiting) > engine.streams + WAITING:
                yield from _collect(engine, waiting.popleft())
    while waiting:
        yield from _collect(engine, waiting.popleft())


@dataclass(frozen=True)
class _Part:
    """Samples under way. scored: whether the engine computes each of them. handle: of those that it does."""

    samples: list[Sample]
    scored: list[bool]
    handle: Any


def _busy(waiting: Iterable[_Part]) -> int:
    """Parts that the engine computes."""
    return sum(any(part.scored) for part in waiting)


def _next_batch(source: Iterator[Sample], size: int) -> list[Sample]:
    """Samples up to `size` images, and as many more that have none; empty at the end."""
    batch: list[Sample] = []
    images = 0
    for sample in source:
        batch.append(sample)
        images += "image" in sample
        if images == size or len(batch) == 2 * size:
            break
    return batch


def _submit(engine: Engine, batch: list[Sample]) -> Iterator[_Part]:
    start = 0
    while start < len(batch):
        part = list(_next_batch(iter(batch[start:]), engine.batch_size))
        images = [sample["image"] for sample in part if "image" in sample]
        handle = None
        try:
            if images:
                handle = engine.submit(torch.stack(images) if len(images) > 1 else images[0][None])
        except (MemoryError, RuntimeError) as error:
            _halve(engine, error)
            continue
        start += len(part)
        # an image is the largest part of a sample, and no longer needed
        scored = [sample.pop("image", None) is not None for sample in part]
        images.clear()
        yield _Part(part, scored, handle)


def _collect(engine: Engine, part: _Part) -> Iterator[tuple[Sample, Scores]]:
    scores = iter(engine.collect(part.handle)) if any(part.scored) else iter(())
    for sample, scored in zip(part.samples, part.scored, strict=True):
        yield sample, next(scores) if scored else SKIPPED


def _halve(engine: Engine, error: Exception) -> None:
    _check_divisible(engine.batch_size, error)
    engine.batch_size //= 2
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _check_divisible(tiles: int, error: Exception) -> None:
    """Raise what went wrong with a batch, unless it was too large for the memory and can be smaller."""
    if not (isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in str(error)):
        raise error
    if tiles == 1:
        raise DeviceError(
            "the device has too little memory for one tile; choose smaller tiles (--tile-size)"
        ) from error


class Normalised(nn.Module):
    """A network with its recipe: reflectance in, scores out.

    network: maps (n, bands, rows, columns) to logits (n, classes, rows, columns).
    recipe: the card's input. temperature: what the logits are divided by, see Card.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, recipe: ModelInput, temperature: float = 1.0) -> None:
        super().__init__()
        self.network = network
        self._temperature = temperature
        self._root = recipe.pre_processing_function.expression == "sqrt"
        self.register_buffer("mean", torch.tensor([band.mean for band in recipe.value_scaling])[:, None, None])
        self.register_buffer("std", torch.tensor([band.stddev for band in recipe.value_scaling])[:, None, None])

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """What the network takes of reflectance."""
        if self._root:
            images = images.clamp(0, 1).sqrt_()
        return (images - self.mean).div_(self.std)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of the first class, float32 (n, rows, columns), at the temperature."""
        logits: torch.Tensor = self.network(self.normalise(images))
        return logits[:, 0].float() / self._temperature  # bfloat16 would round the quotient


@dataclass(frozen=True)
class View:
    """A picture turned by quarters, counter-clockwise, after its columns are mirrored.

    It is made in the fewest copies: axes are flipped at once, and then transposed without one.
    """

    quarters: int
    mirrored: bool

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Turn images (..., rows, columns)."""
        images = images.flip(self._flipped) if self._flipped else images
        return images.mT if self.quarters % 2 else images

    def undo(self, scores: torch.Tensor) -> torch.Tensor:
        """Turn scores (..., rows, columns) back."""
        scores = scores.mT if self.quarters % 2 else scores
        return scores.flip(self._flipped) if self._flipped else scores

    @property
    def _flipped(self) -> tuple[int, ...]:
        """Axes to flip before the transposition."""
        axes: set[int] = (set(), {-1}, {-2, -1}, {-2})[self.quarters]
        return tuple(sorted(axes ^ {-1} if self.mirrored else axes))


# A ship stays one however it lies. The first two are mirror images; the first four keep rows rows.
VIEWS = tuple(View(quarters, mirrored) for quarters in (0, 2, 1, 3) for mirrored in (False, True))


@dataclass(frozen=True)
class Pending:
    """A batch under way on a GPU: its scores in host memory, and the event after which they are there."""

    scores: torch.Tensor
    ready: torch.cuda.Event


class TorchEngine:
    """PyTorch on a CPU, in a thread of its own, or on a CUDA device.

    bundle: the model. device: ``cpu``, ``cuda``, ``cuda:1``. bf16: compute in bfloat16 where it is safe.
    batch_size: tiles in a batch. views: scores are the mean over so many of VIEWS.
    """

    def __init__(
        self, bundle: Bundle, *, device: torch.device, bf16: bool, batch_size: int, views: Literal[1, 2, 4, 8] = 1
    ) -> None:
        self.batch_size, self.streams = batch_size, 1
        self.device = device
        if device.type == "cpu":
            reuse_large_blocks()
        self._bf16 = bf16
        self._views = VIEWS[:views]
        self._model = Normalised(bundle.network(), bundle.card.input, bundle.card.temperature).eval()
        self._model.to(device)
        self._model.to(memory_format=torch.channels_last)
        self._copies = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="engine")

    def prepare(self, shape: tuple[int, int, int]) -> None:
        """Do nothing: PyTorch takes images as they come."""

    @torch.inference_mode()
    def submit(self, images: torch.Tensor) -> Pending | Future[Scores]:
        """Start on a batch (n, bands, rows, columns) of float32 reflectance."""
        if self._copies is None:
            return self._worker.submit(self._on_processor, images)
        compute = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self._copies):
            on_device = images.pin_memory().to(self.device, non_blocking=True)
        compute.wait_stream(self._copies)
        on_device.record_stream(compute)
        scores = self._forward(on_device)
        on_host = torch.empty(scores.shape, dtype=scores.dtype, pin_memory=True)
        on_host.copy_(scores, non_blocking=True)
        ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        ready.record(compute)
        return Pending(on_host, ready)

    def collect(self, handle: Pending | Future[Scores]) -> Scores:
        """Wait for a batch; (n, rows, columns) scores from 0 to 1."""
        if isinstance(handle, Future):
            return handle.result()
        handle.ready.synchronize()
        return handle.scores.numpy()

    @torch.inference_mode()
    def _on_processor(self, images: torch.Tensor) -> Scores:
        """Scores of a batch, in parts where the memory does not hold it."""
        try:
            return self._forward(images).numpy()
        except (MemoryError, RuntimeError) as error:
            _check_divisible(len(images), error)
        half = len(images) // 2
        return np.concatenate([self._on_processor(part) for part in (images[:half], images[half:])])

    def _forward(self, images: torch.Tensor) -> torch.Tensor:
        total = self._view(images, self._views[0])
        for view in self._views[1:]:
            total += self._view(images, view)
        return total.div_(len(self._views))

    def _view(self, images: torch.Tensor, view: View) -> torch.Tensor:
        turned = view.apply(images).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            logits = self._model(turned)
        scores: torch.Tensor = logits.sigmoid()
        return view.undo(scores) if scores.ndim == 3 else scores  # a chip's score has no place


def choose_device(name: str) -> torch.device:
    """The device of a name: ``auto`` takes CUDA where there is one. Raises DeviceError for a missing one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError("not a kind of device that geoships runs on")
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError) as error:
        raise DeviceError(
            f"no device {name!r} here ({str(error).splitlines()[0]}); use auto, cpu, cuda or cuda:N"
        ) from error
    return device


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 matrices itself.

    PyTorch takes bfloat16 on every x86 processor with AVX-512; one without instructions for it is two to four times
    slower than in float32.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # torch.ops builds its functions at run time, so that no checker knows them.
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):  # type: ignore[no-untyped-call]
        return False
    if not hasattr(torch.cpu, "get_capabilities"):  # an older PyTorch cannot tell
        return True
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in BF16_INSTRUCTIONS)


def tile_pixels(device: torch.device) -> int:
    """Greatest tile, in pixels, that a U-Net has room for.

    On a processor its widest maps take a sixteenth of the memory, at most 1 GiB; caches do not matter, because
    one map of the smallest tile is larger than they are. On a GPU they take an eighth, and at most 2,048 x 2,048. All
    of the memory counts, not what is free now, so that a machine cuts a scene in the same way each time.
    """
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        return int(min(2048**2, total // 8 // BYTES_PER_PIXEL))
    return int(min(1 << 30, psutil.virtual_memory().total // 16) // BYTES_PER_PIXEL)


def choose_batch_size(device: torch.device, tile_pixels: int) -> int:
    """Tiles per batch: about a megapixel on a CPU, a quarter of the free memory on a GPU (at most 64)."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        free = min(psutil.virtual_memory().available, 4 * (1 << 20) * BYTES_PER_PIXEL)
    return max(1, min(64, free // 4 // (tile_pixels * BYTES_PER_PIXEL)))

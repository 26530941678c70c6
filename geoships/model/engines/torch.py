"""The PyTorch engine, for CPUs and CUDA devices."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from geoships.model.activation import class_scores
from geoships.model.bundle import Bundle
from geoships.model.engines.base import Images, Scores, check_out_of_memory
from geoships.model.engines.device import Device, torch_device
from geoships.model.engines.scoring import Normalised, activation_of
from geoships.model.engines.views import VIEWS, View
from geoships.support.memory import reuse_large_blocks


@dataclass(frozen=True)
class GpuScores:
    """Scores of a batch that a GPU is computing.

    Attributes:
        scores: Page-locked host memory that receives the scores.
        ready: CUDA event after which the scores are complete.
    """

    scores: torch.Tensor
    ready: torch.cuda.Event


class TorchEngine:
    """PyTorch on a CPU, in a separate thread, or on a CUDA device.

    Args:
        bundle: The model.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        bf16: Compute in bfloat16 where autocast considers it safe.
        batch_size: Maximum number of tiles in a batch.
        views: Test-time augmentation: scores are the mean over the first `views` entries of VIEWS.
    """

    def __init__(
        self, bundle: Bundle, *, device: Device, bf16: bool, batch_size: int, views: Literal[1, 2, 4, 8] = 1
    ) -> None:
        self.batch_size, self.streams = batch_size, 1
        self.device = where = torch_device(device)
        if device.type == "cpu":
            reuse_large_blocks()
        self._bf16 = bf16
        self._views = VIEWS[:views]
        card = bundle.card
        self._model = Normalised(bundle.network(), card.input, card.temperature, several=card.several).eval()
        self._activation = activation_of(card)
        self._model.to(where)
        self._model.to(memory_format=torch.channels_last)
        self._copies = torch.cuda.Stream(where) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="engine")

    def prepare(self, shape: tuple[int, int, int]) -> None:
        """Do nothing: PyTorch computes images of any shape without preparation."""

    @torch.inference_mode()
    def submit(self, batch: Images) -> GpuScores | Future[Scores]:
        """Start to compute a batch (n, bands, rows, columns) of float32 reflectance."""
        images = torch.from_numpy(np.ascontiguousarray(batch))
        if self._copies is None:
            return self._worker.submit(self._score_on_cpu, images)
        compute = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self._copies):
            on_device = images.pin_memory().to(self.device, non_blocking=True)
        compute.wait_stream(self._copies)
        on_device.record_stream(compute)
        scores = self._score(on_device)
        on_host = torch.empty(scores.shape, dtype=scores.dtype, pin_memory=True)
        on_host.copy_(scores, non_blocking=True)
        ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        ready.record(compute)
        return GpuScores(on_host, ready)

    def collect(self, handle: GpuScores | Future[Scores]) -> Scores:
        """Wait for a batch and return its scores from 0 to 1; see `Engine.collect`."""
        if isinstance(handle, Future):
            return handle.result()
        handle.ready.synchronize()
        return handle.scores.numpy()

    def release(self) -> None:
        """Do nothing: PyTorch keeps no feature maps, and serves other computations from the memory that it holds."""

    @torch.inference_mode()
    def _score_on_cpu(self, images: torch.Tensor) -> Scores:
        """Scores of a batch; it is halved when the memory is too small for all of it."""
        try:
            return self._score(images).numpy()
        except (MemoryError, RuntimeError) as error:
            check_out_of_memory(error, len(images))
        half = len(images) // 2
        return np.concatenate([self._score_on_cpu(part) for part in (images[:half], images[half:])])

    def _score(self, images: torch.Tensor) -> torch.Tensor:
        """Mean score over the views."""
        total = self._score_view(images, self._views[0])
        for view in self._views[1:]:
            total += self._score_view(images, view)
        return total.div_(len(self._views))

    def _score_view(self, images: torch.Tensor, view: View) -> torch.Tensor:
        augmented = view.apply(images).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            logits = self._model(augmented)
        scores = class_scores(logits, self._activation)
        return view.undo(scores) if scores.ndim >= 3 else scores  # a classifier's scores have no rows and columns

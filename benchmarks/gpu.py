"""Speed of decoding, of the forward pass and of geoships on a CUDA device; `run.py --gpu` calls this.

Needs torch, numpy, rasterio and segmentation-models-pytorch. The scene and the network are those that `run.py` made in
the cache folder, which may be copied from another machine. If they are missing, noise and an untrained network of the
same architecture replace them; they take as long. If geoships is installed, it runs from scene to files, too.
"""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import rasterio
import segmentation_models_pytorch as smp
import torch
from plain_torch import PlainUnet
from rasterio.windows import Window
from torch import nn

TILE, BATCHES = 512, (1, 4, 16, 64)
KINDS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
AHEAD = 8  # batches that are decoded ahead of the device

Row = Callable[[str, Callable[[], object]], float]


def main(cache: Path, size: int, repeat: int) -> None:
    """Print all results as a Markdown table."""
    if not torch.cuda.is_available():
        sys.exit("--gpu needs a CUDA device, and PyTorch finds none")
    cache.mkdir(parents=True, exist_ok=True)
    scene, (model, untrained) = _scene(cache, size), _network(cache)
    name = torch.cuda.get_device_name()
    print(f"{name}, {os.cpu_count()} cores, torch {torch.__version__}, Python {platform.python_version()}")
    if untrained:
        print("The network is untrained: it takes as long, but its scores are meaningless.")
    print(f"\n| what, {size:,} x {size:,} RGB | Mpix/s | device busy |\n| --- | --- | --- |")
    row = partial(_row, size, repeat)
    for threads in sorted({1, 4, os.cpu_count() or 1}):
        row(f"decoding alone, {threads} threads", partial(_decode_all, scene, threads))
    batch = _forwards(model, size, row)
    together = partial(_stream, scene, Forward(model, torch.bfloat16), batch)
    row(f"decoding and forward pass together, bf16, batches of {batch}", together)
    bundle = cache / "resnet18-unet.zip"
    if find_spec("geoships") and find_spec("torchgeo") and bundle.exists():
        _geoships(scene, bundle, cache / "out" / "gpu", row)
    else:
        print("\ngeoships was not run: it is not installed, or its bundle is not in the cache folder.")


def _row(size: int, repeat: int, what: str, job: Callable[[], object]) -> float:
    """Time a job, print its row of the table, and return megapixels per second."""
    times, busy = [], []
    for _ in range(repeat):
        with DeviceUse() as watch:
            started = time.perf_counter()
            job()
            torch.cuda.synchronize()
            times.append(time.perf_counter() - started)
        if watch.share is not None:
            busy.append(watch.share)
    speed = size**2 / 1e6 / statistics.median(times)
    print(f"| {what} | {speed:.1f} | {f'{statistics.median(busy):.0%}' if busy else '-'} |", flush=True)
    return speed


def _forwards(model: nn.Module, size: int, row: Row) -> int:
    """Time the forward pass in each precision and batch size; return the fastest batch size for bfloat16."""
    speeds: dict[int, float] = {}
    for kind, dtype in KINDS.items():
        for batch in BATCHES:
            forward = Forward(model, dtype)
            images = torch.randint(0, 255, (batch, 3, TILE, TILE), dtype=torch.uint8, device="cuda")
            forward(images)
            count = -(-((size // TILE) ** 2) // batch)
            speed = row(f"forward pass, {kind}, batches of {batch}", partial(_repeat, forward, images, count))
            if kind == "bf16":
                speeds[batch] = speed
    return max(speeds, key=lambda batch: speeds[batch])


def _repeat(forward: Forward, images: torch.Tensor, count: int) -> None:
    for _ in range(count):
        forward(images)


def _decode_all(scene: Path, threads: int) -> None:
    for _ in _tiles(scene, threads, 16):
        pass


class Forward:
    """A forward pass on the device from eight-bit images to eight-bit scores."""

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        self._model = model.to("cuda", memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._dtype = dtype

    @torch.inference_mode()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Map (n, 3, rows, columns) of uint8 to (n, rows, columns) of uint8, 0 to 254."""
        values = images.to(torch.float32).div_(255).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cuda", self._dtype, enabled=self._dtype != torch.float32):
            logits = self._model(values)
        return logits[:, 0].float().sigmoid().mul_(254).round_().to(torch.uint8)


class DeviceUse:
    """Share of time that the device computed, measured ten times a second by nvidia-smi; None without nvidia-smi."""

    def __enter__(self) -> DeviceUse:
        self.share: float | None = None
        self._seen: list[float] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        if shutil.which("nvidia-smi"):
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()
        self.share = statistics.fmean(self._seen) / 100 if self._seen else None

    def _watch(self) -> None:
        index = str(torch.cuda.current_device())
        query = ["nvidia-smi", f"--id={index}", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self._done.wait(0.1):
            try:
                self._seen.append(float(subprocess.run(query, capture_output=True, text=True, check=True).stdout))
            except (OSError, ValueError, subprocess.SubprocessError):
                return


def _tiles(scene: Path, threads: int, batch: int) -> Iterator[torch.Tensor]:
    """Batches of tiles without overlap, (n, 3, TILE, TILE) of uint8, decoded by the given number of threads."""
    local = threading.local()
    with rasterio.open(scene) as dataset:
        height, width = dataset.shape
    corners = [(r, c) for r in range(0, height - TILE + 1, TILE) for c in range(0, width - TILE + 1, TILE)]

    def decode(part: list[tuple[int, int]]) -> torch.Tensor:
        if not hasattr(local, "dataset"):
            local.dataset = rasterio.open(scene)
        images = np.empty((len(part), 3, TILE, TILE), np.uint8)
        for image, (row, column) in zip(images, part, strict=True):
            local.dataset.read(out=image, window=Window(column, row, TILE, TILE))
        return torch.from_numpy(images)

    parts = [corners[start : start + batch] for start in range(0, len(corners), batch)]
    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(decode, part) for part in parts[: threads + AHEAD]]
        for number in range(len(parts)):
            yield waiting.pop(0).result()
            if number + threads + AHEAD < len(parts):
                waiting.append(pool.submit(decode, parts[number + threads + AHEAD]))


def _stream(scene: Path, forward: Forward, batch: int) -> None:
    """Decode, copy, compute and copy back with two batches in flight: the upper limit of a pipeline."""
    in_flight: list[tuple[torch.Tensor, torch.cuda.Event]] = []
    for images in _tiles(scene, min(16, os.cpu_count() or 1), batch):
        scores = forward(images.pin_memory().to("cuda", non_blocking=True))
        host = torch.empty(scores.shape, dtype=scores.dtype, pin_memory=True)
        host.copy_(scores, non_blocking=True)
        ready = torch.cuda.Event()
        ready.record()
        in_flight.append((host, ready))
        if len(in_flight) > 1:
            in_flight.pop(0)[1].synchronize()


def _geoships(scene: Path, bundle: Path, out: Path, row: Row) -> None:
    from geoships import PredictConfig, load_bundle, predict

    out.mkdir(parents=True, exist_ok=True)
    model = load_bundle(bundle)
    for precision in ("fp32", "bf16"):
        config = PredictConfig(device="cuda", engine="torch", precision=precision)

        def run(config: PredictConfig = config) -> None:
            files = {"out": out / "ships.geojson", "mask": out / "mask.tif", "scores": out / "scores.tif"}
            predict(scene, model=model, config=config, **files)

        run()  # warm-up
        row(f"geoships, scene to files, {precision}", run)


def _scene(cache: Path, size: int) -> Path:
    path = cache / f"scene-{size}.tif"
    if path.exists():
        return path
    path = cache / f"noise-{size}.tif"
    if not path.exists():
        rng = np.random.default_rng(0)
        profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "height": size, "width": size, "tiled": True,
                   "blockxsize": 512, "blockysize": 512, "compress": "deflate", "predictor": 2,
                   "interleave": "pixel"}  # fmt: skip
        with rasterio.open(path, "w", **profile) as dataset:
            for row, column in np.ndindex(-(-size // 512), -(-size // 512)):
                height, width = min(512, size - row * 512), min(512, size - column * 512)
                block = rng.normal(60, 4, (3, height, width)).clip(0, 255).astype(np.uint8)
                dataset.write(block, window=Window(column * 512, row * 512, width, height))
    return path


def _network(cache: Path) -> tuple[nn.Module, bool]:
    """The network with its normalisation, and whether it is untrained."""
    weights, recipe = cache / "resnet18-unet.pth", cache / "recipe.json"
    if weights.exists() and recipe.exists():
        return PlainUnet(weights, recipe), False
    return smp.Unet("resnet18", encoder_weights=None, in_channels=3, classes=1).eval(), True

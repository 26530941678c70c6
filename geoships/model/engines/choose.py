"""Choice of the engine and its precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal

from geoships.errors import DeviceError
from geoships.model.bundle import Bundle
from geoships.model.engines.base import Engine
from geoships.model.engines.converted import ConversionError
from geoships.model.engines.device import BYTES_PER_PIXEL, Device, has_fast_bf16, has_torch
from geoships.model.engines.sessions import (
    has_openvino,
    onnx_engine,
    openvino_engine,
    openvino_has_bf16,
    openvino_has_fast_bf16,
)

EngineName = Literal["auto", "torch", "openvino", "onnx"]
Precision = Literal["auto", "fp32", "bf16", "int8"]

# Measured as benchmarks/memory.py does, with sentinel2-5band and batches of 0.2 to 3 megapixels, and rounded up.
PIXEL_BYTES = {
    ("torch", "fp32"): BYTES_PER_PIXEL,
    ("torch", "bf16"): 380,
    ("openvino", "fp32"): 190,
    ("openvino", "bf16"): 150,
    ("openvino", "int8"): 150,
    ("onnx", "fp32"): BYTES_PER_PIXEL,
}
TITLES = {"torch": "PyTorch", "openvino": "OpenVINO", "onnx": "ONNX Runtime"}


@dataclass(frozen=True)
class EngineChoice:
    """A chosen engine, with nothing left to ``auto``.

    Attributes:
        engine: Name of the engine.
        precision: Number type that it computes in.
        device: Device that computes.
        fallback: Use PyTorch if the engine cannot convert a network.
    """

    engine: Literal["torch", "openvino", "onnx"]
    precision: Literal["fp32", "bf16", "int8"]
    device: Device
    fallback: bool = False

    def __str__(self) -> str:
        return f"{TITLES[self.engine]}, {self.precision}, {self.device}"

    @property
    def pixel_bytes(self) -> int:
        """Memory of a tile on a CPU for each pixel, in bytes: feature maps that live at the same time, and samples."""
        return PIXEL_BYTES[self.engine, self.precision]

    @property
    def emulated(self) -> bool:
        """Whether bfloat16 is emulated because the device has no instructions for it, which is slower than float32."""
        return self.engine == "torch" and self.precision == "bf16" and not has_fast_bf16(self.device)

    def open(self, bundle: Bundle, *, batch_size: int, views: Literal[1, 2, 4, 8] = 1) -> Engine:
        """Open the engine for a model.

        Args:
            bundle: The model.
            batch_size: Maximum number of tiles in a batch.
            views: Test-time augmentation: number of VIEWS whose mean is the score.

        Raises:
            BundleError: The engine cannot convert the model, or it has no int8 variant.
            DeviceError: The engine is not installed.
        """
        try:
            if self.engine == "openvino":
                return openvino_engine(bundle, precision=self.precision, batch_size=batch_size, views=views)
            if self.engine == "onnx":
                return onnx_engine(bundle, device=self.device, batch_size=batch_size, views=views)
        except ConversionError:
            if not self.fallback or not has_torch():
                raise
        from geoships.model.engines.torch import TorchEngine  # its import takes seconds

        bf16 = self.precision == "bf16"
        return TorchEngine(bundle, device=self.device, bf16=bf16, batch_size=batch_size, views=views)


class EngineCache:
    """Models and engines that stay open, for many small scenes. Threads may share it.

    Args:
        most: Number of engines that stay open, the last that were used: each holds the feature maps of a tile.
    """

    def __init__(self, most: int = 2) -> None:
        self._most, self._lock = most, Lock()
        self._open: dict[tuple[EngineChoice, int, int, tuple[int, int] | None], tuple[Bundle, Engine]] = {}
        self._bundles: dict[Path, Bundle] = {}

    def bundle(self, path: Path, load: Callable[[Path], Bundle]) -> Bundle:
        """The bundle of a path, which is loaded once."""
        with self._lock:
            if path not in self._bundles:
                self._bundles[path] = load(path)
            return self._bundles[path]

    def open(
        self,
        choice: EngineChoice,
        bundle: Bundle,
        *,
        batch_size: int,
        views: Literal[1, 2, 4, 8] = 1,
        shape: tuple[int, int] | None = None,
    ) -> Engine:
        """An open engine with the same model and settings, else a new one as from `EngineChoice.open`.

        Args:
            choice: Engine, precision and device.
            bundle: The model.
            batch_size: As for `EngineChoice.open`.
            views: As for `EngineChoice.open`.
            shape: Rows and columns of the tiles, for which an engine compiles the network; None: any.
        """
        key = choice, batch_size, views, shape
        with self._lock:
            entry = self._open.pop(key, None)
            if entry is None or entry[0] is not bundle:
                while len(self._open) >= self._most:
                    del self._open[next(iter(self._open))]
                entry = bundle, choice.open(bundle, batch_size=batch_size, views=views)
            self._open[key] = entry
            return entry[1]


def choose_engine(engine: EngineName, precision: Precision, device: Device) -> EngineChoice:
    """Choose engine and precision for a device.

    Args:
        engine: Name of the engine; ``auto``: OpenVINO on a CPU if installed, else PyTorch.
        precision: Number type; ``auto``: bfloat16 where the device computes it faster, else float32.
        device: Device that computes.

    Raises:
        DeviceError: The engine is not installed, or does not support the device or the precision.
    """
    if engine == "auto":
        return _auto_choice(precision, device)
    if engine == "openvino":
        return EngineChoice(engine, _openvino_precision(precision, device), device)
    if engine == "onnx":
        if precision not in ("auto", "fp32"):
            raise DeviceError(f"the engine onnx computes in float32 only, not in {precision}; leave out --precision")
        return EngineChoice(engine, "fp32", device)
    if precision == "int8":
        raise DeviceError("the engine torch does not compute in int8; use --engine openvino")
    return _torch_choice(precision, device)


def _auto_choice(precision: Precision, device: Device) -> EngineChoice:
    if precision == "int8":
        return EngineChoice("openvino", _openvino_precision(precision, device), device)
    if device.type != "cpu" or not has_openvino() or (precision == "bf16" and not openvino_has_bf16()):
        return _torch_choice(precision, device)
    return EngineChoice("openvino", _openvino_precision(precision, device), device, fallback=True)


def _torch_choice(precision: Precision, device: Device) -> EngineChoice:
    bf16 = precision == "bf16" or (precision == "auto" and has_fast_bf16(device))
    return EngineChoice("torch", "bf16" if bf16 else "fp32", device)


def _openvino_precision(precision: Precision, device: Device) -> Literal["fp32", "bf16", "int8"]:
    if device.type != "cpu":
        raise DeviceError(f"the engine openvino runs on the CPU only, not on {device}; use --device cpu")
    if not has_openvino():
        raise DeviceError("the engine openvino is not installed: pip install openvino")
    if precision == "auto":
        return "bf16" if openvino_has_fast_bf16() else "fp32"
    if precision == "bf16" and not openvino_has_bf16():
        raise DeviceError("this CPU has no instructions for bfloat16; use --precision auto")
    return precision

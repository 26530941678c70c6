"""Which engine computes, and in what precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from geoships.errors import DeviceError
from geoships.model.bundle import Bundle
from geoships.model.engines.base import Engine
from geoships.model.engines.convert import ConversionError
from geoships.model.engines.device import has_fast_bf16
from geoships.model.engines.sessions import has_openvino, onnx_engine, openvino_engine, openvino_has_bf16
from geoships.model.engines.torch import TorchEngine

EngineName = Literal["auto", "torch", "openvino", "onnx"]
Precision = Literal["auto", "fp32", "bf16", "int8"]

TITLES = {"torch": "PyTorch", "openvino": "OpenVINO", "onnx": "ONNX Runtime"}


@dataclass(frozen=True)
class EngineChoice:
    """An engine and what it computes in; both are settled.

    fallback: PyTorch may step in where the engine does not take a network.
    """

    engine: Literal["torch", "openvino", "onnx"]
    precision: Literal["fp32", "bf16", "int8"]
    device: torch.device
    fallback: bool = False

    def __str__(self) -> str:
        return f"{TITLES[self.engine]}, {self.precision}, {self.device}"

    @property
    def emulated(self) -> bool:
        """Whether it computes in bfloat16 without instructions for it, which takes longer than float32."""
        return self.engine == "torch" and self.precision == "bf16" and not has_fast_bf16(self.device)

    def open(self, bundle: Bundle, *, batch_size: int, views: Literal[1, 2, 4, 8] = 1) -> Engine:
        """The engine for a model; batch_size, views: as for TorchEngine.

        Raises BundleError where the engine does not take the model, DeviceError where it is not installed.
        """
        try:
            if self.engine == "openvino":
                return openvino_engine(bundle, precision=self.precision, batch_size=batch_size, views=views)
            if self.engine == "onnx":
                return onnx_engine(bundle, device=self.device, batch_size=batch_size, views=views)
        except ConversionError:
            if not self.fallback:
                raise
        bf16 = self.precision == "bf16"
        return TorchEngine(bundle, device=self.device, bf16=bf16, batch_size=batch_size, views=views)


class KeptEngines:
    """Engines that stay open, for many small scenes and one model."""

    def __init__(self) -> None:
        self._open: dict[tuple[EngineChoice, int, int], tuple[Bundle, Engine]] = {}

    def open(self, choice: EngineChoice, bundle: Bundle, *, batch_size: int, views: Literal[1, 2, 4, 8] = 1) -> Engine:
        """As `EngineChoice.open`, or the engine that is open already for the same model and settings."""
        key = choice, batch_size, views
        kept = self._open.get(key)
        if kept is None or kept[0] is not bundle:
            kept = self._open[key] = bundle, choice.open(bundle, batch_size=batch_size, views=views)
        return kept[1]


def choose_engine(engine: EngineName, precision: Precision, device: torch.device) -> EngineChoice:
    """Settle engine and precision for a device.

    ``auto`` is OpenVINO on a processor where that is installed, else PyTorch; and bfloat16 where the processor
    computes in it, else float32. Raises DeviceError for what does not go together, or is not there.
    """
    if engine == "auto":
        return _automatic(precision, device)
    if engine == "openvino":
        return EngineChoice(engine, _openvino_precision(precision, device), device)
    if engine == "onnx":
        if precision not in ("auto", "fp32"):
            raise DeviceError(f"the engine onnx computes in float32, not {precision}; leave out --precision")
        return EngineChoice(engine, "fp32", device)
    if precision == "int8":
        raise DeviceError("the engine torch does not compute in int8; use --engine openvino")
    return _torch(precision, device)


def _automatic(precision: Precision, device: torch.device) -> EngineChoice:
    if precision == "int8":
        return EngineChoice("openvino", _openvino_precision(precision, device), device)
    if device.type != "cpu" or not has_openvino() or (precision == "bf16" and not openvino_has_bf16()):
        return _torch(precision, device)
    return EngineChoice("openvino", _openvino_precision(precision, device), device, fallback=True)


def _torch(precision: Precision, device: torch.device) -> EngineChoice:
    bf16 = precision == "bf16" or (precision == "auto" and has_fast_bf16(device))
    return EngineChoice("torch", "bf16" if bf16 else "fp32", device)


def _openvino_precision(precision: Precision, device: torch.device) -> Literal["fp32", "bf16", "int8"]:
    if device.type != "cpu":
        raise DeviceError(f"the engine openvino runs on the processor, not on {device}; use --device cpu")
    if not has_openvino():
        raise DeviceError("the engine openvino is not installed: pip install openvino")
    if precision == "auto":
        return "bf16" if openvino_has_bf16() else "fp32"
    if precision == "bf16" and not openvino_has_bf16():
        raise DeviceError("this processor does not compute in bfloat16; use --precision auto")
    return precision

"""Weights of a network as a bundle stores them, read without PyTorch until its tensors are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

# names in a safetensors file, and those of PyTorch and NumPy; NumPy has no bfloat16
TYPES: dict[str, tuple[str, str | None]] = {
    "F64": ("torch.float64", "<f8"),
    "F32": ("torch.float32", "<f4"),
    "F16": ("torch.float16", "<f2"),
    "BF16": ("torch.bfloat16", None),
    "I64": ("torch.int64", "<i8"),
    "I32": ("torch.int32", "<i4"),
    "I16": ("torch.int16", "<i2"),
    "I8": ("torch.int8", "i1"),
    "U8": ("torch.uint8", "u1"),
    "BOOL": ("torch.bool", "?"),
}


@dataclass(frozen=True)
class RawTensor:
    """A tensor of a file.

    Attributes:
        dtype: Its type as PyTorch writes it, such as ``torch.float16``.
        shape: Its shape.
        data: Its values, little-endian, in C order.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes

    def array(self) -> NDArray[Any]:
        """The values as a NumPy array; floating-point ones in float32."""
        if self.dtype == "torch.bfloat16":  # the upper half of a float32
            values: NDArray[Any] = (np.frombuffer(self.data, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(self.data, next(numpy for name, numpy in TYPES.values() if name == self.dtype))
        values = values.astype(np.float32) if values.dtype.kind == "f" else values
        return values.reshape(self.shape)


class RawWeights(Mapping[str, "torch.Tensor"]):
    """Tensors by name, as bytes; PyTorch is imported when one is taken as a tensor.

    Args:
        raw: The tensors. None of them is empty.
    """

    def __init__(self, raw: Mapping[str, RawTensor]) -> None:
        self._raw = dict(raw)

    def raw(self, name: str) -> RawTensor:
        """A tensor as it is stored. Raises KeyError if there is none of this name."""
        return self._raw[name]

    def __getitem__(self, name: str) -> torch.Tensor:
        import torch

        raw = self._raw[name]
        kind: torch.dtype = getattr(torch, raw.dtype.removeprefix("torch."))
        return torch.frombuffer(bytearray(raw.data), dtype=kind).reshape(raw.shape)

    def __contains__(self, name: object) -> bool:
        return name in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)


class StoredWeights(RawWeights):
    """The tensors of a safetensors file, by name.

    Args:
        content: The file.

    Raises:
        safetensors.SafetensorError: The file is damaged.
        ValueError: A tensor has a type that weights cannot have.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        super().__init__({name: _raw(name, value) for name, value in safetensors.deserialize(content)})  # type: ignore[no-untyped-call]
        self._tensors: dict[str, torch.Tensor] | None = None

    def __getitem__(self, name: str) -> torch.Tensor:
        if self._tensors is None:
            from safetensors.torch import load

            self._tensors = load(self._content)
        return self._tensors[name]

    def __getstate__(self) -> bytes:
        return self._content

    def __setstate__(self, content: bytes) -> None:
        self.__init__(content)  # type: ignore[misc]


def raw_tensor(weights: Mapping[str, torch.Tensor], name: str) -> RawTensor:
    """One of some weights as bytes, of those of a file without PyTorch."""
    if isinstance(weights, RawWeights):
        return weights.raw(name)
    import torch

    value = weights[name].detach().cpu().contiguous()
    return RawTensor(str(value.dtype), tuple(value.shape), value.reshape(-1).view(torch.uint8).numpy().tobytes())


def _raw(name: str, value: Mapping[str, Any]) -> RawTensor:
    if value["dtype"] not in TYPES:
        raise ValueError(f"{name} has the type {value['dtype']}")
    return RawTensor(TYPES[value["dtype"]][0], tuple(value["shape"]), bytes(value["data"]))

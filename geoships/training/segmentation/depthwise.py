"""Depthwise convolutions in float32 where the rest of a step is computed in bfloat16."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class Float32Depthwise(TorchFunctionMode):
    """Within it, convolutions in groups leave autocast on a CPU.

    The backward pass of a depthwise convolution in bfloat16 is several times slower there than in float32
    (`benchmarks/depthwise.py`), which makes it the greater part of a training step of mobile encoders.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one function of torch."""
        kwargs = kwargs or {}
        if func is not functional.conv2d or _groups(args, kwargs) == 1 or args[0].device.type != "cpu":
            return func(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            return func(args[0].float(), *args[1:], **kwargs)


def _groups(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    return int(kwargs.get("groups", args[6] if len(args) > 6 else 1))

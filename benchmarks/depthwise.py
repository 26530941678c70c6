"""Time of a training step in bfloat16 with depthwise convolutions in bfloat16 and in float32, side by side.

    uv run python benchmarks/depthwise.py [ENCODER]

Prints the minimum seconds per step (8 crops of 192 x 192, five bands, forward and backward), and their ratio.
"""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from geoships.model.networks import Architecture, build_network
from geoships.training.segmentation.depthwise import Float32Depthwise

STEPS = 5


def seconds(network: nn.Module, images: torch.Tensor, within: AbstractContextManager[object]) -> float:
    """Seconds of one step."""
    started = time.perf_counter()
    with within, torch.autocast("cpu", torch.bfloat16):
        logits = network(images)
    logits.float().square().mean().backward()
    network.zero_grad()
    return time.perf_counter() - started


def main() -> None:
    encoder = sys.argv[1] if len(sys.argv) > 1 else "timm-tf_efficientnet_lite0"
    network = build_network(Architecture("unet", encoder, 5)).to(memory_format=torch.channels_last).train()
    images = torch.rand(8, 5, 192, 192).contiguous(memory_format=torch.channels_last)
    times: dict[str, list[float]] = {"bfloat16": [], "float32": []}
    for _ in range(STEPS + 1):
        times["bfloat16"].append(seconds(network, images, nullcontext()))
        times["float32"].append(seconds(network, images, Float32Depthwise()))
    least = {name: min(values[1:]) for name, values in times.items()}
    for name, value in least.items():
        print(f"depthwise in {name}: {value:.3f} s a step")
    print(f"ratio {least['bfloat16'] / least['float32']:.2f}")


if __name__ == "__main__":
    main()

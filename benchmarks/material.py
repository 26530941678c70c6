"""What the benchmarks run on: rendered scenes, and a ResNet-18 U-Net that was trained on others of them.

All of it is made once, from fixed seeds, and kept in a cache folder; nothing heavy is imported where it is there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

TILE = 512  # pixels of a tile, for the forward pass and all tools but geoships
OVERLAP = 128  # pixels that neighbouring tiles share
NAME = "resnet18-unet"


def scene_path(cache: Path, size: int) -> Path:
    """A scene of size x size pixels, RGB in eight bits, all of them with data."""

    def make(path: Path) -> None:
        from making import scene

        scene(path, size)

    return _made(cache / f"scene-{size}.tif", make)


def bundle_path(cache: Path) -> Path:
    """The bundle of the network, with its int8 variant."""

    def make(path: Path) -> None:
        from making import bundle

        bundle(path)

    return _made(cache / f"{NAME}.zip", make)


def weights_path(cache: Path) -> Path:
    """The state dict of the network, as a file of PyTorch, for tools that take no other."""

    def make(path: Path) -> None:
        from making import weights

        weights(path, bundle_path(cache))

    return _made(cache / f"{NAME}.pth", make)


def onnx_path(cache: Path) -> Path:
    """The network for GeoDeep."""

    def make(path: Path) -> None:
        from making import onnx

        onnx(path, bundle_path(cache), TILE, OVERLAP)

    return _made(cache / f"{NAME}.onnx", make)


def recipe_path(cache: Path) -> Path:
    """Mean and deviation of each band of the input, 0 to 1, as JSON."""

    def make(path: Path) -> None:
        from making import recipe

        recipe(path, bundle_path(cache))

    return _made(cache / "recipe.json", make)


def _made(path: Path, make: Callable[[Path], object]) -> Path:
    """The path, made under another name first where it is not there."""
    if not path.exists():
        print(f"making {path.name}, once: this can take some minutes", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"partial-{path.name}")
        make(partial)
        partial.rename(path)
    return path

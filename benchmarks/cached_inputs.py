"""The inputs of the benchmarks in a cache folder: rendered scenes, and a ResNet-18 U-Net trained on other ones.

They are made once, from fixed seeds. Heavy modules are imported only when something has to be made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

TILE = 512  # pixels per side of a tile, for the forward pass and for all tools but geoships
OVERLAP = 128  # pixels of overlap of neighbouring tiles
NAME = "resnet18-unet"


def scene_path(cache: Path, size: int) -> Path:
    """Path of a scene of size x size pixels, RGB in eight bits, without nodata."""

    def make(path: Path) -> None:
        from make_inputs import make_scene

        make_scene(path, size)

    return _make_once(cache / f"scene-{size}.tif", make)


def bundle_path(cache: Path) -> Path:
    """Path of the network's bundle, with an int8 variant."""

    def make(path: Path) -> None:
        from make_inputs import make_bundle

        make_bundle(path)

    return _make_once(cache / f"{NAME}.zip", make)


def weights_path(cache: Path) -> Path:
    """Path of the network's state dict as a PyTorch file, for other tools."""

    def make(path: Path) -> None:
        from make_inputs import make_weights

        make_weights(path, bundle_path(cache))

    return _make_once(cache / f"{NAME}.pth", make)


def onnx_path(cache: Path) -> Path:
    """Path of the network as ONNX for GeoDeep."""

    def make(path: Path) -> None:
        from make_inputs import make_onnx

        make_onnx(path, bundle_path(cache), TILE, OVERLAP)

    return _make_once(cache / f"{NAME}.onnx", make)


def normalisation_path(cache: Path) -> Path:
    """Path of a JSON file with mean and standard deviation of each input band, for values from 0 to 1."""

    def make(path: Path) -> None:
        from make_inputs import make_normalisation

        make_normalisation(path, bundle_path(cache))

    return _make_once(cache / "recipe.json", make)


def default_script_path(cache: Path) -> Path:
    """Path of the installed model as TorchScript, from stored values to scores, for other tools."""

    def make(path: Path) -> None:
        from make_inputs import make_default_script

        make_default_script(path, TILE)

    return _make_once(cache / "default.ts", make)


def default_scene_path(cache: Path, kind: str, size: int) -> Path:
    """Path of a scene for the installed model; kind: ``harbour`` or ``sea``."""

    def make(path: Path) -> None:
        from make_inputs import make_default_scene

        make_default_scene(path, size, ships=kind == "harbour")

    return _make_once(cache / f"{kind}-{size}.tif", make)


def _make_once(path: Path, make: Callable[[Path], object]) -> Path:
    """The path; if it does not exist, the file is made under another name and then renamed."""
    if not path.exists():
        print(f"making {path.name} (only the first time; can take minutes)", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"partial-{path.name}")
        make(partial)
        partial.rename(path)
    return path

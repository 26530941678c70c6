"""A model as an ONNX graph without weights, and the recipe that makes them from those of its bundle.

With it, runtimes other than PyTorch compute a model where PyTorch is not installed, and without its import where it is.
The graph maps reflectance to scores, as `geoships.model.engines.scoring.Scoring` does. Its weights lie in a second
file, WEIGHTS_BIN, that is not part of a bundle: NumPy makes it from the tensors of `model.safetensors`, so that a
bundle holds them once. The recipe names the model by its fingerprint; a graph of other weights is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from geoships.errors import BundleError
from geoships.model.bundle import Bundle
from geoships.model.fingerprint import fingerprint
from geoships.model.weights import raw_tensor

if TYPE_CHECKING:
    import torch

WEIGHTS_BIN = "weights.bin"  # the name by which a graph calls the file of its weights
WIDTH = 16  # neighbouring pixels that the last convolution of a graph computes at once
CHECKED = 64  # scores that a recipe holds, to check a conversion


class Stored(BaseModel):
    """A tensor of the bundle, in float32. name: of the tensor."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["stored"] = "stored"
    name: str


class Fused(BaseModel):
    """A part of a decoder block whose upsampling is fused, see `geoships.model.engines.upsampling`.

    Attributes:
        part: ``kernel`` and ``bias`` of the transposed convolution, or ``skip``, the kernel of the skip connection.
        convolution: Name of the block's first convolution.
        norm: Name of the batch norm after it, which is folded in; None: there is none.
        eps: Of the batch norm.
        channels: Channels of the map that is upsampled.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["fused"] = "fused"
    part: Literal["kernel", "bias", "skip"]
    convolution: str
    norm: str | None
    eps: float
    channels: Annotated[int, Field(ge=1)]


class Widened(BaseModel):
    """A part of the last convolution, which computes WIDTH neighbours, see `geoships.model.engines.wide_head`.

    Attributes:
        part: Its kernel or its bias.
        convolution: Name of the convolution to one channel.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["widened"] = "widened"
    part: Literal["kernel", "bias"]
    convolution: str


Entry = Annotated[Stored | Fused | Widened, Field(discriminator="kind")]


class Recipe(BaseModel):
    """How to make the weights of a graph.

    Attributes:
        format: Version of the recipe.
        fingerprint: Of the model, see `geoships.model.fingerprint`.
        check: Scores of `check_image` at `checked_pixels`, by PyTorch in float32.
        weights: Contents of the weights file, in their order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    fingerprint: str
    check: list[float]
    weights: list[Entry]


def recipe_of(bundle: Bundle) -> Recipe | None:
    """The recipe of a bundle's graph; None if it has no graph, or one of other weights or of another card.

    Raises:
        BundleError: The recipe is damaged.
    """
    if bundle.graph is None:
        return None
    try:
        recipe = Recipe.model_validate_json(bundle.graph[1])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(f"{bundle.path}: the recipe of its graph is damaged: {where}: {first['msg']}") from error
    return recipe if recipe.fingerprint == fingerprint(bundle) else None


def weights_file(recipe: Recipe, weights: Mapping[str, torch.Tensor]) -> bytes:
    """The content of WEIGHTS_BIN.

    Raises:
        KeyError: There is no tensor of a name.
        ValueError: A tensor has another shape than the recipe expects.
    """
    return b"".join(np.ascontiguousarray(made(entry, weights)).tobytes() for entry in recipe.weights)


def made(entry: Stored | Fused | Widened, weights: Mapping[str, torch.Tensor]) -> NDArray[Any]:
    """A tensor of a graph from the tensors of a bundle."""

    def tensor(name: str) -> NDArray[Any]:
        return raw_tensor(weights, name).array()

    if isinstance(entry, Stored):
        return tensor(entry.name)
    weight = tensor(f"{entry.convolution}.weight")
    bias = f"{entry.convolution}.bias"
    shift: NDArray[Any] = tensor(bias) if bias in weights else np.zeros(len(weight), np.float32)
    if isinstance(entry, Widened):
        return wide_kernel(weight) if entry.part == "kernel" else np.repeat(shift, WIDTH)
    if entry.norm is not None:
        scale = tensor(f"{entry.norm}.weight") / np.sqrt(tensor(f"{entry.norm}.running_var") + np.float32(entry.eps))
        weight = weight * scale[:, None, None, None]
        shift = tensor(f"{entry.norm}.bias") + (shift - tensor(f"{entry.norm}.running_mean")) * scale
    if entry.part == "bias":
        return shift
    return weight[:, entry.channels :] if entry.part == "skip" else fused_kernel(weight[:, : entry.channels])


def fused_kernel(weight: NDArray[Any]) -> NDArray[Any]:
    """Kernel (in, out, 4, 4) of the transposed convolution that replaces upsampling by 2 and a 3 x 3 convolution.

    Args:
        weight: Kernel (out, in, 3, 3) of the convolution of the upsampled map.

    >>> fused_kernel(np.ones((1, 1, 3, 3)))[0, 0].tolist()[0]
    [1.0, 2.0, 2.0, 1.0]
    """
    padded = np.pad(weight[:, :, ::-1, ::-1], ((0, 0), (0, 0), (1, 1), (1, 1)))
    down = padded[:, :, :-1] + padded[:, :, 1:]
    spread: NDArray[Any] = down[..., :-1] + down[..., 1:]
    return spread.swapaxes(0, 1)


def wide_kernel(weight: NDArray[Any]) -> NDArray[Any]:
    """Kernel (WIDTH, in, 3, WIDTH + 2) of the convolution that gives WIDTH neighbouring pixels as channels.

    Args:
        weight: Kernel (1, in, 3, 3).
    """
    kernels = [np.pad(weight, ((0, 0), (0, 0), (0, 0), (pixel, WIDTH - 1 - pixel))) for pixel in range(WIDTH)]
    return np.concatenate(kernels)


def check_image(bundle: Bundle) -> NDArray[np.float32]:
    """An image (1, bands, rows, columns) of noise, always the same one, by which a conversion is checked."""
    _, bands, height, width = bundle.card.input.input.shape
    step = bundle.card.step
    shape = (height, width) if bundle.card.is_classifier else (3 * step, 2 * step)
    return np.random.default_rng(0).random((1, bands, *shape), np.float32)


def checked_pixels(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """CHECKED of an image's scores, evenly spread; all if they are fewer."""
    flat = scores.reshape(-1)
    chosen: NDArray[np.float32] = flat[np.linspace(0, flat.size - 1, min(CHECKED, flat.size)).astype(int)]
    return chosen

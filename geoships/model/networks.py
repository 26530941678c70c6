"""Networks by name: any decoder of segmentation-models-pytorch over any of its encoders, any classifier of timm."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
from torch import nn

from geoships.errors import BundleError


@dataclass(frozen=True)
class Architecture:
    """What rebuilds a network without its weights.

    decoder: name in smp, e.g. ``unet``, ``unetplusplus``, ``deeplabv3plus``, ``fpn``.
    encoder: name of an smp or timm encoder, e.g. ``timm-tf_efficientnet_lite0``, ``tu-resnet18``.
    bands: number of input channels.
    classes: number of output channels (1: ship).
    options: further keyword arguments of the decoder's constructor.
    """

    decoder: str
    encoder: str
    bands: int
    classes: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)


# Options of timm that fetch or unpickle files; a bundle brings its own weights, and nothing else is opened for it.
FETCHING = {
    "cache_dir", "checkpoint_path", "encoder_weights", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay",
    "pretrained_strict", "weights",
}  # fmt: skip


def check_architecture(architecture: Architecture) -> None:
    """Raise BundleError for what would make timm look beyond the names that it has itself."""
    if fetching := sorted(FETCHING & set(architecture.options)):
        raise BundleError(f"network options {', '.join(fetching)} open other files; leave them out")
    name = architecture.encoder.removeprefix("tu-")
    own = architecture.encoder.startswith("tu-") or not architecture.decoder
    if own and not timm.is_model(name):
        raise BundleError(f"cannot build the network {architecture.encoder}: it is no network that timm knows")


def build_network(architecture: Architecture) -> nn.Module:
    """Build a network with random weights; it maps (N, bands, H, W) to logits (N, classes, H, W).

    Nothing is downloaded. Raises BundleError when smp knows no such decoder, encoder or option.
    """
    check_architecture(architecture)
    try:
        with warnings.catch_warnings():
            # smp advises `tu-` encoders; theirs take other feature maps, and our trained weights do not fit them.
            warnings.filterwarnings("ignore", "`timm-` encoders are deprecated", DeprecationWarning)
            network = smp.create_model(
                architecture.decoder,
                encoder_name=architecture.encoder,
                encoder_weights=None,
                in_channels=architecture.bands,
                classes=architecture.classes,
                **architecture.options,
            )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BundleError(
            f"cannot build network {architecture.decoder} over {architecture.encoder}: {error}; "
            "name a decoder and an encoder that segmentation-models-pytorch knows"
        ) from error
    assert isinstance(network, nn.Module)
    return network


def build_encoder(architecture: Architecture, depth: int) -> nn.Module:
    """Build the first stages of an encoder, with random weights.

    It maps (N, bands, H, W) to a list of `depth` + 1 maps, the first of which is its input. Nothing is downloaded.
    Raises BundleError when smp knows no such encoder, or it has not so many stages.
    """
    check_architecture(architecture)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "`timm-` encoders are deprecated", DeprecationWarning
            )  # see build_network
            encoder = smp.encoders.get_encoder(
                architecture.encoder, in_channels=architecture.bands, depth=depth, weights=None
            )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BundleError(f"cannot build {depth} stages of the encoder {architecture.encoder}: {error}") from error
    assert isinstance(encoder, nn.Module)
    return encoder


def build_classifier(architecture: Architecture) -> nn.Module:
    """Build a classifier of timm with random weights; it maps (N, bands, H, W) to logits (N, classes).

    architecture: `encoder` is a name of timm; there is no decoder. Nothing is downloaded.
    Raises BundleError when timm knows no such network or option.
    """
    check_architecture(replace(architecture, decoder=""))
    try:
        network = timm.create_model(
            architecture.encoder,
            pretrained=False,
            num_classes=architecture.classes,
            in_chans=architecture.bands,
            **architecture.options,
        )
    except (KeyError, TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise BundleError(
            f"cannot build the classifier {architecture.encoder}: {error}; name a network that timm knows"
        ) from error
    assert isinstance(network, nn.Module)
    return network


def load_body(network: nn.Module, weights: Mapping[str, torch.Tensor], rgb: Sequence[int | None]) -> None:
    """Copy an RGB classifier's weights, in order, into a classifier of timm, all but its last layer.

    As `load_encoder` does. Raises BundleError where a layer has another shape, or some are missing.
    """
    head = {id(value) for value in network.get_classifier().state_dict(keep_vars=True).values()}  # type: ignore[operator]
    whole = network.state_dict(keep_vars=True)
    body = {name: value.detach() for name, value in whole.items() if id(value) not in head}
    if len(weights) < len(body):
        raise BundleError(f"encoder weights do not fit: {len(weights)} of them for {len(body)} of the network")
    network.load_state_dict(_in_order(body, weights, rgb), strict=False)


def load_encoder(network: nn.Module, weights: Mapping[str, torch.Tensor], rgb: Sequence[int | None]) -> None:
    """Copy an RGB encoder's weights, in order, into a network of any number of bands.

    The two state dicts must list the same layers in the same order; names may differ, and what the weights hold
    beyond the encoder is left out. The stem's filters for red, green and blue go to the channels `rgb` (None: the
    network has no such band); every other band starts from their mean.
    All are scaled by 3 / bands, so that the stem's output keeps its magnitude.
    """
    encoder = network.get_submodule("encoder")
    encoder.load_state_dict(_in_order(encoder.state_dict(), weights, rgb))


def _in_order(
    target: dict[str, torch.Tensor], weights: Mapping[str, torch.Tensor], rgb: Sequence[int | None]
) -> dict[str, torch.Tensor]:
    for index, (name, source) in enumerate(zip(target, weights.values(), strict=False)):
        if index == 0:
            stem = source.mean(dim=1, keepdim=True).repeat(1, target[name].shape[1], 1, 1)
            for source_channel, channel in enumerate(rgb):
                if channel is not None:
                    stem[:, channel] = source[:, source_channel]
            target[name] = stem * (3 / stem.shape[1])
        elif source.shape == target[name].shape:
            target[name] = source
        else:
            raise BundleError(
                f"encoder weights do not fit: {name} is {tuple(target[name].shape)}, not {tuple(source.shape)}"
            )
    return target

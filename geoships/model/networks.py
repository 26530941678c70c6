"""Networks by name: decoders and encoders of segmentation-models-pytorch (smp), and classifiers of timm."""

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
    """A network without its weights.

    Attributes:
        decoder: Name in smp, e.g. ``unet``, ``unetplusplus``, ``deeplabv3plus``, ``fpn``; not used for a classifier.
        encoder: Name of an smp or timm encoder, e.g. ``timm-tf_efficientnet_lite0``, ``tu-resnet18``, or of a
            classifier of timm.
        bands: Number of input channels.
        classes: Number of output channels (1: ship).
        options: Further keyword arguments of the network's constructor.
    """

    decoder: str
    encoder: str
    bands: int
    classes: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)


# Options of smp and timm that download or unpickle files; a bundle has its own weights, and no other file is opened.
FETCHING = {
    "cache_dir", "checkpoint_path", "encoder_weights", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay",
    "pretrained_strict", "weights",
}  # fmt: skip


def check_architecture(architecture: Architecture) -> None:
    """Check that an architecture names a known network and opens no files.

    Raises:
        BundleError: An option would download or unpickle a file, or timm has no network of that name.
    """
    if fetching := sorted(FETCHING & set(architecture.options)):
        raise BundleError(f"network options {', '.join(fetching)} open other files; remove them")
    name = architecture.encoder.removeprefix("tu-")
    from_timm = architecture.encoder.startswith("tu-") or not architecture.decoder
    if from_timm and not timm.is_model(name):
        raise BundleError(f"cannot build the network {architecture.encoder}: timm has no network of that name")


def build_network(architecture: Architecture) -> nn.Module:
    """Build a segmentation network with random weights. Nothing is downloaded.

    Returns:
        A network that maps (n, bands, rows, columns) to logits (n, classes, rows, columns).

    Raises:
        BundleError: smp has no such decoder, encoder or option.
    """
    check_architecture(architecture)
    try:
        with warnings.catch_warnings():
            # smp recommends `tu-` encoders instead; they use other feature maps, which do not fit our trained weights
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
            "choose a decoder and an encoder of segmentation-models-pytorch"
        ) from error
    assert isinstance(network, nn.Module)
    return network


def build_encoder(architecture: Architecture, depth: int) -> nn.Module:
    """Build the first stages of an encoder, with random weights. Nothing is downloaded.

    Args:
        architecture: Of the network; its decoder is not used.
        depth: Number of stages.

    Returns:
        A network that maps (n, bands, rows, columns) to a list of `depth` + 1 feature maps, the first of which is its
        input.

    Raises:
        BundleError: smp has no such encoder, or it has fewer stages.
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
    """Build a classifier of timm with random weights. Nothing is downloaded.

    Args:
        architecture: Its `encoder` is a name in timm; its `decoder` is not used.

    Returns:
        A network that maps (n, bands, rows, columns) to logits (n, classes).

    Raises:
        BundleError: timm has no such network or option.
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
            f"cannot build the classifier {architecture.encoder}: {error}; choose a network of timm"
        ) from error
    assert isinstance(network, nn.Module)
    return network


def load_body(network: nn.Module, weights: Mapping[str, torch.Tensor], rgb: Sequence[int | None]) -> None:
    """Copy an RGB classifier's weights into a classifier of timm, except its last layer.

    Args:
        network: The classifier of timm, with any number of bands.
        weights: State dict with the same layers in the same order, see `load_encoder`.
        rgb: Channels of the network for red, green and blue, see `load_encoder`.

    Raises:
        BundleError: A layer has another shape, or some are missing.
    """
    head = {id(value) for value in network.get_classifier().state_dict(keep_vars=True).values()}  # type: ignore[operator]
    state = network.state_dict(keep_vars=True)
    body = {name: value.detach() for name, value in state.items() if id(value) not in head}
    if len(weights) < len(body):
        raise BundleError(f"encoder weights do not fit: expected {len(body)} tensors or more, got {len(weights)}")
    network.load_state_dict(_copy_in_order(body, weights, rgb), strict=False)


def load_encoder(network: nn.Module, weights: Mapping[str, torch.Tensor], rgb: Sequence[int | None]) -> None:
    """Copy an RGB encoder's weights into the encoder of a network with any number of bands.

    The stem's filters for red, green and blue are copied to the network's channels for them; every other band starts
    from the mean of the three. All are scaled by 3 / bands, so that the stem's output keeps its magnitude.

    Args:
        network: A network with an attribute `encoder`.
        weights: State dict that lists the encoder's layers first and in the same order; names may differ, and further
            entries are ignored.
        rgb: Channels of the network for red, green and blue; None where it has no such band.

    Raises:
        BundleError: A layer has another shape.
    """
    encoder = network.get_submodule("encoder")
    encoder.load_state_dict(_copy_in_order(encoder.state_dict(), weights, rgb))


def _copy_in_order(
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
                f"encoder weights do not fit: expected {name} {tuple(target[name].shape)}, got {tuple(source.shape)}"
            )
    return target

"""Makes the graph of a bundle, see `geoships.model.graph`. It takes PyTorch and onnx."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoships.errors import BundleError
from geoships.model.bundle import Bundle
from geoships.model.engines.scoring import Scoring
from geoships.model.engines.torch_convert import example_image, export_onnx, fast_scoring, takes_any_size
from geoships.model.engines.upsampling import FusedUpsamplingBlock
from geoships.model.engines.wide_head import WideHead
from geoships.model.fingerprint import fingerprint
from geoships.model.graph import (
    WEIGHTS_BIN,
    Fused,
    Recipe,
    Stored,
    Widened,
    check_image,
    checked_pixels,
    made,
    recipe_of,
)
from geoships.model.screen_bundle import build_screen

_PREFIX = "logits.network."  # of the network's weights in Scoring
CLOSE = 1e-5  # difference of a fused kernel by NumPy from that by PyTorch, both in float32

_log = logging.getLogger(__name__)


def with_graph(bundle: Bundle) -> Bundle:
    """The bundle with a graph of its present weights and card, and so its verifier and its screen.

    A graph that fits is kept. Without the package onnx, or where the network cannot be exported, the bundle has none,
    and only an installation with PyTorch can use it.
    """
    verifier = with_graph(bundle.verifier) if bundle.verifier is not None else None
    return replace(with_screen_graph(bundle), verifier=verifier, graph=_fitting_graph(bundle))


def with_screen_graph(bundle: Bundle) -> Bundle:
    """The bundle with a graph of its screen; the same bundle if it has none, or one that fits."""
    if bundle.screen is None or bundle.card.screen is None:
        return bundle
    graph = _fitting_graph(build_screen(bundle, bundle.card.screen.depth, bundle.screen))
    return bundle if graph is bundle.screen.graph else replace(bundle, screen=replace(bundle.screen, graph=graph))


def _fitting_graph(bundle: Bundle) -> tuple[bytes, bytes] | None:
    """The graph of a bundle if it fits, else a new one; None if there cannot be one."""
    if recipe_of(bundle) is not None:
        return bundle.graph
    if importlib.util.find_spec("onnx") is None:
        _log.info("%s: no graph, since onnx is not installed", bundle.card.name)
        return None
    try:
        return make_graph(bundle)
    except BundleError as error:
        _log.info("%s: no graph: %s", bundle.card.name, error)
        return None


def make_graph(bundle: Bundle) -> tuple[bytes, bytes]:
    """The graph of a bundle: ONNX model, and recipe of its weights as JSON.

    Raises:
        ConversionError: The network cannot be exported.
        ImportError: onnx is not installed.
    """
    import onnx

    scoring = fast_scoring(bundle)
    model = onnx.load_model_from_string(export_onnx(scoring, example_image(bundle), any_size=takes_any_size(bundle)))
    stored = bundle.weights.keys()
    sources = {
        name: source for name, source in _sources(scoring) if not isinstance(source, Stored) or source.name in stored
    }
    entries: list[Stored | Fused | Widened] = []
    offset = 0
    for tensor in model.graph.initializer:
        source = sources.get(tensor.name)
        if source is None or not _same(onnx.numpy_helper.to_array(tensor), made(source, bundle.weights)):
            continue  # a constant of the graph itself
        length = 4 * int(np.prod(tensor.dims))
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", WEIGHTS_BIN), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        entries.append(source)
        offset += length
    for node in model.graph.node:
        node.doc_string = ""
    with torch.inference_mode():
        scores = Scoring(bundle)(torch.from_numpy(check_image(bundle))).numpy()
    check = [round(float(score), 6) for score in checked_pixels(scores)]
    recipe = Recipe(fingerprint=fingerprint(bundle), check=check, weights=entries)
    return model.SerializeToString(), recipe.model_dump_json().encode()


def _sources(scoring: Scoring) -> Iterator[tuple[str, Stored | Fused | Widened]]:
    """Names of the graph's weights, and what each is made of."""
    for name in scoring.state_dict():
        yield name, Stored(name=name.removeprefix(_PREFIX).replace(".original.", "."))
    for name, block in scoring.named_modules():
        if isinstance(block, FusedUpsamplingBlock):
            place = name.removeprefix(_PREFIX)
            norm = block.original.conv1[1]
            has_norm = isinstance(norm, torch.nn.BatchNorm2d)
            for own, part in (("upsample.weight", "kernel"), ("upsample.bias", "bias"), ("skip_weight", "skip")):
                yield (
                    f"{name}.{own}",
                    Fused(
                        part=part,  # type: ignore[arg-type]
                        convolution=f"{place}.conv1.0",
                        norm=f"{place}.conv1.1" if has_norm else None,
                        eps=norm.eps if has_norm else 0.0,
                        channels=block.upsample.in_channels,
                    ),
                )
        elif isinstance(block, WideHead):
            place = name.removeprefix(_PREFIX)
            yield f"{name}.weight", Widened(part="kernel", convolution=place)
            yield f"{name}.bias", Widened(part="bias", convolution=place)


def _same(exported: NDArray[Any], own: NDArray[Any]) -> bool:
    """Whether a tensor of the graph is the one that the recipe makes."""
    alike = exported.dtype == np.float32 and exported.shape == own.shape
    return alike and bool(np.allclose(exported, own, rtol=CLOSE, atol=CLOSE))

"""Models for other programs: one file that makes scores of reflectance."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from geoships.errors import BundleError, DeviceError
from geoships.model.bundle import Bundle
from geoships.model.engines.convert import ConversionError, example, ir_bytes, to_onnx, to_openvino
from geoships.model.engines.scoring import Scoring
from geoships.model.engines.sessions import has_openvino

Format = Literal["onnx", "openvino", "torch-export"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "openvino": ".xml", "torch-export": ".pt2"}
SIZE = 1024  # rows and columns of a tile, where nothing else is asked for


class Channels(nn.Module):
    """Scores with a channel axis, (n, channels, rows, columns), as programs for segmentation want them.

    background: put a first channel before the ship's. It is the threshold everywhere, so that the greater of the two
    channels tells ship from background.
    """

    def __init__(self, scoring: nn.Module, background: float | None) -> None:
        super().__init__()
        self.scoring, self.background = scoring, background

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores from 0 to 1."""
        scores: torch.Tensor = self.scoring(images)[:, None]
        if self.background is None:
            return scores
        return torch.cat([torch.full_like(scores, self.background), scores], 1)


def exported(
    bundle: Bundle,
    form: Format,
    *,
    size: int = SIZE,
    background: bool = False,
    scale: float = 1.0,
    offset: float = 0.0,
) -> dict[str, bytes]:
    """The files of an exported model, by suffix.

    They take float32 reflectance (n, bands, rows, columns) of the card's bands and give scores from 0 to 1, with the
    recipe and the temperature inside: (n, 1, rows, columns), of a classifier (n,).
    form: ``onnx``, ``openvino`` (IR, two files), ``torch-export`` (an ExportedProgram of PyTorch).
    size: rows and columns of a tile; OpenVINO takes any. background: see Channels. scale, offset: what makes
    reflectance of the values of rasters that Deepness will read, see `metadata`.

    Raises BundleError for a size that the network does not take, DeviceError where a package is missing.
    """
    card = bundle.card
    if not card.is_classifier and size % card.step:
        raise BundleError(f"{card.name} takes tiles of multiples of {card.step} pixels, not {size}")
    facts = metadata(bundle, size, background=background, scale=scale, offset=offset)
    if form == "openvino":
        return _openvino(bundle, facts)
    network: nn.Module = Scoring(bundle)
    image = example(bundle)
    if not card.is_classifier:
        network = Channels(network, card.threshold if background else None).eval()
        image = torch.rand(1, len(card.bands), size, size, generator=torch.Generator().manual_seed(0))
    return _onnx(network, image, facts) if form == "onnx" else _program(network, image, facts)


def metadata(bundle: Bundle, size: int, *, background: bool, scale: float, offset: float) -> dict[str, object]:
    """What programs read from a model file, by key; values are for JSON.

    The first keys are those of the QGIS plugin Deepness, some of which GeoDeep reads, too. Deepness divides what is
    stored in a raster by 255, takes `standardization_mean` away and divides by `standardization_std`: with
    mean = -offset / (255 scale) and std = 1 / (255 scale) the result is stored * scale + offset, reflectance.
    """
    card = bundle.card
    overlap = min(90, -(-200 * card.halo // size))  # per cent; a tile's context on both sides
    deepness: dict[str, object] = {
        "model_type": "Segmentor",
        "class_names": {"0": "background", "1": card.classes[0].name},
        "resolution": card.gsd * 100,  # cm
        "tile_size": size,
        "tiles_size": size,
        "tiles_overlap": overlap,
        "seg_thresh": card.threshold,
        "seg_small_segment": 0,
        "standardization_mean": [-offset / (255 * scale)] * len(card.bands),
        "standardization_std": [1 / (255 * scale)] * len(card.bands),
    }
    return {
        **({} if card.is_classifier else deepness),
        "name": card.name,
        "license": card.licence,
        "bands": list(card.bands),
        "input": "surface reflectance, 0 to 1",
        "output": f"score, 0 to 1{'; channel 0 is the threshold' if background else ''}",
        "card": json.loads(card.to_json()),
    }


def _onnx(network: nn.Module, image: torch.Tensor, facts: dict[str, object]) -> dict[str, bytes]:
    try:
        import onnx
    except ImportError as error:
        raise DeviceError("onnx is not installed: pip install 'geoships[onnx]'") from error
    model = onnx.load_model_from_string(to_onnx(network, image, any_size=False))
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in facts.items()})
    onnx.checker.check_model(model)
    return {".onnx": model.SerializeToString()}


def _openvino(bundle: Bundle, facts: dict[str, object]) -> dict[str, bytes]:
    if not has_openvino():
        raise DeviceError("openvino is not installed: pip install openvino")
    model = to_openvino(bundle)
    for key, value in facts.items():
        model.set_rt_info(json.dumps(value), ["geoships", key])
    xml, weights = ir_bytes(model)
    return {".bin": weights, ".xml": xml}


def _program(network: nn.Module, image: torch.Tensor, facts: dict[str, object]) -> dict[str, bytes]:
    batch = torch.export.Dim("batch", min=1, max=1024)
    try:
        program = torch.export.export(network, (torch.cat([image, image]),), dynamic_shapes=({0: batch},))
    except Exception as error:  # it raises whatever the network's code does
        raise ConversionError(f"torch cannot export the network: {str(error).splitlines()[0]}") from error
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={"geoships.json": json.dumps(facts)})
    return {".pt2": buffer.getvalue()}


def output_paths(out: Path, form: Format) -> dict[str, Path]:
    """The files that an export writes, by suffix. Raises BundleError where `out` has another format's suffix."""
    if out.suffix != SUFFIXES[form]:
        raise BundleError(f"{form} is written to a file that ends in {SUFFIXES[form]}, not to {out.name}")
    return {suffix: out.with_suffix(suffix) for suffix in ((".bin", ".xml") if form == "openvino" else (out.suffix,))}

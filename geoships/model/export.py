"""Model files for other programs: reflectance in, scores out."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from geoships.errors import BundleError, DeviceError
from geoships.model.bundle import Bundle
from geoships.model.engines.converted import ConversionError
from geoships.model.engines.scoring import Scoring
from geoships.model.engines.sessions import has_openvino
from geoships.model.engines.torch_convert import example_image, ir_bytes, to_onnx, to_openvino

Format = Literal["onnx", "openvino", "torch-export"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "openvino": ".xml", "torch-export": ".pt2"}
SIZE = 1024  # default rows and columns of a tile


class ScoreChannels(nn.Module):
    """Scores with a channel axis (n, channels, rows, columns), as other programs expect them from a segmentation model.

    Args:
        scoring: Maps reflectance to scores (n, rows, columns), or (n, classes, rows, columns).
        background: Threshold that fills a background channel before those of the classes, so that the channel with the
            greatest value is the class; None: the classes only.
    """

    def __init__(self, scoring: nn.Module, background: float | None) -> None:
        super().__init__()
        self.scoring, self.background = scoring, background

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores from 0 to 1."""
        scores: torch.Tensor = self.scoring(images)
        scores = scores if scores.ndim == 4 else scores[:, None]
        if self.background is None:
            return scores
        return torch.cat([torch.full_like(scores[:, :1], self.background), scores], 1)


def export_model(
    bundle: Bundle,
    file_format: Format,
    *,
    size: int = SIZE,
    background: bool = False,
    scale: float = 1.0,
    offset: float = 0.0,
) -> dict[str, bytes]:
    """Export a model to a format of other programs.

    The exported model includes the normalisation and the temperature. It maps float32 reflectance
    (n, bands, rows, columns) of the card's bands to scores from 0 to 1: (n, classes, rows, columns), or (n,) of a
    classifier.

    Args:
        bundle: The model.
        file_format: ``onnx``, ``openvino`` (IR, two files), or ``torch-export`` (an ExportedProgram of PyTorch).
        size: Rows and columns of a tile; an OpenVINO model accepts any size.
        background: Whether the output has a background channel, see `ScoreChannels`; not for OpenVINO and classifiers.
        scale: Reflectance = stored value * scale + offset for rasters that Deepness reads, see `model_metadata`.
        offset: See `scale`.

    Returns:
        The contents of the files, by suffix.

    Raises:
        BundleError: The network does not accept the size, or cannot be converted.
        DeviceError: A package is not installed.
    """
    card = bundle.card
    if not card.is_classifier and size % card.step:
        raise BundleError(f"{card.name}: expected a tile size in multiples of {card.step} pixels, got {size}")
    metadata = model_metadata(bundle, size, background=background, scale=scale, offset=offset)
    if file_format == "openvino":
        return _export_openvino(bundle, metadata)
    network: nn.Module = Scoring(bundle)
    image = example_image(bundle)
    if not card.is_classifier:
        network = ScoreChannels(network, card.threshold if background else None).eval()
        image = torch.rand(1, len(card.bands), size, size, generator=torch.Generator().manual_seed(0))
    return (_export_onnx if file_format == "onnx" else _export_program)(network, image, metadata)


def model_metadata(bundle: Bundle, size: int, *, background: bool, scale: float, offset: float) -> dict[str, object]:
    """Metadata of an exported model for other programs, by key; the values can be written as JSON.

    The first keys are those of the QGIS plugin Deepness, some of which GeoDeep reads, too. Deepness divides stored
    values by 255, subtracts `standardization_mean` and divides by `standardization_std`. With
    mean = -offset / (255 scale) and std = 1 / (255 scale) the result is stored * scale + offset, which is reflectance.

    Args:
        bundle: The model.
        size: Rows and columns of a tile.
        background: Whether the output has a background channel.
        scale: Reflectance = stored value * scale + offset.
        offset: See `scale`.
    """
    card = bundle.card
    overlap = min(90, -(-200 * card.halo // size))  # percent; the halo on both sides of a tile
    deepness: dict[str, object] = {
        "model_type": "Segmentor",
        "class_names": {"0": "background", **{str(i): found.name for i, found in enumerate(card.classes, 1)}},
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


def _export_onnx(network: nn.Module, image: torch.Tensor, metadata: dict[str, object]) -> dict[str, bytes]:
    try:
        import onnx
    except ImportError as error:
        raise DeviceError("onnx is not installed: pip install 'geoships[onnx]'") from error
    model = onnx.load_model_from_string(to_onnx(network, image, any_size=False))
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in metadata.items()})
    onnx.checker.check_model(model)
    return {".onnx": model.SerializeToString()}


def _export_openvino(bundle: Bundle, metadata: dict[str, object]) -> dict[str, bytes]:
    if not has_openvino():
        raise DeviceError("openvino is not installed: pip install openvino")
    model = to_openvino(bundle)
    for key, value in metadata.items():
        model.set_rt_info(json.dumps(value), ["geoships", key])
    xml, weights = ir_bytes(model)
    return {".bin": weights, ".xml": xml}


def _export_program(network: nn.Module, image: torch.Tensor, metadata: dict[str, object]) -> dict[str, bytes]:
    batch = torch.export.Dim("batch", min=1, max=1024)
    try:
        program = torch.export.export(network, (torch.cat([image, image]),), dynamic_shapes=({0: batch},))
    except Exception as error:  # torch.export raises whatever the network's code raises
        raise ConversionError(
            f"torch cannot export the network: {str(error).splitlines()[0]}; choose another format"
        ) from error
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={"geoships.json": json.dumps(metadata)})
    return {".pt2": buffer.getvalue()}


def output_paths(out: Path, file_format: Format) -> dict[str, Path]:
    """Paths of the files that an export writes, by suffix.

    Raises:
        BundleError: The suffix of `out` belongs to another format.
    """
    if out.suffix != SUFFIXES[file_format]:
        raise BundleError(f"{out.name}: a file of the format {file_format} ends in {SUFFIXES[file_format]}")
    return {
        suffix: out.with_suffix(suffix) for suffix in ((".bin", ".xml") if file_format == "openvino" else (out.suffix,))
    }

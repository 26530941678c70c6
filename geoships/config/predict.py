"""Settings of `geoships predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from geoships.config.yaml_file import read_settings


class PredictConfig(BaseModel):
    """How to find ships. The defaults suit a georeferenced Sentinel-2 scene.

    Attributes:
        model: Name of an installed model, or path of a bundle; None: the installed model that suits the scene.
        threshold: Minimum score of a ship pixel; None: the model's own.
        min_peak: Minimum peak score of a ship: one of its pixels has to reach it; None: the model's own.
        verify: Drop false alarms with the model's verifier; None: the default of the model's card.
        min_area: Minimum area of a ship in square metres.
        max_hole: Holes in a ship up to this area in square metres are filled.
        simplify: Tolerance in metres for simplifying outlines; 0: exact pixel edges.
        split: Split ships where a narrow neck joins two wide parts; the mask is not changed.
        area: Vector file of the area of interest, in any CRS; None: the whole scene.
        gsd: Pixel size in metres, for a scene without georeference or with a wrong pixel size.
        bands: Band numbers (from 1) or descriptions, in the model's order; None: found by description.
        scale: Reflectance = stored value * scale + offset; None: from the file.
        offset: See `scale`.
        sensor: Preset of scale and offset, e.g. ``sentinel-2-l2a``.
        trust_vrt: Open a VRT whatever files it refers to.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N``, or ``cuda:all`` for several scenes on all GPUs.
        engine: ``auto``: OpenVINO on a CPU if installed, else PyTorch.
        precision: ``auto``: bfloat16 if the device has instructions for it, else float32. ``int8``: the model's int8
            variant.
        views: Test-time augmentation (TTA): the score is the mean over this number of rotations and mirror images of a
            tile, each of which costs one run of the model; None: the model's own.
        style: Write a QGIS style with every output.
        screen: Skip tiles that the model's screen finds empty, if the model has a screen.
        land: Vector file of land, in any CRS; tiles on land are skipped.
        land_mask: Skip tiles on land according to a global land mask.
        shore: Distance from the shoreline in metres within which tiles are not skipped as land.
        tile_size: Maximum size of a tile in model pixels; None: the cheapest one for scene, model and machine.
        overlap: Overlap of neighbouring tiles in model pixels; None: what the model's halo needs.
        batch_size: Number of tiles in a batch; None: chosen for the machine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: str | None = None
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    min_peak: Annotated[float, Field(ge=0, lt=1)] | None = None
    verify: bool | None = None
    min_area: Annotated[float, Field(ge=0)] = 300.0
    max_hole: Annotated[float, Field(ge=0)] = 500.0
    simplify: Annotated[float, Field(ge=0)] = 0.0
    split: bool = True
    area: Path | None = None
    gsd: Annotated[float, Field(gt=0)] | None = None
    bands: tuple[int | str, ...] | None = None
    scale: float | None = None
    offset: float | None = None
    sensor: str | None = None
    trust_vrt: bool = False
    device: str = "auto"
    engine: Literal["auto", "torch", "openvino", "onnx"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    views: Literal[1, 2, 4, 8] | None = None
    style: bool = True
    screen: bool = True
    land: Path | None = None
    land_mask: bool = False
    shore: Annotated[float, Field(ge=0)] = 200.0
    tile_size: Annotated[int, Field(ge=64, le=8192)] | None = None
    overlap: Annotated[int, Field(ge=0, le=4096)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=1024)] | None = None


def predict_config(file: Path | None = None, **overrides: object) -> PredictConfig:
    """Read the settings of a run.

    Args:
        file: YAML file; None: the defaults.
        **overrides: Settings that replace those of the file; None: not given.

    Raises:
        GeoshipsError: A setting is wrong; the message names each one and its valid values.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    return read_settings(PredictConfig, file, given, example="configs/predict.yaml")

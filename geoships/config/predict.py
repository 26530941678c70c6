"""Settings of finding ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from geoships.config.yaml_file import read_settings


class PredictConfig(BaseModel):
    """How ships are looked for; every field has a default that suits a georeferenced Sentinel-2 scene.

    model: name of an installed model, or path of a bundle; None: the installed one that suits the scene.
    threshold: score from which on a pixel is ship; None: the model's own.
    min_peak: score that one pixel of a ship has to reach; None: the model's own.
    verify: drop found ships that the model's verifier takes for none; None: as the model's card says.
    min_area: smallest ship in square metres.
    max_hole: holes in a ship up to this size in square metres are filled.
    simplify: outlines may move by this many metres to have fewer corners; 0: exact pixel edges.
    split: cut found ships where a neck joins two wide parts; the mask stays as it is.
    area: vector file of the area of interest, in any CRS; None: the whole scene.
    gsd: pixel size in metres, where the scene has no place on Earth or its own is wrong.
    bands: band numbers (from 1) or descriptions in the model's order; None: found by description.
    scale, offset: reflectance = stored value * scale + offset; None: from the file.
    sensor: preset of scale and offset, e.g. ``sentinel-2-l2a``.
    trust_vrt: open a VRT whatever files it refers to.
    device: ``auto``, ``cpu``, ``cuda``, ``cuda:N``, or ``cuda:all`` for several scenes on all GPUs.
    engine: ``auto`` is OpenVINO on a processor where that is installed, else PyTorch.
    precision: ``auto`` takes bfloat16 where the processor has it; ``int8`` the model's int8 variant.
    views: the score is the mean over so many ways to turn and mirror a tile, each of which costs one run of
        the model; None: the model's own.
    style: write a style for QGIS with every output.
    screen: skip tiles that the model's screen finds empty, where the model has one.
    land: vector file of land, in any CRS; tiles on it are skipped. land_mask: skip tiles on land after a mask of
        the whole Earth. shore: metres from the shore within which no tile counts as on land.
    tile_size: greatest tile in model pixels; None: the one that is cheapest for scene, model and machine.
    overlap: model pixels that neighbouring tiles share; None: what the model's halo needs.
    batch_size: tiles in a batch; None: chosen for the machine.
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
    """Settings of a YAML file, with overrides that are not None on top, and defaults below.

    Raises GeoshipsError that names each wrong setting and what it may be.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    return read_settings(PredictConfig, file, given, example="configs/predict.yaml")

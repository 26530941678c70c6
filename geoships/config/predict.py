"""Settings of `geoships predict`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from geoships.config.yaml_file import read_values, validate_settings
from geoships.errors import GeoshipsError
from geoships.support.sizes import parse_size

if TYPE_CHECKING:
    from geopandas import GeoDataFrame, GeoSeries
    from shapely.geometry.base import BaseGeometry

EXAMPLE = "configs/predict.yaml"


def _size(text: str) -> str:
    """Check a size of memory, which stays as it is written."""
    parse_size(text)
    return text


class PredictConfig(BaseModel):
    """Settings of a prediction; the defaults suit a georeferenced Sentinel-2 scene.

    Attributes:
        model: Name of an installed model, bundle folder or bundle zip; None: the installed model that fits the scene's
            bands and pixel size.
        threshold: Minimum score of a ship pixel, above 0 and below 1; None: the model's own.
        min_peak: Minimum peak score of a ship: one of its pixels reaches it; None: the model's own.
        sensitivity: Use the model's threshold and minimum peak score for more ships (``high``), for a balance
            (``balanced``) or for fewer false alarms (``precise``); `threshold` and `min_peak` override them. None: the
            model's own.
        verify: Drop false alarms with the model's verifier; None: the model's own choice.
        min_area: Minimum area of a ship in square metres.
        max_hole: Holes in ships up to this area in square metres are filled.
        simplify: Tolerance in metres for simplifying outlines; 0: exact pixel edges.
        split: Split ships that touch at a narrow neck; the mask does not change.
        area: Vector file of the area to search, in any CRS; None: the whole scene.
        observed: Tell what was seen: clouds, nodata, land and sea as polygons, and clouds around each ship; None: where
            the scene has a scene classification (SCL).
        min_observed: Minimum share of the area that must be seen, 0 to 1; a scene of which less is seen is refused.
        fixed: Vector file of what stands fixed, as `geoships fixed` writes it, or any polygons or points; ships that
            are one of these are marked in a column `fixed`.
        drop_fixed: Leave them out instead.
        motion: Measure which ships move, how fast and which way, from the delay between the bands.
        aircraft: With `motion`: ``flag`` aircraft in the column `motion`, or ``drop`` them, which measures motion, too.
        gsd: Pixel size in metres, for a scene without georeference or with a wrong pixel size; None: from the scene.
        bands: Band numbers (from 1) or descriptions in the model's order; None: found by their descriptions.
        scale: Reflectance = stored value * scale + offset; None: from the file.
        offset: See scale.
        sensor: Preset of scale and offset, e.g. ``sentinel-2-l2a``; None: from the file.
        trust_vrt: Open a VRT whatever files it refers to.
        on_error: What to do about a part of the scene that cannot be read: ``fail``, or ``skip`` it as pixels without
            data, and list it in the result.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N``, or ``cuda:all`` for several scenes on all GPUs.
        engine: Inference engine; ``auto`` is OpenVINO on a CPU where that is installed, else PyTorch.
        precision: ``auto`` is bfloat16 where the hardware supports it; ``int8`` is the model's int8 variant.
        views: Test-time augmentation: the score is the mean over so many flips and rotations of a tile, and takes as
            many runs of the model; None: the model's own.
        style: Write a QGIS style next to every output.
        overwrite: Replace outputs that exist; without it they are refused, but the command line keeps those that hold
            the result of the very same run. Files that are read are never replaced.
        screen: Skip tiles that the model's screen finds empty, if the model has a screen.
        land: Vector file of land, in any CRS; tiles on land are skipped. None: no tile is skipped for it.
        land_mask: Skip tiles on land by a global mask; needs ``geoships[landmask]``.
        shore: Distance in metres from the shore within which no tile counts as land.
        tile_size: Maximum tile size in model pixels; None: the fastest one for scene, model and machine.
        overlap: Overlap of neighbouring tiles in model pixels; None: by the model's halo.
        batch_size: Tiles in a batch; None: chosen for the device.
        max_memory: Memory that a run may take beyond the loaded model, such as ``800MB``, ``2GiB`` or ``4G``: batches
            and tiles are made smaller until they fit, else the run is refused with the size that it needs. None: by the
            device.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: str | None = None
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    min_peak: Annotated[float, Field(ge=0, lt=1)] | None = None
    sensitivity: Literal["high", "balanced", "precise"] | None = None
    verify: bool | None = None
    min_area: Annotated[float, Field(ge=0)] = 300.0
    max_hole: Annotated[float, Field(ge=0)] = 500.0
    simplify: Annotated[float, Field(ge=0)] = 0.0
    split: bool = True
    area: Path | None = None
    observed: bool | None = None
    min_observed: Annotated[float, Field(ge=0, le=1)] | None = None
    fixed: Path | None = None
    drop_fixed: bool = False
    motion: bool = False
    aircraft: Literal["flag", "drop"] = "flag"
    gsd: Annotated[float, Field(ge=0.001, le=1000)] | None = None
    bands: tuple[int | str, ...] | None = None
    scale: float | None = None
    offset: float | None = None
    sensor: str | None = None
    trust_vrt: bool = False
    on_error: Literal["fail", "skip"] = "fail"
    device: str = "auto"
    engine: Literal["auto", "torch", "openvino", "onnx"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    views: Literal[1, 2, 4, 8] | None = None
    style: bool = True
    overwrite: bool = False
    screen: bool = True
    land: Path | None = None
    land_mask: bool = False
    shore: Annotated[float, Field(ge=0)] = 200.0
    tile_size: Annotated[int, Field(ge=64, le=8192)] | None = None
    overlap: Annotated[int, Field(ge=0, le=4096)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=1024)] | None = None
    max_memory: Annotated[str, AfterValidator(_size)] | None = None


def predict_config(file: Path | None = None, **overrides: object) -> PredictConfig:
    """Read the settings of a prediction.

    Args:
        file: YAML file of settings, or the JSON summary of an earlier prediction, whose options are taken; None: the
            defaults.
        overrides: Settings by name that override the file; those that are None do not.

    Raises:
        GeoshipsError: Names each wrong setting and what it may be.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    values = read_values(file, {}, EXAMPLE)
    where = f" in {file} or on the command line" if file else ""
    return validate_settings(PredictConfig, {**_options(values, file), **given}, where)


def _options(values: dict[str, Any], file: Path | None) -> dict[str, Any]:
    """The settings in a file: all of it, or the options of a summary, of which one of many scenes holds several."""
    several = values.get("scenes")
    summaries = several if isinstance(several, list) else [values]
    found = [
        each["options"] for each in summaries if isinstance(each, dict) and {"options", "options_sha256"} <= each.keys()
    ]
    if not found:
        return values
    if any(options != found[0] for options in found):
        raise GeoshipsError(
            f"{file}: a summary of scenes that were not all predicted with the same options; keep that of one scene"
        )
    options: dict[str, Any] = found[0]
    return options


class PredictOptions(TypedDict, total=False):
    """Settings of `geoships.predict` as keywords: those of `PredictConfig`; None stands for one that is not given.

    `area` and `land` may also be what a program holds: a shapely geometry in the scene's coordinates, a GeoSeries or a
    GeoDataFrame.
    """

    threshold: float | None
    min_peak: float | None
    sensitivity: Literal["high", "balanced", "precise"] | None
    verify: bool | None
    min_area: float | None
    max_hole: float | None
    simplify: float | None
    split: bool | None
    area: str | os.PathLike[str] | BaseGeometry | GeoSeries | GeoDataFrame | None
    observed: bool | None
    min_observed: float | None
    fixed: str | os.PathLike[str] | None
    drop_fixed: bool | None
    motion: bool | None
    aircraft: Literal["flag", "drop"] | None
    gsd: float | None
    bands: Sequence[int | str] | None
    scale: float | None
    offset: float | None
    sensor: str | None
    trust_vrt: bool | None
    on_error: Literal["fail", "skip"] | None
    device: str | None
    engine: Literal["auto", "torch", "openvino", "onnx"] | None
    precision: Literal["auto", "fp32", "bf16", "int8"] | None
    views: Literal[1, 2, 4, 8] | None
    style: bool | None
    overwrite: bool | None
    screen: bool | None
    land: str | os.PathLike[str] | BaseGeometry | GeoSeries | GeoDataFrame | None
    land_mask: bool | None
    shore: float | None
    tile_size: int | None
    overlap: int | None
    batch_size: int | None
    max_memory: str | None


def merged_config(config: PredictConfig | Mapping[str, Any] | None, options: Mapping[str, Any]) -> PredictConfig:
    """Settings of a prediction, with single ones replaced.

    Args:
        config: Settings, or a dict of some; None: the defaults.
        options: Settings by name that replace those of `config`; those that are None do not.

    Raises:
        GeoshipsError: Names each wrong setting and what it may be.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if isinstance(config, PredictConfig):
        if not given:
            return config
        config = config.model_dump(exclude_unset=True)
    if not isinstance(config, Mapping | None):
        raise GeoshipsError(f"config=: expected a PredictConfig or a dict, got {type(config).__name__}")
    values = {**(config or {}), **given}
    if unknown := [name for name in values if name not in PredictConfig.model_fields]:
        likely = get_close_matches(str(unknown[0]), PredictConfig.model_fields, 1)
        advice = f"; did you mean {likely[0]}?" if likely else f": choose from {', '.join(PredictConfig.model_fields)}"
        raise GeoshipsError(f"unknown setting {unknown[0]}{advice}")
    return validate_settings(PredictConfig, values)

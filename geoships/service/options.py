"""Options of a job: the settings of `geoships.predict` that a client may choose."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from geoships.config import PredictConfig
from geoships.model.installed import installed
from geoships.service.outlines import polygon_of
from geoships.service.problems import ProblemError

Number = Annotated[float, Field(allow_inf_nan=False)]


def _band_list(value: object) -> object:
    """A list of bands, which a form writes as ``3,2,1``."""
    if isinstance(value, str):
        return [int(part) if part.strip().isdecimal() else part.strip() for part in value.split(",") if part.strip()]
    return value


def _polygon(value: object) -> object:
    """An area, which a form writes as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError("expected a valid GeoJSON polygon in degrees") from None
    return polygon_of(value)


def _installed(name: str) -> str:
    """Check that a model is installed: any other name might be a path."""
    if name not in (names := [found for found, _ in installed()]):
        raise ValueError(f"no such model; installed are {', '.join(names)}")
    return name


class JobOptions(BaseModel):
    """Options of a job; one that is not given is the service's or the model's own.

    Settings that name files of the machine, devices or the memory are the operator's alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model: Annotated[str, AfterValidator(_installed), Field(max_length=64)] | None = Field(
        None, description="Name of an installed model"
    )
    threshold: Annotated[Number, Field(gt=0, lt=1)] | None = Field(None, description="Minimum score of a ship pixel")
    min_peak: Annotated[Number, Field(ge=0, lt=1)] | None = Field(None, description="Minimum peak score of a ship")
    sensitivity: Literal["high", "balanced", "precise"] | None = Field(
        None, description="Threshold and peak of the model for more ships or fewer false alarms"
    )
    area: Annotated[dict[str, Any], BeforeValidator(_polygon)] | None = Field(
        None, description="GeoJSON polygon in longitude and latitude that is searched; in a form as JSON"
    )
    verify: bool | None = Field(None, description="Drop false alarms with the model's verifier")
    min_area: Annotated[Number, Field(ge=0)] | None = Field(None, description="Minimum area of a ship, square metres")
    max_hole: Annotated[Number, Field(ge=0)] | None = Field(None, description="Holes up to this area are filled")
    simplify: Annotated[Number, Field(ge=0)] | None = Field(None, description="Simplify outlines by so many metres")
    split: bool | None = Field(None, description="Split ships that touch at a narrow neck")
    gsd: Annotated[Number, Field(ge=0.001, le=1000)] | None = Field(None, description="Pixel size in metres")
    bands: (
        Annotated[
            tuple[Annotated[int, Field(ge=1, le=10_000)] | Annotated[str, Field(max_length=64)], ...],
            BeforeValidator(_band_list),
            Field(max_length=64),
        ]
        | None
    ) = Field(None, description="Band numbers or descriptions in the model's order; in a form: 3,2,1")
    scale: Number | None = Field(None, description="Reflectance = value * scale + offset")
    offset: Number | None = Field(None, description="See scale")
    sensor: Annotated[str, Field(max_length=64)] | None = Field(None, description="Preset of scale and offset")
    on_error: Literal["fail", "skip"] | None = Field(None, description="A part that cannot be read: fail, or skip it")
    views: Literal[1, 2, 4, 8] | None = Field(None, description="Test-time augmentation: mean over so many views")

    def given(self) -> dict[str, Any]:
        """The options that were given, as JSON values."""
        return self.model_dump(mode="json", exclude_none=True)


def job_options(values: Mapping[str, Any]) -> JobOptions:
    """Check the options of a job.

    Args:
        values: Options by name; texts of a form are read as numbers and switches.

    Raises:
        ProblemError: 400, with each wrong option.
    """
    read = {name: _form_value(name, value) for name, value in values.items() if value not in (None, "")}
    try:
        return JobOptions.model_validate(read)
    except ValidationError as error:
        raise invalid(error) from None


def invalid(error: ValidationError) -> ProblemError:
    """What pydantic says of options, as a problem."""
    faults = [{"name": ".".join(map(str, each["loc"]))[:80], "reason": each["msg"]} for each in error.errors()]
    listed = "; ".join(f"{fault['name']}: {fault['reason']}" for fault in faults[:3])
    return ProblemError(400, f"wrong options: {listed}", kind="options", errors=faults)


def _form_value(name: str, value: Any) -> Any:
    """Forms have no numbers: those of a choice among numbers are read here, pydantic reads the others."""
    return int(value) if name == "views" and isinstance(value, str) and value.isdecimal() and len(value) < 3 else value


def merged(settings: PredictConfig, options: Mapping[str, Any]) -> PredictConfig:
    """Settings of a prediction: the service's, with the options of a job except its area, which has to be a file."""
    options = {name: value for name, value in options.items() if name != "area"}
    values = {**settings.model_dump(exclude_unset=True), **JobOptions.model_validate(dict(options)).given()}
    return PredictConfig.model_validate({**values, "style": False, "trust_vrt": False, "overwrite": True})

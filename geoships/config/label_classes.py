"""Classes of labels: names, pixel values and colours, from one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from geoships.config.yaml_file import read_settings

EXAMPLE = "configs/labels.yaml"


class ClassSettings(BaseModel):
    """One class. See `geoships.datasets.annotations.shapes.LabelClass`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    value: Annotated[int, Field(ge=1, le=255)]
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = "#ff6000"
    aliases: tuple[str, ...] = ()

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green, blue from 0 to 255.

        >>> ClassSettings(name="ship", value=1, colour="#ff6000").rgb
        (255, 96, 0)
        """
        red, green, blue = bytes.fromhex(self.colour[1:])
        return red, green, blue


class LabelSettings(BaseModel):
    """All classes; by default ships are 1, and what says nothing is 255."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: Annotated[tuple[ClassSettings, ...], Field(min_length=1)] = (
        ClassSettings(name="ship", value=1, aliases=("ships", "boat", "vessel")),
        ClassSettings(name="ignore", value=255, colour="#808080", aliases=("unsure", "unknown")),
    )

    @model_validator(mode="after")
    def _distinct(self) -> LabelSettings:
        names = [name.casefold() for found in self.classes for name in (found.name, *found.aliases)]
        values = [found.value for found in self.classes]
        if len(set(names)) < len(names) or len(set(values)) < len(values):
            raise ValueError("two classes share a name, an alias or a value")
        return self


def label_settings(file: Path | None) -> LabelSettings:
    """Classes of a YAML file, or the default ones. Raises GeoshipsError that names each wrong setting."""
    return read_settings(LabelSettings, file, {}, EXAMPLE)

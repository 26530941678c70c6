"""Settings of label classes: names, pixel values and colours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from geoships.config.yaml_file import read_settings

EXAMPLE = "configs/labels.yaml"


class ClassSettings(BaseModel):
    """One class of annotations, see `geoships.datasets.annotations.shapes.LabelClass`.

    Attributes:
        name: Name of the class.
        value: Its pixel value in label masks.
        colour: Its colour, such as ``#ff6000``.
        aliases: Other names of the class in annotation tools.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    value: Annotated[int, Field(ge=1, le=255)]
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] = "#ff6000"
    aliases: tuple[str, ...] = ()

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue from 0 to 255.

        >>> ClassSettings(name="ship", value=1, colour="#ff6000").rgb
        (255, 96, 0)
        """
        red, green, blue = bytes.fromhex(self.colour[1:])
        return red, green, blue


class LabelSettings(BaseModel):
    """All label classes. By default ships have the value 1, and pixels to ignore 255."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: Annotated[tuple[ClassSettings, ...], Field(min_length=1)] = (
        ClassSettings(name="ship", value=1, aliases=("ships", "boat", "vessel")),
        ClassSettings(name="ignore", value=255, colour="#808080", aliases=("unsure", "unknown")),
    )

    @model_validator(mode="after")
    def _distinct(self) -> LabelSettings:
        names = [name.casefold() for entry in self.classes for name in (entry.name, *entry.aliases)]
        values = [entry.value for entry in self.classes]
        if len(set(names)) < len(names) or len(set(values)) < len(values):
            raise ValueError("two classes share a name, an alias or a value")
        return self


def label_settings(file: Path | None) -> LabelSettings:
    """Read label classes.

    Args:
        file: YAML file; None: the default classes.

    Raises:
        GeoshipsError: A setting is wrong; the message names each one and its valid values.
    """
    return read_settings(LabelSettings, file, {}, EXAMPLE)

"""A quicklook of a scene with its found ships."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shapely.geometry.base import BaseGeometry

from geoships.errors import OutputError
from geoships.output.pictures.overlay import draw_overlay
from geoships.scene.quicklook import Quicklook
from geoships.support.files import reserve


def check_preview(path: Path) -> None:
    """Raise OutputError where no preview can be written to `path`: not named .png, or no way into its folder."""
    if path.suffix.lower() != ".png":
        raise OutputError(f"cannot write {path}: a preview is a PNG picture; its name must end with .png")
    reserve(path)


def write_preview(path: Path, look: Quicklook, ships: Sequence[BaseGeometry]) -> None:
    """Write a PNG picture of a scene with its ships outlined, a scale bar in true metres, and cuts of some ships.

    look: the scene. ships: polygons in its pixel coordinates (column, row).
    The file appears whole or not at all. Raises GeoshipsError.
    """
    overview = look.overview
    title = f"{look.title} ({look.band_names})"
    draw_overlay(
        path, overview.image, ships, title=title, pixel_metres=overview.pixel_metres, scale=overview.scale,
        cut=look.read,
    )  # fmt: skip

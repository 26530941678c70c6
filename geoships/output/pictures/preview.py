"""Write a preview: a quicklook of a scene with its ships outlined."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shapely.geometry.base import BaseGeometry

from geoships.errors import OutputError
from geoships.output.pictures.overlay import Classes, draw_overlay
from geoships.scene.quicklook import Quicklook
from geoships.support.files import reserve


def check_preview(path: Path) -> None:
    """Check that a preview can be written to a file.

    Raises:
        OutputError: For another extension than .png, and for a folder that cannot be written to.
    """
    if path.suffix.lower() != ".png":
        raise OutputError(f"cannot write {path}: a preview is a PNG image; its name must end with .png")
    reserve(path)


def write_preview(path: Path, look: Quicklook, ships: Sequence[BaseGeometry], classes: Classes | None = None) -> None:
    """Write a PNG image of a scene with its ships outlined, a scale bar, and enlarged insets of some ships.

    The scale bar has the scene's true pixel size. The file appears only when it is complete.

    Args:
        path: The PNG file.
        look: The scene.
        ships: Polygons in the scene's pixel coordinates (column, row).
        classes: Of several classes: that of each ship, for its colour and the legend.

    Raises:
        GeoshipsError: Where the scene cannot be read or the file cannot be written.
    """
    overview = look.overview
    title = f"{look.title} ({look.band_names})"
    draw_overlay(
        path, overview.image, ships, title=title, pixel_metres=overview.pixel_metres, scale=overview.scale,
        read_window=look.read, classes=classes,
    )  # fmt: skip

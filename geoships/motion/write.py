"""Writes ships with their motion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from geoships.motion.styles import motion_style
from geoships.output.formats import appearing_ships, check_format
from geoships.scene.opening.open import SceneFile
from geoships.support.overwrite import refuse_overwrites

if TYPE_CHECKING:
    from geoships.motion.measure import MeasuredMotion


def check_output(out: Path, ships: Path, scene: str, *, overwrite: bool) -> None:
    """Check that ships can be written, before anything is measured.

    Args:
        out: The file to write.
        ships: The file of ships that is read.
        scene: Name of the scene that is read.
        overwrite: Replace a file that exists.

    Raises:
        OutputError: The file has an unknown extension, exists, is read, or cannot be written.
        SceneError: The scene cannot be opened.
    """
    check_format(out)
    with SceneFile(scene) as file:
        refuse_overwrites([out], [ships, *file.local_files()], overwrite=overwrite)


def write_motion(path: Path, measured: MeasuredMotion) -> None:
    """Write ships with their motion; a GeoPackage has a style by motion.

    Args:
        path: The file: .geojson, .gpkg, .fgb or .parquet. It appears when it is complete.
        measured: The ships.

    Raises:
        OutputError: The file cannot be written.
    """
    style = motion_style().qml()
    with appearing_ships(path, measured.ships, georeference=None, title="Ships and their motion", style=style):
        pass

"""Writes what stands, what lay still and berths as layers of one GeoPackage."""

from __future__ import annotations

from pathlib import Path

from geoships.output.geopackage import Layer, write_layers
from geoships.output.qgis.styles import outline_style
from geoships.output.qgis.xml import Colour
from geoships.places.fixed import FixedPlaces

STILL, BERTHS, SHIPS = "still", "berths", "ships"
# Told apart by people who see no difference of red and green, too (Okabe and Ito).
COLOURS: dict[str, Colour] = {
    "structures": (213, 94, 0, 255),
    STILL: (240, 228, 66, 255),
    BERTHS: (86, 180, 233, 255),
    SHIPS: (0, 158, 115, 255),
}


def write_fixed(path: Path, found: FixedPlaces) -> None:
    """Write structures (named as the file), `still`, `berths` and `ships`.

    Args:
        path: The file (.gpkg), which appears when it is complete.
        found: What was found.

    Raises:
        OutputError: The file cannot be written.
    """
    write_layers(
        path,
        [
            Layer(path.stem, found.structures, "Structures", style=outline_style(COLOURS["structures"]).qml()),
            Layer(STILL, found.still, "Ships that lay still", style=outline_style(COLOURS[STILL]).qml()),
            Layer(BERTHS, found.berths, "Berths", style=outline_style(COLOURS[BERTHS]).qml()),
            Layer(SHIPS, found.ships, "Ships by place", style=outline_style(COLOURS[SHIPS]).qml()),
        ],
    )

"""What two runs over the same scenes must have in common."""

from __future__ import annotations

import hashlib
from pathlib import Path

import rasterio

from geoships.output.read_ships import read_ships


def contents(out: Path) -> dict[str, str]:
    """Digests of what matters in outputs: geometry and attributes of ships, and pixels of rasters."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.suffix == ".geojson":
            ships = read_ships(path)
            text = ships.to_json().encode() + b"".join(ships.geometry.to_wkb())
            found[path.relative_to(out).as_posix()] = hashlib.sha256(text).hexdigest()
        elif path.suffix == ".tif":
            with rasterio.open(path) as dataset:
                found[path.relative_to(out).as_posix()] = hashlib.sha256(dataset.read()).hexdigest()
    return found

"""A small picture of a ship, for its message."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from shapely.geometry.base import BaseGeometry

from geoships.scene.bands import common_names
from geoships.scene.opening.band_files import SceneName
from geoships.scene.opening.open import scene_file
from geoships.scene.reader import Scene, open_scene
from geoships.scene.tiling.windows import Window, paste
from geoships.support.files import atomic_write

SIDE = 320  # pixels of a picture
COLOURS = ("red", "green", "blue")
OUTLINE = (255, 176, 0)


class ChipMaker:
    """Pictures of the ships of one scene; used in a ``with`` block.

    Args:
        name: The scene.
        metres: Side of the ground that a picture shows.

    Raises:
        SceneError: The scene cannot be opened.
    """

    def __init__(self, name: SceneName, metres: float) -> None:
        with scene_file(name) as file:
            known = [each for each in common_names(file.header.bands).values() if each]
            wanted = [colour for colour in COLOURS if colour in known] or known[:1]
            self._scene: Scene = open_scene(file, wanted or list(COLOURS), optional=wanted or COLOURS)
        size = self._scene.georeference.pixel_size() or (10.0, 10.0)
        self._pixels = max(16, round(metres / min(size)))

    def __enter__(self) -> ChipMaker:
        return self

    def __exit__(self, *_: object) -> None:
        self._scene.close()

    def write(self, path: Path, outline: BaseGeometry) -> None:
        """Write the picture of a ship.

        Args:
            path: The picture (.png).
            outline: Of the ship, in pixels of the scene.

        Raises:
            SceneError: The scene cannot be read.
            OutputError: The picture cannot be written.
        """
        centre = shapely.centroid(outline)
        half = self._pixels // 2
        window = Window(round(centre.y) - half, round(centre.x) - half, self._pixels, self._pixels)
        inside = window.intersection(self._scene.window)
        pixels = self._scene.decode(inside)
        values = np.zeros((pixels.values.shape[0], *window.shape))
        valid = np.zeros(window.shape, np.bool_)
        paste(values, window, pixels.values.astype(np.float64), inside)
        paste(valid, window, pixels.valid, inside)
        image = Image.fromarray(_stretched(values, valid)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        scale = SIDE / self._pixels
        draw = ImageDraw.Draw(image)
        for part in shapely.get_parts(outline):
            ring = (shapely.get_coordinates(part.exterior) - [window.column, window.row]) * scale
            draw.line([tuple(point) for point in ring.tolist()], fill=OUTLINE, width=2)
        with atomic_write(path) as temporary:
            image.save(temporary)


def _stretched(values: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Bytes (rows, columns, 3) of bands, each from its 2nd to its 99.8th percentile; black without data."""
    known = values[:, valid] if valid.any() else np.zeros((len(values), 1))
    low, high = (np.percentile(known, each, axis=1)[:, None, None] for each in (2, 99.8))
    shown = np.where(valid, np.clip((values - low) / np.maximum(high - low, 1e-9), 0, 1), 0) * 255
    shown = shown if len(shown) == 3 else np.repeat(shown[:1], 3, axis=0)
    return np.asarray(shown.astype(np.uint8).transpose(1, 2, 0))

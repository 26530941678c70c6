"""Tile samples of a scene: reflectance, mirrored at the scene's edges and filled where there is no data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoships.scene.layers.area import Area
from geoships.scene.reader import Scene
from geoships.scene.tiling.blocks import Pixels
from geoships.scene.tiling.resample import InvalidFill, Ratio, resample
from geoships.scene.tiling.windows import Window, reflect, source_window

Sample = dict[str, NDArray[Any]]  # its keys are described in TileReader


class TileReader:
    """Reads windows of one scene as samples.

    A sample is a dict of NumPy arrays:

    - image: (bands, rows, columns) float32, reflectance at the model's pixel size, mirrored at the edges of the scene
      and filled with the nearest valid values where there is no data. Absent if the tile need not be computed.
    - valid: (rows, columns) bool, at the scene's pixel size; False outside the scene, where there is no data, and
      outside the area of interest.
    - window: (4,) int64, row, column, height and width in pixels of the scene.

    Args:
        scene: The open scene.
        ratios: Model pixels per scene pixel, for rows and columns.
        area: Area of interest; None: the whole scene.
        fetch: Function that returns the decoded pixels of a window inside the scene; None: `Scene.decode`.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        ratios: tuple[Ratio, Ratio] = (Ratio(1, 1), Ratio(1, 1)),
        area: Area | None = None,
        fetch: Callable[[Window], Pixels] | None = None,
    ) -> None:
        self.scene, self.ratios, self.area = scene, ratios, area
        self._fetch = fetch or scene.decode

    def source(self, window: Window) -> Window:
        """Window inside the scene that has to be read for a window, which may extend beyond the scene."""
        return source_window(window, self.scene.window)

    def pixels(self, window: Window) -> Pixels:
        """Decode the pixels of `source(window)`."""
        return self._fetch(self.source(window))

    def read(self, window: Window) -> Sample:
        """Read the sample of a window.

        Args:
            window: Window in pixels of the scene. It may extend beyond the scene, and must intersect it.

        Returns:
            The sample, with an image.
        """
        pixels = self.pixels(window)
        return self.sample(pixels, window, self.valid(pixels, window))

    def sample(self, pixels: Pixels, window: Window, valid: NDArray[np.bool_], *, image: bool = True) -> Sample:
        """Make the sample of a window from decoded pixels.

        Args:
            pixels: Pixels of `source(window)`.
            window: Window in pixels of the scene.
            valid: Its validity, shape (rows, columns), from `valid`.
            image: Whether the sample contains an image.

        Returns:
            The sample.
        """
        sample = {
            "valid": valid,
            "window": np.array([window.row, window.column, window.height, window.width]),
        }
        if not image:
            return sample
        source = self.source(window)
        rows = reflect(window.row, window.row_end, self.scene.window.height) - source.row
        columns = reflect(window.column, window.column_end, self.scene.window.width) - source.column
        return {"image": self._image(pixels, rows, columns), **sample}

    def valid(self, pixels: Pixels, window: Window) -> NDArray[np.bool_]:
        """Valid pixels of a window: those with data, inside the area of interest.

        Args:
            pixels: Pixels of `source(window)`.
            window: Window in pixels of the scene.

        Returns:
            Validity, shape (rows, columns) of the window; False outside the scene.
        """
        inside = window.intersection(self.scene.window)
        valid = np.zeros(window.shape, np.bool_)
        valid[inside.within(window)] = pixels.valid[inside.within(self.source(window))]
        if self.area:
            valid[inside.within(window)] &= self.area.mask(inside)
        return valid

    def has_data(self, window: Window) -> bool:
        """Whether a window has a valid pixel: one with data, inside the area of interest."""
        inside = window.intersection(self.scene.window)
        if inside.empty or (self.area and not self.area.touches(inside)):
            return False
        return bool(self.valid(self.pixels(window), window).any())

    def _image(self, pixels: Pixels, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        # One mirrored copy per band, and no copy if the tile is inside the scene.
        inside = (rows.size, columns.size) == pixels.valid.shape and rows[0] <= rows[-1] and columns[0] <= columns[-1]

        def mirrored(band: NDArray[Any]) -> NDArray[Any]:
            return band if inside else band.take(rows, axis=0).take(columns, axis=1)

        valid = mirrored(pixels.valid)
        fill = InvalidFill(valid) if valid.any() else None
        shape = (self.ratios[0].to_model(rows.size), self.ratios[1].to_model(columns.size))
        image = np.empty((pixels.values.shape[0], *shape), np.float32)
        for index, stored in enumerate(pixels.values):
            same_size = valid.shape == shape
            band = self.scene.radiometry.apply_band(mirrored(stored), index, image[index] if same_size else None)
            if fill:
                fill.apply(band)
            if not same_size:
                image[index] = resample(band, shape)
        return image if pixels.values.dtype.kind in "iu" else np.nan_to_num(image, copy=False)

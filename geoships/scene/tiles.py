"""Tiles of a scene as samples: read, scaled to reflectance, mirrored at the edges, filled where there are no data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoships.scene.layers.area import Area
from geoships.scene.reader import Scene
from geoships.scene.tiling.blocks import Pixels
from geoships.scene.tiling.resample import InvalidFill, Ratio, resample
from geoships.scene.tiling.windows import Window, reflect, source_window

Sample = dict[str, torch.Tensor]


class TileReader:
    """Reads the windows of one scene as samples.

    A sample holds, as tensors:

    image: (bands, rows, columns) float32 reflectance, at the model's pixel size, mirrored at the
        scene's edges and filled with the nearest values where there are no data. A tile that was read
        and need not be computed has none.
    valid: (rows, columns) bool, at the scene's pixel size; False outside the scene, where there are no
        data, and outside the area of interest.
    window: (4,) int64: row, column, height, width in pixels of the scene.

    scene: the scene. ratios: model pixels per scene pixel, for rows and columns. area: part of the scene to look at;
    None: all. fetch: where pixels come from; the scene's own `decode` if None.
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
        """The part of the scene that is read for a window."""
        return source_window(window, self.scene.window)

    def pixels(self, window: Window) -> Pixels:
        """Decoded pixels of `source(window)`."""
        return self._fetch(self.source(window))

    def read(self, window: Window) -> Sample:
        """The sample of a window, which touches the scene."""
        pixels = self.pixels(window)
        return self.sample(pixels, window, self.valid(pixels, window))

    def sample(self, pixels: Pixels, window: Window, valid: NDArray[np.bool_], *, image: bool = True) -> Sample:
        """The sample of a window whose pixels and validity are at hand; image: whether it is to hold one."""
        parts = {
            "valid": torch.from_numpy(valid),
            "window": torch.tensor([window.row, window.column, window.height, window.width]),
        }
        if not image:
            return parts
        source = self.source(window)
        rows = reflect(window.row, window.row_end, self.scene.window.height) - source.row
        columns = reflect(window.column, window.column_end, self.scene.window.width) - source.column
        return {"image": torch.from_numpy(self._image(pixels, rows, columns)), **parts}

    def valid(self, pixels: Pixels, window: Window) -> NDArray[np.bool_]:
        """(rows, columns) of a window: whether the pixel holds data and lies in the area of interest."""
        inside = window.intersection(self.scene.window)
        valid = np.zeros(window.shape, np.bool_)
        valid[inside.within(window)] = pixels.valid[inside.within(self.source(window))]
        if self.area:
            valid[inside.within(window)] &= self.area.mask(inside)
        return valid

    def has_data(self, window: Window) -> bool:
        """Whether any pixel of a window counts: it holds data and lies in the area of interest."""
        inside = window.intersection(self.scene.window)
        if inside.empty or (self.area and not self.area.touches(inside)):
            return False
        return bool(self.valid(self.pixels(window), window).any())

    def _image(self, pixels: Pixels, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        # One mirrored copy per band, and none where the tile lies inside the scene.
        whole = (rows.size, columns.size) == pixels.valid.shape and rows[0] <= rows[-1] and columns[0] <= columns[-1]

        def mirrored(band: NDArray[Any]) -> NDArray[Any]:
            return band if whole else band.take(rows, axis=0).take(columns, axis=1)

        valid = mirrored(pixels.valid)
        fill = InvalidFill(valid) if valid.any() else None
        shape = (self.ratios[0].to_model(rows.size), self.ratios[1].to_model(columns.size))
        image = np.empty((pixels.values.shape[0], *shape), np.float32)
        for index, stored in enumerate(pixels.values):
            same = valid.shape == shape
            band = self.scene.radiometry.apply_band(mirrored(stored), index, image[index] if same else None)
            if fill:
                fill.apply(band)
            if not same:
                image[index] = resample(band, shape)
        return image if pixels.values.dtype.kind in "iu" else np.nan_to_num(image, copy=False)

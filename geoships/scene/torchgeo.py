"""torchgeo datasets and samplers over one scene, for training and for other programs.

The one place where integer windows meet torchgeo's float slices. Each query that `TileSampler` yields
carries its exact window; a query of another sampler is rounded to the nearest whole pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import geopandas
import pandas as pd
import shapely
import torch
from pyproj import CRS
from torchgeo.datasets import GeoDataset

from geoships.scene.georeference import Georeference
from geoships.scene.layers.area import Area
from geoships.scene.reader import Scene
from geoships.scene.tiles import Sample, TileReader
from geoships.scene.tiling.blocks import Pixels
from geoships.scene.tiling.resample import Ratio
from geoships.scene.tiling.windows import Tile, TilePlan, Window

try:
    from torchgeo.samplers.base import GeoSampler as GeoSampler
except ImportError:  # torchgeo 0.8
    from torchgeo.samplers import GeoSampler as GeoSampler

# torchgeo's index wants a CRS; this one states that its units are pixels.
PIXEL_CRS = CRS.from_wkt('LOCAL_CS["pixel",UNIT["metre",1]]')
ALWAYS = pd.Interval(pd.Timestamp.min, pd.Timestamp.max, closed="both")


class WindowSlice(tuple[slice, slice]):
    """A torchgeo query (x slice, y slice) with the integer window that it stands for.

    window: the exact window, in pixels of the scene.
    """

    window: Window

    def __new__(cls, x: slice, y: slice, window: Window) -> WindowSlice:
        """Join the two slices and their window."""
        query = super().__new__(cls, (x, y))
        query.window = window
        return query

    def __getnewargs__(self) -> tuple[slice, slice, Window]:
        return self[0], self[1], self.window


class IndexGrid:
    """Converts windows to torchgeo slices and back.

    The index is in map coordinates where the scene's grid is parallel to the axes of its CRS, so that
    the dataset intersects with others; elsewhere (rotated, GCPs only, no CRS) it is in pixels, with
    columns as x and rows as y.
    """

    def __init__(self, georeference: Georeference) -> None:
        transform = georeference.transform
        self._shape = (georeference.height, georeference.width)
        self.crs = PIXEL_CRS
        self._x, self._y = (0.0, 1.0), (0.0, 1.0)  # origin and step of a column and a row
        if georeference.placed and transform is not None and transform.b == transform.d == 0:
            assert georeference.crs is not None
            self.crs = georeference.crs
            self._x, self._y = (transform.c, transform.a), (transform.f, transform.e)

    @property
    def resolution(self) -> tuple[float, float]:
        """Size of a pixel along x and y, in units of the index's CRS."""
        return abs(self._x[1]), abs(self._y[1])

    def slices(self, window: Window) -> tuple[slice, slice]:
        """The x and y slices of a window."""
        return self._slice(self._x, window.column, window.column_end), self._slice(self._y, window.row, window.row_end)

    def query(self, window: Window) -> WindowSlice:
        """The torchgeo query of a window."""
        return WindowSlice(*self.slices(window), window)

    def window(self, query: Any) -> Window:
        """The window of a query: its own, or its slices rounded to whole pixels."""
        if isinstance(query, WindowSlice):
            return query.window
        parts: tuple[slice, ...] = (query,) if isinstance(query, slice) else tuple(query)
        column, column_end = self._pixels(self._x, parts[0], self._shape[1])
        row, row_end = self._pixels(self._y, parts[1] if len(parts) > 1 else slice(None), self._shape[0])
        return Window(row, column, row_end - row, column_end - column)

    @staticmethod
    def _slice(axis: tuple[float, float], start: int, stop: int) -> slice:
        origin, step = axis
        first, last = sorted((origin + step * start, origin + step * stop))
        return slice(first, last, abs(step))

    @staticmethod
    def _pixels(axis: tuple[float, float], part: slice, length: int) -> tuple[int, int]:
        origin, step = axis
        low, high = sorted((origin, origin + step * length))
        ends = (low if part.start is None else part.start, high if part.stop is None else part.stop)
        first, last = sorted(round((float(end) - origin) / step) for end in ends)
        return first, last


class SceneDataset(GeoDataset):
    """One scene as a torchgeo dataset.

    A sample holds, as tensors, what `TileReader` gives, and

    box: (4,) float64: xmin, ymin, xmax, ymax in the index's CRS. It is not named bounds, because that is a
        tuple of slices in torchgeo 0.8, which torch does not collate, and a float32 tensor in 0.10.

    scene: the scene.
    ratios: model pixels per scene pixel, for rows and columns.
    area: part of the scene to look at; None: all.
    fetch: where pixels come from; the scene's own `decode` if None.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        ratios: tuple[Ratio, Ratio] = (Ratio(1, 1), Ratio(1, 1)),
        area: Area | None = None,
        fetch: Callable[[Window], Pixels] | None = None,
    ) -> None:
        self.scene, self.area = scene, area
        self._reader = TileReader(scene, ratios=ratios, area=area, fetch=fetch)
        self.grid = IndexGrid(scene.georeference)
        self.paths = [scene.name]
        self._res = self.grid.resolution
        x, y = self.grid.slices(scene.window)
        self.index = geopandas.GeoDataFrame(
            {"filepath": [scene.name]},
            geometry=[shapely.box(x.start, y.start, x.stop, y.stop)],
            index=pd.IntervalIndex([ALWAYS], name="datetime"),
            crs=self.grid.crs,
        )

    def __getitem__(self, query: Any) -> Sample:
        """Read the tile of a query. Raises IndexError for a query beside the scene."""
        window = self.grid.window(query)
        if window.intersection(self.scene.window).empty:
            raise IndexError(f"query {query} lies outside the scene {self.scene.name} ({self.scene.window})")
        x, y = self.grid.slices(window)
        box = torch.tensor([x.start, y.start, x.stop, y.stop], dtype=torch.float64)
        return {**self._reader.read(window), "box": box}

    def has_data(self, window: Window) -> bool:
        """Whether any pixel of a window counts: it holds data and lies in the area of interest."""
        return self._reader.has_data(window)


class TileSampler(GeoSampler):  # type: ignore[misc]  # its home differs between torchgeo 0.8 and 0.10
    """Yields the tiles of a plan that hold data, in rows from top to bottom.

    Tiles without a valid pixel, or outside the area of interest, are never yielded.

    dataset: the scene. plan: its tiles.
    skipped: called with each tile that touches the area of interest and holds no data.
    """

    def __init__(self, dataset: SceneDataset, plan: TilePlan, skipped: Callable[[Tile], None] | None = None) -> None:
        self.dataset, self.plan = dataset, plan
        self.index, self.res = dataset.index, dataset.res
        self._skipped = skipped or (lambda _: None)

    def __iter__(self) -> Iterator[WindowSlice]:
        """Yield [xmin:xmax, ymin:ymax] of each tile, with its window."""
        for tile in self.candidates():
            if self.dataset.has_data(tile.window):
                yield WindowSlice(*self.dataset.grid.slices(tile.window), tile.window)
            else:
                self._skipped(tile)

    def candidates(self) -> Iterator[Tile]:
        """Tiles that touch the area of interest; reads nothing."""
        scene, area = self.dataset.scene.window, self.dataset.area
        for tile in self.plan:
            if area is None or area.touches(tile.window.intersection(scene)):
                yield tile

    def __len__(self) -> int:
        """Number of tiles of the plan: the most that can be yielded."""
        return len(self.plan)

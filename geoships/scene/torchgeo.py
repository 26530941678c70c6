"""A torchgeo dataset and sampler for one scene, for training and for use in other programs.

This is the only module that converts between integer windows and torchgeo's float slices. Each query of `TileSampler`
carries its exact window. A query of another sampler is rounded to whole pixels.
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
from geoships.scene.tiles import TileReader
from geoships.scene.tiling.blocks import Pixels
from geoships.scene.tiling.resample import Ratio
from geoships.scene.tiling.windows import Tile, TilePlan, Window

try:
    from torchgeo.samplers.base import GeoSampler as GeoSampler
except ImportError:  # torchgeo 0.8
    from torchgeo.samplers import GeoSampler as GeoSampler

# torchgeo's index needs a CRS; the units of this one are pixels, although WKT has to name a unit of length.
PIXEL_CRS = CRS.from_wkt('LOCAL_CS["pixel",UNIT["metre",1]]')
ALWAYS = pd.Interval(pd.Timestamp.min, pd.Timestamp.max, closed="both")


class WindowSlice(tuple[slice, slice]):
    """A torchgeo query (x slice, y slice) that carries its integer window.

    Attributes:
        window: The exact window, in pixels of the scene.
    """

    window: Window

    def __new__(cls, x: slice, y: slice, window: Window) -> WindowSlice:
        """Create a query.

        Args:
            x: x slice in the CRS of the index.
            y: y slice in the CRS of the index.
            window: The same area in pixels of the scene.

        Returns:
            The query.
        """
        query = super().__new__(cls, (x, y))
        query.window = window
        return query

    def __getnewargs__(self) -> tuple[slice, slice, Window]:
        return self[0], self[1], self.window


class IndexGrid:
    """Converts windows to torchgeo slices and back.

    If the scene's grid is parallel to the axes of its CRS, slices are in map coordinates, so that the dataset can be
    intersected with others. Otherwise (rotated grid, GCPs only, no CRS) they are in pixels, with columns as x and rows
    as y.

    Args:
        georeference: Grid and georeference of the scene.

    Attributes:
        crs: CRS of the slices.
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
        """Pixel size along x and y, in units of `crs`."""
        return abs(self._x[1]), abs(self._y[1])

    def slices(self, window: Window) -> tuple[slice, slice]:
        """Convert a window to x and y slices."""
        return self._slice(self._x, window.column, window.column_end), self._slice(self._y, window.row, window.row_end)

    def query(self, window: Window) -> WindowSlice:
        """Convert a window to a torchgeo query that carries it."""
        return WindowSlice(*self.slices(window), window)

    def window(self, query: Any) -> Window:
        """Convert a torchgeo query to a window.

        Args:
            query: A `WindowSlice`, or an x slice, or x and y slices (and a time slice, which is ignored) in `crs`.

        Returns:
            The window of a `WindowSlice`; otherwise the slices rounded to whole pixels.
        """
        if isinstance(query, WindowSlice):
            return query.window
        slices: tuple[slice, ...] = (query,) if isinstance(query, slice) else tuple(query)
        column, column_end = self._pixels(self._x, slices[0], self._shape[1])
        row, row_end = self._pixels(self._y, slices[1] if len(slices) > 1 else slice(None), self._shape[0])
        return Window(row, column, row_end - row, column_end - column)

    @staticmethod
    def _slice(axis: tuple[float, float], start: int, stop: int) -> slice:
        origin, step = axis
        first, last = sorted((origin + step * start, origin + step * stop))
        return slice(first, last, abs(step))

    @staticmethod
    def _pixels(axis: tuple[float, float], bounds: slice, length: int) -> tuple[int, int]:
        origin, step = axis
        low, high = sorted((origin, origin + step * length))
        ends = (low if bounds.start is None else bounds.start, high if bounds.stop is None else bounds.stop)
        first, last = sorted(round((float(end) - origin) / step) for end in ends)
        return first, last


class SceneDataset(GeoDataset):
    """One scene as a torchgeo dataset, indexed by torchgeo queries.

    ``dataset[query]`` reads the window of a query as a sample, a dict of tensors:

    - image: (bands, rows, columns) float32, reflectance at the model's pixel size, mirrored at the edges of the scene
      and filled with the nearest valid values where there is no data.
    - valid: (rows, columns) bool, at the scene's pixel size; False outside the scene, where there is no data, and
      outside the area of interest.
    - window: (4,) int64, row, column, height and width in pixels of the scene.
    - box: (4,) float64, xmin, ymin, xmax and ymax in the dataset's CRS. It is not named bounds, because torchgeo uses
      this key differently: 0.8 for a tuple of slices, which torch cannot collate, and 0.10 for a float32 tensor.

    The index is in map coordinates if the scene's grid is parallel to the axes of its CRS, so the dataset can be
    intersected with others by ``&``; otherwise it is in pixels.

    Args:
        scene: The open scene. It must stay open while the dataset is in use.
        ratios: Model pixels per scene pixel, for rows and columns.
        area: Area of interest; None: the whole scene.
        fetch: Function that returns the decoded pixels of a window inside the scene; None: `Scene.decode`.

    Attributes:
        scene: The scene.
        area: The area of interest, or None.
        grid: Converts windows to torchgeo queries and back.
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

    def __getitem__(self, query: Any) -> dict[str, torch.Tensor]:
        """Read the sample of a query.

        Args:
            query: A torchgeo query: x and y slices in the dataset's CRS, or a `WindowSlice`.

        Returns:
            The sample: image, valid, window and box.

        Raises:
            IndexError: The query does not intersect the scene.
            SceneError: The file cannot be read.
        """
        window = self.grid.window(query)
        if window.intersection(self.scene.window).empty:
            raise IndexError(f"query {query} lies outside the scene {self.scene.name} ({self.scene.window})")
        x, y = self.grid.slices(window)
        box = torch.tensor([x.start, y.start, x.stop, y.stop], dtype=torch.float64)
        tensors = {name: torch.from_numpy(value) for name, value in self._reader.read(window).items()}
        return {**tensors, "box": box}

    def has_data(self, window: Window) -> bool:
        """Whether a window has a valid pixel: one with data, inside the area of interest."""
        return self._reader.has_data(window)


class TileSampler(GeoSampler):  # type: ignore[misc]  # its module differs between torchgeo 0.8 and 0.10
    """Yields the tiles of a plan that contain valid data, row by row from top to bottom.

    Tiles without a valid pixel and tiles outside the area of interest are skipped.

    Args:
        dataset: Dataset of the scene.
        plan: The tiles, e.g. ``TilePlan(plan_axis(height, ...), plan_axis(width, ...))``.
        skipped: Called with each tile in the area of interest that is skipped because it has no valid pixel.
    """

    def __init__(self, dataset: SceneDataset, plan: TilePlan, skipped: Callable[[Tile], None] | None = None) -> None:
        self.dataset, self.plan = dataset, plan
        self.index, self.res = dataset.index, dataset.res
        self._skipped = skipped or (lambda _: None)

    def __iter__(self) -> Iterator[WindowSlice]:
        """Yield the query of each tile: x and y slices that carry the window of the tile."""
        for tile in self.candidates():
            if self.dataset.has_data(tile.window):
                yield WindowSlice(*self.dataset.grid.slices(tile.window), tile.window)
            else:
                self._skipped(tile)

    def candidates(self) -> Iterator[Tile]:
        """Yield the tiles that intersect the area of interest, without reading pixels."""
        scene, area = self.dataset.scene.window, self.dataset.area
        for tile in self.plan:
            if area is None or area.touches(tile.window.intersection(scene)):
                yield tile

    def __len__(self) -> int:
        """Number of tiles of the plan, which is the maximum number of queries."""
        return len(self.plan)

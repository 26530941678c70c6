"""How a scene is cut into tiles for a network, and which part of each tile counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from geoships.config import PredictConfig
from geoships.errors import SceneError
from geoships.model.card import Card
from geoships.model.engines.choose import EngineChoice
from geoships.model.engines.device import choose_batch_size, tile_pixels
from geoships.model.screen import Span
from geoships.pipeline.memory_need import WIDE, WIDE_LIMIT, Demand, fitted, limit_of
from geoships.scene.georeference import Georeference
from geoships.scene.layers.area import Area
from geoships.scene.reader import Scene
from geoships.scene.tiling.plan import Limits, bytes_per_row, plan_scene, tile_context
from geoships.scene.tiling.resample import Ratio, ratio
from geoships.scene.tiling.windows import Tile, TilePlan, Window

MAX_PIXEL = 1000.0  # metres; no ship is as long as half of it
# How many times coarser or finer than those of its model a scene's pixels may be without a warning: sentinel2-5band is
# made for 6 m and meant for Sentinel-2's 10 m, too.
COARSER, FINER = 1.5, 4

PICTURES = ("PNG", "JPEG")
PICTURE_HINT = (
    ", such as --gsd 3 for the scenes of Kaggle's Ships in Satellite Imagery; a world file beside the image places it"
)

Views = Literal[1, 2, 4, 8]


@dataclass(frozen=True)
class RunPlan:
    """The tiles of one scene as one model sees them.

    Attributes:
        tiles: the tiling, in pixels of the scene.
        ratios: model pixels per scene pixel, for rows and columns.
        views: flips and rotations of each tile that are averaged (test-time augmentation).
        batch_size: tiles in a batch.
        south_up: whether the scene's first row is its southernmost one; the model sees every scene north up.

    """

    tiles: TilePlan
    ratios: tuple[Ratio, Ratio]
    views: Views
    batch_size: int
    south_up: bool

    @property
    def tile_shape(self) -> tuple[int, int]:
        """(height, width) of a tile in model pixels."""
        return _model_shape(self.tiles, self.ratios)

    def tile_at(self, window: Window) -> Tile:
        """The tile of the plan that has this window."""
        row = (window.row + self.tiles.rows.margin) // self.tiles.rows.stride
        return self.tiles.tile(row, (window.column + self.tiles.columns.margin) // self.tiles.columns.stride)

    def reach(self, window: Window) -> Window:
        """The part of the scene where the scores of a tile, given by its window, have a weight above 0."""
        return self.tiles.reach(self.tile_at(window))

    def counting(self, window: Window) -> tuple[Span, Span]:
        """Rows and columns that `reach` covers in the image that the model sees of a tile."""
        reach = self.reach(window)
        down, across = self.ratios
        rows = _in_model(reach.row - window.row, reach.row_end - window.row, down)
        columns = _in_model(reach.column - window.column, reach.column_end - window.column, across)
        if self.south_up:
            height = down.to_model(window.height)
            rows = height - rows[1], height - rows[0]
        return rows, columns


def plan_run(
    scene: Scene,
    card: Card,
    config: PredictConfig,
    pixel_size: tuple[float, float],
    engine: EngineChoice,
    area: Area | None = None,
) -> RunPlan:
    """Plan the tiles of a scene.

    Args:
        scene: the open scene.
        card: of the model.
        config: settings of the run.
        pixel_size: metres of a scene pixel (across columns, down rows).
        engine: what computes; its device sets the largest tile.
        area: the part of the scene to look at; None: all of it.

    Raises:
        SceneError: No plan fits into `config.max_memory`.

    """
    across, down = (ratio(size, card.gsd, card.gsd_range, card.step) for size in pixel_size)
    ratios, views = (down, across), config.views or card.views
    bytes_per_pixel = len(scene.wanted) * scene.dtype.itemsize + 1
    held = bytes_per_row(scene.window.width, scene.grid.block_width, bytes_per_pixel)
    shared = tile_context(card.halo, config.overlap)

    def planned(pixels: int) -> tuple[TilePlan, int]:
        limits = Limits(pixels, held, _pixel_bytes(engine))
        tiles = plan_scene(scene.window, ratios, shared, limits, config.tile_size, views)
        height, width = _model_shape(tiles, ratios)
        return tiles, config.batch_size or min(len(tiles), choose_batch_size(engine.device, height * width))

    def smaller() -> Iterator[tuple[TilePlan, int]]:
        """Plans from large to small: fewer tiles in a batch, then smaller tiles."""
        pixels, before = tile_pixels(engine.device, engine.pixel_bytes), None
        while pixels:
            tiles, batch = planned(pixels)
            if tiles != before:
                yield from ((tiles, size) for size in ([batch] if config.batch_size else _halved(batch)))
            pixels, before = (0 if config.tile_size else pixels * 3 // 4), tiles

    demand = Demand(scene, engine, len(card.classes), area.columns if area else None)

    def need(tiles: TilePlan, batch: int) -> int:
        return demand.of(tiles, batch * _pixels(tiles, ratios))

    limit, wide = limit_of(config.max_memory), scene.window.width >= WIDE or scene.strip_bytes > 0
    if limit is not None:
        tiles, batch_size = fitted(smaller, need, limit, scene)
    else:  # without a limit such a run is not refused
        found = next((plan for plan in smaller() if need(*plan) <= WIDE_LIMIT), None) if wide else None
        tiles, batch_size = found or planned(tile_pixels(engine.device, engine.pixel_bytes))
    return RunPlan(tiles, ratios, views, batch_size, scene.georeference.south_up)


def scene_pixel_size(
    georeference: Georeference, gsd: float | None, card: Card, driver: str = ""
) -> tuple[tuple[float, float], str | None]:
    """Metres per pixel (across columns, down rows), and a warning where the size is assumed.

    Args:
        georeference: of the scene.
        gsd: the size in metres that the user gave.
        card: of the model.
        driver: name of GDAL's driver for the scene.

    Raises:
        SceneError: The pixels are larger than any ship.

    """
    if gsd is not None:
        return (gsd, gsd), None
    measured = georeference.pixel_size()
    if measured is not None:
        if max(measured) > MAX_PIXEL:
            raise SceneError(
                f"pixels of {measured[0]:.4g} x {measured[1]:.4g} m are larger than any ship; take a scene with finer "
                "pixels, or give --gsd if its georeference is wrong"
            )
        return measured, None
    return (card.gsd, card.gsd), (
        f"the pixel size is not known: taken as the model's {card.gsd:g} m; give --gsd if that is wrong"
        f"{PICTURE_HINT if driver in PICTURES else ''}"
    )


def odd_pixel_size(pixel_size: tuple[float, float], card: Card) -> str | None:
    """Warning about a scene whose pixels are far from those that a model was made for.

    Args:
        pixel_size: metres of a scene pixel (across columns, down rows).
        card: of the model.

    """
    low, high = min(card.gsd, card.gsd_range[0]), max(card.gsd, card.gsd_range[1])
    largest, smallest = max(pixel_size), min(pixel_size)
    made_for = f"{card.name} is made for {low:g} m" if low == high else f"{card.name} is made for {low:g} to {high:g} m"
    if largest > COARSER * high:
        return f"pixels of {largest:.3g} m are large for the model ({made_for}): most ships are too small to be found"
    if smallest < low / FINER:
        return (
            f"pixels of {smallest:.3g} m are small for the model ({made_for}): the scene is reduced, and small boats "
            "vanish; another --model may find them"
        )
    return None


def _model_shape(tiles: TilePlan, ratios: tuple[Ratio, Ratio]) -> tuple[int, int]:
    height, width = tiles.tile_shape
    return ratios[0].to_model(height), ratios[1].to_model(width)


def _pixels(tiles: TilePlan, ratios: tuple[Ratio, Ratio]) -> int:
    height, width = _model_shape(tiles, ratios)
    return height * width


def _halved(batch: int) -> Iterator[int]:
    """A number of tiles in a batch, and its halves down to one."""
    while batch:
        yield batch
        batch //= 2


def _pixel_bytes(engine: EngineChoice) -> int:
    """Bytes of a tile's pixel for `Limits`: on a CPU rows of the scene are held in the memory of the feature maps."""
    return engine.pixel_bytes if engine.device.type == "cpu" else 0


def _in_model(start: int, stop: int, scale: Ratio) -> Span:
    """Model pixels that some scene pixels of a tile touch."""
    return start * scale.model // scale.scene, -(-stop * scale.model // scale.scene)

"""Tile sizes of a scene: those with the least computation within the available memory. Arithmetic only."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from geoships.scene.tiling.resample import Ratio
from geoships.scene.tiling.windows import Axis, TilePlan, Window, plan_axis

BLEND = 32  # model pixels over which neighbouring tiles are blended, between their halos
MARGIN = 32  # model pixels that are mirrored around the scene
MAX_TILE_SIDE = 4096  # rows and columns of a tile, in model pixels
FIRST_TILE_COST = 1  # extra tiles that the first tile costs: the network is compiled and its memory is allocated
MAX_ROW_BYTES = 256 << 20  # memory of a row of tiles over the whole width of a scene


@dataclass(frozen=True)
class Context:
    """Overlap of neighbouring tiles, in model pixels.

    Attributes:
        halo: Context at each end of a tile, whose scores are discarded.
        blend: Width between the halos, over which scores are blended.
    """

    halo: int
    blend: int = BLEND

    @property
    def overlap(self) -> int:
        """Overlap of two neighbouring tiles in model pixels."""
        return 2 * self.halo + self.blend


def tile_context(halo: int, overlap: int | None = None) -> Context:
    """Split the overlap of neighbouring tiles into halo and blend.

    A smaller overlap reduces the halo, a larger one widens the blend.

    Args:
        halo: Context that the network needs, in model pixels.
        overlap: Overlap in model pixels; None: the minimum for this halo.

    Returns:
        Halo and blend.

    >>> tile_context(224), tile_context(224, overlap=128), tile_context(16, overlap=128)
    (Context(halo=224, blend=32), Context(halo=48, blend=32), Context(halo=16, blend=96))
    """
    if overlap is None:
        return Context(halo)
    reduced = min(halo, max(0, overlap - BLEND) // 2)
    return Context(reduced, overlap - 2 * reduced)


@dataclass(frozen=True)
class Limits:
    """Memory limits of a tile.

    Attributes:
        pixels: Maximum tile in model pixels (rows * columns), by the memory of the device.
        row_bytes: Memory of one row of the scene over its whole width, held while a row of tiles is computed.
        pixel_bytes: Memory that the network needs per model pixel, if rows of the scene are held in the same memory; 0
            if they are held in other memory.
    """

    pixels: int
    row_bytes: int = 0
    pixel_bytes: int = 0

    def max_pixels(self, rows: int) -> int:
        """Maximum size of a tile with a given number of rows; held rows reduce it by at most a half.

        Args:
            rows: Rows of the tile, in pixels of the scene.

        Returns:
            Maximum tile in model pixels (rows * columns).

        >>> limits = Limits(1000, 40, 10)
        >>> Limits(1000).max_pixels(50), limits.max_pixels(50), limits.max_pixels(500)
        (1000, 800, 500)
        """
        held = rows * self.row_bytes // self.pixel_bytes if self.pixel_bytes else 0
        return self.pixels - min(held, self.pixels // 2)


def bytes_per_row(width: int, block_width: int, bytes_per_pixel: int) -> int:
    """Memory that is held per row of a scene while a row of tiles is computed, for `Limits.row_bytes`.

    The stitcher holds a score (4 bytes) and a validity (1 byte) per pixel. A file with strips is decoded over its whole
    width for the first tile, and its pixels are held too; a file with small blocks is decoded tile by tile.

    Args:
        width: Columns of the scene.
        block_width: Columns of a block of the file.
        bytes_per_pixel: Memory of one decoded pixel with all its bands.

    Returns:
        Memory per row, in bytes.

    >>> bytes_per_row(10000, block_width=512, bytes_per_pixel=10), bytes_per_row(10000, 10000, 10)
    (50000, 150000)
    """
    return width * (5 + (bytes_per_pixel if 2 * block_width > width else 0))


def plan_scene(
    scene: Window,
    ratios: tuple[Ratio, Ratio],
    context: Context,
    limits: Limits,
    tile_size: int | None = None,
    views: int = 1,
) -> TilePlan:
    """Tile a scene so that the network computes the fewest pixels.

    Large tiles overlap less in all, and small tiles extend less beyond the scene's edges. Of all sizes within the
    limits, the one with the fewest computed pixels is chosen, and the smaller of two equal ones. The first tile is
    counted twice, see FIRST_TILE_COST. A tile is at least twice as large as the overlap, whatever the limits.

    Args:
        scene: Window of the whole scene.
        ratios: Model pixels per scene pixel, for rows and columns.
        context: Overlap of neighbouring tiles, in model pixels.
        limits: Memory limits of a tile.
        tile_size: Maximum side of a tile in model pixels, in place of the limits: then the fewest tiles are chosen, and
            of these the smallest.
        views: How often each tile is computed (test-time augmentation).

    Returns:
        The tiles, in pixels of the scene.

    >>> one = Ratio(32, 32)
    >>> plan = plan_scene(Window(0, 0, 4000, 4000), (one, one), Context(224), Limits(1632**2))
    >>> plan.tile_shape, len(plan), plan.rows.stride
    ((1376, 1696), 12, 896)
    """
    down, across = ratios
    if tile_size is not None:
        size = tile_size
        return TilePlan(*(_axis(length, scale, context, size) for length, scale in _lengths(scene, ratios)))
    side = int(limits.pixels**0.5)  # higher tiles would hold more rows of the scene
    max_rows = MAX_ROW_BYTES // limits.row_bytes if limits.row_bytes else MAX_TILE_SIDE * down.scene
    rows = _axes(scene.height, down, context, min(side, max_rows * down.model // down.scene))
    columns = _axes(scene.width, across, context, MAX_TILE_SIDE)
    plans = [TilePlan(*axes) for axes in product(rows, columns)]
    fitting = [plan for plan in plans if _pixels(plan, ratios) <= limits.max_pixels(plan.tile_shape[0])] or plans[:1]

    def cost(plan: TilePlan) -> tuple[int, int]:
        pixels = _pixels(plan, ratios)
        return (len(plan) * views + FIRST_TILE_COST) * pixels, pixels

    return min(fitting, key=cost)


def overlap_fraction(plan: TilePlan) -> float:
    """Fraction of a tile's pixels that neighbouring tiles compute too.

    This is 1 - (row stride * column stride) / (height * width) of a tile; an axis with one tile has no overlap.

    Args:
        plan: The tiles.

    Returns:
        Fraction from 0 to 1.

    >>> overlap_fraction(TilePlan(Axis(1000, 400, 300), Axis(300, 300, 300)))
    0.25
    """
    height, width = plan.tile_shape
    strides = (
        plan.rows.stride if plan.rows.count > 1 else height,
        plan.columns.stride if plan.columns.count > 1 else width,
    )
    return 1 - strides[0] * strides[1] / (height * width)


def _lengths(scene: Window, ratios: tuple[Ratio, Ratio]) -> tuple[tuple[int, Ratio], tuple[int, Ratio]]:
    return (scene.height, ratios[0]), (scene.width, ratios[1])


def _axes(length: int, scale: Ratio, context: Context, max_size: int) -> list[Axis]:
    """Tilings of an axis with tiles of at most `max_size` model pixels, or with the smallest tiles; smaller first."""
    step = scale.model
    sizes = range(step, max(step, min(max_size, MAX_TILE_SIDE)) + 1, step)
    return list(dict.fromkeys(_axis(length, scale, context, size) for size in sizes))


def _pixels(plan: TilePlan, ratios: tuple[Ratio, Ratio]) -> int:
    """Model pixels of a tile."""
    height, width = plan.tile_shape
    return ratios[0].to_model(height) * ratios[1].to_model(width)


def _axis(length: int, scale: Ratio, context: Context, size: int) -> Axis:
    def to_scene(pixels: int) -> int:
        return -(-pixels * scale.scene // scale.model)

    max_size, halo = size // scale.model * scale.scene, to_scene(context.halo)
    blend = max(0, to_scene(context.overlap) - 2 * halo)  # rounded once, since a pixel more may cost a whole step
    return plan_axis(length, max_size, scale.scene, halo, blend, to_scene(MARGIN))

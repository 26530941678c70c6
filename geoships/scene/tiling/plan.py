"""How a scene is cut into tiles: the sizes that cost a network least, in the memory that there is. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from geoships.scene.tiling.resample import Ratio
from geoships.scene.tiling.windows import Axis, TilePlan, Window, plan_axis

BLEND = 32  # model pixels over which neighbouring tiles are blended, beyond the context that both need
MARGIN = 32  # model pixels that are mirrored around the scene
GREATEST = 4096  # rows and columns of a tile in model pixels
FIRST = 1  # passes more that the first tile costs: the network is compiled for it, and its memory touched
ROW_BYTES = 256 << 20  # that a row of tiles may hold over the whole width of a scene


@dataclass(frozen=True)
class Context:
    """What neighbouring tiles share, in model pixels.

    halo: at each end of a tile, whose scores are thrown away. blend: between the halos, where scores are mixed.
    """

    halo: int
    blend: int = BLEND

    @property
    def overlap(self) -> int:
        """Model pixels that two neighbours share."""
        return 2 * self.halo + self.blend


def context(halo: int, overlap: int | None = None) -> Context:
    """The context of tiles that share `overlap` model pixels; None: what the network's halo needs, and no more.

    A smaller overlap cuts the halo, a greater one widens the blend.

    >>> context(224), context(224, overlap=128), context(16, overlap=128)
    (Context(halo=224, blend=32), Context(halo=48, blend=32), Context(halo=16, blend=96))
    """
    if overlap is None:
        return Context(halo)
    kept = min(halo, max(0, overlap - BLEND) // 2)
    return Context(kept, overlap - 2 * kept)


@dataclass(frozen=True)
class Limits:
    """What a tile may cost.

    pixels: greatest tile in model pixels, rows times columns: what the memory of the device has room for.
    row_bytes: memory of one row of the scene over its whole width, held for as long as a row of tiles is computed.
    pixel_bytes: memory of a tile's pixel, where held rows share the tile's room; 0 where they have their own.
    """

    pixels: int
    row_bytes: int = 0
    pixel_bytes: int = 0

    def room(self, rows: int) -> int:
        """Model pixels that a tile of so many rows of the scene may have; held rows take at most half of the room.

        >>> Limits(1000).room(50), Limits(1000, 40, 10).room(50), Limits(1000, 40, 10).room(500)
        (1000, 800, 500)
        """
        held = rows * self.row_bytes // self.pixel_bytes if self.pixel_bytes else 0
        return self.pixels - min(held, self.pixels // 2)


def held_bytes(width: int, block_width: int, bytes_per_pixel: int) -> int:
    """Memory that one row of a scene takes while a row of tiles is computed, see `Limits`.

    The stitcher holds a score and a validity for each pixel. A file of strips has to be decoded over its whole width
    for the first tile already; one of small blocks is decoded as the tiles go.

    >>> held_bytes(10000, block_width=512, bytes_per_pixel=10), held_bytes(10000, 10000, 10)
    (50000, 150000)
    """
    return width * (5 + (bytes_per_pixel if 2 * block_width > width else 0))


def plan_scene(
    scene: Window,
    ratios: tuple[Ratio, Ratio],
    shared: Context,
    limits: Limits,
    tile_size: int | None = None,
    views: int = 1,
) -> TilePlan:
    """Tile a scene in scene pixels so that the network computes the fewest pixels.

    Tiles overlap by what `shared` says. Few large tiles repeat little of it, and small ones waste little beyond the
    scene's edges; among all sizes within the limits the cheapest is taken, and the smaller of equals. The first tile
    counts once more, see FIRST. A tile is never smaller than twice the overlap, whatever the limits.

    ratios: model pixels per scene pixel, for rows and columns. tile_size: greatest tile in model pixels, in place of
    the limits; the fewest tiles are taken, and then the smallest. views: how often each tile is computed.

    >>> one = Ratio(32, 32)
    >>> plan = plan_scene(Window(0, 0, 4000, 4000), (one, one), Context(224), Limits(1632**2))
    >>> plan.tile_shape, len(plan), plan.rows.stride
    ((1376, 1696), 12, 896)
    """
    down, across = ratios
    if tile_size is not None:
        size = tile_size
        return TilePlan(*(_axis(length, scale, shared, size) for length, scale in _lengths(scene, ratios)))
    side = int(limits.pixels**0.5)  # higher tiles would hold more rows of the scene
    held = ROW_BYTES // limits.row_bytes if limits.row_bytes else GREATEST * down.scene
    rows = _axes(scene.height, down, shared, min(side, held * down.model // down.scene))
    columns = _axes(scene.width, across, shared, GREATEST)
    plans = [TilePlan(*axes) for axes in product(rows, columns)]
    fitting = [plan for plan in plans if _pixels(plan, ratios) <= limits.room(plan.tile_shape[0])] or plans[:1]
    return min(fitting, key=lambda plan: ((len(plan) * views + FIRST) * _pixels(plan, ratios), _pixels(plan, ratios)))


def repeated(plan: TilePlan) -> float:
    """Share of a tile's pixels that its neighbours compute, too: 1 - (stride / size) along both axes.

    >>> repeated(TilePlan(Axis(1000, 400, 300), Axis(300, 300, 300)))
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


def _axes(length: int, scale: Ratio, shared: Context, greatest: int) -> list[Axis]:
    """The axes of tiles of at most `greatest` model pixels, or of the smallest there are, smaller tiles first."""
    step = scale.model
    sizes = range(step, max(step, min(greatest, GREATEST)) + 1, step)
    return list(dict.fromkeys(_axis(length, scale, shared, size) for size in sizes))


def _pixels(plan: TilePlan, ratios: tuple[Ratio, Ratio]) -> int:
    """Model pixels of a tile."""
    height, width = plan.tile_shape
    return ratios[0].to_model(height) * ratios[1].to_model(width)


def _axis(length: int, scale: Ratio, shared: Context, size: int) -> Axis:
    def to_scene(pixels: int) -> int:
        return -(-pixels * scale.scene // scale.model)

    greatest = size // scale.model * scale.scene
    return plan_axis(length, greatest, scale.scene, to_scene(shared.halo), to_scene(shared.blend), to_scene(MARGIN))

"""Memory that a run takes beyond the process with the loaded model: an estimate from above, by its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from geoships.errors import SceneError
from geoships.model.engines.choose import EngineChoice
from geoships.output.stitch import SLAB_BYTES
from geoships.scene.reader import Scene, huge_block_text
from geoships.scene.tiling.windows import TilePlan
from geoships.support.sizes import parse_size, size_text

MIB = 1 << 20

# MiB of each engine on a CPU besides what it takes for pixels: its libraries, and all that is small. Measured with
# `PIXEL_BYTES`, and rounded up.
_ENGINES = {
    ("torch", "fp32"): 720,
    ("torch", "bf16"): 420,
    ("openvino", "fp32"): 320,
    ("openvino", "bf16"): 320,
    ("openvino", "int8"): 320,
    ("onnx", "fp32"): 720,
}
_GPU = (900, 60)  # the libraries of CUDA, and samples in page-locked memory
WIDE = 32768  # columns from which on a scene is planned for WIDE_LIMIT if it can be
WIDE_LIMIT = 1 << 30
SINK_BYTES = 640  # per column of the scene and raster that is written: a row of blocks, and its encoding


@dataclass(frozen=True)
class Demand:
    """What the memory of a run depends on, besides its tiles.

    Attributes:
        scene: the open scene.
        engine: what computes.
        classes: how many the model finds.
        columns: of the scene that tiles are computed in; fewer than it has where an area is searched.

    """

    scene: Scene
    engine: EngineChoice
    classes: int = 1
    columns: int | None = None

    def of(self, tiles: TilePlan, pixels: int) -> int:
        """Bytes of a run.

        Args:
            tiles: The tiles, in pixels of the scene.
            pixels: Model pixels of a batch.
        """
        scene, (height, width) = self.scene, self.scene.window.shape
        reached = min(width, (self.columns or width) + tiles.tile_shape[1])
        if scene.written is not None:
            rows, columns = tiles.tile_shape
            reached = min(reached, scene.written.columns_near(rows + scene.grid.block_height, columns))
        pixel_bytes = scene.dtype.itemsize * len(scene.wanted) + 1
        if self.engine.device.type == "cpu":
            fixed, each = _ENGINES[self.engine.engine, self.engine.precision], self.engine.pixel_bytes
        else:
            fixed, each = _GPU
        grid = scene.grid
        several = tiles.rows.count > 1
        kept = tiles.tile_shape[0] if 2 * grid.block_width > width else tiles.rows.size - tiles.rows.stride
        ahead = 1 + 2 * scene.threads  # rows of blocks; a scene in strips is decoded so far ahead
        decoded = (
            min(height, kept + (ahead if 2 * grid.block_width > width else 1) * grid.block_height)
            if several or 2 * grid.block_width > width
            else 0
        )
        in_blocks = min(width, -(-reached // grid.block_width + 1) * grid.block_width) * decoded * pixel_bytes
        stitched = min(height, tiles.tile_shape[0] - 2 * tiles.rows.halo) * reached * 5
        bands = 3 * min(SLAB_BYTES, 256 * 4 * width)
        return (
            fixed * MIB
            + each * pixels
            + in_blocks
            + self.classes * (stitched + bands)
            + 2 * SINK_BYTES * width
            + scene.strip_bytes
        )


def limit_of(max_memory: str | None) -> int | None:
    """Bytes of the setting `max_memory`; None where it is not given."""
    return parse_size(max_memory) if max_memory else None


def fitted(
    plans: Callable[[], Iterator[tuple[TilePlan, int]]], need: Callable[[TilePlan, int], int], limit: int, scene: Scene
) -> tuple[TilePlan, int]:
    """The first of some plans that fits into a limit.

    Args:
        plans: Function that yields tiles with a batch size, from large to small.
        need: Function that returns the bytes of such a plan.
        limit: Bytes that may be used.
        scene: The open scene.

    Returns:
        Tiles and batch size.

    Raises:
        SceneError: No plan fits; names the memory that the smallest one needs.

    """
    least = None
    for tiles, batch in plans():
        bytes_needed = need(tiles, batch)
        if bytes_needed <= limit:
            return tiles, batch
        least = min(least or bytes_needed, bytes_needed)
    assert least is not None, "there is at least one plan"
    hint = huge_block_text(scene.strip_bytes) if scene.strip_bytes else "or search a part of the scene with --area"
    raise SceneError(
        f"the run needs {size_text(least)} of memory beyond the loaded model, and --max-memory is {size_text(limit)}: "
        f"raise it; {hint}"
    )

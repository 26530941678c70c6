"""GeoTIFFs of which some blocks cannot be read."""

from __future__ import annotations

from pathlib import Path

import rasterio
import rasterio.shutil

from geoships.scene.tiling.windows import Window


def place_of(path: Path, block: tuple[int, int]) -> tuple[int, int]:
    """(offset, length) in bytes of a block, given by its (row, column)."""
    with rasterio.open(path) as file:
        names = (f"BLOCK_{kind}_{block[1]}_{block[0]}" for kind in ("OFFSET", "SIZE"))
        offset, length = (int(file.get_tag_item(name, "TIFF", bidx=1)) for name in names)
    return offset, length


def zero(path: Path, block: tuple[int, int]) -> Window:
    """Overwrite the middle of a block with zeros; returns its window."""
    offset, length = place_of(path, block)
    with path.open("r+b") as file:
        file.seek(offset + length // 4)
        file.write(bytes(length // 2))
    with rasterio.open(path) as file:
        rows, columns = file.block_shapes[0]
        row, column = block[0] * rows, block[1] * columns
        return Window(row, column, min(rows, file.height - row), min(columns, file.width - column))


def directory_first(path: Path) -> None:
    """Rewrite a file with its directory before its pixels, so that it can be opened without its end."""
    other = path.with_name("rewritten.tif")
    rasterio.shutil.copy(path, other, driver="GTiff", tiled=True, blockxsize=64, blockysize=64, compress="deflate")
    other.replace(path)


def cut(path: Path, block: tuple[int, int]) -> None:
    """Cut a file within a block, and so also all behind it."""
    offset, length = place_of(path, block)
    with path.open("r+b") as file:
        file.truncate(offset + length // 2)

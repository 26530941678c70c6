"""Whether a local picture is complete: copies and downloads that were cut short lack their end."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rasterio.io import DatasetReader

TAIL = 1 << 16  # bytes at the end of a file in which its end mark is searched, since some tools append notes
END_MARKS = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}
MAX_DIRECTORIES = 128  # of a TIFF: an image, its overviews and their masks
MAX_ENTRIES = 4096
# bytes of a value of each TIFF type
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def is_truncated(dataset: DatasetReader) -> bool:
    """Whether the file of an open dataset ends too early.

    GDAL opens such files: it fills missing rows with what it likes, and leaves out missing tags, which may be the
    georeference. A TIFF is truncated if its last block or a value of a tag lies beyond its end; a PNG or JPEG if it has
    no end mark. Files in other formats, and those that are not local, are not looked at.

    Args:
        dataset: The open dataset.
    """
    path = Path(dataset.name)
    if not path.is_file():
        return False
    if dataset.driver in END_MARKS:
        return END_MARKS[dataset.driver] not in _tail(path)
    return dataset.driver == "GTiff" and (_lacks_blocks(dataset, path) or _lacks_tags(path))


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL))
        return file.read()


def _lacks_blocks(dataset: DatasetReader, path: Path) -> bool:
    size = path.stat().st_size
    for band, (rows, columns) in enumerate(dataset.block_shapes, start=1):
        block = f"{(dataset.width - 1) // columns}_{(dataset.height - 1) // rows}"
        offset = dataset.get_tag_item(f"BLOCK_OFFSET_{block}", "TIFF", bidx=band)
        length = dataset.get_tag_item(f"BLOCK_SIZE_{block}", "TIFF", bidx=band)
        if offset and length and int(offset) + int(length) > size:
            return True
    return False


def _lacks_tags(path: Path) -> bool:
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            return any(end > size for end in _ends(file))
    except (struct.error, OSError):  # the file ends inside of a directory, or has none where it says
        return True


def _ends(file: BinaryIO) -> Iterator[int]:
    """Where each value of a TIFF's tags ends that is stored apart from its directory, in bytes from the start."""
    header = file.read(16)
    order = "<" if header[:2] == b"II" else ">"
    big = struct.unpack(f"{order}H", header[2:4])[0] == 43
    count_format, entry_format, next_format = ("Q", "HHQQ", "Q") if big else ("H", "HHII", "I")
    inline = 8 if big else 4
    (offset,) = struct.unpack(f"{order}{next_format}", header[8:16] if big else header[4:8])
    entry_bytes = struct.calcsize(f"={entry_format}")
    seen: set[int] = set()
    while offset and offset not in seen and len(seen) < MAX_DIRECTORIES:
        seen.add(offset)
        file.seek(offset)
        (count,) = struct.unpack(f"{order}{count_format}", file.read(struct.calcsize(f"={count_format}")))
        if count > MAX_ENTRIES:
            return  # no directory that GDAL reads
        for _ in range(count):
            _, kind, number, value = struct.unpack(f"{order}{entry_format}", file.read(entry_bytes))
            length = TYPE_BYTES.get(kind, 0) * number
            if length > inline:
                yield value + length
        (offset,) = struct.unpack(f"{order}{next_format}", file.read(struct.calcsize(f"={next_format}")))

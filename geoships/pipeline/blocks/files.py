"""The file of a block: its scores in pieces, from top to bottom, and what else is known of it.

It is a ZIP archive, whose checksums tell a file that a power failure has damaged. ``N.scores`` is piece N in float32
of the machine's byte order, (classes, rows, columns), and ``N.valid`` whether its pixels have data, one bit each;
``block.json`` comes last. Pieces that are mostly without scores are compressed; scores of water are noise, which does
not shrink.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoships.errors import OutputError
from geoships.pipeline.blocks.task import BlockResult, BlockTask
from geoships.scene.streaming import TileCounts
from geoships.scene.tiling.windows import Window
from geoships.support.files import atomic_write

SPARSE = 0.5  # share of pixels with scores above 0 up to which a piece is compressed
SUMMARY = "block.json"


@dataclass(frozen=True)
class Piece:
    """Scores that are added to what other pieces have in the same place, in the order of the pieces.

    Attributes:
        window: inside the scene.
        scores: weighted scores of each class, (classes, rows, columns).
        valid: whether the pixels have data, (rows, columns).

    """

    window: Window
    scores: NDArray[np.float32]
    valid: NDArray[np.bool_]

    @property
    def empty(self) -> bool:
        """Whether the piece adds nothing."""
        return not self.valid.any() and not self.scores.any()


class BlockFile:
    """A block's file while it is written."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive, self._windows = archive, list[Window]()

    def write(self, piece: Piece) -> None:
        """Append a piece; one that adds nothing is left out."""
        if piece.empty:
            return
        dense = np.count_nonzero(piece.scores) > SPARSE * piece.scores.size
        how = zipfile.ZIP_STORED if dense else zipfile.ZIP_DEFLATED
        number = len(self._windows)
        self._archive.writestr(f"{number}.scores", np.ascontiguousarray(piece.scores).data.cast("B"), how, 1)
        self._archive.writestr(f"{number}.valid", np.packbits(piece.valid).data, zipfile.ZIP_DEFLATED, 1)
        self._windows.append(piece.window)

    def finish(self, task: BlockTask, result: BlockResult) -> None:
        """Write what else is known of the block, after all pieces."""
        content = {
            "mark": task.mark,
            "rows": [task.rows.start, task.rows.stop],
            "pieces": [asdict(window) for window in self._windows],
            "counts": asdict(result.counts),
            "judged": result.judged,
            "unread": [(asdict(window), reason) for window, reason in result.unread.items()],
        }
        self._archive.writestr(SUMMARY, json.dumps(content))


@contextmanager
def appearing_block(path: Path) -> Iterator[BlockFile]:
    """Write the file of a block; it appears when the with block ends without an error.

    Raises:
        OutputError: it cannot be written.

    """
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        yield BlockFile(archive)


def read_result(task: BlockTask, *, whole: bool = False) -> BlockResult | None:
    """What the file of a block tells; None where there is none, or one that does not belong to the task.

    Args:
        task: the block.
        whole: also check every pixel against its checksum, as for the file of a run that was killed.

    """
    try:
        with zipfile.ZipFile(task.path) as archive:
            content = json.loads(archive.read(SUMMARY))
            if content["mark"] != task.mark or content["rows"] != [task.rows.start, task.rows.stop]:
                return None
            if whole and archive.testzip() is not None:
                return None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        return None
    unread = {Window(**window): reason for window, reason in content["unread"]}
    judged = tuple((pixels, share) for pixels, share in content["judged"])
    return BlockResult(TileCounts(**content["counts"]), judged, unread)


def read_pieces(path: Path) -> Iterator[Piece]:
    """Read the pieces of a block one by one.

    Raises:
        OutputError: the file is gone or damaged.

    """
    try:
        with zipfile.ZipFile(path) as archive:
            for number, place in enumerate(json.loads(archive.read(SUMMARY))["pieces"]):
                yield _piece(archive, number, Window(**place))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise OutputError(f"cannot read {path}, which this run wrote: {error}; run it again") from error


def _piece(archive: zipfile.ZipFile, number: int, window: Window) -> Piece:
    scores = np.frombuffer(archive.read(f"{number}.scores"), np.float32).reshape(-1, *window.shape)
    bits = np.frombuffer(archive.read(f"{number}.valid"), np.uint8)
    valid = np.unpackbits(bits, count=window.height * window.width).astype(np.bool_).reshape(window.shape)
    return Piece(window, scores, valid)

"""Join the blocks of a scene to the rows that one process would compute."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable

import numpy as np

from geoships.output.stitch import RowBand, Stitcher, in_step
from geoships.pipeline.blocks.files import read_pieces
from geoships.pipeline.blocks.task import BlockResult, BlockTask
from geoships.pipeline.scene_run import SceneRun
from geoships.pipeline.seen import Seen
from geoships.scene.streaming import TileCounts

ONE = np.float32(1)


def join_blocks(
    run: SceneRun,
    blocks: Iterable[tuple[BlockTask, BlockResult]],
    between: Callable[[], None] = lambda: None,
) -> Generator[tuple[RowBand, ...]]:
    """Yield finished rows of scores of each class, as `SceneRun.computed_bands` does, to the last bit.

    Every pixel gets the same scores in the same order: the sum that the block above has begun, then the parts of the
    tiles at the upper rim of the block below, one after the other.

    Args:
        run: the scene and its model. What became of its tiles is added to it.
        blocks: the blocks from top to bottom, each as soon as it is computed.
        between: called after each piece, for what cannot wait for a whole block.

    Raises:
        OutputError: the file of a block cannot be read.
        SceneError: no part of the scene could be read.

    """
    run.counts, run.seen = TileCounts(), Seen()
    stitchers = [Stitcher(*run.scene.window.shape) for _ in run.thresholds]
    for task, result in blocks:
        run.counts.add(result.counts)
        run.seen.judged += result.judged
        run.scene.add_unread(result.unread)
        for piece in read_pieces(task.path):
            weights = np.broadcast_to(ONE, piece.window.shape)
            for stitcher, scores in zip(stitchers, piece.scores, strict=True):
                stitcher.blend(piece.window, scores, piece.valid, weights)
            is_rim = piece.window.row < task.rim_end
            end = task.first_row if is_rim else min(piece.window.row_end, task.finished_end)
            yield from run.seen.counted(in_step([stitcher.release(end) for stitcher in stitchers]))
            between()
    run.require_pixels()
    yield from run.seen.counted(in_step([stitcher.finish() for stitcher in stitchers]))

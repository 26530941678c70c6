"""Compute a block of a scene, and write it to its file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Self

import numpy as np

from geoships.errors import DeviceError, SceneError
from geoships.model.bundle import Bundle
from geoships.model.engines.choose import EngineCache
from geoships.output.stitch import RowBand, Stitcher, in_step, weighted_rows
from geoships.pipeline.blocks.files import BlockFile, Piece, appearing_block
from geoships.pipeline.blocks.task import BlockResult, BlockTask
from geoships.pipeline.scene_run import SceneRun, open_run
from geoships.pipeline.scored_tile import ScoredTile
from geoships.pipeline.seen import Seen
from geoships.scene.opening.raster import public_name
from geoships.scene.streaming import TileCounts
from geoships.scene.tiling.windows import Window
from geoships.support.memory import release_memory


def run_block(task: BlockTask, *, model: Bundle | None = None, device: str | None = None) -> BlockResult:
    """Open the scene of a block and compute it. Any process that finds the scene and the folder can do it.

    Args:
        task: the block.
        model: the loaded bundle, in place of that of the task's settings.
        device: that computes, in place of that of the task's settings.

    Returns:
        What became of it; the scores are in the task's file.

    Raises:
        GeoshipsError: the scene cannot be read, the file cannot be written, or this process would compute otherwise.

    """
    with BlockRunner(model=model, device=device) as runner:
        return runner.run(task)


class BlockRunner:
    """Computes blocks as `run_block` does, and keeps the scene, its layers and the engine open for the next one.

    Args:
        model: the loaded bundle, in place of that of the tasks' settings.
        device: that computes, in place of that of the tasks' settings.

    """

    def __init__(self, *, model: Bundle | None = None, device: str | None = None) -> None:
        self._model, self._device = model, device
        self._engines = EngineCache()
        self._stack = ExitStack()
        self._open: tuple[tuple[Path, str], SceneRun] | None = None

    def run(self, task: BlockTask) -> BlockResult:
        """Compute a block; see `run_block`."""
        try:
            return compute_block(self._run_of(task), task)
        except BaseException:
            self.close()
            raise

    def _run_of(self, task: BlockTask) -> SceneRun:
        key = task.path.parent, task.mark
        if self._open is None or self._open[0] != key:
            self.close()
            config = task.config if self._device is None else task.config.model_copy(update={"device": self._device})
            opened = open_run(task.scene, config=config, model=self._model, engines=self._engines)
            self._open = key, self._stack.enter_context(opened)
        return self._open[1]

    def close(self) -> None:
        """Close the scene."""
        self._open = None
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def compute_block(run: SceneRun, task: BlockTask) -> BlockResult:
    """Compute a block with a run that is open already; see `run_block`."""
    _check(run, task)
    run.plan = task.plan
    counts, seen = TileCounts(), Seen()
    with appearing_block(task.path) as file:
        with closing(run.scored_tiles(counts, seen, task.rows)) as tiles:
            _write_pieces(tiles, task, file, len(run.thresholds), run.scene.window)
        reached = Window(task.first_row, 0, task.row_end - task.first_row, run.scene.window.width)
        unread = {window: why for window, why in run.scene.unread.items() if _near(window, reached, task)}
        result = BlockResult(counts, tuple(seen.judged), unread)
        file.finish(task, result)
    run.scene.close()  # the threads of each block have file handles of their own, 10 MB each; a later read opens others
    release_memory()
    return result


def _check(run: SceneRun, task: BlockTask) -> None:
    """Refuse what would make other scores than the process that has planned the blocks."""
    if run.scene.window != task.plan.tiles.scene:
        raise SceneError(f"{public_name(run.scene.name)}: it has another size now; run it again")
    here, there = run.engine, task.engine
    if (here.engine, here.precision) != (there.engine, there.precision):
        raise DeviceError(
            f"this process computes with {here}, and the others with {there}: name them with --engine and --precision"
        )


def _near(window: Window, reached: Window, task: BlockTask) -> bool:
    """Whether tiles of a block, which extend beyond the rows that they reach, may have read a window."""
    margin = task.plan.tiles.rows.size
    return window.row < reached.row_end + margin and window.row_end > reached.row - margin


def _write_pieces(tiles: Iterator[ScoredTile], task: BlockTask, file: BlockFile, classes: int, scene: Window) -> None:
    """Write the pieces of a block in the order in which one process would add them.

    Rows that the block above reaches, too, get that block's scores first. Float sums depend on their order, so the
    parts of the tiles in these rows stay apart. All other rows begin with this block's tiles, and are summed here.
    """
    stitchers = [Stitcher(*scene.shape, first_row=task.rim_end, partial=True) for _ in range(classes)]
    for tile in tiles:
        if tile.window.row < task.rim_end:
            _write_rim(tile, task, file, scene)
        blended = [
            stitcher.add(tile.window, scores, tile.valid, tile.weights)
            for stitcher, scores in zip(stitchers, tile.scores, strict=True)
        ]
        del tile  # the next one is computed before it comes
        _write_rows(in_step(blended), file)
    _write_rows(in_step([stitcher.release(task.row_end) for stitcher in stitchers]), file)


def _write_rim(tile: ScoredTile, task: BlockTask, file: BlockFile, scene: Window) -> None:
    """Write the part of a tile that the block above reaches, too."""
    first, last = weighted_rows(tile.weights)
    blended = Window(tile.window.row + first, tile.window.column, last + 1 - first, tile.window.width)
    rim = Window(task.first_row, 0, task.rim_end - task.first_row, scene.width)
    part = blended.intersection(rim)
    if not part.empty:
        source = part.within(tile.window)
        weights = tile.weights[source]
        file.write(Piece(part, np.stack([scores[source] * weights for scores in tile.scores]), tile.valid[source]))


def _write_rows(rows: Iterator[Sequence[RowBand]], file: BlockFile) -> None:
    for bands in rows:
        first = bands[0]
        window = Window(first.row, 0, *first.valid.shape)
        file.write(Piece(window, np.stack([band.scores for band in bands]), first.valid))

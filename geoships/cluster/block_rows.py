"""The rows of a scene from its blocks: those that were computed before, and those that somebody computes now."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from functools import partial

from geoships.cluster.block_folder import BlockFolder
from geoships.cluster.blocks import Blocks, Computing
from geoships.cluster.fingerprint import scores_mark
from geoships.model.engines.choose import EngineCache
from geoships.output.stitch import RowBand
from geoships.pipeline.blocks.compute import compute_block
from geoships.pipeline.blocks.files import read_result
from geoships.pipeline.blocks.join import join_blocks
from geoships.pipeline.blocks.task import BlockResult, BlockTask, plan_blocks
from geoships.pipeline.scene_run import RowSource, SceneRun
from geoships.scene.opening.band_files import SceneName
from geoships.support.progress import Progress


def row_source(blocks: Blocks, scene: SceneName, folder: BlockFolder, progress: Progress) -> RowSource | None:
    """Where the rows of a scene come from; None: the process computes it as a whole.

    Args:
        blocks: How it is cut.
        scene: Its name.
        folder: Where finished blocks lie.
        progress: Is told how many lay there before.
    """
    if not blocks.resume:
        folder.remove()
    if blocks.start is None and not blocks.resume:
        return None
    return partial(_rows, blocks, scene, folder, progress)


def _rows(
    blocks: Blocks, scene: SceneName, folder: BlockFolder, progress: Progress, run: SceneRun
) -> Generator[tuple[RowBand, ...]]:
    if run.scene.window.height * run.scene.window.width < blocks.large:
        yield from run.computed_bands()
        return
    mark = scores_mark(run, scene)
    tasks = plan_blocks(run, scene, folder.open(mark), mark, blocks.size)
    found = {task.number: result for task in tasks if (result := read_result(task, whole=True))}
    if found:
        progress.note(f"{len(found)} of {len(tasks)} blocks of rows were computed before")
    missing = [task for task in tasks if task.number not in found]
    with (blocks.start or _here)(run, missing) as computing:

        def in_order() -> Iterator[tuple[BlockTask, BlockResult]]:
            for task in tasks:
                yield task, found.get(task.number) or computing.result(task)

        with closing(join_blocks(run, in_order(), computing.go_on)) as rows:
            yield from rows


@dataclass(frozen=True)
class _Here:
    """This process, which computes a block when it is wanted."""

    run: SceneRun

    def result(self, task: BlockTask) -> BlockResult:
        """Compute a block."""
        return compute_block(self.run, task)

    def go_on(self) -> None:
        """Do nothing."""


def _here(run: SceneRun, missing: Sequence[BlockTask]) -> AbstractContextManager[Computing]:  # noqa: ARG001
    run.engines = run.engines or EngineCache()  # one engine for all blocks
    return nullcontext(_Here(run))

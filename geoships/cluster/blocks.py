"""Large scenes in blocks: which ones, who computes them, and what is kept of a run that was stopped."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from geoships.cluster.block_folder import BlockFolder
from geoships.cluster.fingerprint import scores_mark
from geoships.model.engines.choose import EngineCache
from geoships.output.stitch import RowBand
from geoships.pipeline.blocks.compute import compute_block
from geoships.pipeline.blocks.files import read_result
from geoships.pipeline.blocks.join import join_blocks
from geoships.pipeline.blocks.task import BLOCK_PIXELS, BlockResult, BlockTask, plan_blocks
from geoships.pipeline.scene_run import RowSource, SceneRun
from geoships.scene.opening.band_files import SceneName
from geoships.support.progress import Progress

LARGE = 100_000_000  # pixels of a scene from which on it is cut into blocks


class Computing(Protocol):
    """Who computes the blocks of a scene, in any order."""

    def result(self, task: BlockTask) -> BlockResult:
        """Wait until a block is computed.

        Raises:
            GeoshipsError: It cannot be computed.
        """

    def go_on(self) -> None:
        """See to it that nobody waits for work. Called often while finished blocks are joined; does not wait."""


Start = Callable[[SceneRun, Sequence[BlockTask]], AbstractContextManager[Computing]]


@dataclass(frozen=True)
class Blocks:
    """How large scenes are cut into blocks.

    Attributes:
        resume: Keep finished blocks until the scene is done, and take those of a run that was stopped.
        start: Who computes the blocks of a scene, given the open run and the blocks that are missing; None: this
            process, which needs blocks only to be resumed.
        large: Pixels of the scenes that are cut.
        size: Pixels of a block, see `plan_blocks`.
    """

    resume: bool = True
    start: Start | None = None
    large: int = LARGE
    size: int = BLOCK_PIXELS

    def by(self, start: Start) -> Blocks:
        """The same, computed by others."""
        return replace(self, start=start)

    def source(self, scene: SceneName, folder: BlockFolder, progress: Progress) -> RowSource | None:
        """Where the rows of a scene come from; None: the process computes it as a whole.

        Args:
            scene: Its name.
            folder: Where finished blocks lie.
            progress: Is told how many lay there before.
        """
        if not self.resume:
            folder.remove()
        if self.start is None and not self.resume:
            return None
        return partial(_rows, self, scene, folder, progress)


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


def shared_scenes(pixels: Sequence[int], processes: int, large: int = LARGE) -> list[int]:
    """Which scenes all processes compute together: large ones that one process alone would finish last.

    These have more than their share of the pixels: with two processes, more than half of those of all scenes.

    Args:
        pixels: Of each scene; 0: unknown.
        processes: Number of processes.
        large: Pixels of a scene that may be cut.

    Returns:
        Numbers of the scenes, the largest first.

    >>> [shared_scenes(pixels, 2, large=50) for pixels in ([10, 200, 30], [100] * 4, [100], [30])]
    [[1], [], [0], []]
    """
    total = sum(pixels)
    shared = [number for number, count in enumerate(pixels) if count >= large and count * processes > total]
    return sorted(shared, key=lambda number: -pixels[number])

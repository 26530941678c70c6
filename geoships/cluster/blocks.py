"""Large scenes in blocks: which ones, who computes them, and what is kept of a run that was stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from geoships.pipeline.blocks.sizes import BLOCK_PIXELS

if TYPE_CHECKING:  # what computes is imported where it does
    from geoships.pipeline.blocks.task import BlockResult, BlockTask
    from geoships.pipeline.scene_run import SceneRun

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


Start = Callable[["SceneRun", Sequence["BlockTask"]], AbstractContextManager[Computing]]


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

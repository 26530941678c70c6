"""A block of a scene: some rows of its tiles, as work for a process anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from geoships.config import PredictConfig
from geoships.model.engines.choose import EngineChoice
from geoships.pipeline.blocks.sizes import BLOCK_PIXELS
from geoships.pipeline.run_plan import RunPlan
from geoships.pipeline.scene_run import SceneRun
from geoships.scene.opening.band_files import SceneName
from geoships.scene.streaming import TileCounts
from geoships.scene.tiling.windows import Axis, Window


@dataclass(frozen=True)
class BlockTask:
    """A block that is to be computed; it can be pickled, and holds no pixels.

    Attributes:
        scene: the scene, which the process must find under the same name.
        config: settings of the run, with its model by name or path.
        plan: the tiles of the whole scene.
        engine: what computes; another process must have the same engine and precision.
        number: of the block, from 0 at the top of the scene.
        rows: rows of the tile grid that belong to the block.
        path: file to write, see `geoships.pipeline.blocks.files`.
        mark: what the scores are made from; a file with another mark is none of this run.

    """

    scene: SceneName
    config: PredictConfig
    plan: RunPlan
    engine: EngineChoice
    number: int
    rows: range
    path: Path
    mark: str

    @property
    def first_row(self) -> int:
        """First row of the scene that tiles of the block reach."""
        return self._axis.reach(self.rows[0])[0]

    @property
    def rim_end(self) -> int:
        """Row below those that the block above reaches, too; `first_row` of the first block."""
        return self._axis.reach(self.rows[0] - 1)[1] if self.rows[0] else self.first_row

    @property
    def row_end(self) -> int:
        """Row below the last one that tiles of the block reach."""
        return self._axis.reach(self.rows[-1])[1]

    @property
    def finished_end(self) -> int:
        """Row below those that no block further down reaches."""
        below = self.rows[-1] + 1
        return self._axis.reach(below)[0] if below < self._axis.count else self.row_end

    @property
    def _axis(self) -> Axis:
        return self.plan.tiles.rows


@dataclass(frozen=True)
class BlockResult:
    """What a computed block leaves, besides the scores in its file.

    Attributes:
        counts: what became of its tiles.
        judged: clouds that were seen, see `geoships.pipeline.seen.Seen`.
        unread: windows of the scene that could not be read, with the reason.

    """

    counts: TileCounts
    judged: tuple[tuple[float, float], ...]
    unread: Mapping[Window, str]


def plan_blocks(
    run: SceneRun, scene: SceneName, folder: Path, mark: str, pixels: int = BLOCK_PIXELS
) -> list[BlockTask]:
    """Cut a scene into blocks.

    Args:
        run: the open scene and its model.
        scene: its name, as the processes are to open it.
        folder: where the blocks' files are written.
        mark: what the scores are made from.
        pixels: of the scene in a block, as near as whole rows of tiles come to it from below, at least one row.

    Returns:
        The blocks from top to bottom. They do not depend on how many processes compute them.

    """
    axis, width = run.plan.tiles.rows, run.scene.window.width
    step = max(1, pixels // (axis.stride * width))
    model = str(run.config.model or run.bundle.path.absolute())
    config = run.config.model_copy(update={"model": model, "verify": False})
    whole = BlockTask(scene, config, run.plan, run.engine, 0, range(axis.count), folder, mark)
    cuts = [range(start, min(start + step, axis.count)) for start in range(0, axis.count, step)]
    return [
        replace(whole, number=number, rows=rows, path=folder / f"{number:05}.zip") for number, rows in enumerate(cuts)
    ]

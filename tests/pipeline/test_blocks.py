"""A scene in blocks: joined, they are what one process computes, to the last bit."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_models import FakeBundle, fake_card
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenes import ship_scene
from torch import nn

from geoships.config import PredictConfig
from geoships.output.stitch import RowBand
from geoships.pipeline.blocks.compute import compute_block
from geoships.pipeline.blocks.join import join_blocks
from geoships.pipeline.blocks.task import BlockTask, plan_blocks
from geoships.pipeline.find_ships import find_ships
from geoships.pipeline.scene_run import SceneRun, open_run

CPU = PredictConfig(device="cpu", engine="torch", precision="fp32", style=False)


class TileNoise(nn.Module):
    """Logits that depend on the place in the tile, so that overlapping tiles never agree."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows, columns = (torch.arange(size, dtype=torch.float32) for size in images.shape[2:])
        noise = torch.sin(rows[:, None] * 1.7 + columns * 0.9)
        return torch.cat([(images[:, :1] - 0.4) * 9 + noise * (1 + kind) for kind in range(self.classes)], dim=1)


class NoisyBundle(FakeBundle):
    def network(self) -> nn.Module:
        return TileNoise(len(self.card.classes))


def noisy_bundle(classes: int, halo: int) -> NoisyBundle:
    more: dict[str, object] = {}
    if classes > 1:
        named = [{"value": value, "name": f"class {value}"} for value in range(1, classes + 1)]
        more = {"mlm:output": [{"classification:classes": named}], "geoships:activation": "softmax"}
    return NoisyBundle(fake_card(halo=halo, **more), {}, Path("fake"))


def noisy_scene(path: Path, shape: tuple[int, int], seed: int, empty_rows: int = 0) -> Path:
    """A scene with rectangles anywhere, and rows without data in its middle."""
    draw = random.Random(seed)
    ships = tuple(
        (draw.randrange(shape[0]), draw.randrange(shape[1]), draw.randint(1, 60), draw.randint(1, 12))
        for _ in range(40)
    )
    mask = ship_scene(path, shape, ships=ships, nodata_columns=3)
    if empty_rows:
        import rasterio

        with rasterio.open(path, "r+") as file:
            values = file.read()
            middle = len(mask) // 2
            values[:, middle : middle + empty_rows] = 0
            file.write(values)
    return path


@contextmanager
def opened(scene: Path, classes: int, halo: int, **options: object) -> Iterator[SceneRun]:
    config = CPU.model_copy(update={"tile_size": 64, **options})
    with open_run(scene, config=config, model=noisy_bundle(classes, halo)) as run:
        yield run


def collect(bands: Callable[[], Iterator[tuple[RowBand, ...]]]) -> tuple[np.ndarray, np.ndarray]:
    with closing(bands()) as rows:
        parts = list(rows)
    assert [each[0].row for each in parts] == [0, *(each[0].row_end for each in parts[:-1])]
    scores = np.concatenate([np.stack([band.scores for band in each]) for each in parts], axis=1)
    return scores, np.concatenate([each[0].valid for each in parts])


def planned(run: SceneRun, folder: Path, rows: int) -> list[BlockTask]:
    """Blocks of some rows of tiles each."""
    folder.mkdir(exist_ok=True)
    stride = run.plan.tiles.rows.stride
    return plan_blocks(run, run.scene.name, folder, "mark", pixels=rows * stride * run.scene.window.width)


def found(run: SceneRun) -> list[tuple[object, ...]]:
    with find_ships(run) as ships:
        return [(each.polygon.wkb, each.ship.pixels, each.ship.score, each.ship.peak, each.kind) for each in ships]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(30, 500), st.integers(5, 150), st.sampled_from([0, 8, 16]), st.sampled_from([1, 3]), st.integers(0, 99)
)
def test_blocks_of_any_size_give_the_scores_and_ships_of_one_process(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, halo: int, classes: int, seed: int
) -> None:
    tmp_path = tmp_path_factory.mktemp("blocks")
    scene = noisy_scene(tmp_path / "scene.tif", (height, width), seed, empty_rows=seed % 3 * 40)
    with opened(scene, classes, halo) as run:
        scores, valid = collect(run.computed_bands)
        counts, judged, ships = run.counts, run.seen.judged, found(run)
        axis = run.plan.tiles.rows
        for rows in sorted({1, 2, 3, axis.count}):
            tasks = planned(run, tmp_path / str(rows), rows)
            assert [row for task in tasks for row in task.rows] == list(range(axis.count))
            results = {task.number: compute_block(run, task) for task in random.Random(seed).sample(tasks, len(tasks))}
            run.source = lambda run, tasks=tasks, results=results: join_blocks(
                run, [(task, results[task.number]) for task in tasks]
            )
            joined, has_data = collect(run.bands)
            assert joined.tobytes() == scores.tobytes()
            np.testing.assert_array_equal(has_data, valid)
            assert (run.counts, run.seen.judged, found(run)) == (counts, judged, ships)
    assert scores.std() > 0.1
    assert height < 200 or axis.count > 2

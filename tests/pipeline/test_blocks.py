"""A scene in blocks: joined, they are what one process computes, to the last bit."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from damaged_files import zero
from fake_models import FakeBundle, fake_card
from scenes import ship_scene
from torch import nn

from geoships.config import PredictConfig
from geoships.errors import DeviceError, OutputError, SceneError
from geoships.output.stitch import RowBand
from geoships.pipeline.blocks.compute import compute_block, run_block
from geoships.pipeline.blocks.files import read_pieces, read_result
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


CASES = [  # rows and columns of the scene, halo, classes, rows without data
    (30, 50, 8, 1, 0),
    (64, 5, 0, 3, 0),
    (201, 97, 16, 1, 0),
    (333, 150, 8, 3, 0),
    (400, 131, 0, 1, 120),
]


@pytest.mark.parametrize(("height", "width", "halo", "classes", "empty"), CASES)
def test_blocks_of_any_size_give_the_scores_and_ships_of_one_process(
    tmp_path: Path, height: int, width: int, halo: int, classes: int, empty: int
) -> None:
    draw = random.Random(height)
    scene = noisy_scene(tmp_path / "scene.tif", (height, width), seed=width, empty_rows=empty)
    with opened(scene, classes, halo) as run:
        scores, valid = collect(run.computed_bands)
        counts, judged, ships = run.counts, run.seen.judged, found(run)
        axis = run.plan.tiles.rows
        for rows in sorted({1, 2, 3, axis.count}):
            tasks = planned(run, tmp_path / str(rows), rows)
            assert [row for task in tasks for row in task.rows] == list(range(axis.count))
            results = {task.number: compute_block(run, task) for task in draw.sample(tasks, len(tasks))}
            assert run.scene._handles == []  # those of the threads of each block would take memory
            in_order = [(task, results[task.number]) for task in tasks]
            run.source = partial(join_blocks, blocks=in_order)
            joined, has_data = collect(run.bands)
            assert joined.tobytes() == scores.tobytes()
            np.testing.assert_array_equal(has_data, valid)
            assert (run.counts, run.seen.judged, found(run)) == (counts, judged, ships)
    assert scores.std() > 0.1
    assert height < 200 or axis.count > 2
    assert bool(counts.no_data) == bool(empty)


def test_a_process_that_opens_the_scene_itself_computes_the_same(tmp_path: Path) -> None:
    scene = noisy_scene(tmp_path / "scene.tif", (200, 90), seed=1)
    with opened(scene, 1, 8) as run:
        tasks = planned(run, tmp_path / "here", 1)
        here = [compute_block(run, task) for task in tasks]
        model = run.bundle
    (tmp_path / "there").mkdir()
    sent = [replace(task, path=tmp_path / "there" / task.path.name) for task in pickle.loads(pickle.dumps(tasks))]
    assert [run_block(task, model=model) for task in sent] == here
    assert pickle.loads(pickle.dumps(here)) == here
    for task, other, result in zip(tasks, sent, here, strict=True):
        pieces, others = list(read_pieces(task.path)), list(read_pieces(other.path))
        assert [(p.window, p.scores.tobytes()) for p in pieces] == [(p.window, p.scores.tobytes()) for p in others]
        assert read_result(other, whole=True) == result
        assert read_result(replace(other, mark="another")) is None
        assert read_result(replace(other, rows=range(9, 10))) is None


def test_a_process_that_would_compute_otherwise_refuses(tmp_path: Path) -> None:
    scene = noisy_scene(tmp_path / "scene.tif", (200, 90), seed=1)
    with opened(scene, 1, 8) as run:
        task, model = planned(run, tmp_path / "blocks", 1)[0], run.bundle
    other = replace(task, engine=replace(task.engine, precision="bf16"))
    with pytest.raises(DeviceError, match=r"computes with PyTorch, fp32, cpu, and the others with PyTorch, bf16, cpu"):
        run_block(other, model=model)
    noisy_scene(scene, (201, 90), seed=1)
    with pytest.raises(SceneError, match=r"scene\.tif: it has another size now"):
        run_block(task, model=model)
    assert list((tmp_path / "blocks").iterdir()) == []


def test_what_could_not_be_read_is_known_after_the_join(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", (300, 200))
    lost = zero(tmp_path / "scene.tif", (2, 1))
    with opened(tmp_path / "scene.tif", 1, 8, on_error="skip") as run:
        tasks, model = planned(run, tmp_path / "blocks", 1), run.bundle
    results = [run_block(task, model=model) for task in tasks]
    read = [read_result(task) for task in tasks]
    assert read == results
    with opened(tmp_path / "scene.tif", 1, 8, on_error="skip") as run:
        run.source = partial(join_blocks, blocks=list(zip(tasks, results, strict=True)))
        _, valid = collect(run.bands)
        assert list(run.scene.unread) == [lost]
    assert not valid[lost.within(run.scene.window)].any()
    assert valid.sum() == valid.size - lost.height * lost.width


def test_a_file_that_is_gone_or_damaged_is_an_error_of_one_line(tmp_path: Path) -> None:
    with opened(noisy_scene(tmp_path / "scene.tif", (200, 90), seed=1), 1, 8) as run:
        task = planned(run, tmp_path / "blocks", 1)[0]
        compute_block(run, task)
    content = task.path.read_bytes()
    task.path.write_bytes(content[:200] + bytes(8) + content[208:])
    with pytest.raises(OutputError, match=r"cannot read .*00000\.zip, which this run wrote: Bad CRC-32"):
        list(read_pieces(task.path))
    assert read_result(task, whole=True) is None
    task.path.unlink()
    with pytest.raises(OutputError, match=r"cannot read .*00000\.zip, which this run wrote: .*No such file"):
        list(read_pieces(task.path))
    assert read_result(task) is None

"""Large scenes in blocks: in several processes, stopped and gone on with, and what is left of them."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cluster_jobs
import pytest
from cluster_jobs import SMALL_BLOCKS, TILED
from run_contents import contents
from scenes import ship_scene

from geoships.cluster import block_processes, block_rows
from geoships.cluster import run as cluster_run
from geoships.cluster.blocks import Blocks
from geoships.cluster.fingerprint import scores_mark
from geoships.cluster.run import RunOptions, RunResult, run_scenes
from geoships.model import bundle as bundles
from geoships.pipeline.batch import plan_outputs
from geoships.pipeline.scene_run import open_run
from geoships.support import workers
from geoships.support.progress import NoProgress

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
ROWS, BLOCKS = 600, 10
Children = Callable[[], list[multiprocessing.process.BaseProcess]]
SHIPS = ((20, 30, 4, 20), (40, 60, 400, 5), (150, 180, 6, 20), (60, 150, 3, 3))  # one crosses many blocks


class Notes(NoProgress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    @property
    def before(self) -> list[str]:
        return [note for note in self.notes if "blocks of rows" in note]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bundles, "load_bundle", lambda _=None: cluster_jobs.fake_bundle())
    monkeypatch.setattr(block_processes, "run_block_task", cluster_jobs.run_block_task)
    monkeypatch.setattr(workers, "ENDING", 0.2)
    ship_scene(tmp_path / "scene.tif", (ROWS, 200), ships=SHIPS)
    return tmp_path / "scene.tif"


def run(scene: Path, out: str, progress: NoProgress | None = None, **options: object) -> RunResult:
    folder = scene.parent / out
    jobs = plan_outputs([scene], folder, rasters=True)
    given = RunOptions(**{"blocks": SMALL_BLOCKS, **options})  # type: ignore[arg-type]
    return run_scenes(jobs, folder, TILED, given, progress=progress)


def whole(scene: Path) -> dict[str, str]:
    """What one process makes of the scene without blocks."""
    (outcome,) = run(scene, "whole", blocks=Blocks()).outcomes
    assert outcome.state == "done"
    return contents(scene.parent / "whole")


def left(scene: Path, out: str) -> list[str]:
    """Files of blocks that are left."""
    return sorted(path.name for path in (scene.parent / out / ".geoships" / "blocks").rglob("*") if path.is_file())


def test_two_processes_share_a_scene_and_one_that_dies_changes_nothing(
    scene: Path, forkserver: multiprocessing.context.BaseContext, monkeypatch: pytest.MonkeyPatch, children: Children
) -> None:
    monkeypatch.setattr(workers.multiprocessing, "get_context", lambda _: forkserver)
    scene.with_suffix(".deaths").write_text("1")
    (outcome,) = run(scene, "shared", jobs=2).outcomes
    assert (outcome.state, outcome.reason) == ("done", "")
    assert scene.with_suffix(".deaths").read_text() == "0"
    assert contents(scene.parent / "shared") == whole(scene)
    assert outcome.record is not None
    assert outcome.record.ships == len(SHIPS)
    assert not (scene.parent / "shared" / ".geoships" / "blocks").exists()
    assert children() == []


def test_a_block_whose_process_dies_twice_ends_the_scene_and_the_others_are_kept(
    scene: Path, forkserver: multiprocessing.context.BaseContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers.multiprocessing, "get_context", lambda _: forkserver)
    scene.with_suffix(".deaths").write_text("2")
    (outcome,) = run(scene, "out", jobs=2).outcomes
    assert outcome.state == "failed"
    assert outcome.reason.startswith("a process on cpu died in each of 2 tries (killed by SIGKILL)")
    kept = [name for name in left(scene, "out") if not name.startswith(".")]  # a process that dies leaves more
    assert "00000.zip" in kept
    assert "00001.zip" not in kept
    notes = Notes()
    (again,) = run(scene, "out", notes, retry_failed=True).outcomes
    assert (again.state, left(scene, "out")) == ("done", [])
    assert notes.before == [f"{len(kept)} of {BLOCKS} blocks of rows were computed before"]
    assert contents(scene.parent / "out") == whole(scene)


def test_a_scene_that_is_killed_goes_on_with_the_blocks_that_were_done(
    scene: Path, forkserver: multiprocessing.context.BaseContext
) -> None:
    draw, kills, begun = random.Random(3), 0, scene.with_suffix(".begun")

    def start(delay: float) -> multiprocessing.process.BaseProcess:
        process = forkserver.Process(target=cluster_jobs.slow_blocks, args=(scene, scene.parent / "out", delay))
        process.start()
        return process

    def numbers() -> list[str]:
        return begun.read_text().split() if begun.exists() else []

    for _ in range(3):
        before, process = len(numbers()), start(0.05)
        while process.is_alive() and len(numbers()) < before + draw.randint(2, 3):
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.05))
        kills += process.is_alive()
        process.kill()
        process.join()
    assert kills == 3
    assert left(scene, "out")
    last = start(0.0)
    last.join(60)
    assert last.exitcode == 0
    assert set(numbers()) == {str(number) for number in range(BLOCKS)}
    assert len(numbers()) <= BLOCKS + kills  # each kill costs the block that was being computed
    assert left(scene, "out") == []
    assert contents(scene.parent / "out") == whole(scene)


def stopped(scene: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A run that is interrupted after some blocks; the files that it leaves."""
    compute, computed = block_rows.compute_block, []

    def interrupted(*arguments: object) -> object:
        if len(computed) == 5:
            raise KeyboardInterrupt
        computed.append(compute(*arguments))  # type: ignore[arg-type]
        return computed[-1]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(block_rows, "compute_block", interrupted)
        run(scene, "out")
    return left(scene, "out")


def test_blocks_of_another_scene_or_of_other_settings_and_damaged_ones_are_not_taken(
    scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stopped(scene, monkeypatch) == [f"{number:05}.zip" for number in range(5)]
    (folder,) = (scene.parent / "out" / ".geoships" / "blocks" / "scene.blocks").iterdir()
    cut, flipped, missing = (folder / f"{number:05}.zip" for number in range(3))
    cut.write_bytes(cut.read_bytes()[:-30])
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 1
    flipped.write_bytes(content)
    missing.unlink()
    (folder / ".geoships-0123.zip").write_bytes(b"of a process that was killed")
    notes = Notes()
    assert run(scene, "out", notes).count("done") == 1
    assert notes.before == [f"2 of {BLOCKS} blocks of rows were computed before"]
    assert contents(scene.parent / "out") == whole(scene)

    shutil.rmtree(scene.parent / "out")
    stopped(scene, monkeypatch)
    ship_scene(scene, (ROWS, 200), ships=SHIPS[:2])
    notes = Notes()
    assert run(scene, "out", notes).count("done") == 1
    assert (notes.before, left(scene, "out")) == ([], [])
    shutil.rmtree(scene.parent / "whole")
    assert contents(scene.parent / "out") == whole(scene)


def test_without_resume_nothing_is_kept_or_taken(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(scene, monkeypatch)
    monkeypatch.setattr(block_rows, "compute_block", None)  # not called
    notes = Notes()
    assert run(scene, "out", notes, blocks=replace(SMALL_BLOCKS, resume=False)).count("done") == 1
    assert (notes.before, left(scene, "out")) == ([], [])
    assert contents(scene.parent / "out") == whole(scene)


def test_a_scene_below_the_size_is_computed_as_a_whole(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_rows, "compute_block", None)  # not called
    assert run(scene, "out", blocks=replace(SMALL_BLOCKS, large=ROWS * 200 + 1)).count("done") == 1


def test_a_scene_that_fits_into_memory_once_is_computed_in_this_process(
    scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_run, "free_memory", lambda: 1.0)
    monkeypatch.setattr(block_processes, "block_processes", None)  # not called
    assert run(scene, "out", jobs=2).count("done") == 1
    assert contents(scene.parent / "out") == whole(scene)


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_who_joins_blocks_needs_no_pytorch_where_another_engine_computes(
    scene: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    config = TILED.model_copy(update={"engine": engine})
    with open_run(str(scene), config=config, model=cluster_jobs.fake_bundle()) as opened:
        monkeypatch.setitem(sys.modules, "torch", None)  # an import of it fails
        mark = scores_mark(opened, str(scene))
    with open_run(
        str(scene), config=config.model_copy(update={"batch_size": 1}), model=cluster_jobs.fake_bundle()
    ) as again:
        assert scores_mark(again, str(scene)) == mark
    monkeypatch.undo()
    with open_run(str(scene), config=TILED, model=cluster_jobs.fake_bundle()) as by_torch:
        assert scores_mark(by_torch, str(scene)) != mark

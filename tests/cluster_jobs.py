"""Runs over many scenes for other processes, which import them by name; the model is a fake one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fake_models import fake_bundle

from geoships.cluster import attempt, block_processes, block_rows, processes, ray_scenes
from geoships.cluster.blocks import Blocks
from geoships.cluster.outcomes import Outcome
from geoships.cluster.processes import Setup
from geoships.cluster.ray_scenes import RaySetup
from geoships.cluster.run import RunOptions, run_scenes
from geoships.config import PredictConfig
from geoships.model import bundle as bundles
from geoships.pipeline import scene_run
from geoships.pipeline.batch import SceneJob, plan_outputs
from geoships.pipeline.blocks import files
from geoships.pipeline.blocks.task import BlockResult, BlockTask
from geoships.pipeline.scene_run import SceneRun
from geoships.support.workers import Begun, Tell

CPU = PredictConfig(model="fake", device="cpu", engine="torch", precision="fp32", style=False)
TILED = CPU.model_copy(update={"tile_size": 64})
SMALL_BLOCKS = Blocks(large=10_000, size=1)  # a block for each row of tiles
HANGS = 0.5  # s that the scene which hangs on Ray may take


LOADERS = (block_processes, bundles, processes, scene_run)  # modules that load bundles by this name


def use_fake_model() -> None:
    for where in LOADERS:
        where.load_bundle = lambda _=None: fake_bundle()  # type: ignore[attr-defined]


def run_scene(setup: Setup, job: SceneJob, device: str, tell: Tell) -> Outcome:
    """As `processes.run_scene` with a fake model; the process dies or hangs with scenes that are named for it."""
    use_fake_model()
    if job.place == "hangs":  # a read that nothing but SIGKILL ends
        tell(Begun())
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        os.mkfifo(f"{job.scene}.pipe")
        os.open(f"{job.scene}.pipe", os.O_RDONLY)
    write = attempt.Manifest.write

    def write_and_die(manifest: attempt.Manifest, record: attempt.SceneRecord) -> None:
        write(manifest, record)
        if record.state == "done" and record.attempts == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    attempt.Manifest.write = write_and_die if job.place == "dies-when-done" else write  # type: ignore[method-assign]
    return processes.run_scene(setup, job, device, tell)


def prepare_on_ray(setup: RaySetup, device: str) -> None:
    use_fake_model()
    ray_scenes.prepare(setup, device)


def run_on_ray(setup: RaySetup, job: SceneJob, device: str, tell: Tell) -> Outcome:
    """As `ray_scenes.run_scene`; the actor dies, hangs or is stopped with scenes that are named for it."""
    use_fake_model()
    write = attempt.Manifest.write
    if job.place == "stops" and not (flag := Path(f"{job.scene}.stopped")).exists():  # as on a node that is gone
        flag.touch()
        os.kill(os.getpid(), signal.SIGSTOP)

    def write_and_fail(manifest: attempt.Manifest, record: attempt.SceneRecord) -> None:
        write(manifest, record)
        if job.place == "dies-twice" or (job.place == "dies-once" and record.attempts == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if job.place == "hangs" and record.state == "running":
            time.sleep(60)

    failing = job.place in ("dies-once", "dies-twice", "hangs")
    if job.place == "hangs":  # the others have any time, however busy the machine is
        setup = replace(setup, timeout=HANGS)
    attempt.Manifest.write = write_and_fail if failing else write  # type: ignore[method-assign]
    try:
        return ray_scenes.run_scene(setup, job, device, tell)
    finally:
        attempt.Manifest.write = write  # type: ignore[method-assign]


def slow_run(folder: Path, names: Sequence[str], delay: float) -> None:
    """Compute scenes one after the other, each of which takes some time before its record is written."""
    use_fake_model()
    predict = attempt.predict_scene

    def slow_predict(*arguments: object, **options: object) -> object:
        with (folder / "begun").open("a") as file:
            file.write(f"{Path(str(arguments[0])).stem}\n")
        time.sleep(delay / 2)
        prediction = predict(*arguments, **options)  # type: ignore[arg-type]
        time.sleep(delay / 2)
        return prediction

    attempt.predict_scene = slow_predict  # type: ignore[assignment]
    jobs = plan_outputs([folder / name for name in names], folder / "out", rasters=True)
    run_scenes(jobs, folder / "out", CPU, RunOptions())


def run_block_task(task: BlockTask, device: str, tell: Tell) -> BlockResult:
    """As `block_processes.run_block_task` with a fake model; the process dies in block 1 as often as a file says."""
    block_processes.load_bundle = lambda _=None: fake_bundle()  # type: ignore[attr-defined]
    deaths = Path(str(task.scene)).with_suffix(".deaths")
    if task.number == 1 and deaths.exists() and (left := int(deaths.read_text())):
        deaths.write_text(str(left - 1))
        files.BlockFile.finish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
    return block_processes.run_block_task(task, device, tell)


def slow_blocks(scene: Path, out: Path, delay: float) -> None:
    """Compute one scene in blocks, each of which is noted when it is begun and takes some time."""
    use_fake_model()
    compute = block_rows.compute_block

    def slow_compute(run: SceneRun, task: BlockTask) -> BlockResult:
        with scene.with_suffix(".begun").open("a") as file:
            file.write(f"{task.number}\n")
        time.sleep(delay)
        return compute(run, task)

    block_rows.compute_block = slow_compute  # type: ignore[attr-defined]
    jobs = plan_outputs([scene], out, rasters=True)
    run_scenes(jobs, out, TILED, RunOptions(blocks=SMALL_BLOCKS))

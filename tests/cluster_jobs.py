"""Runs over many scenes for other processes, which import them by name; the model is a fake one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from fake_models import fake_bundle

from geoships.cluster import attempt, fingerprint, processes
from geoships.cluster import run as cluster_run
from geoships.cluster.attempt import Outcome
from geoships.cluster.processes import Setup
from geoships.cluster.run import RunOptions, run_scenes
from geoships.config import PredictConfig
from geoships.pipeline.batch import SceneJob, plan_outputs
from geoships.support.workers import Begun, Tell

CPU = PredictConfig(model="fake", device="cpu", engine="torch", precision="fp32", style=False)


def use_fake_model() -> None:
    for where in (cluster_run, fingerprint, processes):
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


def slow_run(folder: Path, names: Sequence[str], delay: float) -> None:
    """Compute scenes one after the other, each of which takes some time before its record is written."""
    use_fake_model()
    predict = attempt.predict

    def slow_predict(*arguments: object, **options: object) -> object:
        with (folder / "begun").open("a") as file:
            file.write(f"{Path(str(arguments[0])).stem}\n")
        time.sleep(delay / 2)
        prediction = predict(*arguments, **options)  # type: ignore[arg-type]
        time.sleep(delay / 2)
        return prediction

    attempt.predict = slow_predict  # type: ignore[assignment]
    jobs = plan_outputs([folder / name for name in names], folder / "out", rasters=True)
    run_scenes(jobs, folder / "out", CPU, RunOptions())

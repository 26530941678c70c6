"""What workers of tests do, in processes that import it by name; and a whole service as a process."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geoships.service.work.assignment import Assignment, JobFailedError, Tell


def found(**more: Any) -> dict[str, Any]:
    """Facts about a result, as `detect` returns them."""
    return {"ships": 0, "model": "none", "pixels": 4, "placed": False, "size": 10, **more}


def die_at_header(_paths: object) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def wait_at_header(paths: Sequence[str]) -> dict[str, Any]:
    """Makes a file, and waits until it is gone."""
    (path,) = map(Path, paths)
    path.touch()
    while path.exists():
        time.sleep(0.01)
    return {"rows": 1, "columns": 1}


def detect_with_fake_model(assignment: Assignment, device: str, tell: Tell) -> dict[str, Any]:
    """A real prediction, whose scores are the brightness of the first band."""
    from fake_models import fake_bundle  # torch takes seconds, which other jobs of tests need not wait for

    from geoships.model.installed import ModelChoice
    from geoships.pipeline import scene_run
    from geoships.service.work.detect import detect

    load, choose = scene_run.load_bundle, scene_run.choose_model
    scene_run.load_bundle = lambda _=None: fake_bundle()
    scene_run.choose_model = lambda *_: ModelChoice(Path("fake"), "the only one")
    try:
        return detect(assignment, device, tell)
    finally:
        scene_run.load_bundle, scene_run.choose_model = load, choose


def act(assignment: Assignment, device: str, tell: Tell) -> dict[str, Any]:
    """Does what the first file of the job is named after, and notes each beginning in the job's folder."""
    del device
    assignment.output.mkdir(parents=True)
    name = Path(assignment.source["files"][0]).stem.partition("-")[0]
    with (assignment.input.parent / "begun").open("a") as file:
        file.write(f"{assignment.output.name}\n")
    tell((0.5, "half"))
    if name == "sleeps":
        time.sleep(60)
    if name == "deaf":  # to all but SIGKILL
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        time.sleep(60)
    if name == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "dies once" and assignment.output.name == "attempt-1":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "fails":
        raise JobFailedError("it is too dark")
    if name == "surprises":
        raise ZeroDivisionError("/secret/path")
    if name == "short":
        time.sleep(0.3)
    (assignment.output / "ships.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    return found()


WORK = {"act": "service_jobs:act", "detect": "service_jobs:detect_with_fake_model"}


def say(address: str) -> None:
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()


def main() -> None:
    """Serve: arguments are the folder, the port, the number of workers, the work, and settings as JSON."""
    from geoships.service.logs import log_to_stderr
    from geoships.service.server import Listening, serve
    from geoships.service.settings import Limits, ServiceSettings

    folder, port, workers, work, more = sys.argv[1:6]
    given = json.loads(more)
    limits = Limits(**given.pop("limits", {}))
    settings = ServiceSettings(data_dir=Path(folder), limits=limits, **given)
    log_to_stderr(logging.WARNING, as_json=True)
    listening = Listening("127.0.0.1", int(port), int(workers), level=logging.WARNING)
    serve(settings, listening, say=say, work=WORK[work])


if __name__ == "__main__":
    main()

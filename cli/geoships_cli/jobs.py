"""Scenes and the files to write for them: one by one, two small ones at a time, or on all GPUs."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import typer

from geoships.errors import GeoshipsError
from geoships_cli.progress import JsonLines, Lines, Quiet

if TYPE_CHECKING:
    from geoships.config import PredictConfig
    from geoships.model.bundle import Bundle
    from geoships.pipeline.predict import Prediction
    from geoships.scene.opening.band_files import BandFiles
    from geoships.support.progress import Progress

LANES = 2  # small scenes at a time: one is computed while another is opened or written
SMALL = 16_000_000  # pixels of a scene of which two fit into memory as one large one does


@dataclass(frozen=True)
class Job:
    """One scene and the files to write for it."""

    scene: str | BandFiles
    out: Path | None
    mask: Path | None
    scores: Path | None
    stac: Path | None = None
    preview: Path | None = None
    project: Path | None = None


def run_jobs(jobs: Sequence[Job], config: PredictConfig, progress: Lines) -> tuple[list[Prediction], list[str]]:
    """Run all jobs; a lone job's error is raised, one of many is reported. Returns results and failed scenes."""
    from geoships.support.workers import devices_of

    devices = devices_of(config.device)
    if len(devices) > 1 and len(jobs) > 1:
        outcomes = _on_devices(jobs, devices, config, progress)
    else:
        outcomes = _in_lanes(jobs, config.model_copy(update={"device": devices[0]}), progress)
    done: dict[int, Prediction] = {}
    failed: dict[int, str] = {}
    for number, outcome in outcomes:
        if not isinstance(outcome, GeoshipsError):
            done[number] = outcome
            continue
        if len(jobs) == 1:
            raise outcome
        failed[number] = str(jobs[number].scene)
        typer.echo(f"error: {failed[number]}: {' '.join(str(outcome).split())}", err=True)
    return [done[number] for number in sorted(done)], [failed[number] for number in sorted(failed)]


def _attempt(job: Job, config: PredictConfig, progress: Progress, model: Bundle | None) -> Prediction | GeoshipsError:
    from geoships.pipeline.predict import predict

    try:
        return predict(
            job.scene, out=job.out, mask=job.mask, scores=job.scores, stac=job.stac, preview=job.preview,
            project=job.project, config=config, progress=progress, model=model,
        )  # fmt: skip
    except GeoshipsError as error:
        return error


def _on_devices(
    jobs: Sequence[Job], devices: Sequence[str], config: PredictConfig, progress: Lines
) -> Iterator[tuple[int, Prediction | GeoshipsError]]:
    """One process for each device; each loads the model for itself."""
    from geoships.support.workers import run_on_devices

    progress.note(f"{len(jobs)} scenes on {', '.join(devices)}")
    for number, outcome in run_on_devices(jobs, devices, partial(_on_device, config)):
        progress.note(f"{jobs[number].scene}: {'failed' if isinstance(outcome, GeoshipsError) else 'done'}")
        yield number, outcome


def _on_device(config: PredictConfig, job: Job, device: str) -> Prediction | GeoshipsError:
    from geoships.model.bundle import load_bundle

    with _without_warnings():
        model = load_bundle(config.model) if config.model else None
        return _attempt(job, config.model_copy(update={"device": device}), Quiet(), model)


def _in_lanes(
    jobs: Sequence[Job], config: PredictConfig, progress: Lines
) -> Iterator[tuple[int, Prediction | GeoshipsError]]:
    """One job after the other with one loaded model; small ones overlap, so that none waits for files."""
    from geoships.model.bundle import load_bundle

    bundle = load_bundle(config.model) if config.model else None  # else each scene gets the one that suits it
    # programs that read JSON lines hear of one scene at a time
    overlap = len(jobs) > 1 and not isinstance(progress, JsonLines)
    lock = Lock()
    waiting: deque[tuple[int, Future[Prediction | GeoshipsError]]] = deque()
    with _without_warnings(), ThreadPoolExecutor(LANES, thread_name_prefix="scene") as pool:
        for number, job in enumerate(jobs):
            small = overlap and _is_small(job.scene)
            while len(waiting) >= (LANES if small else 1):
                first, future = waiting.popleft()
                yield first, future.result()
            if small:
                waiting.append((number, pool.submit(_attempt, job, config, _Aside(job, progress, lock), bundle)))
            else:
                yield number, _attempt(job, config, progress, bundle)
        for number, future in waiting:
            yield number, future.result()


def _is_small(scene: str | BandFiles) -> bool:
    """Whether a scene is one local raster of few pixels; a header is read for that."""
    if not isinstance(scene, str) or not Path(scene).is_file():
        return False
    import rasterio

    try:
        with rasterio.open(scene) as dataset:
            return int(dataset.width) * int(dataset.height) <= SMALL
    except rasterio.errors.RasterioError:
        return False  # the run says what is wrong


class _Aside:
    """Progress of a scene beside others: warnings and the beginning, with its name."""

    def __init__(self, job: Job, progress: Lines, lock: Lock) -> None:
        self._name, self._progress, self._lock = Path(str(job.scene)).name, progress, lock

    def start(self, name: str, pixels: int) -> None:
        """A scene of so many pixels begins."""
        with self._lock:
            self._progress.note(f"{name}: {pixels / 1e6:.1f} Mpix")

    def advance(self, pixels: int) -> None:
        """Do nothing: a small scene is done soon."""

    def warn(self, text: str) -> None:
        """Something that the user should know."""
        with self._lock:
            self._progress.warn(f"{self._name}: {text}")

    def note(self, text: str) -> None:
        """Do nothing: scenes of one run mostly say the same."""

    def detail(self, text: str) -> None:
        """What only those want to know who look at a run's speed."""
        with self._lock:
            self._progress.detail(f"{self._name}: {text}")


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep rasterio quiet: threads that each catch its warnings for themselves would undo each other's filters."""
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield

"""Many scenes: the outputs of each, and a run over all of them on every device of a machine.

>>> from geoships import PredictConfig, plan_outputs, predict_many
>>> jobs = plan_outputs(["a.tif", "b.tif"], "ships", format="gpkg")
>>> [str(job.out) for job in jobs]
['ships/a.gpkg', 'ships/b.gpkg']
>>> result = predict_many(jobs, PredictConfig(device="cuda:all"))  # doctest: +SKIP
>>> [failure.scene for failure in result.failures]  # doctest: +SKIP
[]
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TypeVar

from geoships.config import PredictConfig
from geoships.errors import GeoshipsError
from geoships.model.bundle import Bundle, load_bundle
from geoships.pipeline.jobs import FORMATS as FORMATS
from geoships.pipeline.jobs import SceneJob as SceneJob
from geoships.pipeline.jobs import plan_outputs as plan_outputs
from geoships.pipeline.outputs import with_cards
from geoships.pipeline.predict import Prediction, predict
from geoships.scene.opening.band_files import BandFiles, SceneName
from geoships.scene.opening.names import title_of, without_secrets
from geoships.scene.opening.raster import local_file
from geoships.support.overwrite import refuse_overwrites
from geoships.support.progress import NoProgress, Progress
from geoships.support.transform_warning import without_transform_warning
from geoships.support.workers import devices_of, run_on_devices

THREADS = 2  # small scenes at a time: one is computed while another is opened or written

# Whether a scene is small is told by the size of its file. That takes 10 microseconds, also on a network drive, where
# opening the scene for its number of pixels takes 0.6 ms from a local disk and a round trip or more from a server, and
# the run opens it again. 32 MiB are 3 Mpix of five uncompressed uint16 bands, or up to some 30 Mpix of compressed RGB;
# a run's memory grows with a scene's width alone, so two of these fit where one large scene does.
SMALL_BYTES = 32 << 20
PIXEL_FILES = (".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg")  # hold their pixels themselves, unlike a VRT


@dataclass(frozen=True)
class SceneFailure:
    """A scene of many that could not be processed.

    Attributes:
        scene: Name of the scene.
        error: Why it failed; ``str(error)`` says what is wrong, where, and what to do.
    """

    scene: str
    error: GeoshipsError


@dataclass(frozen=True)
class BatchResult:
    """Results of many scenes, both lists in the order of the jobs.

    Attributes:
        predictions: Results of the scenes that succeeded.
        failures: The scenes that failed.
    """

    predictions: tuple[Prediction, ...]
    failures: tuple[SceneFailure, ...]


def predict_many(
    jobs: Sequence[SceneJob],
    config: PredictConfig | None = None,
    progress: Progress | None = None,
    *,
    overlap: bool = True,
    on_failure: Callable[[SceneFailure], None] | None = None,
) -> BatchResult:
    """Find the ships of many scenes; a scene that fails does not stop the others.

    The device ``cuda:all`` uses every GPU of the machine, by one process for each. On any other device the scenes
    run one after the other with one loaded model, and small ones two at a time.

    Args:
        jobs: Scenes and their outputs, see `plan_outputs`. The folders of the outputs exist.
        config: Settings of all scenes; None: the defaults.
        progress: Told of progress and warnings. Of small scenes that run two at a time, and of scenes in other
            processes, it hears the beginning or the end, and no pixels.
        overlap: Run small scenes two at a time; False: `progress` hears of one scene at a time.
        on_failure: Called as soon as a scene fails.

    Returns:
        The results and the failures.

    Raises:
        OutputError: An output of any scene exists, and `config.overwrite` is not set, or it is one of the scenes; none
            is begun then.
        GeoshipsError: The model or the device is missing, or a process on a GPU died.
    """
    config, progress = config or PredictConfig(), progress or NoProgress()
    written = (path for job in jobs for path in with_cards(job.outputs))
    refuse_overwrites(written, _named_files(jobs), overwrite=config.overwrite)
    devices = devices_of(config.device)
    if len(devices) > 1 and len(jobs) > 1:
        outcomes = _on_devices(jobs, devices, config, progress)
    else:
        config = config.model_copy(update={"device": devices[0]})
        outcomes = _in_threads(jobs, config, progress, overlap=overlap and len(jobs) > 1)
    predictions: dict[int, Prediction] = {}
    failures: dict[int, SceneFailure] = {}
    for number, outcome in outcomes:
        if isinstance(outcome, Prediction):
            predictions[number] = outcome
            continue
        failures[number] = SceneFailure(without_secrets(str(jobs[number].scene)), outcome)
        if on_failure:
            on_failure(failures[number])
    return BatchResult(
        tuple(predictions[number] for number in sorted(predictions)),
        tuple(failures[number] for number in sorted(failures)),
    )


def _named_files(jobs: Sequence[SceneJob]) -> Iterator[Path]:
    """The local files and folders that the scenes name, without opening any."""
    for job in jobs:
        names = job.scene.inputs if isinstance(job.scene, BandFiles) else (job.scene,)
        yield from (path for name in names if (path := local_file(name)))


Outcome = TypeVar("Outcome")
Outcomes = Iterator[tuple[int, Prediction | GeoshipsError]]  # by number of the job, as the jobs end


def _attempt(
    job: SceneJob, config: PredictConfig, progress: Progress, model: Bundle | None
) -> Prediction | GeoshipsError:
    try:
        return predict(
            job.scene, out=job.out, mask=job.mask, scores=job.scores, stac=job.stac, preview=job.preview,
            project=job.project, config=config, progress=progress, model=model,
        )  # fmt: skip
    except GeoshipsError as error:
        return error


def _on_devices(
    jobs: Sequence[SceneJob], devices: Sequence[str], config: PredictConfig, progress: Progress
) -> Outcomes:
    """Run one process for each device; each loads the model for itself."""
    progress.note(f"{len(jobs)} scenes on {', '.join(devices)}")
    for number, outcome in run_on_devices(jobs, devices, partial(_on_device, config)):
        progress.note(
            f"{without_secrets(str(jobs[number].scene))}: {'failed' if isinstance(outcome, GeoshipsError) else 'done'}"
        )
        yield number, outcome


def _on_device(config: PredictConfig, job: SceneJob, device: str) -> Prediction | GeoshipsError:
    with without_transform_warning():
        model = load_bundle(config.model) if config.model else None
        return _attempt(job, config.model_copy(update={"device": device}), NoProgress(), model)


def _in_threads(jobs: Sequence[SceneJob], config: PredictConfig, progress: Progress, *, overlap: bool) -> Outcomes:
    bundle = load_bundle(config.model) if config.model else None  # else each scene gets the one that suits it
    return overlapped(jobs, lambda job, heard: _attempt(job, config, heard, bundle), progress, overlap=overlap)


def overlapped(
    jobs: Sequence[SceneJob], attempt: Callable[[SceneJob, Progress], Outcome], progress: Progress, *, overlap: bool
) -> Iterator[tuple[int, Outcome]]:
    """Run one job after the other in this process; small ones overlap, so that none waits for files.

    Args:
        jobs: The scenes.
        attempt: Runs one of them; it is called in several threads.
        progress: Told of the scenes that run alone; of small ones it hears the beginning and the warnings.
        overlap: Run small scenes two at a time.

    Yields:
        (index of the job, what `attempt` returned), as the jobs end.
    """
    lock = Lock()
    waiting: deque[tuple[int, Future[Outcome]]] = deque()
    with without_transform_warning(), ThreadPoolExecutor(THREADS, thread_name_prefix="scene") as pool:
        for number, job in enumerate(jobs):
            small = overlap and is_small(job.scene)
            while len(waiting) >= (THREADS if small else 1):
                first, future = waiting.popleft()
                yield first, future.result()
            if small:
                waiting.append((number, pool.submit(attempt, job, _BriefProgress(job, progress, lock))))
            else:
                yield number, attempt(job, progress)
        for number, future in waiting:
            yield number, future.result()


def is_small(scene: SceneName) -> bool:
    """Whether a scene is one local raster file of at most `SMALL_BYTES`; the file is not opened for that."""
    if isinstance(scene, BandFiles):
        return False
    path = Path(os.fspath(scene))
    try:
        return path.suffix.lower() in PIXEL_FILES and path.is_file() and path.stat().st_size <= SMALL_BYTES
    except OSError:
        return False  # the run says what is wrong


class _BriefProgress:
    """Progress of a scene that runs beside others: its beginning and its warnings, with its name."""

    def __init__(self, job: SceneJob, progress: Progress, lock: Lock) -> None:
        self._name, self._progress, self._lock = title_of(str(job.scene)), progress, lock

    def start(self, name: str, pixels: int) -> None:
        """A scene of so many pixels begins."""
        with self._lock:
            self._progress.note(f"{name}: {pixels / 1e6:.1f} Mpix")

    def advance(self, pixels: int) -> None:
        """Do nothing: a small scene is done soon."""

    def warn(self, text: str) -> None:
        """Pass on a warning, with the scene's name."""
        with self._lock:
            self._progress.warn(f"{self._name}: {text}")

    def note(self, text: str) -> None:
        """Do nothing: scenes of one run mostly say the same."""

    def detail(self, text: str) -> None:
        """Pass on a detail, with the scene's name."""
        with self._lock:
            self._progress.detail(f"{self._name}: {text}")

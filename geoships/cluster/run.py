"""A run over many scenes: those that are not done, in this process or in several, once each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from geoships.cluster.attempt import Outcome, attempt, failed_record, shown_name
from geoships.cluster.block_processes import BlockProcesses
from geoships.cluster.blocks import Blocks, shared_scenes
from geoships.cluster.decide import Expected
from geoships.cluster.fingerprint import model_mark, settings_mark
from geoships.cluster.manifest import Manifest
from geoships.cluster.processes import Setup, run_scene
from geoships.cluster.records import SceneRecord
from geoships.cluster.selection import Selection, select
from geoships.cluster.sizes import Size, free_memory, memory_of, pixels_of, read_sizes
from geoships.config import PredictConfig
from geoships.model.bundle import Bundle, load_bundle
from geoships.pipeline.batch import SceneJob, overlapped
from geoships.pipeline.blocks.task import BlockTask
from geoships.support.progress import NoProgress, Progress
from geoships.support.workers import Ended, Event, Lost, Raised, Terms, Told, devices_of, run_jobs

TRIES = 2  # of a scene whose process dies
WAITING = 1.0  # s between two looks at scenes that another run computes


@dataclass(frozen=True)
class RunOptions:
    """How many scenes are run.

    Attributes:
        jobs: Number of processes; None: one for each GPU of ``cuda:all``, else this process alone.
        timeout: Seconds that a scene may take; it then runs in a process of its own. None: any time.
        retry_failed: Try again what failed before.
        overlap: In this process, run small scenes two at a time.
        blocks: How large scenes are cut, and whether one that was stopped goes on.
        part: Which shard of a larger run this is, as in ``2/8``.
        listed: Names of the scenes of all shards by their place; None: those of this run.
    """

    jobs: int | None = None
    timeout: float | None = None
    retry_failed: bool = False
    overlap: bool = True
    blocks: Blocks = field(default_factory=Blocks)
    part: str = "1/1"
    listed: Mapping[str, str] | None = None


@dataclass
class RunResult:
    """What became of the scenes.

    Attributes:
        outcomes: One for each scene, in the order of the jobs.
        seconds: Duration of the run.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0

    def count(self, *states: str) -> int:
        """Number of scenes in some states."""
        return sum(outcome.state in states for outcome in self.outcomes)

    @property
    def failed(self) -> list[Outcome]:
        """Scenes without outputs that belong to this run."""
        return [outcome for outcome in self.outcomes if outcome.failed]


Settle = Callable[[Outcome], None]


def expected_of(out_dir: Path, config: PredictConfig, options: RunOptions, model: Bundle | None) -> Expected:
    """What the outputs of a run are made from.

    Raises:
        GeoshipsError: A file of the settings cannot be read.
    """
    return Expected(
        out_dir,
        settings_mark(config),
        model_mark(model) if model else None,
        overwrite=config.overwrite,
        retry_failed=options.retry_failed,
    )


def run_scenes(
    jobs: Sequence[SceneJob],
    out_dir: Path,
    config: PredictConfig | None = None,
    options: RunOptions | None = None,
    *,
    progress: Progress | None = None,
    on_outcome: Settle = lambda _: None,
) -> RunResult:
    """Find the ships of many scenes, and keep a manifest of them in their folder.

    Scenes that are done are passed over, so that a run which was stopped goes on where it was. A scene that another
    run on the same folder computes is waited for at the end. A scene that fails does not stop the others.

    Args:
        jobs: Scenes and their outputs, see `geoships.pipeline.batch.plan_outputs`.
        out_dir: Folder of the outputs.
        config: Settings of all scenes; None: the defaults. With its `overwrite`, finished scenes are made again.
        options: How the scenes are run; None: one after the other in this process.
        progress: Told of progress and warnings; of scenes in other processes it hears the pixels of all together.
        on_outcome: Called as soon as it is known what became of a scene.

    Returns:
        What became of each scene.

    Raises:
        OutputError: Outputs were made from something else, or the manifest cannot be written.
        GeoshipsError: The model or the device is missing.
    """
    started, config, options = time.monotonic(), config or PredictConfig(), options or RunOptions()
    model = load_bundle(config.model) if config.model else None
    expected = expected_of(out_dir, config, options, model)
    selection = select(jobs, expected)
    Manifest(out_dir).write_list(options.listed or {job.place: shown_name(job) for job in jobs}, options.part)
    run = _Run(expected, config, options, progress or NoProgress(), model)
    settled: dict[str, Outcome] = {}
    for outcome in (*selection.settled, *run.outcomes(selection)):
        settled[outcome.place] = outcome
        on_outcome(outcome)
    return RunResult([settled[job.place] for job in jobs], time.monotonic() - started)


@dataclass(frozen=True)
class _Run:
    expected: Expected
    config: PredictConfig
    options: RunOptions
    progress: Progress
    model: Bundle | None

    @property
    def _manifest(self) -> Manifest:
        return Manifest(self.expected.out_dir)

    def outcomes(self, selection: Selection) -> Iterator[Outcome]:
        """Compute scenes, and those of other runs when these are done or gone."""
        pending = list(selection.run)
        while pending:
            busy: list[SceneJob] = []
            for number, outcome in self._execute(pending):
                if outcome.state == "busy":
                    busy.append(pending[number])
                else:
                    yield outcome
            pending = self._wait_for_others(busy)

    def _wait_for_others(self, busy: list[SceneJob]) -> list[SceneJob]:
        if busy:
            self.progress.note(f"waiting for another run, which computes {', '.join(map(shown_name, busy))}")
        while busy:
            for job in busy:
                with self._manifest.claim(job.place) as free:
                    if free:
                        return busy
            time.sleep(WAITING)
        return busy

    def _execute(self, jobs: Sequence[SceneJob]) -> Iterator[tuple[int, Outcome]]:
        names = devices_of(self.config.device)
        count = self.options.jobs or len(names)
        devices = [names[number % len(names)] for number in range(count)]
        if self.options.timeout is None and count > 1:
            sizes = read_sizes(jobs, trust_vrt=self.config.trust_vrt)
            shared = shared_scenes([pixels_of(size) for size in sizes], count, self.options.blocks.large)
            for number in shared:
                yield number, self._by_all(jobs[number], sizes[number], devices)
            rest = [number for number in range(len(jobs)) if number not in shared]
            for place, outcome in self._one_by_one([jobs[number] for number in rest], devices):
                yield rest[place], outcome
        else:
            yield from self._one_by_one(jobs, devices)

    def _by_all(self, job: SceneJob, size: Size, devices: Sequence[str]) -> Outcome:
        """Compute one large scene in blocks by all processes together."""
        config = self.config.model_copy(update={"device": devices[0]})
        most = max(1, int(min(len(devices), free_memory() // memory_of(size))))
        terms: Terms[BlockTask] = Terms(tries=TRIES, environment=thread_limits(len(devices)))
        blocks = self.options.blocks
        if most > 1:
            blocks = blocks.by(lambda _, tasks: BlockProcesses(tasks, devices[:most], terms))
        return attempt(job, self.expected, config, self.progress, self.model, blocks)

    def _one_by_one(self, jobs: Sequence[SceneJob], devices: Sequence[str]) -> Iterator[tuple[int, Outcome]]:
        """Compute each scene in one process."""
        if self.options.timeout is None and min(len(devices), len(jobs)) <= 1:
            yield from self._in_this_process(jobs, devices[0])
        else:
            yield from self._in_processes(jobs, devices)

    def _in_this_process(self, jobs: Sequence[SceneJob], device: str) -> Iterator[tuple[int, Outcome]]:
        config = self.config.model_copy(update={"device": device})

        def work(job: SceneJob, progress: Progress) -> Outcome:
            return attempt(job, self.expected, config, progress, self.model, self.options.blocks)

        yield from overlapped(jobs, work, self.progress, overlap=self.options.overlap and len(jobs) > 1)

    def _in_processes(self, jobs: Sequence[SceneJob], devices: Sequence[str]) -> Iterator[tuple[int, Outcome]]:
        sizes = read_sizes(jobs, trust_vrt=self.config.trust_vrt)
        order = sorted(range(len(jobs)), key=lambda number: (-pixels_of(sizes[number]), jobs[number].place))
        memory = {jobs[number].place: memory_of(size) for number, size in enumerate(sizes)}
        budget = free_memory()

        def admit(job: SceneJob, running: Sequence[SceneJob]) -> bool:
            return memory[job.place] + sum(memory[other.place] for other in running) <= budget

        terms = Terms(self.options.timeout, TRIES, thread_limits(len(devices)), admit)
        work = partial(run_scene, Setup(self.expected, self.config, self.options.blocks))
        tally = _Tally(self.progress, [pixels_of(sizes[number]) for number in order])
        for event in run_jobs([jobs[number] for number in order], devices[: len(jobs)], work, terms):
            outcome = self._outcome(event, jobs[order[event.index]], tally)
            if outcome is not None:
                tally.finish(event.index)
                yield order[event.index], outcome

    def _outcome(self, event: Event, job: SceneJob, tally: _Tally) -> Outcome | None:
        """The outcome that an event tells; None where it tells of progress."""
        if isinstance(event, Told):
            tally.hear(event.index, event.message)
            return None
        if isinstance(event, Raised):
            raise event.error
        if isinstance(event, Lost):
            return self._record_loss(job, event)
        assert isinstance(event, Ended)
        outcome: Outcome = event.result
        return outcome

    def _record_loss(self, job: SceneJob, lost: Lost) -> Outcome:
        """Write down why the process of a scene ended; done is what it had recorded before."""
        name, manifest = shown_name(job), self._manifest
        reason = f"{lost.reason} (--scene-timeout)" if lost.timed_out else lost.reason
        with manifest.claim(job.place) as ours:
            record = manifest.read(job.place)
            if record is not None and record.ended_after(self.expected.since):
                return Outcome(
                    job.place, name, "done" if record.state == "done" else "failed", record, record.reason or ""
                )
            if record is None or record.finished:  # the process never came so far as to write one
                tries, settings = record.attempts if record else 0, dict(self.expected.settings)
                record = SceneRecord(
                    scene=name, place=job.place, state="running", settings=settings, attempts=tries + 1
                )
            failed = failed_record(record, reason, seconds=self.options.timeout or 0.0 if lost.timed_out else 0.0)
            if ours:
                manifest.write(failed)
        return Outcome(job.place, name, "failed", failed, reason)


class _Tally:
    """Pixels of all scenes together, as other processes tell of them."""

    def __init__(self, progress: Progress, pixels: Sequence[int]) -> None:
        self._progress, self._left = progress, list(pixels)
        progress.start(f"{len(pixels)} scenes", max(1, sum(pixels)))

    def hear(self, index: int, message: object) -> None:
        """Pass on what a scene tells: a number of pixels, or a warning."""
        if isinstance(message, int):
            pixels = min(message, self._left[index])
            self._left[index] -= pixels
            self._progress.advance(pixels)
        elif isinstance(message, str):
            self._progress.warn(message)

    def finish(self, index: int) -> None:
        """Count what is left of a scene that is done or failed."""
        self._progress.advance(self._left[index])
        self._left[index] = 0


def thread_limits(processes: int) -> dict[str, str]:
    """Variables that share the cores among some processes; those that the user has set stay."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = str(max(1, cores // processes))
    return {name: threads for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS") if name not in os.environ}

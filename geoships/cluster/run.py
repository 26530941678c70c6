"""A run over many scenes: those that are not done, in this process or in several, once each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from geoships.cluster.blocks import Blocks, shared_scenes
from geoships.cluster.decide import Expected
from geoships.cluster.fingerprint import mark_apart, model_mark, settings_mark
from geoships.cluster.manifest import Manifest
from geoships.cluster.outcomes import TRIES, Outcome, failed_record, shown_name, timeout_reason
from geoships.cluster.records import SceneRecord
from geoships.cluster.selection import Selection, select
from geoships.cluster.sizes import Size, free_memory, memory_of, pixels_of, read_sizes
from geoships.config import PredictConfig
from geoships.pipeline.jobs import SceneJob
from geoships.support.progress import NoProgress, Progress
from geoships.support.ray_cluster import ray_cluster
from geoships.support.ray_pool import RayTerms, room_of_cluster, run_on_ray
from geoships.support.workers import Ended, Event, Lost, Raised, Terms, Told, devices_of, run_jobs

if TYPE_CHECKING:
    from geoships.model.bundle import Bundle
    from geoships.pipeline.blocks.task import BlockTask

WAITING = 1.0  # s between two looks at scenes that another run computes


@dataclass(frozen=True)
class RunOptions:
    """How many scenes are run.

    Attributes:
        jobs: Number of processes; None: one for each GPU of ``cuda:all``, else this process alone. On a cluster:
            number of actors; None: one for each GPU, or for each node where there is none.
        timeout: Seconds that a scene may take; it then runs in a process of its own. None: any time.
        retry_failed: Try again what failed before.
        overlap: In this process, run small scenes two at a time.
        blocks: How large scenes are cut, and whether one that was stopped goes on.
        part: Which shard of a larger run this is, as in ``2/8``.
        listed: Names of the scenes of all shards by their place; None: those of this run.
        ray: Cluster of Ray that computes, see `geoships.support.ray_cluster.ray_cluster`; None: this machine does.
    """

    jobs: int | None = None
    timeout: float | None = None
    retry_failed: bool = False
    overlap: bool = True
    blocks: Blocks = field(default_factory=Blocks)
    part: str = "1/1"
    listed: Mapping[str, str] | None = None
    ray: str | None = None


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
    apart = options.ray is not None
    mark = mark_apart(config.model) if apart and config.model else model_mark(model) if model else None
    return Expected(
        out_dir,
        settings_mark(config),
        mark,
        overwrite=config.overwrite,
        retry_failed=options.retry_failed,
        apart=apart,
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
    model = _load_model(config) if config.model and options.ray is None else None
    expected = expected_of(out_dir, config, options, model)
    selection = select(jobs, expected)
    Manifest(out_dir).write_list(options.listed or {job.place: shown_name(job) for job in jobs}, options.part)
    run = _Run(expected, config, options, progress or NoProgress(), model)
    settled: dict[str, Outcome] = {}
    on_ray = ray_cluster(options.ray, options.jobs) if options.ray and selection.run else nullcontext()
    with on_ray:
        for outcome in chain(selection.settled, run.outcomes(selection)):
            settled[outcome.place] = outcome
            on_outcome(outcome)
    return RunResult([settled[job.place] for job in jobs], time.monotonic() - started)


def _load_model(config: PredictConfig) -> Bundle:
    from geoships.model.bundle import load_bundle

    return load_bundle(config.model)


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
        if self.options.ray is not None:
            yield from self._on_ray(jobs)
            return
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
        from geoships.cluster.attempt import attempt
        from geoships.cluster.block_processes import block_processes

        config = self.config.model_copy(update={"device": devices[0]})
        most = max(1, int(min(len(devices), free_memory() // memory_of(size))))
        terms: Terms[BlockTask] = Terms(tries=TRIES, environment=thread_limits(len(devices)))
        blocks = self.options.blocks
        if most > 1:
            blocks = blocks.by(lambda _, tasks: block_processes(tasks, devices[:most], terms))
        return attempt(job, self.expected, config, self.progress, self.model, blocks)

    def _one_by_one(self, jobs: Sequence[SceneJob], devices: Sequence[str]) -> Iterator[tuple[int, Outcome]]:
        """Compute each scene in one process."""
        if self.options.timeout is None and min(len(devices), len(jobs)) <= 1:
            yield from self._in_this_process(jobs, devices[0])
        else:
            yield from self._in_processes(jobs, devices)

    def _in_this_process(self, jobs: Sequence[SceneJob], device: str) -> Iterator[tuple[int, Outcome]]:
        from geoships.cluster.attempt import attempt
        from geoships.model.engines.choose import EngineCache
        from geoships.pipeline.batch import overlapped

        engines = EngineCache()
        config = self.config.model_copy(update={"device": device})

        def work(job: SceneJob, progress: Progress) -> Outcome:
            return attempt(job, self.expected, config, progress, self.model, self.options.blocks, engines)

        yield from overlapped(jobs, work, self.progress, overlap=self.options.overlap and len(jobs) > 1)

    def _in_processes(self, jobs: Sequence[SceneJob], devices: Sequence[str]) -> Iterator[tuple[int, Outcome]]:
        from geoships.cluster.processes import Setup, run_scene

        sizes = read_sizes(jobs, trust_vrt=self.config.trust_vrt)
        memory = {jobs[number].place: memory_of(size) for number, size in enumerate(sizes)}
        budget = free_memory()

        def admit(job: SceneJob, running: Sequence[SceneJob]) -> bool:
            return memory[job.place] + sum(memory[other.place] for other in running) <= budget

        terms = Terms(self.options.timeout, TRIES, thread_limits(len(devices)), admit)
        work = partial(run_scene, Setup(self.expected, self.config, self.options.blocks))
        yield from self._outcomes(jobs, sizes, lambda ordered: run_jobs(ordered, devices[: len(jobs)], work, terms))

    def _on_ray(self, jobs: Sequence[SceneJob]) -> Iterator[tuple[int, Outcome]]:
        sizes = read_sizes(jobs, trust_vrt=self.config.trust_vrt)
        shared = self._shared_on_ray(sizes)
        for number in shared:
            yield number, self._by_actors(jobs[number])
        rest = [number for number in range(len(jobs)) if number not in shared]
        for place, outcome in self._one_by_one_on_ray([jobs[one] for one in rest], [sizes[one] for one in rest]):
            yield rest[place], outcome

    def _shared_on_ray(self, sizes: Sequence[Size]) -> list[int]:
        """Which scenes all actors compute together. It is this machine that joins their blocks, on the same device."""
        room = room_of_cluster(self.config.device, self.options.jobs)
        if self.options.timeout is not None or room.actors < 2 or room.device != "cpu":
            return []
        return shared_scenes([pixels_of(size) for size in sizes], room.actors, self.options.blocks.large)

    def _by_actors(self, job: SceneJob) -> Outcome:
        """Compute one large scene in blocks by all actors together."""
        from geoships.cluster.attempt import attempt
        from geoships.cluster.block_processes import block_actors

        name, config = shown_name(job), self.config.model_copy(update={"device": "cpu"})

        def named(task: BlockTask) -> str:
            return f"{name}, block {task.number}"

        terms = RayTerms(self.options.jobs, "cpu", 1, named, note=self.progress.note)
        blocks = self.options.blocks.by(lambda _, tasks: block_actors(tasks, terms))
        return attempt(job, self.expected, config, self.progress, self.model, blocks)

    def _one_by_one_on_ray(self, jobs: Sequence[SceneJob], sizes: Sequence[Size]) -> Iterator[tuple[int, Outcome]]:
        """Compute each scene in one actor."""
        from geoships.cluster.ray_scenes import RaySetup, prepare, run_scene

        if not jobs:
            return
        memory = {jobs[number].place: memory_of(size) for number, size in enumerate(sizes)}
        setup = RaySetup(replace(self.expected, apart=False), self.config, self.options.blocks, self.options.timeout)
        terms: RayTerms[SceneJob] = RayTerms(
            self.options.jobs, self.config.device, TRIES, shown_name, lambda job: memory[job.place], self.progress.note
        )
        work, first = partial(run_scene, setup), partial(prepare, setup)
        yield from self._outcomes(jobs, sizes, lambda ordered: run_on_ray(ordered, work, first, terms))

    def _outcomes(
        self, jobs: Sequence[SceneJob], sizes: Sequence[Size], run: Callable[[Sequence[SceneJob]], Iterator[Event]]
    ) -> Iterator[tuple[int, Outcome]]:
        """Run scenes elsewhere, the largest first."""
        order = sorted(range(len(jobs)), key=lambda number: (-pixels_of(sizes[number]), jobs[number].place))
        tally = _Tally(self.progress, [pixels_of(sizes[number]) for number in order])
        for event in run([jobs[number] for number in order]):
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
        reason = timeout_reason(self.options.timeout or 0.0) if lost.timed_out else lost.reason
        with manifest.claim(job.place) as ours:
            record = manifest.read(job.place)
            if record is not None and self.expected.ended_now(record):
                return Outcome(
                    job.place, name, "done" if record.state == "done" else "failed", record, record.reason or ""
                )
            if record is None or record.finished:  # the process never came so far as to write one
                tries, settings = record.attempts if record else 0, dict(self.expected.settings)
                record = SceneRecord(
                    scene=name,
                    place=job.place,
                    state="running",
                    settings=settings,
                    attempts=tries + 1,
                    run=self.expected.run,
                )
            failed = failed_record(record, reason, seconds=self.options.timeout or 0.0 if lost.timed_out else 0.0)
            if ours:
                manifest.write(failed)
        return Outcome(job.place, name, "failed", failed, reason)


class _Tally:
    """Pixels of all scenes together, as other processes tell of them."""

    def __init__(self, progress: Progress, pixels: Sequence[int]) -> None:
        self._progress, self._left = progress, list(pixels)
        progress.start("1 scene" if len(pixels) == 1 else f"{len(pixels)} scenes", max(1, sum(pixels)))

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

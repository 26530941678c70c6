"""Run jobs in actors of a Ray cluster, with the events of `geoships.support.workers.run_jobs`."""

from __future__ import annotations

import os
import pickle
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic

from geoships.errors import DeviceError
from geoships.support.ray_actor import ActorFacts, ActorSetup, RayActor
from geoships.support.ray_cluster import import_ray, share_of_cpus
from geoships.support.workers import Ended, Event, Job, Lost, Raised, Result, Tell, Told, death_reason

RETRIES = 2  # of a task whose actor died, by Ray; then this program decides
IN_FLIGHT = 2  # tasks of an actor: while it computes one, the next is there already
POLLING = 5.0  # s between two looks at actors that do not answer
UNREACHABLE = 20.0  # s without an answer, after which the jobs of an actor are given to idle ones
WATCH = "watch"  # the threads of an actor that answer while it computes


@dataclass(frozen=True)
class RayTerms(Generic[Job]):
    """How jobs run on a cluster.

    Attributes:
        actors: Number of actors; None: one for each GPU, or for each node where the device is no GPU.
        device: As `PredictConfig.device`: where it is ``auto`` and the cluster has GPUs, each actor has one.
        tries: How often a job is given to actors that die with it, beyond what Ray tries by itself.
        name: Name of a job in Ray's dashboard.
        memory: Bytes that a job may take; None: it does not count.
        note: Told what the cluster does.
    """

    actors: int | None = None
    device: str = "auto"
    tries: int = 2
    name: Callable[[Job], str] = str
    memory: Callable[[Job], int] | None = None
    note: Callable[[str], None] = field(default=lambda _: None)


def run_on_ray(
    jobs: Sequence[Job],
    work: Callable[[Job, str, Tell], Result],
    prepare: Callable[[str], None],
    terms: RayTerms[Job] = RayTerms(),
) -> Iterator[Event]:
    """Run jobs in actors of the cluster to which this program is connected, and report what happens to each.

    An actor holds what all jobs share, and up to two jobs. One that dies is started again by Ray and gets its jobs
    again; those of a node that does not answer are given to others as soon as these have nothing else to do. So a job
    may run twice, even at the same time, and has to leave one result: outputs that appear by rename, behind a lock.

    Args:
        jobs: Arguments of `work`, in the order in which to begin them; small and picklable, such as paths.
        work: Function at module level of a job, a device and a function by which it may tell texts. What it returns
            has to be small, too: it travels to this program.
        prepare: Function at module level of a device, called once in each actor before its first job.
        terms: How the jobs run.

    Yields:
        What jobs tell, and one of `Ended`, `Raised` and `Lost` for each job, as these happen.

    Raises:
        DeviceError: An actor cannot be started.
        Exception: What `prepare` raises.
    """
    running = RayJobs(jobs, work, prepare, terms)
    try:
        while running.unfinished:
            yield from running.events()
    finally:
        running.stop()


class RayJobs(Generic[Job, Result]):
    """Jobs that run in actors as with `run_on_ray`, for a process that has work of its own meanwhile.

    Args:
        jobs, work, prepare, terms: See `run_on_ray`.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        work: Callable[[Job, str, Tell], Result],
        prepare: Callable[[str], None],
        terms: RayTerms[Job] = RayTerms(),
    ) -> None:
        self._pool = _Pool(jobs, pickle.dumps(work), pickle.dumps(prepare), terms)

    @property
    def unfinished(self) -> bool:
        """Whether any job waits or runs."""
        return self._pool.unfinished

    def events(self, *, wait: bool = True) -> Iterator[Event]:
        """What has happened since the last call.

        Args:
            wait: Wait some seconds for something to happen; there may be nothing all the same.
        """
        self._pool.assign()
        yield from self._pool.listen(POLLING if wait else 0.0)
        self._pool.rescue()
        self._pool.assign()

    def stop(self) -> None:
        """End all actors."""
        self._pool.stop()


@dataclass(frozen=True)
class Room:
    """What a cluster has room for.

    Attributes:
        device: ``cuda`` or ``cpu``: what actors compute on. Ray shows an actor no GPU but its own.
        actors: Their number.
        cores: Of each node.
        gpus: Of all nodes.
    """

    device: str
    actors: int
    cores: tuple[float, ...]
    gpus: int


def room_of_cluster(device: str, actors: int | None) -> Room:
    """What the cluster to which this program is connected has room for now.

    Args:
        device: As in `RayTerms`.
        actors: As in `RayTerms`.
    """
    nodes = [node["Resources"] for node in import_ray().nodes() if node["Alive"]]
    gpus = int(sum(node.get("GPU", 0) for node in nodes))
    on_gpus = device.startswith("cuda") or (device == "auto" and gpus > 0)
    cores = tuple(node["CPU"] for node in nodes if node.get("CPU"))
    return Room("cuda" if on_gpus else "cpu", actors or max(1, gpus if on_gpus else len(cores)), cores, gpus)


@dataclass
class _Worker:
    """An actor. facts: None until it is ready. flight: its jobs, that which it computes first. since: when it was
    asked for an answer that it has not given; None: it has answered.
    """

    handle: Any
    starting: Any
    facts: ActorFacts | None = None
    flight: list[int] = field(default_factory=list)
    ping: Any = None
    since: float = 0.0


class _Pool:
    """The actors, and the jobs that are not done."""

    def __init__(self, jobs: Sequence[Any], work: bytes, prepare: bytes, terms: RayTerms[Any]) -> None:
        self._ray, self._jobs, self._terms = import_ray(), jobs, terms
        self._waiting = deque(range(len(jobs)))
        self._tried: Counter[int] = Counter()
        self._running: dict[Any, tuple[_Worker, int]] = {}  # by reference of a task
        self._free: dict[str, int] = {}  # bytes of nodes, when the first actor there was ready
        self._workers = self._start(work, prepare)
        self._told = time.monotonic()

    @property
    def unfinished(self) -> bool:
        """Whether any job waits or runs."""
        return bool(self._waiting or self._running)

    def _start(self, work: bytes, prepare: bytes) -> list[_Worker]:
        room = room_of_cluster(self._terms.device, self._terms.actors)
        count = min(room.actors, len(self._jobs))
        each = share_of_cpus(room.cores, count)
        options = {"num_cpus": each, "max_restarts": -1, "max_task_retries": RETRIES, "scheduling_strategy": "SPREAD"}
        if room.device == "cuda":
            options["num_gpus"] = 1 if count <= room.gpus or not room.gpus else 1 / -(-count // room.gpus)
        shares = f"{each} core{'s' if each > 1 else ''} each"
        self._terms.note(f"Ray: {count} actor{'s' if count > 1 else ''}, {shares}, on {room.device}")
        setup = partial(
            ActorSetup,
            folder=str(Path.cwd()),
            device=room.device,
            environment=threads_of(each),
            work=work,
            prepare=prepare,
        )
        actor = self._ray.remote(concurrency_groups={WATCH: 1})(RayActor)
        workers = []
        for number in range(count):
            name = f"geoships {number + 1} of {count}"
            handle = actor.options(name=f"{name}, {os.getpid()}", **options).remote(setup(name), _node)
            workers.append(_Worker(handle, handle.ready.options(name="load the model").remote()))
        return workers

    def assign(self) -> None:
        """Give waiting jobs to actors: one to each, and a second while there are more jobs than actors."""
        ready = [worker for worker in self._workers if worker.facts and not worker.since]
        for depth in range(1, IN_FLIGHT + 1):
            for worker in ready:
                if len(worker.flight) < depth and (depth == 1 or len(self._waiting) > len(self._workers)):
                    index = self._next(worker)
                    if index is not None:
                        self._send(worker, index)

    def _next(self, worker: _Worker) -> int | None:
        """The first waiting job that fits into the memory of a node beside those that run there."""
        for index in self._waiting:
            if self._fits(worker, index):
                self._waiting.remove(index)
                return index
        return None

    def _fits(self, worker: _Worker, index: int) -> bool:
        memory = self._terms.memory
        if memory is None or worker.facts is None:
            return True
        others = [
            other for other in self._workers
            if other is not worker and other.flight and other.facts and other.facts.node == worker.facts.node
        ]  # fmt: skip
        if not others:
            return True
        taken = sum(max(memory(self._jobs[one]) for one in other.flight) for other in others)
        return taken + memory(self._jobs[index]) <= 0.8 * self._free[worker.facts.node]

    def _send(self, worker: _Worker, index: int) -> None:
        job = self._jobs[index]
        task = worker.handle.run.options(name=self._terms.name(job)).remote(job)
        worker.flight.append(index)
        self._running[task] = worker, index

    def listen(self, patience: float) -> Iterator[Event]:
        """Wait some seconds until something happens; yields what became of jobs."""
        starting = {worker.starting: worker for worker in self._workers if worker.facts is None}
        waited = [*self._running, *starting]
        if not waited or not self._ray.wait(waited, num_returns=1, timeout=patience, fetch_local=False)[0]:
            return
        found, _ = self._ray.wait(waited, num_returns=len(waited), timeout=0, fetch_local=False)
        for task in found:
            if task in starting:
                self._welcome(starting[task])
            elif task in self._running:  # and not given to another meanwhile
                yield from self._receive(task)

    def _welcome(self, worker: _Worker) -> None:
        """Take note that an actor is ready."""
        try:
            kind, content = self._ray.get(worker.starting)
        except self._ray.exceptions.RayError as error:
            raise DeviceError(f"an actor of Ray cannot be started: {_first_line(error)}") from error
        if kind == "raised":
            raise content
        worker.facts = content
        self._free.setdefault(content.node, content.memory)

    def _receive(self, task: Any) -> Iterator[Event]:
        worker, index = self._running[task]
        try:
            kind, content, told = self._ray.get(task)
        except self._ray.exceptions.RayError:
            yield from self._bury(worker)
            return
        del self._running[task]
        worker.flight.remove(index)
        yield from (Told(index, text) for text in told)
        yield Ended(index, content) if kind == "ended" else Raised(index, content)

    def _bury(self, worker: _Worker) -> Iterator[Event]:
        """Take back the jobs of an actor that died more often than Ray tries; the first is that which it computed."""
        computed, *others = self._take_back(worker)
        self._waiting.extendleft(reversed(others))
        self._tried[computed] += 1
        if self._tried[computed] < self._terms.tries:
            self._waiting.append(computed)
            return
        yield Lost(computed, death_reason(self._terms.device, self._tried[computed] * (RETRIES + 1)))

    def _take_back(self, worker: _Worker) -> list[int]:
        flight, worker.flight = worker.flight, []
        for task in [task for task, (other, _) in self._running.items() if other is worker]:
            del self._running[task]
        return flight

    def rescue(self) -> None:
        """Give the jobs of actors that do not answer to idle ones, such as those of a node that is gone."""
        now = time.monotonic()
        if not any(worker.facts for worker in self._workers) and now - self._told > UNREACHABLE:
            self._told = now + 1e9
            self._terms.note("Ray has no room for an actor yet: it waits for free cores, GPUs or nodes")
        idle = any(worker.facts and not worker.flight and not worker.since for worker in self._workers)
        for worker in self._workers:
            if worker.since and self._ray.wait([worker.ping], timeout=0)[0]:
                worker.since = 0.0
            elif idle and not self._waiting and worker.flight and not worker.since:
                worker.ping = worker.handle.ping.options(name="answer", concurrency_group=WATCH).remote()
                worker.since = now
            elif worker.since and worker.flight and idle and now - worker.since > UNREACHABLE:
                self._terms.note("an actor of Ray does not answer: another computes its scenes")
                self._waiting.extend(self._take_back(worker))

    def stop(self) -> None:
        """End all actors."""
        for worker in self._workers:
            self._ray.kill(worker.handle)


def _node() -> str:
    return str(import_ray().get_runtime_context().get_node_id())


def threads_of(cores: int) -> dict[str, str]:
    """Variables that give an actor as many threads as it has cores; those that the user has set stay."""
    return {name: os.environ.get(name, str(cores)) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)

"""Run jobs in worker processes, each of which is interrupted, replaced or given up without the others noticing."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Self, TypeVar

from geoships.errors import DeviceError
from geoships.support.worker_process import ENDING, run_until_stopped

ALL_GPUS = "cuda:all"

STARTING = 300.0  # s that a process may take for its imports, before the time of its first job counts
KILLING = 10.0  # s that a killed process may take to be gone, which is longer for one that waits for a disk
POLLING = 0.5  # s between two looks at jobs that wait for memory

Job = TypeVar("Job")
Result = TypeVar("Result")
Tell = Callable[[object], None]


def devices_of(name: str) -> list[str]:
    """Expand a device name: all GPUs for ``cuda:all``, otherwise the name itself.

    Args:
        name: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``cuda:all``.

    Returns:
        One name per device.

    Raises:
        DeviceError: The name is ``cuda:all`` and no GPU was found.
    """
    if name != ALL_GPUS:
        return [name]
    import torch

    if count := torch.cuda.device_count():
        return [f"cuda:{index}" for index in range(count)]
    raise DeviceError(f"device {ALL_GPUS!r}: no GPU was found; use auto, cpu, cuda or cuda:N")


@dataclass(frozen=True)
class Told:
    """A running job has told something. index: of the job. message: what it told."""

    index: int
    message: object


@dataclass(frozen=True)
class Ended(Generic[Result]):
    """A job is done. index: of the job. result: what it returned."""

    index: int
    result: Result


@dataclass(frozen=True)
class Raised:
    """A job has raised an exception. index: of the job. error: the exception, with the traceback as a note."""

    index: int
    error: Exception


@dataclass(frozen=True)
class Lost:
    """A job whose process died, as often as jobs may be tried, or that took too long.

    index: of the job. reason: what happened, for people. timed_out: whether it took too long.
    """

    index: int
    reason: str
    timed_out: bool = False


Event = Told | Ended[Any] | Raised | Lost


@dataclass(frozen=True)
class Begun:
    """Told by a job whose time begins to count now, after the process has loaded what all its jobs share."""


@dataclass(frozen=True)
class Terms(Generic[Job]):
    """How jobs run.

    Attributes:
        timeout: Seconds that a job may take, from its `Begun` on; None: any time.
        tries: How often a job is begun whose process dies.
        environment: Variables that each process sets before it imports anything.
        admit: Whether a job may run beside some others; None: it always may. One job alone always runs.
    """

    timeout: float | None = None
    tries: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    admit: Callable[[Job, Sequence[Job]], bool] | None = None


def run_jobs(
    jobs: Sequence[Job],
    devices: Sequence[str],
    work: Callable[[Job, str, Tell], Result],
    terms: Terms[Job] = Terms(),
) -> Iterator[Event]:
    """Run jobs in parallel, with one process per device, and report what happens to each.

    A process takes the next job as soon as it is free, so a long job delays no other device. Processes share no queue
    and no lock: one that dies at any moment, even while it sends a result, leaves nothing behind that others wait for.
    A process that died or was stopped is replaced when its device has another job. When the caller stops iterating,
    running jobs are interrupted: KeyboardInterrupt is raised in them, so that they clean up. The same happens in the
    processes if this one dies.

    Args:
        jobs: Arguments of `work`, in the order in which to begin them; they must be picklable.
        devices: Device names, e.g. from `devices_of`. A repeated name gets one process each time.
        work: Function at module level that takes a job, a device name and a function by which it may tell things.
        terms: How the jobs run.

    Yields:
        What jobs tell, and one of `Ended`, `Raised` and `Lost` for each job, as these happen.
    """
    with RunningJobs(jobs, devices, work, terms) as running:
        while running.unfinished:
            yield from running.events()


class RunningJobs(Generic[Job, Result]):
    """Jobs that run in parallel as with `run_jobs`, for a process that has work of its own meanwhile.

    They begin, and free processes get the next ones, when `events` is iterated. At the end of the with block all
    processes end.

    Args:
        jobs, devices, work, terms: See `run_jobs`.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        devices: Sequence[str],
        work: Callable[[Job, str, Tell], Result],
        terms: Terms[Job] = Terms(),
    ) -> None:
        self._pool = _Pool(jobs, devices, pickle.dumps(work), terms)

    @property
    def unfinished(self) -> bool:
        """Whether any job waits or runs."""
        return self._pool.unfinished

    def events(self, *, wait: bool = True) -> Iterator[Event]:
        """What has happened since the last call.

        Args:
            wait: Wait until something has; otherwise there may be nothing.
        """
        self._pool.assign()
        yield from self._pool.listen(None if wait else 0.0)
        yield from self._pool.end_overdue()
        self._pool.assign()

    def stop(self) -> None:
        """End all processes."""
        self._pool.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def run_on_devices(
    jobs: Sequence[Job], devices: Sequence[str], work: Callable[[Job, str], Result]
) -> Iterator[tuple[int, Result]]:
    """Run jobs in parallel, as `run_jobs` does, up to the first that fails.

    Args:
        jobs: Arguments of `work`; they must be picklable.
        devices: Device names, e.g. from `devices_of`. A repeated name gets one process each time.
        work: Function at module level that takes a job and a device name. Its exceptions are raised here, with the
            traceback of the process as a note.

    Yields:
        (index of the job, result of the job), in the order in which jobs finish.

    Raises:
        DeviceError: A process died.
    """
    events = run_jobs(jobs, devices[: len(jobs)], partial(_without_tell, work))
    try:
        for event in events:
            if isinstance(event, Ended):
                yield event.index, event.result
            elif isinstance(event, Raised):
                raise event.error
            elif isinstance(event, Lost):
                raise DeviceError(event.reason)
    finally:
        events.close()  # type: ignore[attr-defined]  # a generator: its processes end now and not at some later time


def _without_tell(work: Callable[[Job, str], Result], job: Job, device: str, tell: Tell) -> Result:  # noqa: ARG001
    return work(job, device)


@dataclass
class _Worker:
    """A process. index: of the job that it works on; None: it is idle. deadline: when this job has to be done."""

    device: str
    process: BaseProcess
    connection: Any
    index: int | None = None
    deadline: float | None = None


class _Pool:
    """The processes and the jobs that are not done."""

    def __init__(self, jobs: Sequence[Any], devices: Sequence[str], work: bytes, terms: Terms[Any]) -> None:
        self._jobs, self._work, self._terms = jobs, work, terms
        self._waiting = deque(range(len(jobs)))
        self._tried: Counter[int] = Counter()
        self._idle_devices = list(devices)[::-1]  # without a process
        self._workers: list[_Worker] = []

    @property
    def unfinished(self) -> bool:
        """Whether any job waits or runs."""
        return bool(self._waiting or self._busy)

    @property
    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.index is not None]

    def assign(self) -> None:
        """Give waiting jobs to idle processes, and start processes for devices without one."""
        while self._waiting:
            worker = next((worker for worker in self._workers if worker.index is None), None)
            if worker is None and not self._idle_devices:
                return
            index = self._next()
            if index is None:
                return
            self._send(worker or self._start(self._idle_devices.pop()), index)

    def _next(self) -> int | None:
        """The first waiting job that may run beside those that run."""
        running = [self._jobs[worker.index] for worker in self._busy if worker.index is not None]
        admit = self._terms.admit
        for index in self._waiting:
            if not running or admit is None or admit(self._jobs[index], running):
                self._waiting.remove(index)
                return index
        return None

    def _start(self, device: str) -> _Worker:
        context = multiprocessing.get_context("spawn")  # CUDA does not work in forked processes
        connection, far_end = context.Pipe()
        arguments = (self._work, device, far_end, dict(self._terms.environment))
        process: BaseProcess = context.Process(target=run_until_stopped, args=arguments)
        process.start()
        far_end.close()  # only the process holds it now: where it dies, the connection ends
        worker = _Worker(device, process, connection)
        self._workers.append(worker)
        return worker

    def _send(self, worker: _Worker, index: int) -> None:
        self._tried[index] += 1
        worker.index = index
        worker.deadline = self._deadline(STARTING)
        with suppress(ConnectionError):  # the process is dead, which `listen` reports
            worker.connection.send(self._jobs[index])

    def _deadline(self, more: float = 0) -> float | None:
        return None if self._terms.timeout is None else time.monotonic() + more + self._terms.timeout

    def listen(self, most: float | None = None) -> Iterator[Event]:
        """Wait until a process says something or a job is overdue; yields what was said. most: seconds to wait."""
        deadlines = [worker.deadline for worker in self._busy if worker.deadline is not None]
        patience = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        if self._waiting and self._terms.admit:  # memory may become free without any process saying so
            patience = POLLING if patience is None else min(patience, POLLING)
        if most is not None:
            patience = most if patience is None else min(patience, most)
        by_connection = {worker.connection: worker for worker in self._busy}
        for ready in wait(list(by_connection), patience):
            yield from self._receive(by_connection[ready])

    def _receive(self, worker: _Worker) -> Iterator[Event]:
        index = worker.index
        assert index is not None
        try:
            kind, content = worker.connection.recv()
        except (EOFError, ConnectionError, pickle.UnpicklingError):
            yield from self._bury(worker)
            return
        if kind == "told":
            if isinstance(content, Begun):
                worker.deadline = self._deadline()
            else:
                yield Told(index, content)
            return
        worker.index = worker.deadline = None
        yield Ended(index, content) if kind == "ended" else Raised(index, content)

    def _bury(self, worker: _Worker) -> Iterator[Event]:
        """Let the job of a dead process be tried again, or report it."""
        index = worker.index
        assert index is not None
        self._end(worker)
        if self._tried[index] < self._terms.tries:
            self._waiting.append(index)
            return
        yield Lost(index, death_reason(worker.device, self._tried[index], _how(worker.process)))

    def end_overdue(self) -> Iterator[Event]:
        """Stop the processes whose job takes too long; yields their jobs."""
        now = time.monotonic()
        for worker in self._busy:
            if worker.deadline is not None and worker.deadline <= now and worker.index is not None:
                index = worker.index
                self._end(worker)
                yield Lost(index, f"not done after {self._terms.timeout:g} s", timed_out=True)

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        self._idle_devices.append(worker.device)
        _end_processes([worker])

    def stop(self) -> None:
        """End all processes."""
        _end_processes(self._workers)
        self._workers = []


def death_reason(device: str, tries: int, how: str = "") -> str:
    """Why a job is given up whose process died, for people.

    Args:
        device: Of the process.
        tries: How often it died with the job.
        how: It died, as far as that is known.

    >>> death_reason("cpu", 2)
    'a process on cpu died in each of 2 tries, perhaps out of memory; use fewer processes or smaller tiles'
    """
    parts = [f"a process on {device} died"]
    if tries > 1:
        parts.append(f"in each of {tries} tries")
    if how:
        parts.append(f"({how})")
    return f"{' '.join(parts)}, perhaps out of memory; use fewer processes or smaller tiles"


def _end_processes(workers: Sequence[_Worker]) -> None:
    """Interrupt processes, and kill those that do not end; one that cannot be killed is left to the system."""
    for worker in workers:
        worker.process.terminate()
        worker.connection.close()  # ends a process whose job has swallowed the interrupt
    patience = time.monotonic() + ENDING
    for worker in workers:
        worker.process.join(max(0.0, patience - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join(KILLING)


def _how(process: BaseProcess) -> str:
    code = process.exitcode
    if code is None or code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"

"""Run jobs in worker processes, one per device of a machine."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from geoships.errors import DeviceError

ALL_GPUS = "cuda:all"

Job = TypeVar("Job")
Result = TypeVar("Result")


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


def run_on_devices(
    jobs: Sequence[Job], devices: Sequence[str], work: Callable[[Job, str], Result]
) -> Iterator[tuple[int, Result]]:
    """Run jobs in parallel, with one process per device.

    A process takes the next job as soon as it is free, so a long job delays no other device. When a job fails, or the
    caller stops iterating, running jobs are interrupted: KeyboardInterrupt is raised in them, so that they clean up.

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
    context = multiprocessing.get_context("spawn")  # CUDA does not work in forked processes
    waiting = list(enumerate(jobs))[::-1]
    processes: list[tuple[BaseProcess, Any]] = []  # each with the connection to it
    busy: dict[Any, tuple[int, str]] = {}  # index of the job and device, by connection
    try:
        for device in devices[: len(jobs)]:
            connection, far_end = context.Pipe()
            process: BaseProcess = context.Process(target=_run_until_stopped, args=(work, device, far_end))
            process.start()
            processes.append((process, connection))
            far_end.close()  # only the process holds it now: where it dies, the connection ends
            busy[connection] = _send_next(waiting, connection), device
        while busy:
            for ready in wait(list(busy)):
                index, device = busy.pop(ready)
                result = _receive(ready, device)
                if waiting:
                    busy[ready] = _send_next(waiting, ready), device
                yield index, result
    finally:
        for process, connection in processes:
            process.terminate()
            connection.close()  # ends a process whose job has swallowed the interrupt
        for process, _ in processes:
            process.join()


def _send_next(waiting: list[tuple[int, Job]], connection: Any) -> int:
    """Send the next job and return its index."""
    index, job = waiting.pop()
    with suppress(BrokenPipeError):  # the process is dead, which `_receive` reports
        connection.send(job)
    return index


def _receive(connection: Any, device: str) -> Any:
    try:
        succeeded, result = connection.recv()
    except (EOFError, ConnectionError) as error:
        raise DeviceError(
            f"a process on {device} died, perhaps out of memory; use fewer processes or smaller tiles"
        ) from error
    if not succeeded:
        raise result
    return result


def _run_until_stopped(work: Callable[[Job, str], Result], device: str, connection: Connection) -> None:
    """Run one job after another until the process is interrupted or its parent has closed the connection."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt_once)
    with suppress(KeyboardInterrupt, EOFError, ConnectionError):
        while True:
            job = connection.recv()
            try:
                connection.send((True, work(job, device)))
            except Exception as error:  # of any kind: the parent process raises it again
                error.add_note(f"in the process on {device}:\n{traceback.format_exc()}")
                connection.send((False, error))


def _interrupt_once(*_: object) -> None:
    """Interrupt the job, and let nothing interrupt its clean-up."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt

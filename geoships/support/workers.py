"""Work on many scenes with all GPUs of a machine: one process for each."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from geoships.errors import DeviceError

ALL = "cuda:all"

Job = TypeVar("Job")
Result = TypeVar("Result")


def devices_of(name: str) -> list[str]:
    """The devices that a name stands for: every GPU for ``cuda:all``, else itself.

    Raises DeviceError where there is no GPU.
    """
    if name != ALL:
        return [name]
    import torch

    if count := torch.cuda.device_count():
        return [f"cuda:{index}" for index in range(count)]
    raise DeviceError(f"no device {ALL!r} here (no GPU was found); use auto, cpu, cuda or cuda:N")


def spread(
    jobs: Sequence[Job], devices: Sequence[str], work: Callable[[Job, str], Result]
) -> Iterator[tuple[int, Result]]:
    """Yield (number of the job, result) as jobs are done, by one process for each device.

    A process takes the next job as soon as it is free, so that large jobs hold up none but its own device.

    work: a function of a module, given a job and the name of a device; what it raises is raised here. Raises
    DeviceError where a process dies.
    """
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    names = context.Queue()
    for device in devices:
        names.put(device)
    pool = ProcessPoolExecutor(len(devices), context, _take_device, (names,))
    try:
        numbers = {pool.submit(_on_own_device, work, job): number for number, job in enumerate(jobs)}
        for future in as_completed(numbers):
            yield numbers[future], future.result()
    except BrokenProcessPool as error:
        raise DeviceError(
            f"a process on {', '.join(devices)} died, perhaps for want of memory; run fewer devices or smaller tiles"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_own: list[str] = []  # name of this process's device


def _take_device(names: Any) -> None:
    _own[:] = [names.get()]


def _on_own_device(work: Callable[[Job, str], Result], job: Job) -> Result:
    return work(job, _own[0])

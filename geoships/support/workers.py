"""Process many scenes on all GPUs of a machine, with one process per GPU."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
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

    A process takes the next job as soon as it is free, so a long job delays no other device.

    Args:
        jobs: Arguments of `work`; they must be picklable.
        devices: Device names, e.g. from `devices_of`.
        work: Function at module level that takes a job and a device name. Its exceptions are raised here.

    Yields:
        (index of the job, result of the job), in the order in which jobs finish.

    Raises:
        DeviceError: A process died.
    """
    context = multiprocessing.get_context("spawn")  # CUDA does not work in forked processes
    names = context.Queue()
    for device in devices:
        names.put(device)
    pool = ProcessPoolExecutor(len(devices), context, _take_device, (names,))
    try:
        indexes = {pool.submit(_on_own_device, work, job): index for index, job in enumerate(jobs)}
        for future in as_completed(indexes):
            yield indexes[future], future.result()
    except BrokenProcessPool as error:
        raise DeviceError(
            f"a process on {', '.join(devices)} died, perhaps out of memory; use fewer devices or smaller tiles"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_own_device: list[str] = []  # name of this process's device


def _take_device(names: Any) -> None:
    _own_device[:] = [names.get()]


def _on_own_device(work: Callable[[Job, str], Result], job: Job) -> Result:
    return work(job, _own_device[0])

"""Blocks of one scene in several processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Protocol, Self

from geoships.errors import DeviceError
from geoships.model.bundle import Bundle, load_bundle
from geoships.pipeline.blocks.compute import BlockRunner
from geoships.pipeline.blocks.task import BlockResult, BlockTask
from geoships.support.memory import use_one_arena
from geoships.support.ray_pool import RayJobs, RayTerms
from geoships.support.transform_warning import without_transform_warning
from geoships.support.workers import Begun, Ended, Event, Lost, Raised, RunningJobs, Tell, Terms


def run_block_task(task: BlockTask, device: str, tell: Tell) -> BlockResult:
    """Compute a block in a worker process.

    Args:
        task: The block.
        device: That computes.
        tell: Hears `Begun` when the model is loaded.
    """
    use_one_arena()
    runner = _runner(str(task.config.model), device)
    tell(Begun())
    with without_transform_warning():
        return runner.run(task)


@cache
def _runner(model: str, device: str) -> BlockRunner:
    """What a process keeps from one block to the next."""
    return BlockRunner(model=_bundle(model), device=device)


def _bundle(name: str) -> Bundle:
    return load_bundle(name)


class Running(Protocol):
    """Jobs that run elsewhere, such as `RunningJobs` and `RayJobs`."""

    @property
    def unfinished(self) -> bool:
        """Whether any job waits or runs."""

    def events(self, *, wait: bool = True) -> Iterator[Event]:
        """What has happened since the last call."""

    def stop(self) -> None:
        """End all processes."""


def block_processes(tasks: Sequence[BlockTask], devices: Sequence[str], terms: Terms[BlockTask]) -> BlockProcesses:
    """Processes of this machine that compute the blocks of a scene.

    Args:
        tasks: The blocks.
        devices: One process for each, see `run_jobs`.
        terms: How often a block is begun whose process dies, and the variables of the processes.
    """
    return BlockProcesses(tasks, RunningJobs(tasks, devices[: len(tasks)], run_block_task, terms))


def block_actors(tasks: Sequence[BlockTask], terms: RayTerms[BlockTask]) -> BlockProcesses:
    """Actors of Ray that compute the blocks of a scene.

    Args:
        tasks: The blocks.
        terms: The actors.
    """
    return BlockProcesses(tasks, RayJobs(tasks, run_block_task, _prepare, terms))


def _prepare(device: str) -> None:
    """Do nothing: the model is loaded with the first block."""


class BlockProcesses:
    """Processes that compute the blocks of a scene, from the top down.

    A process that dies is replaced, and its block is computed once more. The processes end with the last block.

    Args:
        tasks: The blocks.
        running: The processes, which compute these.
    """

    def __init__(self, tasks: Sequence[BlockTask], running: Running) -> None:
        self._tasks = tasks
        self._running = running
        self._results: dict[int, BlockResult] = {}  # by the number of the block

    def result(self, task: BlockTask) -> BlockResult:
        """Wait until a block is computed.

        Raises:
            GeoshipsError: It cannot be computed.
        """
        while task.number not in self._results:
            for event in self._running.events():
                self._hear(event)
        return self._results[task.number]

    def go_on(self) -> None:
        """Give free processes their next block."""
        if self._running.unfinished:
            for event in self._running.events(wait=False):
                self._hear(event)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Raised):
            raise event.error
        if isinstance(event, Lost):
            raise DeviceError(event.reason)
        if isinstance(event, Ended):
            self._results[self._tasks[event.index].number] = event.result
            if not self._running.unfinished:
                self._running.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.stop()

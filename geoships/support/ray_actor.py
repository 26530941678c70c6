"""What an actor of Ray does: one job after another, with what all jobs share loaded once."""

from __future__ import annotations

import os
import pickle
import socket
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from geoships.support.worker_process import picklable

Tell = Callable[[object], None]


@dataclass(frozen=True)
class ActorSetup:
    """What an actor is started with.

    Attributes:
        name: Of the actor.
        folder: Working folder of the process that hands out jobs; relative names of files begin there.
        device: Name of the device that computes.
        environment: Variables to set before anything that computes is imported.
        work: Pickled function of a job, a device and a function by which it may tell things.
        prepare: Pickled function of a device, called once before the first job.
    """

    name: str
    folder: str
    device: str
    environment: Mapping[str, str]
    work: bytes
    prepare: bytes


@dataclass(frozen=True)
class ActorFacts:
    """What an actor says of itself when it is ready.

    Attributes:
        node: Which node of the cluster it is on.
        memory: Free memory of the node in bytes.
    """

    node: str
    memory: int


class RayActor:
    """Runs the jobs that it is sent; the class of the actors, without Ray's part of it.

    Nothing that is imported here computes anything: the environment is set before PyTorch is loaded.

    Args:
        setup: What it is started with.
        node: Finds the node of the cluster that it is on.
    """

    def __init__(self, setup: ActorSetup, node: Callable[[], str]) -> None:
        self._setup, self._node = setup, node
        self._work: Callable[[Any, str, Tell], Any] | None = None

    def __repr__(self) -> str:
        """The name by which logs and the dashboard show it."""
        return self._setup.name

    def ready(self) -> tuple[str, Any]:
        """Load what all jobs share; ``("ended", ActorFacts)``, or ``("raised", the exception)``."""
        return self._caught(self._ready)

    def run(self, job: Any) -> tuple[str, Any, list[str]]:
        """Run a job.

        Returns:
            ``ended`` and what it returned, or ``raised`` and the exception; and the texts that it told.
        """
        told: list[object] = []
        kind, content = self._caught(lambda: self._function()(job, self._setup.device, told.append))
        return kind, content, [text for text in told if isinstance(text, str)]

    def ping(self) -> None:
        """Do nothing: an answer shows that the actor is there."""

    def _ready(self) -> ActorFacts:
        self._function()
        memory = int(psutil.virtual_memory().available)
        return ActorFacts(self._node(), memory)

    def _function(self) -> Callable[[Any, str, Tell], Any]:
        """The function of jobs; what they share is loaded, also after the actor was started anew."""
        if self._work is None:
            os.environ.update(self._setup.environment)
            os.chdir(self._setup.folder)
            pickle.loads(self._setup.prepare)(self._setup.device)  # noqa: S301 (from the process that hands out jobs)
            self._work = pickle.loads(self._setup.work)  # noqa: S301 (as above)
        return self._work

    def _caught(self, function: Callable[[], Any]) -> tuple[str, Any]:
        try:
            return "ended", function()
        except Exception as error:  # of any kind: the process that hands out jobs hears of it
            error.add_note(f"in {self._setup.name} on {socket.gethostname()}:\n{traceback.format_exc()}")
            return "raised", picklable(error)

"""A worker: claims one job after another, has it done by a process, and renews its lease meanwhile."""

from __future__ import annotations

import logging
import os
import socket
import time
from dataclasses import dataclass, field

from geoships.errors import GeoshipsError
from geoships.service.folders import DataFolder, size_of
from geoships.service.jobs import Job
from geoships.service.settings import ServiceSettings
from geoships.service.store.database import StoreError
from geoships.service.store.store import Store
from geoships.service.work.assignment import Assignment, JobFailedError
from geoships.service.work.process import DETECT, JobProcess

_log = logging.getLogger(__name__)

IDLE = 0.5  # s between two looks for a job
BEAT = 0.5  # s between two renewals of a lease, and the longest until a cancelled job is noticed


PRELOAD = ("geoships.pipeline.predict", "geoships.service.work.pictures")


@dataclass
class _Going:
    """A job that is going on: how far it is, and when it began."""

    job: Job
    progress: float = 0.0
    message: str = "starting"
    begun: float = field(default_factory=time.monotonic)


class Worker:
    """Does jobs until it is told to stop; a service has any number of them, on any number of machines.

    Args:
        store: The service's store.
        settings: The service's settings.
        work: Function that does a job, as ``module:name``; another one serves tests.
        name: Name of the worker; None: made from the machine and the process.
    """

    def __init__(self, store: Store, settings: ServiceSettings, *, work: str = DETECT, name: str | None = None) -> None:
        self._store, self._settings = store, settings
        self._folder = DataFolder(settings.data_dir)
        self._process = JobProcess(work, settings.predict.device, PRELOAD if work == DETECT else ())
        self._stopping = False
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"

    def stop(self) -> None:
        """Let `run` return soon: a job that is going on is given back, and another worker begins it again."""
        self._stopping = True  # no Event: a signal handler that sets one may wait for itself

    def run(self) -> None:
        """Do jobs until `stop`. A store that does not answer is asked again."""
        try:
            self._process.start()
            while not self._stopping:
                if not self._step():
                    time.sleep(IDLE)
        finally:
            self._process.end()

    def _step(self) -> bool:
        """Do one job; returns whether there was one."""
        try:
            job = self._store.claim(self.name, self._settings.lease)
            if job is None:
                return False
            self._attend(job)
        except StoreError as error:
            _log.warning("the store does not answer, trying again: %s", error)
            self._process.end()
            return False
        return True

    def _attend(self, job: Job) -> None:
        _log.info("job %s: attempt %d of %s begins", job.id, job.attempts, job.title)
        going = _Going(job)
        self._process.begin(
            Assignment(
                self._settings,
                self._folder.input(job.id),
                self._folder.attempt(job.id, job.token),
                job.source,
                job.options,
            )
        )
        beaten = 0.0
        while True:
            heard = self._process.heard(BEAT / 2)
            if heard is not None and self._take(going, *heard):
                return
            if time.monotonic() - beaten >= BEAT:
                beaten = time.monotonic()
                if not self._beat(going):
                    return

    def _take(self, going: _Going, kind: str, content: object) -> bool:
        """Take what the process says; returns whether the job is over."""
        job = going.job
        if kind == "told":
            going.progress, going.message = content  # type: ignore[misc]
            return False
        if kind == "ended":
            assert isinstance(content, dict)
            size = int(content.pop("size", 0)) or size_of(self._folder.job(job.id))
            self._report(job, self._store.succeed(job, {**content, "attempt": job.token}, size), "done")
        elif kind == "raised":
            self._report(job, self._store.fail(job, _reason(content)), "failed")
        else:
            self._process.end()
            _log.warning("job %s: its process died (%s)", job.id, content)
            self._report(job, self._store.lose(job), "its process died")
        return True

    def _beat(self, going: _Going) -> bool:
        """Renew the lease; returns False where the job is not to go on."""
        job = going.job
        pulse = self._store.renew(job, self._settings.lease, going.progress, going.message)
        timeout = self._settings.job_timeout
        late = timeout is not None and time.monotonic() - going.begun > timeout
        if pulse.held and not pulse.cancelled and not late and not self._stopping:
            return True
        self._process.end()
        if pulse.cancelled:
            self._report(job, self._store.dismiss(job), "dismissed")
        elif pulse.held and late:
            self._report(
                job, self._store.fail(job, f"it took longer than the {timeout:g} s that a job may take"), "late"
            )
        elif pulse.held:
            self._report(job, self._store.release(job), "given back")
        else:
            _log.warning("job %s: another worker has it now", job.id)
        return False

    def _report(self, job: Job, counts: bool, what: str) -> None:
        _log.info("job %s: %s%s", job.id, what, "" if counts else ", which another worker has overtaken")


def _reason(error: object) -> str:
    """Why a job failed, for its owner: errors that were not expected are only named, and logged in full."""
    if isinstance(error, JobFailedError):
        return str(error)
    notes = "\n".join(getattr(error, "__notes__", []))
    _log.error("an error that was not expected: %r\n%s", error, notes)
    if isinstance(error, MemoryError):
        return "it needs more memory than the worker has"
    kind = "" if isinstance(error, GeoshipsError) else f" ({type(error).__name__})"
    return f"an error that was not expected{kind}; the log of the worker has more"

"""Removes what nobody needs: old jobs, uploads that never ended, and files that belong to no job."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path

from geoships.service.folders import DataFolder, is_identity
from geoships.service.jobs import Job
from geoships.service.settings import Limits
from geoships.service.store.store import Store

_log = logging.getLogger(__name__)

DAY = 86_400.0
UPLOAD_DAYS = 1.0  # since anything came of an upload
ORPHAN = 3600.0  # s: younger folders may be those of a job that is being accepted


def tidy(folder: DataFolder, store: Store, limits: Limits) -> int:
    """Remove old jobs by age and size, uploads that were given up, folders without a job, and attempts that were lost.

    Returns:
        How many jobs were removed.
    """
    removed = 0
    if limits.keep_days:
        for job in store.ended(time.time() - limits.keep_days * DAY):
            removed += _remove(folder, store, job)
    if limits.keep:
        total = store.bytes_of()
        for job in store.ended():
            if total <= limits.keep:
                break
            total -= job.size
            removed += _remove(folder, store, job)
    _remove_old(folder.uploads, UPLOAD_DAYS * DAY, set())
    names = [path.name for path in folder.jobs.iterdir() if is_identity(path.name)]
    _remove_old(folder.jobs, ORPHAN, store.known(names))
    for job in store.ended():
        _remove_attempts(folder, job)
    return removed


def _remove(folder: DataFolder, store: Store, job: Job) -> bool:
    if not store.remove(job.id):
        return False
    folder.remove_job(job.id)
    _log.info("job %s was removed: it is too old, or there is no room", job.id)
    return True


def _remove_old(parent: Path, age: float, kept: set[str]) -> None:
    for path in parent.iterdir():
        try:
            old = time.time() - max(each.stat().st_mtime for each in (path, *path.rglob("*"))) > age
        except OSError:  # it goes away meanwhile
            continue
        if old and path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _remove_attempts(folder: DataFolder, job: Job) -> None:
    """Remove what attempts have left that are not the result."""
    for path in folder.job(job.id).glob("attempt-*"):
        if path.name != f"attempt-{job.result.get('attempt')}":
            shutil.rmtree(path, ignore_errors=True)

"""Whether there is room for an upload: on the disk, in the quota of its key, and under the size limit."""

from __future__ import annotations

from geoships.service.folders import DataFolder
from geoships.service.problems import ProblemError
from geoships.service.settings import Limits
from geoships.service.store.store import Store


def require_room(folder: DataFolder, store: Store, limits: Limits, *, owner: str, quota: int, size: int) -> None:
    """Refuse an upload that there is no room for, before it is read.

    Args:
        folder: The service's folder.
        store: The service's store.
        limits: The service's limits.
        owner: Who sends it.
        quota: Bytes that the owner's jobs may take.
        size: Its bytes; 0 where they are not known yet.

    Raises:
        ProblemError: 413 where it is too large, 507 where the quota or the disk is full.
    """
    if size > limits.upload:
        raise too_large(limits)
    used = store.bytes_of(owner)
    if used + size > quota:
        raise ProblemError(
            507, f"your jobs take {used} bytes of {quota}: delete some, or wait until they are too old", kind="quota"
        )
    if folder.free() - size < limits.free:
        raise disk_full()


def too_large(limits: Limits) -> ProblemError:
    """The upload is too large."""
    return ProblemError(
        413, f"the upload is too large: at most {limits.upload} bytes are taken", kind="too-large", limit=limits.upload
    )


def disk_full() -> ProblemError:
    """The disk is full."""
    return ProblemError(507, "the disk of the service has no room for this upload; try again later", kind="disk-full")

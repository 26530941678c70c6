"""Work for processes of their own; it has to be importable there."""

import os
import time

from geoships.errors import SceneError


def busy(job: int, device: str) -> tuple[int, str, int]:
    if job < 0:
        raise SceneError(f"job {job} on {device}")
    time.sleep(0.3 if job == 0 else 0.02)
    return job * job, device, os.getpid()


def dying(job: int, device: str) -> None:  # noqa: ARG001
    os._exit(1)

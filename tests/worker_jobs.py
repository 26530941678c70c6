"""Jobs for worker processes, which import them by name."""

import os
import time
from pathlib import Path

from geoships.errors import SceneError


def square(job: int, device: str) -> tuple[int, str, int]:
    """The square, the device and the process id; job 0 is slow, and negative ones fail."""
    if job < 0:
        raise SceneError(f"job {job} on {device}")
    time.sleep(0.3 if job == 0 else 0.02)
    return job * job, device, os.getpid()


def die(job: int, device: str) -> None:  # noqa: ARG001
    os._exit(1)


def wait_or_fail(folder: Path, device: str) -> None:  # noqa: ARG001
    """The first process to come waits for a minute, and notes how it ends; the second fails as soon as it waits."""
    try:
        (folder / "first").mkdir()
    except FileExistsError:
        while not (folder / "waits").exists():
            time.sleep(0.01)
        raise SceneError("the second job fails") from None
    try:
        (folder / "waits").touch()
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(0.1)
        (folder / "cleaned up").touch()

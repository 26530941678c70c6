"""Jobs for worker processes, which import them by name."""

import os
import signal
import time
from pathlib import Path

from geoships.errors import SceneError
from geoships.support.workers import Begun, Tell


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


def tell_twice(job: str, device: str, tell: Tell) -> str:  # noqa: ARG001
    tell(Begun())
    tell(f"{job} 1")
    tell(f"{job} 2")
    return job.upper()


def die_once(job: tuple[Path, str], device: str, tell: Tell) -> str:  # noqa: ARG001
    """Dies as the kernel kills processes that take too much memory."""
    file, what = job
    if what == "die always" or (what == "die once" and not file.exists()):
        file.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return what


def hang_or_square(job: int, device: str, tell: Tell) -> int:  # noqa: ARG001
    tell(Begun())
    if job == 1:
        time.sleep(60)
    return job * job


def ignore_the_end(job: int, device: str, tell: Tell) -> None:  # noqa: ARG001
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell("deaf")
    time.sleep(60)


class UnpicklableError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def raise_unpicklable(job: int, device: str, tell: Tell) -> None:  # noqa: ARG001
    raise UnpicklableError(1, 2)


def variable(job: str, device: str, tell: Tell) -> str:  # noqa: ARG001
    return os.environ[job]

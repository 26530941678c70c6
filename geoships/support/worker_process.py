"""What a worker process does: one job after another, until it is interrupted or its parent is gone."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection

from geoships.errors import GeoshipsError

ENDING = 5.0  # s that a process may take to clean up, before it is killed


def run_until_stopped(work: bytes, device: str, connection: Connection, environment: dict[str, str]) -> None:
    """Run one job after another until the process is interrupted or its parent has closed the connection.

    Args:
        work: The pickled function, see `geoships.support.workers.run_jobs`.
        device: Name of the device, which the function is given.
        connection: Brings jobs, and takes pairs: ``told``, ``ended`` or ``raised``, and what was told, returned or
            raised.
        environment: Variables to set before the function is imported.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt_once)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(environment)
    sending = threading.Lock()

    def send(kind: str, content: object) -> None:
        with sending:
            connection.send((kind, content))

    with suppress(KeyboardInterrupt, EOFError, ConnectionError):
        function = pickle.loads(work)  # noqa: S301 (from the parent process; imported after the environment is set)
        while True:
            job = connection.recv()
            try:
                send("ended", function(job, device, partial(send, "told")))
            except Exception as error:  # of any kind: the parent process hears of it
                error.add_note(f"in the process on {device}:\n{traceback.format_exc()}")
                send("raised", picklable(error))


def picklable(error: Exception) -> Exception:
    """An exception that another process can read, with the same message."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (made here)
    except Exception:  # exceptions with arguments of their own fail in many ways
        return GeoshipsError(f"{type(error).__name__}: {error}")
    return error


def _end_with_parent() -> None:
    """Interrupt this process when its parent is dead, so that it finishes nothing that another run begins again."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ENDING)
    os._exit(1)


def _interrupt_once(*_: object) -> None:
    """Interrupt the job, and let nothing interrupt its clean-up."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt

"""What an actor of Ray does with a scene: the same as a worker process, and it ends itself when the time is up.

The process that hands out scenes imports this, too: what computes is imported in the functions.
"""

from __future__ import annotations

import faulthandler
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from geoships.cluster.blocks import Blocks
from geoships.cluster.decide import Expected
from geoships.cluster.manifest import Manifest
from geoships.cluster.outcomes import Outcome, failed_record, timeout_reason
from geoships.config import PredictConfig
from geoships.errors import BundleError, DeviceError, OutputError
from geoships.pipeline.jobs import SceneJob
from geoships.support.remote.address import RemotePath
from geoships.support.versions import own_version
from geoships.support.workers import Begun, Tell

GRACE = 30.0  # s after the time of a scene, when a process ends in which no Python runs any more


@dataclass(frozen=True)
class RaySetup:
    """What all scenes of a run share.

    Attributes:
        expected: What the run makes.
        config: Settings.
        blocks: How a large scene is cut into blocks.
        timeout: Seconds that a scene may take; None: any time.
        version: Of geoships on the machine that hands out scenes.
    """

    expected: Expected
    config: PredictConfig
    blocks: Blocks
    timeout: float | None = None
    version: str = field(default_factory=own_version)


def prepare(setup: RaySetup, device: str) -> None:  # noqa: ARG001 - what `run_on_ray` calls
    """Load the model, and check that the folder of outputs is there.

    Raises:
        BundleError: There is no such model on this machine, or it is another one.
        DeviceError: This machine has another version of geoships.
        OutputError: There is no such folder on this machine.
    """
    from geoships.cluster.fingerprint import model_mark
    from geoships.cluster.processes import bundle

    folder, host = setup.expected.out_dir, socket.gethostname()
    if setup.version != own_version():
        raise DeviceError(
            f"{host} has geoships {own_version()}, and this machine {setup.version}; install the same everywhere"
        )
    if not isinstance(folder, RemotePath) and not folder.is_dir():
        raise OutputError(
            f"there is no folder {folder.absolute()} on {host}; all nodes of a cluster need the folders of scenes and "
            "outputs under the same names, as on a network drive"
        )
    if setup.config.model:
        mark = model_mark(bundle(setup.config.model))
        if setup.expected.model not in (None, mark):
            raise BundleError(f"the model {mark.name} on {host} has other weights or another card; copy it again")


def run_scene(setup: RaySetup, job: SceneJob, device: str, tell: Tell) -> Outcome:
    """Compute a scene in an actor.

    An actor whose scene takes too long writes down why and ends itself. Ray starts it again, and it finds the record.

    Args:
        setup: What all scenes share.
        job: The scene.
        device: That computes.
        tell: Hears warnings as text.
    """
    from geoships.cluster import processes

    with _time_limit(setup, job) as begin:

        def hear(message: object) -> None:
            if isinstance(message, Begun):
                begin()
            elif isinstance(message, str):
                tell(message)

        return processes.run_scene(processes.Setup(setup.expected, setup.config, setup.blocks), job, device, hear)


@contextmanager
def _time_limit(setup: RaySetup, job: SceneJob) -> Iterator[Callable[[], None]]:
    """End the process when a scene has taken too long since the function that this gives was called."""
    if setup.timeout is None:
        yield lambda: None
        return
    timeout = setup.timeout
    timer = threading.Timer(timeout, _give_up, (setup, job, timeout))
    timer.daemon = True

    def begin() -> None:
        timer.start()
        faulthandler.dump_traceback_later(timeout + GRACE, exit=True)  # needs no Python to run

    try:
        yield begin
    finally:
        timer.cancel()
        faulthandler.cancel_dump_traceback_later()


def _give_up(setup: RaySetup, job: SceneJob, timeout: float) -> None:
    manifest = Manifest(setup.expected.out_dir)
    record = manifest.read(job.place)
    if record is None or record.finished or record.run != setup.expected.run:
        return  # the scene has ended just now, or another run computes it
    manifest.write(failed_record(record, timeout_reason(timeout), seconds=timeout))
    os._exit(1)

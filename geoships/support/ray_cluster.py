"""A cluster of Ray: one that runs already, or one of this machine that ends with the program."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

from geoships.errors import DeviceError, GeoshipsError

LOCAL = "local"
AUTO = "auto"
STORE_BYTES = 100 << 20  # of a local cluster's object store: results are summaries, which do not pass through it
SETTINGS = {
    # Ray starts workers as the program was started, and `uv run` would install geoships again in each of them
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",  # what a local cluster sends to Ray's makers
    # messages about workers that died, which Ray prints to standard output; their scenes have their reasons
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
}


def is_installed() -> bool:
    """Whether Ray is installed."""
    return find_spec("ray") is not None


def import_ray() -> Any:
    """The module of Ray.

    Raises:
        GeoshipsError: It is not installed.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise GeoshipsError(
            "--ray needs Ray, which is not installed: pip install 'geoships[ray]', on all nodes of a cluster"
        ) from error
    return ray


@contextmanager
def ray_cluster(address: str, actors: int | None = None) -> Iterator[Any]:
    """Connect to a cluster, or start one of this machine, and leave or end it afterwards.

    A program that is connected to Ray already stays as it is.

    Args:
        address: ``local``: a cluster of this machine that ends with the block; ``auto``: the one that this machine
            belongs to; or an address such as ``10.0.0.1:6379`` or ``ray://10.0.0.1:10001``.
        actors: Number of actors for which a local cluster has room at least, whatever the number of cores.

    Yields:
        The module of Ray.

    Raises:
        GeoshipsError: Ray is not installed.
        DeviceError: There is no such cluster, or it cannot be started.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "configure_logging": False}
    if address == LOCAL:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        options |= {"num_cpus": max(cores, actors or 1), "object_store_memory": STORE_BYTES}
    logger = logging.getLogger("ray")
    level, handler = logger.level, signal.getsignal(signal.SIGTERM)
    logger.setLevel(logging.CRITICAL)
    try:
        _init(ray, options)
        _set_handler(handler)  # Ray's own ends the program with another exit code
        yield ray
    finally:
        ray.shutdown()
        _set_handler(handler)
        logger.setLevel(level)


def _init(ray: Any, options: Mapping[str, Any]) -> None:
    """Connect to a cluster, or start one: twice, if need be, as on a busy machine Ray's time for that is too short."""
    address = options["address"]
    for last in (False, True) if address == LOCAL else (True,):
        try:
            ray.init(**options)
            return
        except Exception as error:  # Ray raises a plain one where a node does not start in time
            ray.shutdown()
            if last:
                raise DeviceError(f"--ray {address}: {_line(error)}; {_advice(address)}") from error


def _set_handler(handler: Any) -> None:
    with suppress(ValueError):  # not in the main thread, where Ray sets none either
        signal.signal(signal.SIGTERM, handler)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(". ")


def _advice(address: str) -> str:
    if address == AUTO:
        return "begin one with ray start --head, or use --ray local"
    if address == LOCAL:
        return "see the logs in /tmp/ray/session_latest/logs"
    return "give local, auto or the address of a cluster, such as 10.0.0.1:6379"


def share_of_cpus(nodes: Sequence[float], actors: int) -> int:
    """Cores of each of some actors, so that all of them find a place and as few cores as possible idle.

    Args:
        nodes: Cores of each node.
        actors: Number of actors.

    Returns:
        Cores of one actor, 1 or more. With 1, those that find no place wait for more nodes.

    >>> share_of_cpus([8.0, 8.0], 2), share_of_cpus([8.0, 8.0], 3), share_of_cpus([2.0], 4), share_of_cpus([], 1)
    (8, 4, 1, 1)
    """
    for cores in range(int(max(nodes, default=1)), 1, -1):
        if sum(node // cores for node in nodes) >= actors:
            return cores
    return 1

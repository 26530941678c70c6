"""Runs a service: the HTTP side in this process, workers in others, and tidying up in a thread."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn

from geoships.errors import GeoshipsError
from geoships.service.folders import DataFolder
from geoships.service.settings import ServiceSettings
from geoships.service.store.store import Store
from geoships.service.web.app import create_app
from geoships.service.web.middleware import HEADER_BYTES
from geoships.service.web.protocol import Protocol
from geoships.service.work.pool import WorkerPool
from geoships.service.work.process import DETECT
from geoships.service.work.tidy import tidy

_log = logging.getLogger(__name__)

TIDYING = 600.0  # s between two looks for what can be removed
SHOWN = 2.0  # s after the start, in which the first page is sent, before libraries of tiles are loaded
OPEN_ENDS = 3  # s that answers may go on after the service was told to stop


@dataclass(frozen=True)
class Listening:
    """Where a service listens, and with how many workers.

    host, port: of the socket; port 0 is any free one. workers: processes on this machine; 0: none. proxies: addresses
    of proxies whose ``X-Forwarded-Proto`` and ``X-Forwarded-For`` count. level: of the log.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    proxies: tuple[str, ...] = ()
    level: int = logging.INFO


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Server(uvicorn.Server):
    """Says that it listens, once it does."""

    listens: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.listens()


def serve(settings: ServiceSettings, listening: Listening, *, say: Callable[[str], None], work: str = DETECT) -> None:
    """Run a service until it is told to stop by SIGINT or SIGTERM.

    Args:
        settings: Of the service.
        listening: Where it listens.
        say: Takes the address, once the service answers there.
        work: Function that does a job, as ``module:name``.

    Raises:
        GeoshipsError: The address is taken, or the folder or the store cannot be used.
    """
    store = Store.open(settings.store)
    app = create_app(settings, store, local=is_loopback(listening.host))
    listener = _listen(listening)
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(listening.proxies),
        forwarded_allow_ips=list(listening.proxies),
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_graceful_shutdown=OPEN_ENDS,
        backlog=1024,
    )
    pool = WorkerPool(settings, listening.workers, work=work, level=listening.level)
    stop = threading.Event()
    sweeping = threading.Thread(target=_keep_tidy, args=(settings, stop), daemon=True)
    loading = threading.Timer(SHOWN, app.state.layers.add)
    loading.daemon = True

    def listens() -> None:
        """Say so; then start what the first page need not wait for."""
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        say(f"http://{shown}:{port}")
        threading.Thread(target=pool.start, daemon=True).start()
        loading.start()
        sweeping.start()

    server = _Server(config)
    server.listens = listens
    try:
        server.run(sockets=[listener])
    finally:
        stop.set()
        loading.cancel()
        pool.close()
        listener.close()
        if sweeping.ident:  # it was started
            sweeping.join(5)


def _listen(listening: Listening) -> socket.socket:
    """The socket: bound before anything else starts, so that a port that is taken is one clear line."""
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((listening.host, listening.port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise GeoshipsError(
            f"cannot listen at {listening.host}:{listening.port}: {reason}; choose another --port"
        ) from error
    return listener


def _keep_tidy(settings: ServiceSettings, stop: threading.Event) -> None:
    folder, store = DataFolder(settings.data_dir), Store.open(settings.store)
    try:
        while True:
            try:
                tidy(folder, store, settings.limits)
            except (GeoshipsError, OSError) as error:
                _log.warning("old jobs cannot be removed: %s", error)
            if stop.wait(TIDYING):
                return
    finally:
        store.close()

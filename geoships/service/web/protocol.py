"""HTTP as uvicorn speaks it, with two things more: a time for the headers, and JSON for what is no HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from geoships.service.problems import MEDIA_TYPE, problem

HEADERS = 20.0  # s that the headers of a request may take


class Protocol(H11Protocol):
    """Ends connections whose headers do not come, and answers broken requests with a problem document."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client has connected: its first request is waited for."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A part of a request: the time runs while its headers are not complete."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._timer is None:
            self._wait()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(HEADERS, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._refuse(408, "the headers of the request took too long")

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP request; uvicorn's own text is left out."""
        del msg
        self._stop_waiting()
        self._refuse(400, "this is no valid HTTP request")

    def _refuse(self, status: int, detail: str) -> None:
        body = json.dumps(problem(status, detail)).encode()
        head = (
            f"HTTP/1.1 {status} {'Bad Request' if status == 400 else 'Request Timeout'}\r\n"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
            "x-content-type-options: nosniff\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

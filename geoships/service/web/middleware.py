"""What is around every request: its id, its line in the log, security headers, and the answer to what went wrong."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geoships.errors import GeoshipsError
from geoships.service.problems import MEDIA_TYPE, ProblemError, problem
from geoships.service.store.database import StoreError

_log = logging.getLogger("geoships.service.requests")

HEADER_BYTES = 16 << 10  # of a request
UNREAD = (408, 413, 431, 507)  # answers that may come before the body was read, so that the connection ends
REFUSED = {416: "the file has no such range", 400: "a header of the request is not valid"}
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:{tiles}; "
    "connect-src 'self'{tiles}; font-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Around:
    """The outermost part of the service.

    Args:
        app: What answers requests.
        tiles: Origin of the base map's tiles, which the page may load; empty: none.
        origins: Origins of other pages that may use the API.
    """

    def __init__(self, app: ASGIApp, tiles: str = "", origins: tuple[str, ...] = ()) -> None:
        self._app = app
        self._headers = {**SECURITY, "Content-Security-Policy": POLICY.format(tiles=f" {tiles}" if tiles else "")}
        if origins:
            self._headers["Cross-Origin-Resource-Policy"] = "cross-origin"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = _identity(scope)
        scope.setdefault("state", {})["request_id"] = identity
        started, status = time.monotonic(), 0
        plain = b""  # the answer in place of one that is a text

        async def send_with_headers(message: Message) -> None:
            nonlocal status, plain
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                plain = _in_place_of_text(status, headers)
                headers["X-Request-ID"] = identity
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
                headers.setdefault("Cache-Control", "no-store")
            elif plain:
                message = {"type": "http.response.body", "body": plain}
            await send(message)

        try:
            _require_short_headers(scope)
            _require_text(scope)
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = 499  # the client is gone, so that nobody gets an answer
        except Exception as error:
            if status:
                raise
            await _answer(error, identity, send_with_headers)
        finally:
            _report(scope, identity, status, time.monotonic() - started)


def _in_place_of_text(status: int, headers: MutableHeaders) -> bytes:
    """A problem in place of the plain text by which Starlette refuses a request, such as a range that is none."""
    if status < 400 or not headers.get("content-type", "").startswith("text/plain"):
        return b""
    body = json.dumps(problem(status, REFUSED.get(status, "the request cannot be answered"))).encode()
    headers["Content-Type"], headers["Content-Length"] = MEDIA_TYPE, str(len(body))
    return body


def _require_short_headers(scope: Scope) -> None:
    """Refuse headers that came at once, and are longer than what uvicorn waits for."""
    if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
        raise ProblemError(431, f"the headers of the request are longer than {HEADER_BYTES} bytes")


def _require_text(scope: Scope) -> None:
    """Refuse a NUL in the address: it names nothing, and PostgreSQL takes none."""
    if "\0" in scope["path"]:
        raise ProblemError(404, "there is nothing here: the address holds a NUL character")
    if b"%00" in scope["query_string"] or b"\0" in scope["query_string"]:
        raise ProblemError(400, "the query holds a NUL character")


def _identity(scope: Scope) -> str:
    """The id of a request: the client's own, if it has the form of one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return str(value.decode())
    return uuid.uuid4().hex


def document_of(error: Exception) -> tuple[dict[str, Any], Mapping[str, str]]:
    """The problem document of an error, and headers."""
    if isinstance(error, ProblemError):
        closing = {"Connection": "close"} if error.status in UNREAD else {}
        return error.document(), {**error.headers, **closing}
    if isinstance(error, StoreError):
        return problem(503, "the store does not answer; try again in a moment", "store"), {"Retry-After": "5"}
    return problem(500, "something went wrong here; the log has more under the id of this request"), {}


async def _answer(error: Exception, identity: str, send: Send) -> None:
    document, headers = document_of(error)
    if document["status"] == 500:
        known = isinstance(error, GeoshipsError)
        _log.error("request %s failed: %r", identity, error, exc_info=None if known else error)
    body = json.dumps({**document, "requestId": identity}).encode()
    sent = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), **headers}
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": document["status"], "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _report(scope: Scope, identity: str, status: int, seconds: float) -> None:
    """Log a request: never its query, its headers or its body, which may hold secrets."""
    _log.info(
        "%s %s %d",
        scope["method"],
        scope["path"],
        status,
        extra={
            "request": {
                "id": identity,
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "ms": round(1000 * seconds, 1),
                "client": scope["client"][0] if scope.get("client") else None,
                "key": scope.get("state", {}).get("caller"),
            }
        },
    )

"""Reads the body of a request, and ends one that is too slow or too long."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import ClientDisconnect, Request

from geoships.service.intake.room import too_large
from geoships.service.problems import ProblemError
from geoships.service.settings import Limits

CHUNK = 1 << 20  # bytes that are handed on at a time


async def body_chunks(request: Request, limits: Limits, most: int | None = None) -> AsyncIterator[bytes]:
    """Yield the body of a request in chunks of about 1 MiB.

    Args:
        request: The request.
        limits: How slow it may be.
        most: Bytes that it may have; None: as many as an upload.

    Raises:
        ProblemError: 408 where it is too slow, 413 where it is too long.
        ClientDisconnect: The client is gone.
    """
    most = limits.upload if most is None else most
    started, total, held = time.monotonic(), 0, bytearray()
    stream = request.stream().__aiter__()
    while True:
        try:
            part = await asyncio.wait_for(anext(stream), limits.stall)
        except StopAsyncIteration:
            break
        except TimeoutError:
            raise _too_slow() from None
        total += len(part)
        if total > most:
            raise too_large(limits)
        waited = time.monotonic() - started
        if waited > limits.patience and total / waited < limits.slowest:
            raise _too_slow()
        held += part
        if len(held) >= CHUNK:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _too_slow() -> ProblemError:
    return ProblemError(408, "the upload pauses too long or is too slow; try again, or send it in parts to /uploads")


async def whole_body(request: Request, limits: Limits, most: int) -> bytes:
    """The body of a small request; for the errors see `body_chunks`."""
    return b"".join([chunk async for chunk in body_chunks(request, limits, most)])


async def json_body(request: Request, limits: Limits, most: int) -> Any:
    """The JSON of a small request; for the errors see `body_chunks`.

    Raises:
        ProblemError: 400 where it is no JSON.
    """
    try:
        return json.loads(await whole_body(request, limits, most))
    except (ValueError, RecursionError):
        raise ProblemError(400, "the request is not JSON") from None


__all__ = ["ClientDisconnect", "body_chunks", "json_body", "whole_body"]

"""The key of the map page: kept in a cookie that scripts cannot read, so that pictures and events are sent with it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from geoships.service.intake.pace import json_body
from geoships.service.problems import ProblemError
from geoships.service.web.access import CHALLENGE, COOKIE, Caller, caller_of, count_request, require_own_page
from geoships.service.web.service import Parts, base_of

router = APIRouter(tags=["About"])

DAYS = 30
SCHEMA = {"type": "object", "required": ["key"], "properties": {"key": {"type": "string"}}}


@router.post(
    "/session",
    summary="Give the page a key",
    response_class=JSONResponse,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": SCHEMA}}}},
)
async def begin(request: Request, service: Parts) -> Response:
    """Sets the cookie; 401 where the key is not known."""
    require_own_page(request, service)
    count_request(service, f"session:{request.client.host if request.client else ''}", upload=True)
    body = await json_body(request, service.settings.limits, 4096)
    try:
        key = body["key"]
    except (TypeError, KeyError):
        raise ProblemError(400, 'send {"key": "..."}') from None
    if not isinstance(key, str) or not key.isascii() or not key.isprintable() or len(key) > 200:
        raise ProblemError(401, "the key is not known; ask the operator for one", headers=CHALLENGE)
    caller = caller_of(request, service, key)
    answer = JSONResponse(_about(caller))
    answer.set_cookie(
        COOKIE, key, max_age=DAYS * 86_400, httponly=True, samesite="strict",
        secure=base_of(request).startswith("https://"), path="/",
    )  # fmt: skip
    return answer


def _about(caller: Caller) -> dict[str, Any]:
    return {"name": caller.name, "scopes": sorted(caller.scopes)}


@router.delete("/session", status_code=204, summary="Take the key back", response_class=Response)
def end(request: Request, service: Parts) -> Response:
    """Deletes the cookie."""
    require_own_page(request, service)
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer

"""The first page: for browsers the map, for clients the landing page of the OGC standards."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from geoships import __version__
from geoships.model.bundle_files import load_card
from geoships.model.installed import installed
from geoships.service.web.access import Reader
from geoships.service.web.page import PAGE
from geoships.service.web.service import JSON, Parts, link

router = APIRouter(tags=["About"])

CONFORMANCE = (
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/ogc-process-description",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/job-list",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/dismiss",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
)

ABOUT = "geoships finds ships in satellite scenes: send a scene, and get its ships as polygons, scores and a mask."


@router.get("/", summary="The map page for a browser, the landing page for a client", response_class=JSONResponse)
def landing(request: Request, f: str | None = None) -> Response:
    """Which of the two is sent is told by ``Accept``, or by ``f=html`` and ``f=json``."""
    if f == "html" or (f is None and "text/html" in request.headers.get("accept", "")):
        return _page(request)
    return JSONResponse(landing_document(request), headers={"Vary": "Accept"})


def _page(request: Request) -> Response:
    index = PAGE / "index.html"
    if index.is_file():
        return HTMLResponse(index.read_text(encoding="utf-8"), headers={"Vary": "Accept", "Cache-Control": "no-cache"})
    rows = "".join(
        f'<li><a href="{each["href"]}">{each["title"]}</a></li>' for each in _links(request) if each.get("title")
    )
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>geoships</title><h1>geoships</h1><p>{ABOUT}</p>'
        f"<ul>{rows}</ul></html>",
        headers={"Vary": "Accept"},
    )


def _links(request: Request) -> list[dict[str, str]]:
    return [
        link(request, "self", "/", title="This document", query={"f": "json"}),
        link(request, "alternate", "/", "text/html", "The map page", query={"f": "html"}),
        link(request, "service-desc", "/api", "application/vnd.oai.openapi+json;version=3.0", "The API, as OpenAPI"),
        link(request, "conformance", "/conformance", title="Standards that it follows"),
        link(request, "http://www.opengis.net/def/rel/ogc/1.0/conformance", "/conformance", title="Standards"),
        link(request, "http://www.opengis.net/def/rel/ogc/1.0/processes", "/processes", title="Processes"),
        link(request, "http://www.opengis.net/def/rel/ogc/1.0/job-list", "/jobs", title="Jobs"),
        link(request, "data", "/collections", title="Ships, one collection a job"),
        link(request, "http://www.opengis.net/def/rel/ogc/1.0/data", "/collections", title="Ships"),
    ]


def landing_document(request: Request) -> dict[str, Any]:
    """The landing page for clients."""
    return {"title": "geoships", "description": ABOUT, "version": __version__, "links": _links(request)}


@router.get("/conformance", summary="Standards that the service follows")
def conformance() -> dict[str, Any]:
    """Conformance classes of OGC API Processes 1.0 and OGC API Features Part 1."""
    return {"conformsTo": list(CONFORMANCE)}


@router.get("/api", summary="This description", response_class=JSONResponse)
def api(request: Request) -> Response:
    """The API as OpenAPI describes it."""
    request.app.state.layers.add()
    return JSONResponse(request.app.openapi(), media_type="application/vnd.oai.openapi+json;version=3.0")


@router.get("/openapi.json", include_in_schema=False)
def openapi() -> Response:
    """Where many clients look for the description."""
    return RedirectResponse("/api")


@router.get("/settings", summary="What a page needs to know of the service and of its caller")
def settings(service: Parts, caller: Reader) -> dict[str, Any]:
    """Limits, models, and what the key may do."""
    limits = service.settings.limits
    return {
        "version": __version__,
        "caller": {
            "name": caller.name,
            "scopes": sorted(caller.scopes),
            "quota": caller.quota,
            "used": service.store.bytes_of(caller.owner),
        },
        "limits": {
            "upload": limits.upload,
            "pixels": limits.pixels,
            "files": limits.files,
            "keepDays": limits.keep_days,
        },
        "addresses": list(service.settings.allowed),
        "baseMap": service.settings.base_map,
        "models": _models(),
    }


@cache
def _models() -> list[dict[str, Any]]:
    cards = {name: load_card(path) for name, path in installed()}
    return [
        {"name": name, "description": card.description, "bands": list(card.bands), "gsd": card.gsd}
        for name, card in cards.items()
        if not card.is_classifier
    ]


__all__ = ["JSON", "PAGE", "router"]

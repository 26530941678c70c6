"""The application: all routes, and how errors are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from geoships import __version__
from geoships.errors import GeoshipsError
from geoships.service.folders import DataFolder
from geoships.service.intake.inspect import Inspector
from geoships.service.problems import MEDIA_TYPE, ProblemError, problem
from geoships.service.settings import ServiceSettings
from geoships.service.store.store import Store
from geoships.service.web import (
    chips,
    corrections,
    health,
    jobs,
    landing,
    processes,
    session,
    ship_collections,
    tus,
)
from geoships.service.web.late import LateRoutes
from geoships.service.web.middleware import Around, document_of
from geoships.service.web.page import PageFiles
from geoships.service.web.service import Service

DESCRIPTION = (
    "Send a scene and get its ships. Errors are problem documents (RFC 9457). Keys go into the header "
    "`Authorization: Bearer KEY`; on the machine itself none is needed."
)
LAYERS = ("/jobs/{job}/layers/{path:path}", "/jobs/{job}/wmts", "/jobs/{job}/WMTSCapabilities.xml")
PLAIN = {
    400: "the request cannot be read",
    404: "there is nothing at this address",
    405: "this address does not take the method",
}


def create_app(settings: ServiceSettings, store: Store | None = None, *, local: bool = True) -> FastAPI:
    """Make the application.

    Args:
        settings: Of the service.
        store: Its store; None: the one that the settings name.
        local: Whether the service listens on this machine alone, so that requests from it need no key.

    Raises:
        GeoshipsError: The folder or the store cannot be used.
    """
    folder = DataFolder(settings.data_dir)
    service = Service(settings, folder, store or Store.open(settings.store), Inspector(), local)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            service.inspector.close()
            service.store.close()

    app = FastAPI(
        title="geoships", version=__version__, description=DESCRIPTION, lifespan=lifespan,
        docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.state.service = service
    _add_routes(app)
    app.state.layers = LateRoutes(app, LAYERS, _add_layers)
    _add_errors(app)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.origins), allow_methods=["*"], allow_headers=["*"],
            expose_headers=["Location", "Upload-Offset", "X-Request-ID"],
        )  # fmt: skip
    app.add_middleware(Around, tiles=_origin(settings.base_map), origins=settings.origins)
    return app


def _origin(address: str | None) -> str:
    if not address:
        return ""
    url = urlsplit(address)
    return f"{url.scheme}://{url.netloc}"


def _add_routes(app: FastAPI) -> None:
    for module in (landing, health, session, processes, jobs, tus, ship_collections, chips, corrections):
        app.include_router(module.router)
    app.mount("/page", PageFiles(), name="page")


def _add_layers(app: FastAPI) -> None:
    from geoships.service.web.layers import add_layers  # titiler takes seconds to load

    add_layers(app)


def _add_errors(app: FastAPI) -> None:
    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        ProblemError: _known,
        GeoshipsError: _known,
        HTTPException: _plain,
        RequestValidationError: _invalid,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


async def _known(_request: Request, error: Exception) -> Response:
    if isinstance(error, GeoshipsError) and document_of(error)[0]["status"] == 500:
        raise error
    document, headers = document_of(error)
    return JSONResponse(document, document["status"], dict(headers), MEDIA_TYPE)


async def _plain(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = PLAIN.get(error.status_code, str(error.detail))
    return JSONResponse(problem(error.status_code, detail), error.status_code, error.headers, MEDIA_TYPE)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [{"name": str(each["loc"][-1])[:80], "reason": each["msg"]} for each in error.errors()]
    listed = "; ".join(f"{fault['name']}: {fault['reason']}" for fault in faults[:3])
    document = problem(400, f"wrong parameters: {listed}", "parameters", errors=faults)
    return JSONResponse(document, 400, media_type=MEDIA_TYPE)

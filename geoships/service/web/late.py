"""Routes whose libraries take seconds to load: the first page does not wait for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from anyio import to_thread
from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from geoships.service.loading import LOADING


class LateRoutes:
    """Routes that are added when one of them is asked for, or by `add`.

    Args:
        app: The application.
        paths: Patterns of their paths.
        add: Adds them to the application; it may load libraries.
    """

    def __init__(self, app: FastAPI, paths: Sequence[str], add: Callable[[FastAPI], None]) -> None:
        self._app, self._add = app, add
        self._added = False
        self._places = [Route(path, self, include_in_schema=False) for path in paths]
        app.router.routes.extend(self._places)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that came before the routes were there."""
        await to_thread.run_sync(self.add)
        scope["path_params"] = {}
        await self._app.router(scope, receive, send)

    def add(self) -> None:
        """Add the routes, unless they are there; other requests are answered meanwhile."""
        with LOADING:
            if self._added:
                return
            self._add(self._app)
            # in one step, since another thread may look for a route now
            self._app.router.routes = [route for route in self._app.router.routes if route not in self._places]
            self._app.openapi_schema = None
            self._added = True

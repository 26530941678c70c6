"""The files of the map page."""

from __future__ import annotations

import mimetypes
from importlib.resources import files
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PAGE = Path(str(files("geoships.service") / "page"))  # index.html and what it loads from /page/
KINDS = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class PageFiles(StaticFiles):
    """Files that a browser keeps, and asks for again by their ETag, so that an update is seen at once."""

    def __init__(self) -> None:
        for ending, kind in KINDS.items():
            mimetypes.add_type(kind, ending)  # the registry of Windows may have others, which browsers refuse
        super().__init__(directory=PAGE)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer a request for a file."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response

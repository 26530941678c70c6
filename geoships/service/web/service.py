"""What the routes share: the parts of a running service, and addresses of its own documents."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from anyio import CapacityLimiter
from fastapi import Depends, Request
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from geoships.service.folders import DataFolder
from geoships.service.intake.accept import Intake
from geoships.service.intake.inspect import Inspector
from geoships.service.settings import ServiceSettings
from geoships.service.store.store import Store

HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")

UPLOADING = 8  # threads of each kind of work with uploads

GEOJSON = "application/geo+json"
JSON = "application/json"


@dataclass
class Service:
    """The parts of a running service.

    settings, folder, store: of the service. inspector: looks at headers. limiter: counts requests, under the lock
    counting, since its storage is for one thread. local: whether the service listens on this machine alone, so that
    requests from it need no key. busy: uploads that are written to now. writing, looking, asking: threads that write
    uploads, look at them, and ask for addresses; other requests have threads of their own, and never wait for these.
    """

    settings: ServiceSettings
    folder: DataFolder
    store: Store
    inspector: Inspector
    local: bool = True
    limiter: MovingWindowRateLimiter = field(default_factory=lambda: MovingWindowRateLimiter(MemoryStorage()))
    counting: threading.Lock = field(default_factory=threading.Lock)
    busy: set[str] = field(default_factory=set)
    writing: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(UPLOADING))
    looking: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(UPLOADING))
    asking: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(UPLOADING))

    @property
    def intake(self) -> Intake:
        """What makes jobs."""
        return Intake(self.folder, self.store, self.settings, self.inspector)


async def _service(request: Request) -> Service:
    return service_of(request)


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    found: Service = request.app.state.service
    return found


Parts = Annotated[Service, Depends(_service)]


def base_of(request: Request) -> str:
    """The address under which a client reaches the service, without a slash at its end.

    The name of a host that has other characters than a name may have is not repeated.
    """
    known = service_of(request).settings.base
    if known:
        return known.rstrip("/")
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host if HOST.fullmatch(host) else 'localhost'}"


def link(
    request: Request,
    rel: str,
    path: str,
    media: str = JSON,
    title: str = "",
    query: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """A link to a document of the service.

    Args:
        request: The request.
        rel: Relation of the link.
        path: Path of the document, which begins with a slash.
        media: Its media type.
        title: Its title; empty: none.
        query: Its parameters; those that are None are left out.
    """
    given = {name: value for name, value in (query or {}).items() if value is not None}
    href = f"{base_of(request)}{quote(path, safe='/{}.:')}" + (f"?{urlencode(given)}" if given else "")
    return {"href": href, "rel": rel, "type": media, **({"title": title} if title else {})}


def listing(
    request: Request, name: str, documents: Sequence[Mapping[str, Any]], page: tuple[int, int], found: int
) -> dict[str, Any]:
    """A page of documents, with how many there are and links to other pages.

    Args:
        request: The request.
        name: Of the member that has the documents.
        documents: Those of this page.
        page: (limit, offset) of this page.
        found: How many documents there are on all pages.
    """
    return {
        name: documents,
        "numberMatched": found,
        "numberReturned": len(documents),
        "links": paged(request, request.url.path, dict(request.query_params), page, found),
    }


def paged(
    request: Request, path: str, query: Mapping[str, str], page: tuple[int, int], found: int, media: str = JSON
) -> list[dict[str, str]]:
    """Links to a page of results, to the one after it and to the one before it, which keep the query.

    Args:
        request: The request.
        path: Path of the results.
        query: Parameters of the request.
        page: (limit, offset) of this page.
        found: How many results there are on all pages.
        media: Media type of the pages.
    """
    limit, offset = page
    kept = {name: value for name, value in query.items() if name not in ("limit", "offset")}
    links = [link(request, "self", path, media, query=query)]
    if offset + limit < found:
        links.append(link(request, "next", path, media, query={**kept, "limit": limit, "offset": offset + limit}))
    if offset:
        links.append(
            link(request, "prev", path, media, query={**kept, "limit": limit, "offset": max(0, offset - limit)})
        )
    return links

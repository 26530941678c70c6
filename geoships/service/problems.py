"""What is wrong with a request, as RFC 9457 has it: type, title, status and detail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MEDIA_TYPE = "application/problem+json"

TITLES = {
    400: "The request is not valid",
    401: "A key is required",
    403: "Not allowed",
    404: "Not found",
    405: "This method is not known here",
    406: "No such form",
    408: "The upload is too slow",
    409: "It does not fit what is there",
    410: "No longer there",
    411: "The length is required",
    412: "A version that is not known",
    413: "Too large",
    415: "Not a form that is taken",
    416: "No such range",
    422: "Not a scene that can be processed",
    423: "In use",
    429: "Too many requests",
    431: "The headers are too large",
    460: "The checksum does not fit",
    500: "An error of the service",
    501: "Not available here",
    503: "Not available now",
    507: "No room",
}


class ProblemError(Exception):
    """A request that is answered by a problem document.

    Args:
        status: HTTP status.
        detail: What is wrong and what to do, in one line for people; without paths and secrets.
        kind: Last part of the problem's type, such as ``quota``, or an address; empty: the status alone tells.
        headers: Headers of the answer.
        more: Further members of the document.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.kind, self.headers, self.more = status, detail, kind, dict(headers or {}), more

    def document(self) -> dict[str, Any]:
        """The problem as JSON."""
        return problem(self.status, self.detail, self.kind, **self.more)


def problem(status: int, detail: str, kind: str = "", **more: Any) -> dict[str, Any]:
    """A problem document.

    >>> problem(404, "there is no job abc")["title"]
    'Not found'
    """
    known = kind if "://" in kind else f"urn:geoships:problem:{kind}"
    return {
        "type": known if kind else "about:blank",
        "title": TITLES.get(status, "The request failed"),
        "status": status,
        "detail": detail,
        "code": kind.rpartition("/")[2] or str(status),  # for clients of OGC API Features
        **more,
    }

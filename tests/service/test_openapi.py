"""The description of the API: what it says holds for requests that are made up from it."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from served import Served


def test_every_route_is_described(service: Served) -> None:
    document = service.client.get("/api").json()
    assert document["openapi"].startswith("3.")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary"), f"{method} {path}"
    assert service.client.get("/openapi.json", follow_redirects=True).json() == document


@pytest.fixture(scope="module")
def schema(done: tuple[Served, str]) -> Any:
    import schemathesis

    schemathesis.serializer.alias(BYTES, "application/octet-stream")
    return schemathesis.openapi.from_dict(done[0].client.get("/api").json())


BYTES = "application/offset+octet-stream"  # of a part of an upload: any bytes
MOST = int(os.environ.get("GEOSHIPS_API_EXAMPLES", "3"))  # requests that are made up for each operation


@pytest.mark.filterwarnings("ignore")
def test_made_up_requests_are_never_answered_by_an_error_of_the_service(done: tuple[Served, str], schema: Any) -> None:
    """Of each operation some; those on a job go to one that is there, but for its removal."""
    service, job = done
    asked = operations(service)
    for path, method in asked:
        ask_made_up(schema[path][method], service, None if method == "delete" else job.rpartition("/")[2])
    assert len(asked) > 30


def ask_made_up(operation: Any, service: Served, job: str | None) -> None:
    """Send made-up requests for an operation. job: its id in them; None: made up, too."""

    @settings(
        max_examples=MOST, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        if job and "job" in (case.path_parameters or {}):
            case.path_parameters["job"] = job
        sent = case.as_transport_kwargs(base_url="http://localhost:8000")
        answer = service.client.request(**{name: value for name, value in sent.items() if name != "cookies"})
        assert answer.status_code < 500, f"{answer.url}: {answer.text}"
        if answer.status_code >= 400 and answer.content:
            assert answer.headers["content-type"] == "application/problem+json", answer.url

    ask()


def operations(service: Served) -> list[tuple[str, str]]:
    """Path and method of each operation that is described."""
    paths = service.client.get("/api").json()["paths"]
    return [(path, method) for path, methods in paths.items() for method in methods]

"""The description of the API: what it says holds for requests that are made up from it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from served import Served


def test_every_route_is_described(service: Served) -> None:
    document = service.client.get("/api").json()
    assert document["openapi"].startswith("3.")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary"), f"{method} {path}"
    assert service.client.get("/openapi.json", follow_redirects=True).json() == document


@pytest.mark.filterwarnings("ignore")
def test_made_up_requests_are_answered_and_never_by_an_error_of_the_service(done: tuple[Served, str]) -> None:
    import schemathesis

    service, job = done
    schema = schemathesis.openapi.from_dict(service.client.get("/api").json())
    for found in schema.get_all_operations():
        operation: Any = found.ok()
        if operation.method.upper() not in ("GET", "PUT", "POST") or operation.path in ("/jobs/{job}/events", "/jobs"):
            continue

        @settings(
            max_examples=3, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
        )
        def ask(case: Any) -> None:
            if "job" in (case.path_parameters or {}):
                case.path_parameters["job"] = job.rpartition("/")[2]
            sent = case.as_transport_kwargs(base_url="http://localhost:8000")
            answer = service.client.request(**{name: sent[name] for name in sent if name not in ("cookies",)})
            assert answer.status_code < 500, f"{case.method} {case.formatted_path}: {answer.text}"
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"

        from hypothesis import given

        given(case=operation.as_strategy())(ask)()

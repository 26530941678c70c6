"""The description of the API: what it says holds for requests that are made up from it."""

from __future__ import annotations

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


ASKED = (
    ("/collections/{job}/items", "get"),
    ("/jobs/{job}/corrections/{ship}", "put"),
    ("/jobs/{job}/labels", "get"),
    ("/processes/{process}/execution", "post"),
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("path", "method"), ASKED)
def test_made_up_requests_are_never_answered_by_an_error_of_the_service(
    done: tuple[Served, str], path: str, method: str
) -> None:
    import schemathesis

    service, job = done
    schema = schemathesis.openapi.from_dict(service.client.get("/api").json())

    @settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(case=schema[path][method].as_strategy())
    def ask(case: Any) -> None:
        if "job" in (case.path_parameters or {}):
            case.path_parameters["job"] = job.rpartition("/")[2]
        sent = case.as_transport_kwargs(base_url="http://localhost:8000")
        answer = service.client.request(**{name: value for name, value in sent.items() if name != "cookies"})
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"

    ask()

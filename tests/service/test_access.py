"""Who may do what: keys, scopes, this machine, other sites, headers, health and figures."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from served import Served

from geoships.service.jobs import Scope
from geoships.service.settings import Limits


def elsewhere(service: Served, host: str = "ships.example.org", client: str = "203.0.113.9") -> TestClient:
    """A client on another machine."""
    return TestClient(service.app, base_url=f"http://{host}", client=(client, 40000), raise_server_exceptions=False)


def test_this_machine_needs_no_key_and_others_do(service: Served) -> None:
    assert service.client.get("/jobs").status_code == 200
    refused = elsewhere(service).get("/jobs")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "attacker.example"},
        {"Host": "localhost.attacker.example"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "10.0.0.1"},
    ],
)
def test_requests_that_were_passed_on_or_name_another_host_need_a_key(service: Served, headers: dict[str, str]) -> None:
    assert service.client.get("/jobs", headers=headers).status_code == 401


def test_a_service_may_ask_this_machine_for_a_key_too(served: Callable[..., Served]) -> None:
    service = served(keys_only=True)
    assert service.client.get("/jobs").status_code == 401
    assert service.client.get("/jobs", headers=service.key()).status_code == 200
    for path in ("/healthz", "/readyz", "/", "/conformance", "/api"):
        assert service.client.get(path).status_code == 200, path


def test_a_key_may_come_in_several_ways(service: Served) -> None:
    client, key = elsewhere(service), service.key()["Authorization"].removeprefix("Bearer ")
    basic = base64.b64encode(f"anyone:{key}".encode()).decode()
    for headers in ({"Authorization": f"bearer {key}"}, {"Authorization": f"Basic {basic}"}, {"X-API-Key": key}):
        assert client.get("/jobs", headers=headers).status_code == 200
    for wrong in ("Bearer", f"Bearer {key[:-1]}x", "Bearer gs_x_y", "Basic ???", f"Basic {basic[:-4]}", "Digest x"):
        assert client.get("/jobs", headers={"Authorization": wrong}).status_code == 401, wrong


def test_a_page_keeps_its_key_in_a_cookie_that_scripts_cannot_read(service: Served) -> None:
    client, key = elsewhere(service), service.key()["Authorization"].removeprefix("Bearer ")
    assert client.post("/session", json={"key": "gs_no_key"}).status_code == 401
    for wrong in (b"", b"[]", b'{"key": 1}', b'{"key": "a\\nb"}'):
        assert client.post("/session", content=wrong).status_code in (400, 401)
    begun = client.post("/session", json={"key": key})
    assert begun.json() == {"name": "ann", "scopes": ["read", "write"]}
    cookie = begun.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/jobs").status_code == 200
    assert client.delete("/session").status_code == 204
    assert client.get("/jobs").status_code == 401


def test_scopes_and_other_keys_jobs(service: Served) -> None:
    ann, ben, reader = service.key(), service.key(name="ben"), service.key(Scope.read, name="cat")
    job = service.send(headers=ann).json()["jobID"]
    service.do()
    for path in (
        f"/jobs/{job}", f"/jobs/{job}/events", f"/jobs/{job}/results", f"/jobs/{job}/files/ships.geojson",
        f"/jobs/{job}/item", f"/jobs/{job}/corrections", f"/jobs/{job}/labels", f"/jobs/{job}/wmts",
        f"/jobs/{job}/ships/1/chip.webp", f"/jobs/{job}/layers/scene/WebMercatorQuad/tilejson.json",
        f"/jobs/{job}/layers/scene/tiles/WebMercatorQuad/0/0/0.png",
        f"/collections/{job}", f"/collections/{job}/items", f"/collections/{job}/items/1",
        f"/collections/{job}/queryables",
    ):  # fmt: skip
        assert service.client.get(path, headers=ann).status_code == 200, path
        assert service.client.get(path, headers=ben).status_code == 404, path
        assert service.client.get(path).status_code == 404, path
    assert service.client.delete(f"/jobs/{job}", headers=ben).status_code == 404
    assert service.client.get("/jobs", headers=ben).json()["jobs"] == []
    assert service.client.get("/collections", headers=reader).json()["collections"] == []
    refused = service.send(headers=reader)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:geoships:problem:scope")
    service.store.remove_key("ann")
    assert service.client.get("/jobs", headers=ann).status_code == 401


@pytest.mark.parametrize("origin", ["https://attacker.example", "null", "http://localhost:9999", "http://localhost"])
def test_pages_of_other_sites_change_nothing(service: Served, origin: str) -> None:
    job = service.send().json()["jobID"]
    headers = {"Origin": origin}
    assert service.client.delete(f"/jobs/{job}", headers=headers).status_code == 403
    assert service.send(headers=headers).status_code == 403
    assert service.client.post("/session", json={"key": "x"}, headers=headers).status_code == 403
    assert service.client.delete(f"/jobs/{job}", headers={"Origin": "http://localhost:8000"}).status_code == 200


def test_other_pages_are_let_in_by_name_alone(served: Callable[..., Served]) -> None:
    asked = {"Origin": "https://gis.example.org", "Access-Control-Request-Method": "POST"}
    closed = served()
    assert "access-control-allow-origin" not in closed.client.get("/jobs", headers=asked).headers
    service = served(origins=("https://gis.example.org",))
    allowed = service.client.options("/jobs", headers=asked)
    assert allowed.headers["access-control-allow-origin"] == "https://gis.example.org"
    assert service.send(headers={"Origin": "https://gis.example.org"}).status_code == 201
    other = service.client.get("/jobs", headers={"Origin": "https://attacker.example"})
    assert "access-control-allow-origin" not in other.headers


def test_every_answer_has_security_headers_and_an_id(service: Served) -> None:
    for path in ("/", "/?f=html", "/jobs", "/nothing", "/healthz"):
        headers = service.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert len(headers["x-request-id"]) == 32
        assert "server" not in headers
    assert service.client.get("/", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert len(service.client.get("/", headers={"X-Request-ID": "a b" * 40}).headers["x-request-id"]) == 32


def test_a_base_map_is_the_only_other_server_of_the_page(served: Callable[..., Served]) -> None:
    policy = served(base_map="https://tiles.example.org/{z}/{x}/{y}.png").client.get("/").headers
    assert "img-src 'self' data: blob: https://tiles.example.org;" in policy["content-security-policy"]


def test_the_first_page_is_for_browsers_and_for_clients(service: Served) -> None:
    page = service.client.get("/", headers={"Accept": "text/html,*/*"})
    assert page.headers["content-type"].startswith("text/html")
    landing = service.client.get("/", headers={"Accept": "application/json"}).json()
    links = {link["rel"]: link["href"] for link in landing["links"]}
    for rel in ("self", "service-desc", "conformance", "data"):
        assert service.client.get(links[rel]).status_code == 200, rel
    assert service.client.get("/?f=json", headers={"Accept": "text/html"}).json()["title"] == "geoships"
    assert len(service.client.get("/conformance").json()["conformsTo"]) == 10


def test_links_are_those_of_the_proxy_and_no_host_is_repeated_blindly(served: Callable[..., Served]) -> None:
    service = served(base="https://ships.example.org/")
    assert service.client.get("/?f=json").json()["links"][0]["href"] == "https://ships.example.org/?f=json"
    plain = served()
    odd = elsewhere(plain).get("/?f=json", headers={"Host": 'x"><script>'})
    assert "<script" not in odd.text


def test_health_readiness_and_figures(served: Callable[..., Served]) -> None:
    service = served()
    service.send()
    service.do()
    assert service.client.get("/healthz").json() == {"status": "ok"}
    assert service.client.get("/readyz").status_code == 200
    text = service.client.get("/metrics").text
    assert 'geoships_jobs{state="successful"} 1.0' in text
    assert 'geoships_jobs_ended_total{state="successful"} 1.0' in text
    assert "geoships_pixels_total 36000.0" in text
    assert 'geoships_job_seconds_bucket{le="+Inf"} 1.0' in text
    full = served(limits=Limits(free=1 << 60))
    answer = full.client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["disk"]) == (503, "full")


def test_what_a_page_needs_to_know(service: Served) -> None:
    settings = service.client.get("/settings").json()
    assert settings["caller"]["name"] == "local"
    assert "sentinel2-5band" in [model["name"] for model in settings["models"]]


def test_the_log_has_no_secrets(service: Served, caplog: pytest.LogCaptureFixture) -> None:
    from geoships.service.logs import JsonLines

    caplog.set_level(logging.INFO, "geoships")
    key = service.key()
    service.client.get("/jobs?token=hidden", headers=key)
    service.client.get("/jobs", headers={"Authorization": "Bearer gs_hidden_hidden"})
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records]
    assert [(line["path"], line["status"], line["key"]) for line in lines] == [
        ("/jobs", 200, "ann"), ("/jobs", 401, None)
    ]  # fmt: skip
    assert "hidden" not in json.dumps(lines)


def test_an_error_that_nobody_expected_says_nothing_of_the_inside(
    service: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"secret in {service.scenes}")

    monkeypatch.setattr(service.store.__class__, "jobs", broken)
    answer = service.client.get("/jobs")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["requestId"] == answer.headers["x-request-id"]
    assert "secret" in caplog.text


def test_a_store_that_does_not_answer_is_503(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from geoships.service.store.database import StoreError

    def broken(*_: object, **__: object) -> None:
        raise StoreError("PostgreSQL does not answer (OperationalError)")

    monkeypatch.setattr(service.store.__class__, "jobs", broken)
    monkeypatch.setattr(service.store.__class__, "counts", broken)
    answer = service.client.get("/jobs")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert service.client.get("/readyz").json()["checks"]["store"] == "does not answer"
    assert service.client.get("/healthz").status_code == 200

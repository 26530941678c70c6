"""Uploads that can be resumed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pytest
from served import Served

from geoships.service.jobs import Scope
from geoships.service.settings import Limits

VERSION = {"Tus-Resumable": "1.0.0"}
PART = {**VERSION, "Content-Type": "application/offset+octet-stream"}


def begin(service: Served, length: int, name: str = "scene.tif", headers: dict[str, str] | None = None) -> str:
    metadata = f"filename {base64.b64encode(name.encode()).decode()},filetype aW1hZ2U="
    answer = service.client.post(
        "/uploads", headers={**VERSION, "Upload-Length": str(length), "Upload-Metadata": metadata, **(headers or {})}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def test_an_upload_goes_on_where_it_broke(service: Served) -> None:
    content = service.scene()
    place = begin(service, len(content))
    first = service.client.patch(place, content=content[:1000], headers={**PART, "Upload-Offset": "0"})
    assert (first.status_code, first.headers["upload-offset"]) == (204, "1000")
    assert service.client.head(place, headers=VERSION).headers["upload-offset"] == "1000"
    wrong = service.client.patch(place, content=content, headers={**PART, "Upload-Offset": "0"})
    assert (wrong.status_code, wrong.headers["upload-offset"]) == (409, "1000")
    early = service.client.post("/processes/detect-ships/execution", json={"inputs": {"scene": {"href": place}}})
    assert early.status_code == 409
    digest = base64.b64encode(hashlib.sha256(content[1000:]).digest()).decode()
    rest = {**PART, "Upload-Offset": "1000", "Upload-Checksum": f"sha256 {digest}"}
    assert service.client.patch(place, content=content[1000:], headers=rest).status_code == 204
    done = service.client.post("/processes/detect-ships/execution", json={"inputs": {"scene": {"href": place}}})
    assert done.status_code == 201
    assert service.do().result["ships"] == 4


def test_a_damaged_part_is_sent_again(service: Served) -> None:
    place = begin(service, 8)
    digest = base64.b64encode(hashlib.sha1(b"12345678").digest()).decode()
    headers = {**PART, "Upload-Offset": "0", "Upload-Checksum": f"sha1 {digest}"}
    assert service.client.patch(place, content=b"12345x78", headers=headers).status_code == 460
    assert service.client.head(place, headers=VERSION).headers["upload-offset"] == "0"
    assert service.client.patch(place, content=b"12345678", headers=headers).status_code == 204


def test_what_the_service_knows(service: Served) -> None:
    answer = service.client.options("/uploads")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert "creation" in answer.headers["tus-extension"]
    assert int(answer.headers["tus-max-size"]) == service.settings.limits.upload


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 412),
        ({**VERSION}, 400),
        ({**VERSION, "Upload-Length": "-1"}, 400),
        ({**VERSION, "Upload-Length": "9" * 30}, 400),
        ({**VERSION, "Upload-Length": "1001"}, 413),
        ({**VERSION, "Upload-Length": "5", "Upload-Metadata": "filename %%%"}, 400),
    ],
)
def test_uploads_that_are_not_begun(served: Callable[..., Served], headers: dict[str, str], status: int) -> None:
    service = served(limits=Limits(free=0, upload=1000))
    assert service.client.post("/uploads", headers=headers).status_code == status
    assert service.left() == []


def test_parts_that_are_not_taken(service: Served) -> None:
    place = begin(service, 4)
    head = {**PART, "Upload-Offset": "0"}
    assert service.client.patch(place, content=b"12345", headers=head).status_code == 413
    assert service.client.patch(place, content=b"1", headers={**VERSION, "Upload-Offset": "0"}).status_code == 415
    assert service.client.patch(place, content=b"1", headers={**head, "Upload-Checksum": "md5 x"}).status_code == 400
    assert service.client.patch(place, content=b"1", headers=PART).status_code == 409
    missing = "/uploads/00000000-0000-4000-8000-000000000000"
    for other in (missing, "/uploads/..%2f..", "/uploads/x"):
        assert service.client.patch(other, content=b"1", headers=head).status_code == 404
    service.app.state.service.busy.add(place.rpartition("/")[2])
    assert service.client.patch(place, content=b"1", headers=head).status_code == 423


def test_uploads_of_others_are_not_seen(service: Served) -> None:
    place = begin(service, 4)
    ann = service.key(Scope.write)
    assert service.client.head(place, headers={**VERSION, **ann}).status_code == 404
    body = {"inputs": {"scene": {"href": place}}}
    assert service.client.post("/processes/detect-ships/execution", json=body, headers=ann).status_code == 404


def test_a_refused_scene_takes_its_upload_along(service: Served) -> None:
    place = begin(service, 5)
    service.client.patch(place, content=b"hello", headers={**PART, "Upload-Offset": "0"})
    refused = service.client.post("/processes/detect-ships/execution", json={"inputs": {"scene": {"href": place}}})
    assert refused.status_code == 415
    assert service.left() == []


def test_several_uploads_are_the_bands_of_a_scene(service: Served) -> None:
    places = []
    for band in ("B04", "B08"):
        content = service.scene(f"T31_{band}.tif", bands=(band,))
        places.append(begin(service, len(content), f"T31_{band}.tif"))
        service.client.patch(places[-1], content=content, headers={**PART, "Upload-Offset": "0"})
    body = {"inputs": {"scene": [{"href": place} for place in places]}}
    assert service.client.post("/processes/detect-ships/execution", json=body).status_code == 201
    assert service.do().result["ships"] == 4

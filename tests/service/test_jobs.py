"""Jobs over HTTP: upload, status, progress, results, files, cancelling; as the plain form and as OGC API Processes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import geopandas
import pytest
import rasterio
from fake_models import fake_bundle
from PIL import Image
from served import CPU, Served
from shapely.geometry import shape

from geoships import predict
from geoships.service.jobs import State
from geoships.service.work.assignment import JobFailedError


def test_an_upload_becomes_a_job_with_the_results_of_predict(done: tuple[Served, str]) -> None:
    service, job = done
    status = service.client.get(job).json()
    assert (status["status"], status["progress"], status["secondsLeft"]) == ("successful", 100, None)
    assert status["result"]["placed"]
    assert status["result"]["crs"] == "EPSG:32631"
    expected = predict(
        service.scenes / "scene.tif", config=CPU, model=fake_bundle(), out=service.scenes / "own.geojson"
    )
    own = json.loads((service.scenes / "own.geojson").read_text())["features"]
    assert len(own) == status["result"]["ships"] == 4
    assert service.client.get(f"{job}/files/ships.geojson").json()["features"] == own
    table = geopandas.read_parquet(io.BytesIO(service.client.get(f"{job}/files/ships.parquet").content))
    assert table.geometry.geom_equals_exact(expected.ships.geometry, 0).all()
    assert table.crs == expected.ships.crs


def test_results_are_references_to_files_that_can_be_opened(done: tuple[Served, str]) -> None:
    service, job = done
    results = service.client.get(f"{job}/results").json()
    assert {"ships", "scores", "mask", "scene", "preview", "picture", "thumbnail", "model"} <= results.keys()
    for output in results.values():
        answer = service.client.get(output["href"])
        assert answer.status_code == 200
        assert answer.headers["content-type"] == output["type"]
        assert len(answer.content) == output["length"]
    with rasterio.MemoryFile(service.client.get(results["mask"]["href"]).content) as file, file.open() as mask:
        assert (mask.read(1) == 1).sum() == 80 + 150 + 120 + 9
    with rasterio.MemoryFile(service.client.get(results["scene"]["href"]).content) as file, file.open() as picture:
        assert picture.shape == (180, 200)
        assert picture.dtypes == ("uint8",) * 3
        assert picture.read(1)[21, 40] > picture.read(1)[5, 5]
    picture = Image.open(io.BytesIO(service.client.get(results["thumbnail"]["href"]).content))
    assert max(picture.size) <= 320
    part = service.client.get(f"{job}/files/ships.geojson", headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, b'{"type":"F')
    saved = service.client.get(f"{job}/files/ships.geojson?download=true")
    assert 'attachment; filename="scene.ships.geojson"' in saved.headers["content-disposition"]


def test_the_stac_item_has_addresses_and_no_paths(done: tuple[Served, str]) -> None:
    import pystac

    service, job = done
    answer = service.client.get(f"{job}/item")
    assert answer.headers["content-type"] == "application/geo+json"
    item = pystac.Item.from_dict(answer.json())
    assert item.id in job
    assert all(asset.href.startswith("http://localhost:8000/jobs/") for asset in item.assets.values())
    assert str(service.scenes) not in answer.text
    assert str(service.scenes) not in service.client.get(job).text


def test_options_of_the_form_reach_the_prediction(service: Served) -> None:
    answer = service.send(threshold="0.7", views="2", split="false", bands="1", min_area="1000")
    assert answer.status_code == 201
    assert answer.json()["options"] == {
        "threshold": 0.7, "views": 2, "split": False, "bands": [1], "min_area": 1000.0
    }  # fmt: skip
    done = service.do()
    assert (done.result["threshold"], done.result["ships"]) == (0.7, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threshold", "2"),
        ("threshold", "NaN"),
        ("views", "3"),
        ("views", "²"),
        ("model", "/etc/passwd"),
        ("model", "../../runs/own"),
        ("area", "/etc/passwd"),
        ("area", '{"type": "Point", "coordinates": [0, 0]}'),
        ("area", '{"type": "Polygon", "coordinates": [[[500, 0], [501, 0], [501, 1], [500, 0]]]}'),
        ("area", "[" * 5000),
        ("device", "cuda"),
        ("trust_vrt", "true"),
        ("min_area", "many"),
        ("bands", "0"),
        ("sensitivity", "very"),
    ],
)
def test_wrong_options_are_named_and_leave_nothing(service: Served, name: str, value: str) -> None:
    answer = service.send(**{name: value})
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["type"] == "urn:geoships:problem:options"
    assert problem["errors"][0]["name"].startswith(name)
    assert service.left() == []


def test_an_execution_takes_an_upload(service: Served) -> None:
    upload = service.client.post(
        "/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "0", "Upload-Metadata": "filename YS50aWY="}
    )
    assert upload.status_code == 201
    place = upload.headers["location"]
    assert service.client.delete(place, headers={"Tus-Resumable": "1.0.0"}).status_code == 204
    content = service.scene()
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(content)), "Upload-Metadata": "filename YS50aWY="}
    place = service.client.post("/uploads", headers=headers).headers["location"]
    part = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert service.client.patch(place, content=content, headers=part).status_code == 204
    wanted = {"inputs": {"scene": {"href": place}, "threshold": 0.5}, "response": "document"}
    answer = service.client.post("/processes/detect-ships/execution", json=wanted)
    assert answer.status_code == 201
    assert answer.headers["location"] == answer.json()["links"][0]["href"]
    assert service.do().result["ships"] == 4
    again = service.client.post("/processes/detect-ships/execution", json=wanted)
    assert again.status_code == 404


def test_an_area_is_all_that_is_searched(service: Served) -> None:
    service.send()
    ships = service.client.get(f"/collections/{service.do().id}/items").json()["features"]
    west, south, east, north = shape(ships[0]["geometry"]).buffer(1e-4).bounds
    area = {
        "type": "Polygon",
        "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
    }
    answer = service.send(area=json.dumps(area))
    assert answer.status_code == 201
    assert answer.json()["options"] == {"area": area}
    done = service.do()
    assert done.result["ships"] == 1
    (found,) = service.client.get(f"/collections/{done.id}/items").json()["features"]
    assert shape(found["geometry"]).intersects(shape(ships[0]["geometry"]))
    far = {"type": "Polygon", "coordinates": [[[50, 50], [51, 50], [51, 51], [50, 50]]]}
    job = service.send(area=json.dumps(far)).json()["jobID"]
    with pytest.raises(JobFailedError) as failure:
        service.do()
    assert str(service.scenes) not in str(failure.value)
    assert job


def test_the_process_is_described_with_its_options(service: Served) -> None:
    listed = service.client.get("/processes").json()["processes"]
    assert [each["id"] for each in listed] == ["detect-ships"]
    described = service.client.get("/processes/detect-ships").json()
    assert {"scene", "threshold", "views", "sensitivity"} <= described["inputs"].keys()
    assert {"ships", "scores", "mask"} <= described["outputs"].keys()
    assert "async-execute" in described["jobControlOptions"]
    missing = service.client.get("/processes/other")
    assert missing.status_code == 404
    assert missing.json()["type"].endswith("no-such-process")


def test_several_band_files_are_one_scene(service: Served) -> None:
    files = [("file", (f"T31_{band}.tif", service.scene(f"T31_{band}.tif", bands=(band,)))) for band in ("B04", "B08")]
    answer = service.client.post("/jobs", files=files)
    assert answer.status_code == 201
    assert answer.json()["title"] == "T31 (2 bands)"
    assert service.do().result["ships"] == 4
    doubled = [("file", ("x_B04.tif", service.scene())), ("file", ("y_B04.tif", service.scene()))]
    refused = service.client.post("/jobs", files=doubled)
    assert refused.status_code == 422
    assert "name them after their bands" in refused.json()["detail"]


def test_a_zip_of_one_image_is_a_scene(service: Served) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner/scene.tif", service.scene())
        archive.writestr("readme.txt", "hello")
    answer = service.client.post("/jobs", files={"file": ("scene.zip", packed.getvalue())})
    assert answer.status_code == 201, answer.text
    assert service.do().result["ships"] == 4


def test_a_scene_without_a_place_on_earth_has_pictures_and_no_tiles(service: Served) -> None:
    service.client.post("/jobs", files={"file": ("bare.tif", service.scene("bare.tif", transform=None, crs=None))},
                        data={"gsd": "10"})  # fmt: skip
    job = service.do()
    assert (job.result["placed"], job.result["bbox"], job.result["ships"]) == (False, None, 4)
    place = f"/jobs/{job.id}"
    items = service.client.get(f"/collections/{job.id}/items").json()
    assert [each["geometry"] for each in items["features"]] == [None] * 4
    assert service.client.get(f"{place}/files/ships.geojson").json()["features"][0]["geometry"]
    assert service.client.get(f"{place}/files/picture.webp").status_code == 200
    assert service.client.get(f"{place}/layers/scene/WebMercatorQuad/tilejson.json").status_code == 404
    assert service.client.get(f"/collections/{job.id}").status_code == 200
    for form in ("csv", "gpkg", "kml", "parquet"):
        assert service.client.get(f"/collections/{job.id}/items?f={form}").status_code == 200, form
    assert service.client.get(f"/collections/{job.id}/items?f=fgb").status_code == 406


def test_progress_is_sent_until_the_job_has_ended(service: Served) -> None:
    identity = service.send().json()["jobID"]
    job = service.store.claim("w", 60)
    assert job is not None
    service.store.renew(job, 60, 0.5, "computing")
    seen: list[Any] = []
    with service.client.stream("GET", f"/jobs/{identity}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line[6:]))
                if len(seen) == 1:
                    service.store.fail(job, "it is too dark")
    assert [(each["status"], each["progress"]) for each in seen] == [("running", 50), ("failed", 50)]
    assert seen[-1]["message"] == "it is too dark"


def test_results_that_are_not_there_say_why(service: Served) -> None:
    identity = service.send().json()["jobID"]
    early = service.client.get(f"/jobs/{identity}/results")
    assert early.status_code == 404
    assert early.json()["type"].endswith("result-not-ready")
    assert service.client.get(f"/collections/{identity}").status_code == 404
    job = service.store.claim("w", 60)
    assert job is not None
    service.store.fail(job, "it is too dark")
    failed = service.client.get(f"/jobs/{identity}/results")
    assert failed.status_code == 422
    assert failed.json()["detail"] == "the job failed: it is too dark"
    other = service.send().json()["jobID"]
    assert service.client.delete(f"/jobs/{other}").json()["status"] == "dismissed"
    assert service.client.get(f"/jobs/{other}/results").status_code == 410


def test_a_job_that_has_ended_is_deleted_with_its_files(service: Served) -> None:
    identity = service.send().json()["jobID"]
    service.do()
    assert service.left() == [identity]
    assert service.client.delete(f"/jobs/{identity}").status_code == 200
    assert service.left() == []
    assert service.client.get(f"/jobs/{identity}").status_code == 404


def test_jobs_are_listed_in_pages_that_keep_the_query(service: Served) -> None:
    own = [service.send().json()["jobID"] for _ in range(3)]
    page = service.client.get("/jobs?limit=2&status=accepted").json()
    assert [each["jobID"] for each in page["jobs"]] == own[:0:-1]
    assert (page["numberMatched"], page["numberReturned"]) == (3, 2)
    following = {each["rel"]: each["href"] for each in page["links"]}["next"]
    assert "status=accepted" in following
    last = service.client.get(following).json()
    assert [each["jobID"] for each in last["jobs"]] == own[:1]
    assert "next" not in {each["rel"] for each in last["links"]}


def test_a_request_that_is_sent_twice_is_one_job(service: Served) -> None:
    first = service.send(headers={"Idempotency-Key": "one"})
    again = service.send(headers={"Idempotency-Key": "one"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["jobID"] == again.json()["jobID"]
    assert len(service.left()) == 1


def test_a_failure_has_a_reason_without_paths(service: Served) -> None:
    service.client.post("/jobs", files={"file": ("scene.tif", service.scene())}, data={"bands": "9"})
    with pytest.raises(JobFailedError) as raised:
        service.do()
    assert str(service.scenes) not in str(raised.value)
    assert "matches no band" in str(raised.value)


def test_limits_of_jobs_that_wait_and_of_requests(served: Callable[..., Served]) -> None:
    from geoships.service.settings import Limits

    service = served(limits=Limits(free=0, waiting=1, requests=12))
    assert service.send().status_code == 201
    refused = service.send()
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert len(service.left()) == 1
    codes = {service.client.get("/jobs").status_code for _ in range(12)}
    assert codes == {200, 429}
    assert service.client.get("/healthz").status_code == 200


def test_states_are_those_of_the_standard() -> None:
    assert [state for state in State if state.final] == ["successful", "failed", "dismissed"]

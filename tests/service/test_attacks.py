"""Files and forms that are made to do harm: each is refused with one clear problem, and leaves nothing behind."""

from __future__ import annotations

import base64
import io
import struct
import threading
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from served import Served

from geoships.service.problems import ProblemError
from geoships.service.settings import Limits


def packed(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def linked() -> bytes:
    link = zipfile.ZipInfo("scene.tif")
    link.external_attr = 0o120777 << 16
    return packed((link, b"/etc/passwd"))


def encrypted() -> bytes:
    content = bytearray(packed(("scene.tif", b"II*\0")))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.index(signature)
        content[at + place] |= 1
    return bytes(content)


def lying(size: int) -> bytes:
    """A zip whose table says that a member is larger than it is."""
    content = bytearray(packed(("scene.tif", b"II*\0" * 100)))
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", size)
    return bytes(content)


def tiff(width: int, height: int, **options: Any) -> bytes:
    """A sparse TIFF of any size, in a few bytes."""
    with rasterio.MemoryFile() as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        profile = {"driver": "GTiff", "width": width, "height": height, "count": 1, "dtype": "uint8", "tiled": True}
        with file.open(**profile, sparse_ok=True, bigtiff="yes", **options) as dataset:
            dataset.write(np.zeros((1, 16, 16), "uint8"), window=((0, 16), (0, 16)))
        return bytes(file.read())


def refused(service: Served, name: str, content: bytes) -> tuple[int, str]:
    """Status and detail of the answer to an upload, which has left nothing."""
    answer = service.client.post("/jobs", files={"file": (name, content)})
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert str(service.scenes) not in answer.text
    assert "Traceback" not in answer.text
    assert service.left() == []
    return answer.status_code, problem["detail"]


VRT = b'<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand><SimpleSource><SourceFilename>/etc/passwd'


@pytest.mark.parametrize(
    ("name", "content", "status", "detail"),
    [
        ("empty.tif", b"", 422, "empty"),
        ("scene.vrt", VRT, 415, "VRT"),
        ("scene.tif", VRT, 415, "VRT"),
        ("scene.tif", b"\xef\xbb\xbf  " + VRT, 415, "VRT"),
        ("scene.tif", b"II*\0" + VRT, 415, "another format"),
        ("scene.tif", b"<GDAL_WMS><Service name='TMS'><ServerUrl>http://127.0.0.1/", 415, "send a GeoTIFF"),
        ("item.json", b'{"type": "Feature", "stac_version": "1.0.0"}', 415, "JSON"),
        ("scene.nc", b"CDF\x01", 415, "send a GeoTIFF"),
        ("scene.h5", b"\x89HDF\r\n\x1a\n", 415, "send a GeoTIFF"),
        ("scene.gpkg", b"SQLite format 3\0", 415, "GeoPackage"),
        ("scene.tar", b"scene.tif" + bytes(600), 415, "send a GeoTIFF"),
        ("scene.tif", b"II*\0" + b"\xff" * 200, 422, "scene.tif"),
        ("scene.tif", b"II*\0\x08\0\0\0\x01\0", 422, "scene.tif"),
        ("scene.jp2", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(50), 422, "scene.jp2"),
        ("scene.png", b"\x89PNG\r\n\x1a\n" + bytes(50), 422, "scene.png"),
        ("scene.zip", b"PK\x03\x04 and no more", 422, "damaged"),
        ("scene.zip", packed(("readme.txt", b"hello")), 422, "no .tif or .jp2"),
        ("scene.zip", packed(("../scene.tif", b"II*\0")), 422, "leads out"),
        ("scene.zip", packed(("/etc/scene.tif", b"II*\0")), 422, "leads out"),
        ("scene.zip", packed(("a\\..\\scene.tif", b"II*\0")), 422, "leads out"),
        ("scene.zip", packed(("C:scene.tif", b"II*\0")), 422, "leads out"),
        ("scene.zip", linked(), 422, "link"),
        ("scene.zip", encrypted(), 422, "encrypted"),
        ("scene.zip", packed(("scene.tif", VRT)), 415, "VRT"),
        ("scene.zip", packed(("a.tif", b"II*\0"), ("inner.zip", b"PK")), 422, "zip itself"),
        ("scene.zip", packed(("a.tif", b"II*\0"), ("A.TIF", b"II*\0")), 422, "twice"),
        ("scene.zip", packed(("a.tif", bytes(64 << 20))), 422, "far more than its packed size"),
        ("scene.zip", lying(4_000_000_000), 422, "scene.zip"),
    ],
)
def test_files_that_are_no_scene(service: Served, name: str, content: bytes, status: int, detail: str) -> None:
    found, said = refused(service, name, content)
    assert found == status, said
    assert detail in said


def test_a_scene_of_too_many_pixels_is_refused_by_its_header(service: Served) -> None:
    content = tiff(1 << 20, 1 << 20, blockxsize=4096, blockysize=4096, compress="deflate")
    assert len(content) < 20 << 20
    status, detail = refused(service, "bomb.tif", content)
    assert (status, "pixels" in detail) == (413, True)


def test_zips_that_hold_too_much(served: Callable[..., Served]) -> None:
    service = served(limits=Limits(free=0, unpacked=10_000))
    status, detail = refused(service, "a.zip", packed(("a.tif", bytes(6000)), ("b.tif", bytes(6000))))
    assert (status, "at most 10000" in detail) == (413, True)
    many = packed(*((f"{number}.txt", b"") for number in range(20_001)))
    assert refused(service, "many.zip", many)[0] == 422


def test_uploads_that_are_too_large_or_that_the_disk_or_the_quota_cannot_take(served: Callable[..., Served]) -> None:
    small = served(limits=Limits(free=0, upload=1000))
    assert refused(small, "a.tif", bytes(5000))[0] == 413

    def unknown_length() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.tif"\r\n\r\n'
        for _ in range(100):
            yield bytes(1000)

    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert small.client.post("/jobs", content=unknown_length(), headers=form).status_code == 413
    assert small.left() == []
    full = served(limits=Limits(free=1 << 60))
    status, detail = refused(full, "a.tif", full.scene())
    assert (status, "no room" in detail) == (507, True)
    poor = served(limits=Limits(free=0, quota=100))
    status, detail = refused(poor, "a.tif", poor.scene())
    assert (status, "your jobs take" in detail) == (507, True)


def test_a_disk_that_fills_up_meanwhile(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from geoships.service.intake import files

    def full(_self: object, _chunk: bytes) -> None:
        with files.disk_errors():
            raise OSError(errno.ENOSPC, "No space left on device", "/secret/path")

    monkeypatch.setattr(files.Incoming, "write", full)
    status, detail = refused(service, "a.tif", service.scene())
    assert status == 507
    assert "/secret" not in detail


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b""),
        ("text/plain", b"hello"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--y\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nII',
        ),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'),
        (f"multipart/form-data; boundary={'x' * 5000}", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 5000 + b"\r\n\r\n--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\nA: " + b"b" * 100_000 + b"\r\n\r\n\r\n--x--"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="other"; filename="a.tif"\r\n\r\nII\r\n--x--\r\n',
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="views"\r\n\r\n' + b"1" * 70_000 + b"\r\n--x--\r\n",
        ),
    ],
)
def test_forms_that_are_none(service: Served, kind: str, body: bytes) -> None:
    answer = service.client.post("/jobs", content=body, headers={"Content-Type": kind})
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert service.left() == []


@pytest.mark.parametrize(
    "name", ["../../a.tif", "..\\..\\a.tif", "/etc/passwd", "a\r\nX-Evil: 1.tif", "a\0b.tif", "..", ""]
)
def test_names_of_files_are_names_alone(service: Served, name: str) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="'
        + name.replace("\r\n", "%0d%0a").encode()
        + b'"\r\n\r\n'
        + service.scene()
        + b"\r\n--x--\r\n"
    )
    answer = service.client.post("/jobs", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    if answer.status_code == 201:
        (job,) = service.left()
        files = [path.relative_to(service.folder.jobs).as_posix() for path in service.folder.jobs.rglob("*.*")]
        assert all(file.startswith(f"{job}/input/") and ".." not in file for file in files)
        assert sorted(path.name for path in service.scenes.iterdir()) == ["data", "scene.tif"]
    else:
        assert answer.status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/..%2f..%2fetc%2fpasswd",
        "/jobs/%00",
        "/jobs/' OR 1=1 --",
        "/jobs/00000000-0000-4000-8000-000000000000",
        "/jobs/00000000-0000-4000-8000-000000000000/files/..%2f..%2fservice.sqlite",
        "/collections/../jobs/items",
        "/collections/x/items",
        "/page/../settings.py",
        "/page/..%2f..%2fsettings.py",
        "//etc/passwd",
        "/uploads/x",
    ],
)
def test_ids_that_are_forged(service: Served, path: str) -> None:
    answer = service.client.get(path)
    assert answer.status_code in (404, 405)
    assert answer.headers["content-type"] == "application/problem+json"


def test_files_of_a_job_are_those_of_its_list_alone(done: tuple[Served, str]) -> None:
    service, job = done
    for name in ("item.json", "..%2f..%2finput%2fscene.tif", "%2e%2e/input/scene.tif", "scene.tif%00.png", "input"):
        assert service.client.get(f"{job}/files/{name}").status_code == 404, name


JOB = "/jobs/{job}"
ITEMS = "/collections/{job}/items"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{ITEMS}?datetime=0001-01-01T00:00:00%2B14:00", 400),  # before the first year in UTC
        ("GET", f"{ITEMS}?datetime=9999-12-31T23:59:59-14:00/..", 400),
        ("GET", f"{ITEMS}?datetime=%D9%A2%D9%A0%D9%A2%D9%A4-01-01", 400),  # digits of another script
        ("GET", f"{ITEMS}?score=nan", 400),
        ("GET", f"{ITEMS}?limit=99999999999999999999999", 400),
        ("GET", f"{ITEMS}?bbox=nan,nan,nan,nan", 400),
        ("GET", f"{JOB}/layers/scores/tiles/WebMercatorQuad/0/0/0.png?band=9", 404),
        ("GET", f"{JOB}/layers/scores/tiles/WebMercatorQuad/0/0/0.png?tilesize=999999", 400),
        ("GET", f"{JOB}/layers/scores/tiles/WebMercatorQuad/99999999999999999999/0/0.png", 404),
        ("GET", f"{JOB}/ships/1/chip.webp?size=99999", 400),
        ("DELETE", f"{JOB}/corrections/%00", 404),
        ("TRACE", "/jobs", 405),
        ("PROPFIND", "/", 405),
    ],
)
def test_parameters_that_are_made_to_do_harm(done: tuple[Served, str], method: str, path: str, status: int) -> None:
    service, job = done
    answer = service.client.request(method, path.replace("{job}", job.rpartition("/")[2]))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


@pytest.mark.parametrize(
    ("header", "value", "path", "status"),
    [
        ("Range", "bytes=99999999999999-", f"{JOB}/files/scores.tif", 416),
        ("Range", "octets=a-b", f"{JOB}/files/scores.tif", 400),
        ("Range", "bytes=" + ",".join(f"{byte}-{byte}" for byte in range(2000)), f"{JOB}/files/scores.tif", 431),
        ("Authorization", "Basic " + base64.b64encode(b"a:gs_\0\0_b").decode(), "/jobs", 401),
        ("Authorization", "Bearer gs_" + "\xb2" * 12 + "_b", "/jobs", 401),
        ("X-API-Key", "gs_000000000000_' OR 1=1 --", "/jobs", 401),
        ("Cookie", "geoships_key=gs_000000000000_%0d%0aX-Evil: 1", "/jobs", 401),
    ],
)
def test_headers_that_are_made_to_do_harm(
    done: tuple[Served, str], header: str, value: str, path: str, status: int
) -> None:
    service, job = done
    answer = service.client.get(
        path.replace("{job}", job.rpartition("/")[2]), headers={header: value.encode("latin-1")}
    )
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert "x-evil" not in answer.headers


@pytest.mark.parametrize(
    ("header", "value"),
    [("Upload-Length", "\xb2"), ("Upload-Length", "9" * 30), ("Upload-Length", "-1"), ("Upload-Length", "1e3")],
)
def test_lengths_that_are_none(service: Served, header: str, value: str) -> None:
    headers = {"Tus-Resumable": "1.0.0", header: value.encode("latin-1")}
    assert service.client.post("/uploads", headers=headers).status_code == 400
    assert service.left() == []


def test_names_and_ids_come_back_in_headers_without_harm(service: Served) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a%0d%0aX-Evil: 1\\".tif"\r\n\r\n'
        + service.scene()
        + b"\r\n--x--\r\n"
    )
    form = {"Content-Type": "multipart/form-data; boundary=x", "X-Request-ID": "a b: c", "Host": "localhost"}
    answer = service.client.post("/jobs", content=body, headers=form)
    assert answer.status_code == 201
    assert answer.headers["x-request-id"] != "a b: c"
    job = service.do().id
    for path in (
        f"/jobs/{job}/files/ships.geojson?download=true",
        f"/collections/{job}/items?f=csv",
        f"/jobs/{job}/labels",
    ):
        sent = service.client.get(path)
        assert sent.status_code == 200
        assert "x-evil" not in sent.headers
        assert "\n" not in sent.headers["content-disposition"]


@pytest.mark.parametrize(
    "body", [b"[" * 4000, b"null", b"[]", b'{"key": 1}', b'{"key": "\\ud800"}', b"\xff", b" " * 5000]
)
def test_sessions_that_are_none(service: Served, body: bytes) -> None:
    answer = service.client.post("/session", content=body)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"inputs": []}',
        b'{"inputs": {}}',
        b'{"inputs": {"scene": "file:///etc/passwd"}}',
        b'{"inputs": {"scene": {"href": ""}}}',
        b'{"inputs": {"scene": [[[]]]}}',
        b'{"inputs": {"scene": {"href": "/uploads/../jobs"}}}',
        b'{"inputs": {"scene": {"href": "/vsicurl/http://127.0.0.1/"}}}',
        b'{"inputs": ' + b"[" * 100_000,
        b'{"inputs": {"\\ud800": 1, "scene": {"href": "/uploads/x"}}}',
        b'{"inputs": {"model": "\\ud800", "scene": {"href": "/uploads/x"}}}',
        b'{"inputs": {"threshold": 1e999, "scene": {"href": "/uploads/x"}}}',
        b'{"inputs": {"threshold": ' + b"1" * 6000 + b"}}",
        b"\xff\xfe",
    ],
)
def test_executions_that_are_none(service: Served, body: bytes) -> None:
    answer = service.client.post("/processes/detect-ships/execution", content=body)
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert service.left() == []


def test_requests_never_wait_for_uploads_that_are_looked_at(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    content, going = service.scene(), threading.Event()
    monkeypatch.setattr(service.app.state.service.inspector, "header", lambda *_: {"rows": 1} if going.wait(60) else {})
    answers: list[int] = []

    def send(number: int) -> None:
        answers.append(service.client.post("/jobs", files={"file": (f"{number}.tif", content)}).status_code)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    try:
        while service.app.state.service.looking.statistics().tasks_waiting < len(threads) / 2:
            time.sleep(0.01)
        started = time.monotonic()
        for path in ("/healthz", "/readyz", "/jobs", "/settings"):
            assert service.client.get(path).status_code == 200
        assert time.monotonic() - started < 2
    finally:
        going.set()
    for thread in threads:
        thread.join()
    assert answers == [201] * len(threads)
    assert service.store.counts()["accepted"] == len(threads)


def test_a_file_that_kills_its_reader_takes_no_other_file_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service_jobs import die_at_header, wait_at_header

    from geoships.service.intake import inspect

    inspector = inspect.Inspector()
    found: dict[str, Any] = {}

    def look(name: str) -> None:
        try:
            found[name] = inspector.header([tmp_path / name], Limits())
        except ProblemError as error:
            found[name] = error.status

    monkeypatch.setattr(inspect, "look", wait_at_header)
    good = threading.Thread(target=look, args=("good",))
    good.start()
    while not (tmp_path / "good").exists():
        time.sleep(0.01)
    monkeypatch.setattr(inspect, "look", die_at_header)
    look("bad")
    (tmp_path / "good").unlink()  # which lets the other one end
    good.join()
    inspector.close()
    assert found == {"bad": 422, "good": {"rows": 1, "columns": 1}}


def test_a_file_that_kills_its_reader_is_refused_and_the_next_is_read(
    service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service_jobs import die_at_header

    from geoships.service.intake import inspect

    inspector = inspect.Inspector()
    monkeypatch.setattr(service.app.state.service, "inspector", inspector)
    look = inspect.look
    monkeypatch.setattr(inspect, "look", die_at_header)
    status, detail = refused(service, "scene.tif", service.scene())
    assert (status, "cannot be read" in detail) == (422, True)
    monkeypatch.setattr(inspect, "look", look)
    assert service.send().status_code == 201
    inspector.close()


@pytest.mark.parametrize(
    ("address", "status"), [("/jobs/a%00b", 404), ("/jobs?limit=1%00", 400), ("/collections/%00/items", 404)]
)
def test_a_nul_in_an_address_is_refused(service: Served, address: str, status: int) -> None:
    answer = service.client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["detail"].endswith("holds a NUL character")

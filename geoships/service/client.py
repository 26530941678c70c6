"""A service from a program: send a scene, wait for it, and take its ships.

>>> from geoships import Client
>>> client = Client("https://ships.example.org", key="gs_...")  # doctest: +SKIP
>>> job = client.submit("scene.tif", sensitivity="high")  # doctest: +SKIP
>>> job.wait().ships()  # doctest: +SKIP
"""

from __future__ import annotations

import base64
import io
import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import requests

from geoships.errors import GeoshipsError
from geoships.scene.opening.names import is_remote
from geoships.support.files import atomic_write
from geoships.support.progress import NoProgress, Progress

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

PART = 16 << 20  # bytes that are sent at a time
TRIES = 5  # of a request that the network or the service breaks off
PAUSE = 0.5  # s before the second try, doubled at each
LOOKING = 0.5  # s between two looks at a job, which become longer
LONGEST = 5.0
TIMEOUT = (10, 120)  # s to connect, and to hear anything
AGAIN = (429, 502, 503, 504)
TUS = {"Tus-Resumable": "1.0.0"}


class ServiceError(GeoshipsError):
    """A service refuses a request, does not answer, or has failed with a job.

    Attributes:
        status: HTTP status of its answer; None where there was none.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """A service of geoships.

    Args:
        address: Its address, such as ``https://ships.example.org``.
        key: A key; None: that of the environment variable ``GEOSHIPS_KEY``, or none.

    Raises:
        ServiceError: The address is none.
    """

    def __init__(self, address: str, key: str | None = None) -> None:
        if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).netloc:
            raise ServiceError(f"{address}: the address of a service begins with https:// or http://")
        self.address = address.rstrip("/")
        self._session = requests.Session()
        if chosen := key or os.environ.get("GEOSHIPS_KEY"):
            self._session.headers["Authorization"] = f"Bearer {chosen}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def submit(
        self,
        scene: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        progress: Progress | None = None,
        **options: Any,
    ) -> RemoteJob:
        """Send a scene, and begin a job. What the network breaks off is taken up where it was.

        Args:
            scene: A file, several files of one band each, or an address that the service may ask.
            progress: Receives the bytes that are sent, as pixels of a scene.
            options: Options of the prediction, such as ``sensitivity="high"``; see the reference of the service.
                ``area`` is a vector file, a GeoDataFrame, or a GeoJSON polygon in longitude and latitude.

        Returns:
            The job, which the service has accepted.

        Raises:
            ServiceError: A file cannot be read, or the service refuses it.
        """
        given = [scene] if isinstance(scene, str | os.PathLike) else list(scene)
        names = [os.fspath(each) for each in given]
        if len(names) == 1 and is_remote(names[0]):
            references = [{"href": names[0]}]
        else:
            references = [{"href": self._upload(Path(name), progress or NoProgress())} for name in names]
        wanted = {name: value for name, value in options.items() if value is not None}
        if "area" in wanted:
            wanted["area"] = _polygon(wanted["area"])
        body = {"inputs": {"scene": references[0] if len(references) == 1 else references, **wanted}}
        answer = self.request(
            "POST", "/processes/detect-ships/execution", json=body, headers={"Idempotency-Key": uuid.uuid4().hex}
        )
        return RemoteJob(self, answer.json())

    def _upload(self, path: Path, progress: Progress) -> str:
        """Send a file; returns the address of the upload."""
        try:
            size = path.stat().st_size
            file = path.open("rb")
        except OSError as error:
            raise ServiceError(f"{path}: cannot be read ({error.strerror}); check the name") from error
        name = base64.b64encode(path.name.encode()).decode()
        headers = {**TUS, "Upload-Length": str(size), "Upload-Metadata": f"filename {name}"}
        with file:
            place = self.request("POST", "/uploads", headers=headers).headers["Location"]
            place = f"/uploads/{place.rpartition('/')[2]}"
            progress.start(path.name, size)
            sent = 0
            while sent < size:
                before, sent = sent, self._send_part(place, file, sent)
                progress.advance(sent - before)
        return place

    def _send_part(self, place: str, file: io.BufferedReader, start: int) -> int:
        """Send what follows a byte; returns how far the service is then."""
        for attempt in range(TRIES):
            file.seek(start)
            headers = {**TUS, "Upload-Offset": str(start), "Content-Type": "application/offset+octet-stream"}
            try:
                answer = self._send("PATCH", place, data=file.read(PART), headers=headers)
            except requests.RequestException as error:
                if attempt == TRIES - 1:
                    raise self._unreachable(error) from error
            else:
                if answer.status_code == 204:
                    return int(answer.headers["Upload-Offset"])
                if answer.status_code not in (*AGAIN, 408, 409, 423) or attempt == TRIES - 1:
                    raise _refusal(answer)
            time.sleep(PAUSE * 2**attempt)
            start = int(self.request("HEAD", place, headers=TUS).headers["Upload-Offset"])
        raise AssertionError("the last try returns or raises")

    def job(self, identity: str) -> RemoteJob:
        """A job by its id.

        Raises:
            ServiceError: There is none, or it belongs to another key.
        """
        return RemoteJob(self, self.request("GET", f"/jobs/{identity}").json())

    def jobs(self, limit: int = 100) -> list[RemoteJob]:
        """The newest jobs.

        Args:
            limit: How many at most, up to 1,000.
        """
        found = self.request("GET", "/jobs", params={"limit": limit}).json()["jobs"]
        return [RemoteJob(self, status) for status in found]

    def request(self, method: str, path: str, **more: Any) -> requests.Response:
        """Ask the service; what breaks off is asked again.

        Args:
            method: GET, POST, PUT, DELETE or HEAD. A POST is asked again only with an ``Idempotency-Key``.
            path: Path, which begins with a slash.
            more: Arguments of `requests`.

        Raises:
            ServiceError: The service refuses, or does not answer.
        """
        once = method == "POST" and "Idempotency-Key" not in more.get("headers", {})
        for attempt in range(TRIES):
            last = once or attempt == TRIES - 1
            try:
                answer = self._send(method, path, **more)
            except requests.RequestException as error:
                if last:
                    raise self._unreachable(error) from error
            else:
                if answer.ok:
                    return answer
                if last or answer.status_code not in AGAIN:
                    raise _refusal(answer)
            time.sleep(PAUSE * 2**attempt)
        raise AssertionError("the last try returns or raises")

    def _send(self, method: str, path: str, **more: Any) -> requests.Response:
        return self._session.request(
            method, f"{self.address}{path}", timeout=TIMEOUT, allow_redirects=False, **more
        )  # a key never follows a redirect

    def _unreachable(self, error: Exception) -> ServiceError:
        return ServiceError(f"{self.address} does not answer ({type(error).__name__}); check the address")


def _rejected(kept: bool) -> str:
    return "include" if kept else "leave-out"


def _polygon(area: Any) -> dict[str, Any]:
    """An area as a GeoJSON polygon in longitude and latitude.

    Raises:
        ServiceError: It cannot be read.
    """
    if isinstance(area, Mapping):
        return dict(area)
    from geopandas import GeoDataFrame, read_file

    try:
        frame = area if isinstance(area, GeoDataFrame) else read_file(area)
        degrees = frame if frame.crs is None else frame.to_crs(4326)
        polygon: dict[str, Any] = json.loads(json.dumps(degrees.union_all().__geo_interface__))
        return polygon
    except Exception as error:  # of GDAL, pyogrio or PROJ
        raise ServiceError(f"{area}: cannot be read as an area; give a vector file with polygons") from error


def _refusal(answer: requests.Response) -> ServiceError:
    """What a service says of a request that it refuses."""
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"it answers {answer.status_code}, as no service of geoships does; check the address"
    return ServiceError(detail, answer.status_code)


@dataclass
class RemoteJob:
    """A job of a service.

    Attributes:
        client: The service.
        status: Its status as it was last heard, see the reference of the service.
    """

    client: Client = field(repr=False)
    status: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.status["jobID"])

    @property
    def state(self) -> str:
        """accepted, running, successful, failed or dismissed, as it was last heard."""
        return str(self.status["status"])

    @property
    def ended(self) -> bool:
        """Whether nothing happens to it any more."""
        return self.state not in ("accepted", "running")

    def refresh(self) -> Self:
        """Ask for its status; returns the job itself."""
        self.status = self.client.request("GET", f"/jobs/{self.id}").json()
        return self

    def wait(self, timeout: float | None = None, progress: Progress | None = None) -> Self:
        """Wait until it is done; returns the job itself.

        Args:
            timeout: Seconds to wait at most; None: as long as it takes.
            progress: Receives the progress, in percent.

        Raises:
            ServiceError: It failed, was dismissed, or takes longer.
        """
        shown = progress or NoProgress()
        shown.start(str(self.status["title"]), 100)
        started, done, pause = time.monotonic(), 0, LOOKING
        while True:
            self.refresh()
            shown.advance(max(0, int(self.status["progress"]) - done))
            done = max(done, int(self.status["progress"]))
            if self.ended:
                break
            if timeout is not None and time.monotonic() - started > timeout:
                raise ServiceError(f"the job {self.id} is not done after {timeout:g} s; it goes on")
            time.sleep(pause)
            pause = min(LONGEST, pause * 1.2)
        if self.state != "successful":
            raise ServiceError(f"{self.status['title']}: {self.status['message']}")
        return self

    def ships(self, *, reviewed: bool = False, rejected: bool = False) -> GeoDataFrame:
        """Its ships, one row each.

        Args:
            reviewed: As people have corrected them, in longitude and latitude with ``verdict`` and ``note``; else as
                they were found, in the scene's own coordinates.
            rejected: With `reviewed` the rejected ones, too.

        Raises:
            ServiceError: It is not done.
        """
        from geopandas import read_parquet

        path = f"/collections/{self.id}/items" if reviewed else f"/jobs/{self.id}/files/ships.parquet"
        query = {"f": "parquet", "reviewed": "true", "rejected": _rejected(rejected)} if reviewed else None
        answer = self.client.request("GET", path, params=query)
        return read_parquet(io.BytesIO(answer.content))

    def download(self, name: str, path: str | os.PathLike[str]) -> Path:
        """Copy one of its files, which appears whole.

        Args:
            name: Such as ``ships.geojson``, ``scores.tif``, ``mask.tif`` or ``preview.png``.
            path: Where it goes.

        Raises:
            GeoshipsError: It is not done, has no such file, or the file cannot be written.
        """
        return self._copy(f"/jobs/{self.id}/files/{name}", {}, Path(path))

    def export(
        self, path: str | os.PathLike[str], *, reviewed: bool = False, rejected: bool = False, **query: Any
    ) -> Path:
        """Write its ships to a file, in longitude and latitude.

        Args:
            path: The file, .geojson, .gpkg, .csv, .kml, .parquet or .fgb.
            reviewed: As people have corrected them.
            rejected: With `reviewed` the rejected ones, too.
            query: Properties that ships must have, such as ``score="0.8/.."``.

        Raises:
            GeoshipsError: It is not done, or the file cannot be written.
        """
        target = Path(path)
        form = target.suffix.lower().removeprefix(".").replace("geoparquet", "parquet")
        given = {"f": form, "reviewed": str(reviewed).lower(), "rejected": _rejected(rejected), **query}
        if form in ("geojson", "json"):
            given["limit"] = 10_000
            return self._copy_pages(given, target)
        return self._copy(f"/collections/{self.id}/items", given, target)

    def _copy_pages(self, query: Mapping[str, Any], path: Path) -> Path:
        features: list[Any] = []
        while True:
            given = {**query, "offset": len(features)}
            page = self.client.request("GET", f"/collections/{self.id}/items", params=given).json()
            features += page["features"]
            if not page["features"] or len(features) >= page["numberMatched"]:
                break
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
        return path

    def _copy(self, place: str, query: Mapping[str, Any], path: Path) -> Path:
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            for chunk in self._chunks(place, query):
                file.write(chunk)
        return path

    def _chunks(self, place: str, query: Mapping[str, Any]) -> Iterator[bytes]:
        answer = self.client.request("GET", place, params=query, stream=True)
        with answer:
            try:
                yield from answer.iter_content(1 << 20)
            except requests.RequestException as error:
                raise ServiceError(f"the service stopped in the middle of {place}; try again") from error

    def cancel(self) -> Self:
        """Stop it, or delete it where it has ended; returns the job itself."""
        self.status = self.client.request("DELETE", f"/jobs/{self.id}").json()
        return self

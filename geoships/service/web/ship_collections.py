"""OGC API Features: each job is a collection of its ships."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.background import BackgroundTask

from geoships.service.exports import MEDIA, write_features
from geoships.service.features import (
    Feature,
    Ships,
    parse_box,
    parse_interval,
    read_features,
    reviewed,
)
from geoships.service.features import (
    Query as Wanted,
)
from geoships.service.jobs import Job, State
from geoships.service.problems import ProblemError
from geoships.service.web.access import Reader, ReadJob, own_job
from geoships.service.web.jobs import Limit, Offset, require_result, result_folder
from geoships.service.web.service import GEOJSON, Parts, Service, link, listing, paged

router = APIRouter(tags=["Features"])

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
GREGORIAN = "http://www.opengis.net/def/uom/ISO-8601/0/Gregorian"
OWN = ("bbox", "bbox-crs", "crs", "datetime", "limit", "offset", "f", "reviewed", "rejected")

Form = Literal["geojson", "json", "csv", "gpkg", "kml", "parquet", "fgb"]


@router.get("/collections", summary="A collection for each job that is done")
def collections(
    request: Request, service: Parts, caller: Reader, limit: Limit = 100, offset: Offset = 0
) -> dict[str, Any]:
    """The newest first."""
    found, count = service.store.jobs(caller.owner, states=[State.successful], limit=limit, offset=offset)
    return listing(request, "collections", [collection_of(job, request) for job in found], (limit, offset), count)


@router.get("/collections/{job}", summary="The ships of a job, as a collection")
def collection(request: Request, job: ReadJob) -> dict[str, Any]:
    """Its extent, and links to its items."""
    require_result(job)
    return collection_of(job, request)


def collection_of(job: Job, request: Request) -> dict[str, Any]:
    """The description of a job's ships."""
    place, moment = f"/collections/{job.id}", job.result.get("datetime")
    box = job.result.get("bbox")
    extent: dict[str, Any] = {"spatial": {"bbox": [box], "crs": CRS84}} if box else {}
    if moment:
        extent["temporal"] = {"interval": [[moment, moment]], "trs": GREGORIAN}
    forms = [
        link(
            request,
            "items",
            f"{place}/items",
            media,
            f"Ships as {form}",
            query={"f": None if form == "geojson" else form},
        )
        for form, media in MEDIA.items()
        if form != "json"
    ]
    return {
        "id": job.id,
        "title": f"Ships in {job.title}",
        "description": f"{job.result['ships']} found in {job.title} by {job.result['model']}",
        **({"extent": extent} if extent else {}),
        "itemType": "feature",
        "crs": [CRS84],
        "links": [
            link(request, "self", place),
            *forms,
            link(request, "http://www.opengis.net/def/rel/ogc/1.0/queryables", f"{place}/queryables"),
            link(request, "related", f"/jobs/{job.id}/item", GEOJSON, "STAC Item"),
            link(request, "via", f"/jobs/{job.id}", title="The job"),
        ],
    }


@router.get("/collections/{job}/queryables", summary="Properties by which ships can be asked for")
def queryables(request: Request, job: ReadJob, service: Parts) -> dict[str, Any]:
    """A JSON schema; each property is a parameter of the items."""
    ships = ships_of(service, job, corrected=False)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": link(request, "self", f"/collections/{job.id}/queryables")["href"],
        "type": "object",
        "title": f"Ships in {job.title}",
        "properties": {name: {"title": name, "type": kind} for name, kind in ships.properties.items()},
        "additionalProperties": False,
    }


def ships_of(service: Service, job: Job, *, corrected: bool, rejected: bool = False) -> Ships:
    """The ships of a job that is done, as detected or as people have corrected them, maybe with the rejected ones."""
    path = result_folder(service, job) / "ships.geojson"
    ships = read_features(path, placed=bool(job.result.get("placed")))
    return reviewed(ships, service.store.corrections(job.id), rejected=rejected) if corrected else ships


@router.get("/collections/{job}/items", summary="Ships of a job", response_class=JSONResponse)
def items(
    request: Request,
    job: ReadJob,
    service: Parts,
    bbox: Annotated[str | None, Query(description="WEST,SOUTH,EAST,NORTH in degrees")] = None,
    datetime: Annotated[str | None, Query(description="A time, or FROM/TO")] = None,
    limit: Annotated[int | None, Query(ge=1, le=10_000, description="Ships of a page; of a file: all")] = None,
    offset: Offset = 0,
    f: Annotated[Form | None, Query(description="Form of the answer")] = None,
    reviewed: Annotated[bool, Query(description="As people have corrected them, with verdict and note")] = False,
    rejected: Annotated[
        Literal["include", "leave-out"], Query(description="What becomes of rejected ships, where they are reviewed")
    ] = "leave-out",
) -> Response:
    """Any property is a parameter, too: ``class=ship``, ``score=0.8/..``, ``length_m=50/200``."""
    ships = ships_of(service, job, corrected=reviewed, rejected=rejected == "include")
    found = ships.select(_wanted(request, ships, bbox, datetime))
    if f not in (None, "json", "geojson"):
        chosen = found[offset : None if limit is None else offset + limit]
        return _file(job, f, chosen, ships)
    size = limit or 100
    page = found[offset : offset + size]
    place = f"/collections/{job.id}/items"
    query = dict(request.query_params)
    links = paged(request, place, query, (size, offset), len(found), GEOJSON)
    return JSONResponse(
        {
            "type": "FeatureCollection",
            "features": page,
            "numberMatched": len(found),
            "numberReturned": len(page),
            "timeStamp": _now(),
            "links": [*links, link(request, "collection", f"/collections/{job.id}")],
        },
        media_type=GEOJSON,
        headers={"Content-Crs": f"<{CRS84}>"},
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _wanted(request: Request, ships: Ships, box: str | None, interval: str | None) -> Wanted:
    """What a request asks for.

    Raises:
        ProblemError: 400 for a parameter that is not known, or is not valid.
    """
    given = dict(request.query_params)
    for name in ("bbox-crs", "crs"):
        if given.get(name, CRS84) != CRS84:
            raise ProblemError(400, f"{name}: the only coordinates are {CRS84}")
    properties = {name: value for name, value in given.items() if name not in OWN}
    if unknown := [name for name in properties if name not in ships.properties]:
        known = ", ".join([*OWN, *ships.properties])
        raise ProblemError(400, f"there is no parameter {unknown[0][:80]!r}; there are {known}")
    return Wanted(parse_box(box) if box else None, parse_interval(interval) if interval else None, properties)


def _file(job: Job, form: str, features: list[Feature], ships: Ships) -> Response:
    """The features as a file to be saved."""
    folder = Path(mkdtemp(prefix="geoships-"))
    try:
        path = folder / f"ships.{form}"
        write_features(path, form, features, list(ships.properties), f"Ships in {job.title}")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return FileResponse(
        path,
        media_type=MEDIA[form],
        filename=f"{Path(job.title).stem or 'scene'}.ships.{form}",
        background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
    )


@router.get("/collections/{job}/items/{ship}", summary="One ship", response_class=JSONResponse)
def one(request: Request, job: ReadJob, ship: str, service: Parts, reviewed: bool = False) -> Response:
    """By its number, or by the id of a drawn one."""
    feature = ships_of(service, job, corrected=reviewed).feature(ship)
    if feature is None:
        raise ProblemError(404, "the job has no such ship")
    links = [
        link(request, "self", f"/collections/{job.id}/items/{ship}", GEOJSON),
        link(request, "collection", f"/collections/{job.id}"),
        link(request, "preview", f"/jobs/{job.id}/ships/{ship}/chip.webp", "image/webp"),
    ]
    return JSONResponse({**feature, "links": links}, media_type=GEOJSON, headers={"Content-Crs": f"<{CRS84}>"})


__all__ = ["own_job", "router", "ships_of"]

"""Jobs: the plain upload, the list, status, progress, results, files, and the end of a job."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from geoships.service.intake.accept import Request as Wanted
from geoships.service.intake.accept import begin_upload
from geoships.service.intake.multipart import read_form
from geoships.service.intake.pace import body_chunks
from geoships.service.intake.room import require_room
from geoships.service.jobs import Job, State
from geoships.service.options import JobOptions, job_options
from geoships.service.problems import ProblemError
from geoships.service.web.access import Reader, ReadJob, WriteJob, Writer
from geoships.service.web.processes import RepeatKey, created
from geoships.service.web.service import GEOJSON, Parts, Service, link, listing
from geoships.service.web.statuses import FILES, OUTPUTS, status_of

router = APIRouter(tags=["Jobs"])

LOOKING = 0.5  # s between two looks at a job whose progress is sent
ALIVE = 15.0  # s after which a line is sent in any case, so that no proxy thinks the connection dead
NOT_READY = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/result-not-ready"

Limit = Annotated[int, Query(ge=1, le=1000, description="How many are returned at most")]
Offset = Annotated[int, Query(ge=0, le=10**9, description="How many are left out")]


def _form_schema() -> dict[str, Any]:
    options = JobOptions.model_json_schema()["properties"]
    file = {"type": "array", "items": {"type": "string", "format": "binary"}, "description": "The scene, or its bands"}
    return {"type": "object", "required": ["file"], "properties": {"file": file, **options}}


@router.post(
    "/jobs",
    status_code=201,
    summary="Upload a scene and begin a job",
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _form_schema()}}}},
)
async def upload(request: Request, service: Parts, caller: Writer, repeat: RepeatKey = None) -> Response:
    """A multipart form: one or several fields ``file``, and options as other fields."""
    if repeat and (known := await to_thread.run_sync(service.store.of_request, caller.owner, repeat)):
        return created(request, known, new=False)
    length = request.headers.get("content-length", "0")
    require_room(
        service.folder, service.store, service.settings.limits,
        owner=caller.owner, quota=caller.quota, size=int(length) if length.isdecimal() else 0,
    )  # fmt: skip
    place = begin_upload(service.folder)
    try:
        form = await read_form(
            request.headers.get("content-type", ""),
            body_chunks(request, service.settings.limits),
            service.folder.upload(place) / "files",
            service.settings.limits,
            service.writing,
        )
        hashes = {path.name: digest for path, digest in zip(form.files, form.hashes, strict=True)}
        wanted = Wanted(caller.owner, job_options(form.fields), repeat, hashes)
        job, new = await to_thread.run_sync(service.intake.files, place, wanted, limiter=service.looking)
    finally:
        await to_thread.run_sync(service.folder.remove_upload, place, limiter=service.writing)
    return created(request, job, new=new)


@router.get("/jobs", summary="Your jobs, the newest first")
def jobs(
    request: Request,
    service: Parts,
    caller: Reader,
    status: Annotated[list[State] | None, Query(description="Only jobs in these states")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> dict[str, Any]:
    """``next`` leads to older ones."""
    found, count = service.store.jobs(caller.owner, states=status or (), limit=limit, offset=offset)
    return listing(request, "jobs", [status_of(job, request) for job in found], (limit, offset), count)


@router.get("/jobs/{job}", summary="Status of a job")
async def status(request: Request, job: ReadJob) -> dict[str, Any]:
    """State, progress in percent, seconds left, result and links."""
    return status_of(job, request)


@router.delete("/jobs/{job}", summary="Stop a job, or delete one that has ended")
def dismiss(request: Request, job: WriteJob, service: Parts) -> dict[str, Any]:
    """One that runs stops within two seconds; one that has ended is deleted with its files."""
    if job.state.final:
        service.store.remove(job.id)
        service.folder.remove_job(job.id)
        return {**status_of(job, request), "status": State.dismissed.value, "message": "deleted", "links": []}
    cancelled = service.store.cancel(job.id)
    return status_of(cancelled or job, request)


@router.get("/jobs/{job}/events", summary="Progress of a job, as server-sent events", response_class=StreamingResponse)
async def events(request: Request, job: ReadJob, service: Parts) -> Response:
    """Events ``status`` with the status of the job as data, whenever it changes, until it has ended."""
    stream = _events(request, service, job)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _events(request: Request, service: Service, job: Job) -> AsyncIterator[str]:
    last, quiet = None, 0.0
    current: Job | None = job
    while current is not None:
        seen = (current.state, current.progress, current.message, current.cancelled)
        if seen != last:
            last, quiet = seen, 0.0
            yield f"event: status\ndata: {json.dumps(status_of(current, request))}\n\n"
        elif quiet >= ALIVE:
            quiet = 0.0
            yield ": still there\n\n"
        if current.state.final:
            return
        await asyncio.sleep(LOOKING)
        quiet += LOOKING
        current = await to_thread.run_sync(service.store.job, job.id)
    yield "event: gone\ndata: {}\n\n"


def require_result(job: Job) -> None:
    """Refuse to answer for a job that has no result.

    Raises:
        ProblemError: 404 while it waits or runs, 410 where it was dismissed, 422 with the reason where it failed.
    """
    if job.state is State.failed:
        raise ProblemError(422, f"the job failed: {job.message}", kind="job-failed")
    if job.state is State.dismissed:
        raise ProblemError(410, "the job was dismissed", kind="dismissed")
    if job.state is not State.successful:
        raise ProblemError(404, "the job is not done yet", kind=NOT_READY)


def result_folder(service: Service, job: Job) -> Path:
    """The folder of the outputs of a job that is done."""
    require_result(job)
    return service.folder.attempt(job.id, int(job.result["attempt"]))


@router.get("/jobs/{job}/results", summary="Results of a job")
def results(request: Request, job: ReadJob, service: Parts) -> dict[str, Any]:
    """Each output by reference."""
    folder = result_folder(service, job)
    found = {output: file for output, file in OUTPUTS.items() if (folder / file[0]).is_file()}
    return {
        output: {
            "href": link(request, "self", f"/jobs/{job.id}/files/{name}")["href"],
            "type": media,
            "title": title,
            "length": (folder / name).stat().st_size,
        }
        for output, (name, media, title) in found.items()
    }


@router.get("/jobs/{job}/files/{name}", summary="A file of a job", response_class=FileResponse)
def file(job: ReadJob, service: Parts, name: str, download: bool = False) -> Response:
    """Files never change, and parts of them can be asked for. ``download=true`` lets a browser save them."""
    path = result_folder(service, job) / name
    if name not in FILES or not path.is_file():
        raise ProblemError(404, f"the job has no such file; it may have {', '.join(FILES)}")
    stem = Path(job.title).stem or "scene"
    return FileResponse(
        path,
        media_type=FILES[name],
        filename=f"{stem}.{name}",
        content_disposition_type="attachment" if download else "inline",
        headers={"Cache-Control": "private, max-age=86400, immutable"},
    )


@router.get("/jobs/{job}/item", summary="STAC Item of a job", response_class=JSONResponse)
def item(request: Request, job: ReadJob, service: Parts) -> Response:
    """What was found, in what, by which model; its assets are the files of the job."""
    folder = result_folder(service, job)
    document = json.loads((folder / "item.json").read_text(encoding="utf-8"))
    assets = {
        kind: {**asset, "href": link(request, "self", f"/jobs/{job.id}/files/{Path(asset['href']).name}")["href"]}
        for kind, asset in document["assets"].items()
    }
    address = status_of(job, request)["source"].get("address")
    links = [
        link(request, "self", f"/jobs/{job.id}/item", GEOJSON),
        link(request, "root", "/"),
        link(request, "via", f"/jobs/{job.id}", title="The job"),
        *([{"href": address, "rel": "derived_from", "title": job.title}] if address else []),
    ]
    answer = {**document, "id": job.id, "assets": assets, "links": links}
    return JSONResponse(answer, media_type=GEOJSON)

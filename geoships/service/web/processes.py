"""OGC API Processes: the one process, its description and its execution."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from geoships import __version__
from geoships.service.folders import is_identity
from geoships.service.intake.accept import Request as Wanted
from geoships.service.intake.pace import json_body
from geoships.service.jobs import Job
from geoships.service.options import JobOptions, invalid, job_options
from geoships.service.problems import ProblemError
from geoships.service.web.access import Writer
from geoships.service.web.service import GEOJSON, Parts, Service, base_of, link
from geoships.service.web.statuses import OUTPUTS, PROCESS, status_of
from geoships.service.web.tus import claim_uploads

router = APIRouter(tags=["Processes"])

BODY = 1 << 20  # bytes of a request for an execution
NO_PROCESS = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-process"
RepeatKey = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200, description="Names the request, so "
"that one which is sent twice makes one job")]  # fmt: skip


class Reference(BaseModel):
    """A scene by its address: an upload of this service, or one at an allowed address."""

    model_config = ConfigDict(extra="ignore")

    href: Annotated[str, Field(min_length=1, max_length=4000)]


class Execution(BaseModel):
    """A request for an execution."""

    model_config = ConfigDict(extra="ignore")

    inputs: dict[str, Any]


def _inputs() -> dict[str, Any]:
    reference = {"type": "object", "required": ["href"], "properties": {"href": {"type": "string", "format": "uri"}}}
    scene = {
        "title": "Scene",
        "description": "Address of the scene, /uploads/ID of a file that was uploaded, or several of band files",
        "schema": {"oneOf": [reference, {"type": "array", "items": reference, "minItems": 1}]},
        "minOccurs": 1,
        "maxOccurs": 1,
    }
    options = JobOptions.model_json_schema()["properties"]
    described = {
        name: {
            "title": name,
            "description": schema.get("description", name),
            "schema": _input_schema(schema),
            "minOccurs": 0,
            "maxOccurs": 1,
        }
        for name, schema in options.items()
    }
    return {"scene": scene, **described}


def _input_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of an option in the dialect of OGC API Processes 1.0, which is that of OpenAPI 3.0.

    It has no type `null`: an input that is not wanted is left out. Its exclusive limits are flags.
    """
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    kept = dict(kinds[0]) if len(kinds) == 1 else {"anyOf": kinds}
    for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in kept:
            kept |= {limit: kept[exclusive], exclusive: True}
    return {key: value for key, value in kept.items() if key not in ("description", "title", "default")}


def _summary(request: Request) -> dict[str, Any]:
    place = f"/processes/{PROCESS}"
    return {
        "id": PROCESS,
        "title": "Find the ships of a scene",
        "description": "Ships as polygons with score, length, width and heading; scores and mask as rasters.",
        "version": __version__,
        "jobControlOptions": ["async-execute", "dismiss"],
        "outputTransmission": ["reference"],
        "links": [
            link(request, "self", place),
            link(request, "http://www.opengis.net/def/rel/ogc/1.0/execute", f"{place}/execution", title="Execution"),
        ],
    }


@router.get("/processes", summary="The processes")
def processes(request: Request) -> dict[str, Any]:
    """There is one."""
    return {"processes": [_summary(request)], "links": [link(request, "self", "/processes")]}


@router.get("/processes/{process}", summary="Description of a process")
def process(request: Request, process: str) -> dict[str, Any]:
    """Its inputs, which are the scene and the options of a job, and its outputs."""
    _require_process(process)
    outputs = {
        name: {"title": title, "schema": {"type": "string", "format": "binary", "contentMediaType": media}}
        for name, (_, media, title) in OUTPUTS.items()
    }
    return {**_summary(request), "inputs": _inputs(), "outputs": outputs}


def _require_process(name: str) -> None:
    if name != PROCESS:
        raise ProblemError(404, f"there is no such process; the only one is {PROCESS}", kind=NO_PROCESS)


@router.post(
    "/processes/{process}/execution",
    status_code=201,
    summary="Begin a job",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": Execution.model_json_schema(),
                    "example": {"inputs": {"scene": {"href": "/uploads/ID"}, "threshold": 0.5}},
                }
            },
        }
    },
)
async def execute(request: Request, process: str, service: Parts, caller: Writer, repeat: RepeatKey = None) -> Response:
    """Answers at once, with the status of the job; it always runs asynchronously."""
    _require_process(process)
    body = await json_body(request, service.settings.limits, BODY)
    inputs = _execution(body).inputs
    references = _references(inputs.pop("scene", None))
    wanted = Wanted(caller.owner, job_options(inputs), repeat)
    if repeat and (known := await to_thread.run_sync(service.store.of_request, caller.owner, repeat)):
        return created(request, known, new=False)
    own = [_own_upload(request, each) for each in references]
    threads = service.looking if own and all(own) else service.asking
    job, new = await to_thread.run_sync(_accept, service, references, own, wanted, limiter=threads)
    return created(request, job, new=new)


def _execution(body: Any) -> Execution:
    try:
        return Execution.model_validate(body)
    except ValidationError as error:
        raise invalid(error) from None


def _references(scene: Any) -> list[str]:
    """The addresses of a scene."""
    given = scene if isinstance(scene, list) else [scene]
    try:
        return [Reference.model_validate(each).href for each in given if given]
    except ValidationError:
        raise ProblemError(
            400, 'give the scene as {"href": "/uploads/ID"} or {"href": "https://..."}, or a list of such'
        ) from None


def _accept(service: Service, references: list[str], own: list[str | None], wanted: Wanted) -> tuple[Job, bool]:
    """Make a job of uploads of this service, by their ids in `own`, or of an address."""
    if own and all(own):
        upload = claim_uploads(service, wanted.owner, [each for each in own if each])
        return service.intake.files(upload, wanted)
    if len(references) != 1:
        raise ProblemError(400, "give one address, or uploads of this service alone")
    return service.intake.address(references[0], wanted)


def _own_upload(request: Request, href: str) -> str | None:
    """The id of an upload of this service; None for another address."""
    path = href.removeprefix(base_of(request))
    identity = path.removeprefix("/uploads/")
    return identity if path.startswith("/uploads/") and is_identity(identity) else None


def created(request: Request, job: Job, *, new: bool) -> Response:
    """The answer to a request that made a job."""
    headers = {"Location": link(request, "self", f"/jobs/{job.id}")["href"], "Preference-Applied": "respond-async"}
    return JSONResponse(status_of(job, request), 201 if new else 200, headers)


__all__ = ["GEOJSON", "RepeatKey", "created", "router"]

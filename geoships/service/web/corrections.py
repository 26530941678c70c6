"""What people say of ships: accepted, rejected, drawn, with another outline or a note; and labels made of it."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from geoships.service.folders import new_identity
from geoships.service.intake.pace import json_body
from geoships.service.jobs import Correction, Job, Verdict
from geoships.service.labels import label_features
from geoships.service.options import invalid
from geoships.service.outlines import measures_of, polygon_of
from geoships.service.problems import ProblemError
from geoships.service.web.access import ReadJob, WriteJob
from geoships.service.web.service import GEOJSON, Parts, Service
from geoships.service.web.ship_collections import ships_of
from geoships.service.web.statuses import iso

router = APIRouter(tags=["Corrections"])

BODY = 1 << 20  # bytes of a correction
Model = TypeVar("Model", bound=BaseModel)
Note = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]  # PostgreSQL takes no NUL


class Said(BaseModel):
    """What is said of a ship."""

    model_config = ConfigDict(extra="forbid")

    verdict: Literal["accepted", "rejected"] | None = Field(None, description="null: undecided")
    geometry: dict[str, Any] | None = Field(None, description="GeoJSON polygon that replaces the outline")
    note: Note = ""


class Drawn(BaseModel):
    """A ship that was missed."""

    model_config = ConfigDict(extra="forbid")

    geometry: dict[str, Any] = Field(description="GeoJSON polygon in longitude and latitude")
    note: Note = ""


def _json_body(model: type[BaseModel]) -> dict[str, Any]:
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def document_of(correction: Correction) -> dict[str, Any]:
    """A correction as JSON."""
    return {
        "ship": correction.ship,
        "verdict": correction.verdict.value if correction.verdict else None,
        "geometry": correction.geometry,
        "measures": measures_of(correction.geometry) if correction.geometry else None,
        "note": correction.note,
        "updated": iso(correction.updated),
    }


@router.get("/jobs/{job}/corrections", summary="What was said of the ships of a job")
def corrections(job: ReadJob, service: Parts) -> dict[str, Any]:
    """One entry a ship of which anything was said."""
    ships_of(service, job, corrected=False)
    return {"corrections": [document_of(each) for each in service.store.corrections(job.id)]}


@router.put("/jobs/{job}/corrections/{ship}", summary="Say what a ship is", openapi_extra=_json_body(Said))
async def say(request: Request, job: WriteJob, ship: str, service: Parts) -> dict[str, Any]:
    """Replaces what was said of it before."""
    said = await _body(request, service, Said)
    return await to_thread.run_sync(_say, service, job, ship, said)


def _say(service: Service, job: Job, ship: str, said: Said) -> dict[str, Any]:
    known = {each.ship: each for each in service.store.corrections(job.id)}.get(ship)
    drawn = known is not None and known.verdict is Verdict.drawn
    if not drawn and ships_of(service, job, corrected=False).feature(ship) is None:
        raise ProblemError(404, "the job has no such ship")
    geometry = _polygon(said.geometry) if said.geometry else None
    if drawn:
        assert known is not None
        if said.verdict == "rejected":
            raise ProblemError(400, "a drawn ship is deleted, not rejected")
        correction = Correction(ship, Verdict.drawn, geometry or known.geometry, said.note, 0)
    else:
        correction = Correction(ship, Verdict(said.verdict) if said.verdict else None, geometry, said.note, 0)
    return document_of(service.store.correct(job.id, correction))


@router.post(
    "/jobs/{job}/corrections", status_code=201, summary="Add a ship that was missed", openapi_extra=_json_body(Drawn)
)
async def draw(request: Request, job: WriteJob, service: Parts) -> Response:
    """The answer has its id."""
    drawn = await _body(request, service, Drawn)

    def add() -> Correction:
        ships_of(service, job, corrected=False)
        new = Correction(f"drawn-{new_identity()}", Verdict.drawn, _polygon(drawn.geometry), drawn.note, 0)
        return service.store.correct(job.id, new)

    return JSONResponse(document_of(await to_thread.run_sync(add)), 201)


@router.delete(
    "/jobs/{job}/corrections/{ship}", status_code=204, summary="Take back what was said", response_class=Response
)
def withdraw(job: WriteJob, ship: str, service: Parts) -> Response:
    """A drawn ship is gone then, a detected one undecided."""
    if not service.store.withdraw(job.id, ship):
        raise ProblemError(404, "nothing was said of this ship")
    return Response(status_code=204)


async def _body(request: Request, service: Service, model: type[Model]) -> Model:
    body = await json_body(request, service.settings.limits, BODY)
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise invalid(error) from None


def _polygon(geometry: dict[str, Any]) -> dict[str, Any]:
    """A valid polygon in longitude and latitude that can be measured.

    Raises:
        ProblemError: 400 for anything else.
    """
    try:
        plain = polygon_of(geometry)
    except ValueError as error:
        raise ProblemError(400, f"geometry: {error}", kind="geometry") from None
    if not all(value is None or math.isfinite(value) for value in measures_of(plain).values()):
        raise ProblemError(400, "geometry: too large, or too near a pole, to be measured", kind="geometry")
    return plain


@router.get("/jobs/{job}/labels", summary="Labels for training and evaluation", response_class=JSONResponse)
def labels(
    job: ReadJob,
    service: Parts,
    layer: Annotated[Literal["ships", "ignore"], Query(description="ships, or what nobody has decided")] = "ships",
) -> Response:
    """Ships that were accepted or drawn; undecided ones are the layer to ignore, rejected ones are background."""
    features = label_features(ships_of(service, job, corrected=False), service.store.corrections(job.id), layer)
    document = {"type": "FeatureCollection", "name": f"{layer} of {job.title}", "features": features}
    name = f"{Path(job.title).stem or 'scene'}.geojson"
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return JSONResponse(
        document, media_type=GEOJSON, headers={"Content-Disposition": f'attachment; filename="{plain}"'}
    )

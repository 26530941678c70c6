"""What a worker's process does with one job: the files of `geoships.predict`, and pictures for the map."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geoships.errors import GeoshipsError
from geoships.service.folders import size_of
from geoships.service.intake.accept import check_fetched
from geoships.service.intake.addresses import fetch
from geoships.service.intake.inspect import public_text
from geoships.service.intake.scenes import header_of, scene_of
from geoships.service.options import merged
from geoships.service.problems import ProblemError
from geoships.service.work.assignment import Assignment, JobFailedError, Tell

SHARE = 0.9  # of the progress that computing takes; the rest is for pictures


@dataclass
class _Told:
    """Progress of a prediction, told to the worker."""

    tell: Tell
    total: int = 1
    done: int = 0
    warnings: list[str] = field(default_factory=list)

    def start(self, name: str, pixels: int) -> None:
        del name
        self.total, self.done = max(1, pixels), 0
        self.tell((0.0, "computing"))

    def advance(self, pixels: int) -> None:
        self.done += pixels
        self.tell((SHARE * min(1.0, self.done / self.total), "computing"))

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def note(self, text: str) -> None:
        del text

    def detail(self, text: str) -> None:
        del text


def detect(job: Assignment, device: str, tell: Tell) -> dict[str, Any]:
    """Do a job.

    Args:
        job: The job.
        device: Where the model runs.
        tell: Takes pairs of progress, 0 to 1, and what happens.

    Returns:
        Facts about the result as JSON values, see `result_of`.

    Raises:
        JobFailedError: It cannot be done; the reason has no path of this machine.
    """
    shutil.rmtree(job.output, ignore_errors=True)
    job.output.mkdir(parents=True)
    try:
        return _detect(job, device, tell)
    except ProblemError as error:
        raise JobFailedError(error.detail) from None
    except GeoshipsError as error:
        text = public_text(str(error), job.input)
        raise JobFailedError(public_text(text, job.output)) from None


def _detect(job: Assignment, device: str, tell: Tell) -> dict[str, Any]:
    from geoships.output.formats import appearing_ships
    from geoships.pipeline.predict import predict
    from geoships.service.work.pictures import write_pictures

    paths = _paths(job, tell)
    scene = scene_of(paths)
    config = merged(job.settings.predict, job.options).model_copy(update={"device": device, **_area(job)})
    told = _Told(tell)
    prediction = predict(
        scene,
        out=job.output / "ships.geojson",
        scores=job.output / "scores.tif",
        mask=job.output / "mask.tif",
        preview=job.output / "preview.png",
        stac=job.output / "item.json",
        config=config,
        progress=told,
    )
    tell((SHARE, "drawing"))
    # exact outlines in the scene's own coordinates, from which all other formats are made
    title = f"Ships found by geoships in {paths[0].name}"
    with appearing_ships(job.output / "ships.parquet", prediction.ships, georeference=None, title=title):
        pass
    write_pictures(scene, job.output, skip=config.on_error == "skip")
    tell((1.0, "done"))
    facts = {**prediction.summary(), **header_of(paths), "warnings": [*prediction.warnings]}
    return result_of(job, facts, crs=prediction.ships.crs)


def _area(job: Assignment) -> dict[str, Path]:
    """The area of a job as a file, which is what a prediction takes; empty where there is none."""
    if "area" not in job.options:
        return {}
    path = job.output / "area.geojson"
    path.write_text(
        json.dumps({"type": "Feature", "properties": {}, "geometry": job.options["area"]}), encoding="utf-8"
    )
    return {"area": path}


def _paths(job: Assignment, tell: Tell) -> list[Path]:
    """The files of a job; those of an address are fetched, and checked as those of an upload are."""
    if "address" not in job.source:
        return [job.input / name for name in job.source["files"]]
    tell((0.0, "fetching"))
    place = job.output / "fetched"
    place.mkdir()
    paths = check_fetched([fetch(job.source["address"], place, job.settings)], job.settings.limits)
    header = header_of(paths)
    if header["rows"] * header["columns"] > job.settings.limits.pixels:
        raise ProblemError(413, f"the scene has too many pixels: at most {job.settings.limits.pixels} are taken")
    return paths


def result_of(job: Assignment, facts: Mapping[str, Any], crs: Any) -> dict[str, Any]:
    """Facts about a result, as the store keeps them: counts, place, time, and what was assumed.

    Args:
        job: The job, whose files are written.
        facts: Summary of the prediction.
        crs: Coordinates of the ships; None: pixels.
    """
    item = json.loads((job.output / "item.json").read_text(encoding="utf-8"))
    kept = ("ships", "classes", "model", "threshold", "verifier", "bands", "radiometry", "rows", "columns", "seconds")
    about = {name: facts[name] for name in kept if facts.get(name) is not None}
    warnings = [public_text(public_text(text, job.input), job.output) for text in facts["warnings"]]
    return {
        **about,
        "pixels": facts["rows"] * facts["columns"],
        "unread": len(facts["unread"]),
        "warnings": warnings,
        "placed": crs is not None,
        "crs": None if crs is None else str(crs.to_string())[:200],
        "bbox": item.get("bbox"),
        "geometry": item["geometry"],
        "datetime": item["properties"].get("datetime"),
        "size": size_of(job.input) + size_of(job.output),
    }

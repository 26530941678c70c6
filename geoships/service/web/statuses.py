"""Jobs as documents: the status of OGC API Processes, with what a page wants besides."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from fastapi import Request

from geoships.scene.opening.names import without_secrets
from geoships.service.jobs import Job, State
from geoships.service.web.service import GEOJSON, link

PROCESS = "detect-ships"
LEAST = 0.02  # of the progress, before which nothing is said of the time left

# Output, file, media type and title of what a job makes.
OUTPUTS: dict[str, tuple[str, str, str]] = {
    "ships": ("ships.geojson", GEOJSON, "Ships, in longitude and latitude"),
    "ships-parquet": ("ships.parquet", "application/vnd.apache.parquet", "Ships, in the scene's coordinates"),
    "scores": ("scores.tif", "image/tiff; application=geotiff; profile=cloud-optimized", "Scores"),
    "mask": ("mask.tif", "image/tiff; application=geotiff; profile=cloud-optimized", "Ship mask"),
    "scene": (
        "scene.tif",
        "image/tiff; application=geotiff; profile=cloud-optimized",
        "The scene as a picture, 8 bits",
    ),
    "preview": ("preview.png", "image/png", "The scene with its ships"),
    "picture": ("picture.webp", "image/webp", "The scene, up to 2,048 pixels"),
    "thumbnail": ("thumbnail.webp", "image/webp", "The scene, up to 320 pixels"),
    "model": ("item_model.json", "application/json", "Card of the model"),
    "verifier": ("item_verifier.json", "application/json", "Card of the verifier"),
}
FILES = {name: media for name, media, _ in OUTPUTS.values()}


def iso(seconds: float | None) -> str | None:
    """A time as RFC 3339 has it, in UTC; None for None."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_left(job: Job) -> float | None:
    """Seconds until a running job is done, by its progress so far; None where nothing can be said."""
    if job.state is not State.running or job.started is None or job.progress < LEAST:
        return None
    spent = time.time() - job.started
    return round(max(0.0, spent / job.progress * (1 - job.progress)), 1)


def status_of(job: Job, request: Request) -> dict[str, Any]:
    """The status of a job."""
    done = job.state is State.successful
    return {
        "processID": PROCESS,
        "type": "process",
        "jobID": job.id,
        "status": job.state.value,
        "message": job.message,
        "created": iso(job.created),
        "started": iso(job.started),
        "finished": iso(job.finished),
        "updated": iso(job.updated),
        "progress": round(100 * job.progress),
        "title": job.title,
        "secondsLeft": seconds_left(job),
        "cancelling": job.cancelled and job.state is State.running,
        "attempts": job.attempts,
        "size": job.size,
        "options": job.options,
        "source": _source(job),
        "result": result_of(job) if done else None,
        "links": links_of(job, request),
    }


def _source(job: Job) -> dict[str, Any]:
    """Where the scene comes from, without the secrets of an address."""
    shown = {name: job.source[name] for name in ("files", "sha256") if name in job.source}
    return shown | ({"address": without_secrets(job.source["address"])} if "address" in job.source else {})


def result_of(job: Job) -> dict[str, Any]:
    """Facts about the result of a job."""
    return {name: value for name, value in job.result.items() if name != "attempt"}


def links_of(job: Job, request: Request) -> list[dict[str, str]]:
    """Links of a job: itself, its progress, and all that it has made."""
    place = f"/jobs/{job.id}"
    links = [
        link(request, "self", place),
        link(request, "monitor", f"{place}/events", "text/event-stream", "Progress"),
    ]
    if job.state is not State.successful:
        return links
    results = "http://www.opengis.net/def/rel/ogc/1.0/results"
    links += [
        link(request, results, f"{place}/results", title="Results"),
        link(request, "collection", f"/collections/{job.id}", title="Ships, as OGC API Features has them"),
        link(request, "items", f"/collections/{job.id}/items", GEOJSON, "Ships"),
        link(request, "item", f"{place}/item", GEOJSON, "STAC Item"),
        link(request, "preview", f"{place}/files/thumbnail.webp", "image/webp"),
    ]
    if job.result.get("placed"):
        for layer in ("scene", "scores", "mask"):
            path = f"{place}/layers/{layer}/WebMercatorQuad/tilejson.json"
            links.append(link(request, "tiles", path, title=f"Tiles of the {layer}"))
    return links

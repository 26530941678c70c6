"""Health and figures of the service, for those who watch it."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from geoships.errors import GeoshipsError
from geoships.service.store.store import BUCKETS
from geoships.service.web.access import Reader
from geoships.service.web.service import Parts, Service

router = APIRouter(tags=["Health"])


@router.get("/healthz", summary="Whether the process answers")
async def healthz() -> dict[str, str]:
    """Asks nothing of the store or the disk."""
    return {"status": "ok"}


@router.get("/readyz", summary="Whether jobs can be accepted", response_class=JSONResponse)
def readyz(service: Parts) -> Response:
    """503 with what is wrong, where the store does not answer or the disk is full."""
    checks: dict[str, str] = {"store": "ok", "disk": "ok"}
    try:
        service.store.counts()
    except GeoshipsError:
        checks["store"] = "does not answer"
    try:
        if service.folder.free() < service.settings.limits.free:
            checks["disk"] = "full"
    except OSError:
        checks["disk"] = "cannot be read"
    good = all(state == "ok" for state in checks.values())
    return JSONResponse({"status": "ok" if good else "not ready", "checks": checks}, 200 if good else 503)


class _Figures(Collector):
    """Figures of the queue and of all jobs that ever ended, from the store: workers are other processes."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        counts, totals = self._service.store.counts(), self._service.store.totals()
        queue = GaugeMetricFamily("geoships_jobs", "Jobs that are stored, by state", labels=["state"])
        for state, count in counts.items():
            queue.add_metric([state], count)
        yield queue
        ended = CounterMetricFamily("geoships_jobs_ended", "Jobs that ever ended, by state", labels=["state"])
        for state in ("successful", "failed", "dismissed"):
            ended.add_metric([state], totals.get(f"jobs_{state}", 0))
        yield ended
        done = totals.get("jobs_successful", 0)
        buckets = [(str(float(bucket)), totals.get(f"seconds_le_{bucket}", 0)) for bucket in BUCKETS]
        seconds = HistogramMetricFamily("geoships_job_seconds", "Seconds from the first attempt to the end")
        seconds.add_metric([], [*buckets, ("+Inf", done)], totals.get("seconds", 0))
        yield seconds
        yield CounterMetricFamily("geoships_pixels", "Pixels of all scenes that were done", totals.get("pixels", 0))
        yield GaugeMetricFamily(
            "geoships_pixels_per_second",
            "Pixels a second of a job, on average",
            totals.get("pixels", 0) / totals["seconds"] if totals.get("seconds") else 0,
        )
        yield GaugeMetricFamily("geoships_bytes", "Bytes that jobs take", self._service.store.bytes_of())
        yield GaugeMetricFamily("geoships_disk_free_bytes", "Bytes that are free", self._service.folder.free())


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
def metrics(service: Parts, _caller: Reader) -> Response:
    """The queue, durations, pixels and failures."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(service))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

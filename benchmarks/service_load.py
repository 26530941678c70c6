"""Uploads of mixed sizes that come at once, some of them broken, while each client asks for its status.

uv run python benchmarks/service_load.py                # 50 uploads, two workers
uv run python benchmarks/service_load.py --uploads 10 --sizes 256,512

Checks that every upload is answered, that broken ones get a 4xx problem, that no job is lost or doubled, and that
results are those of `geoships predict`. Prints percentiles of the requests for a status from the first upload to the
end of the last job, while the workers compute, and the peak memory of the processes.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import multiprocessing
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import psutil
import requests
from served_jobs import Service, make_scenes, predicted, result

MIB = 1 << 20
EVERY = 1.0  # s between two requests for a status of one client
LIMIT = 0.1  # s, of the 95th percentile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=50)
    parser.add_argument("--broken", type=float, default=0.2, help="share of the uploads that are no scene")
    parser.add_argument("--sizes", default="256,512,1024,2048", help="pixels along the sides of the scenes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--asking", type=int, default=5, help="connections over which clients ask")
    parser.add_argument("--seconds", type=float, default=1800, help="in which all jobs have to end")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="geoships-") as name:
        run(Path(name), arguments)


def run(folder: Path, arguments: argparse.Namespace) -> None:
    scenes = make_scenes(folder / "scenes", [int(size) for size in arguments.sizes.split(",")])
    wanted = {path.name: predicted(path, folder / "predicted") for path in scenes.values()}
    bodies = mixed(list(scenes.values()), arguments)
    service = Service(folder / "data", inside=arguments.workers)
    memory = Memory(service.server.pid)
    try:
        warm = warm_up(service, scenes[min(scenes)], arguments.workers)
        done, latencies = multiprocessing.Event(), multiprocessing.Queue()
        rate = arguments.uploads / EVERY / arguments.asking
        asking = multiprocessing.Process(target=ask, args=(service.port, warm, rate, arguments.asking, done, latencies))
        asking.start()
        started = time.monotonic()
        answers = send_all(service, bodies)
        print(f"{len(bodies)} uploads were answered within {time.monotonic() - started:.1f} s")
        jobs = service.wait(arguments.seconds)
        seconds = time.monotonic() - started
        done.set()
        found = latencies.get()
        asking.join()
        check_answers(bodies, answers, [job for job in jobs if job["jobID"] not in warm])
        check_totals(service, jobs)
        print(f"all jobs had ended after {seconds:.0f} s")
        report(found)
        memory.report()
        check_results(service, jobs, wanted, folder)
        if percentile(found["status"], 0.95) > LIMIT:
            raise SystemExit(f"the 95th percentile of a status is above {1000 * LIMIT:.0f} ms")
    finally:
        memory.stop()
        service.close()


def mixed(scenes: Sequence[Path], arguments: argparse.Namespace) -> list[tuple[str, bytes, bool]]:
    """Uploads in random order: name, bytes, and whether it is a scene."""
    broken = round(arguments.uploads * arguments.broken)
    chosen = itertools.islice(itertools.cycle(scenes), arguments.uploads - broken)
    uploads = [(path.name, path.read_bytes(), True) for path in chosen]
    whole = scenes[-1].read_bytes()
    kinds = itertools.cycle(
        (
            b"no raster at all" * 1000,
            whole[: len(whole) // 3],
            b'<VRTDataset rasterXSize="1" rasterYSize="1"><SourceFilename>/etc/passwd</SourceFilename></VRTDataset>',
            b"II*\0\x08\0\0\0" + b"\xff" * 100_000,
            b"",
        )
    )
    uploads += [(f"broken-{number}.tif", next(kinds), False) for number in range(broken)]
    random.Random(1).shuffle(uploads)  # noqa: S311 (not for secrets)
    return uploads


def warm_up(service: Service, scene: Path, workers: int) -> list[str]:
    """Let all workers load what they need; returns ids of the jobs that did it."""
    for _ in range(workers):
        answer, _ = send(service.address, scene.name, scene.read_bytes())
        assert answer == 201, answer
    return [job["jobID"] for job in service.wait(600, lambda _: None)]


def send(address: str, name: str, content: bytes) -> tuple[int, dict[str, Any]]:
    """Upload a scene; returns the status of the answer, and its document."""
    answer = requests.post(f"{address}/jobs", files={"file": (name, content)}, timeout=600)
    return answer.status_code, answer.json()


def send_all(service: Service, uploads: Sequence[tuple[str, bytes, bool]]) -> list[tuple[int, dict[str, Any]]]:
    """Send all uploads at once; returns their answers in the same order."""
    answers: list[Any] = [None] * len(uploads)
    together = threading.Barrier(len(uploads))

    def one(number: int) -> None:
        together.wait()
        answers[number] = send(service.address, *uploads[number][:2])

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(uploads))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def ask(port: int, known: list[str], rate: float, connections: int, done: Event, found: Any) -> None:
    """Ask for statuses and for the health, at a steady rate over each connection, until `done`; seconds by kind."""
    seconds: dict[str, list[float]] = {"status": [], "health": [], "list": []}
    ids = list(known)

    def get(connection: http.client.HTTPConnection, kind: str, path: str) -> bytes:
        before = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        seconds[kind].append(time.perf_counter() - before)
        assert answer.status == 200, (path, answer.status, body)
        return body

    def statuses() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        following = time.perf_counter()
        while not done.is_set():
            get(connection, "status", f"/jobs/{random.choice(ids)}")  # noqa: S311 (not for secrets)
            following = max(following + 1 / rate, time.perf_counter())
            time.sleep(max(0.0, following - time.perf_counter()))

    threads = [threading.Thread(target=statuses) for _ in range(connections)]
    for thread in threads:
        thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while not done.wait(EVERY):
        get(connection, "health", "/healthz")
        ids[:] = [job["jobID"] for job in json.loads(get(connection, "list", "/jobs?limit=200"))["jobs"]]
    for thread in threads:
        thread.join()
    found.put(seconds)


class Memory:
    """Peak memory of a process, and of it with all its children: unique sets, so that nothing counts twice."""

    def __init__(self, pid: int) -> None:
        self.own = self.all = 0
        self._root, self._done = psutil.Process(pid), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(1.0):
            try:
                own = self._root.memory_full_info().uss
                children = self._root.children(recursive=True)
            except psutil.Error:
                return
            total = own
            for child in children:
                try:
                    total += child.memory_full_info().uss
                except psutil.Error:
                    continue  # it has just ended
            self.own, self.all = max(self.own, own), max(self.all, total)

    def stop(self) -> None:
        """End the watch."""
        self._done.set()
        self._thread.join()

    def report(self) -> None:
        """Print the peaks."""
        print(f"peak memory: {self.own / MIB:.0f} MiB the HTTP side, {self.all / MIB:.0f} MiB with all its processes")


def check_answers(
    uploads: Sequence[tuple[str, bytes, bool]], answers: list[tuple[int, dict[str, Any]]], jobs: list[dict[str, Any]]
) -> None:
    """Each upload is a job or a problem, each job one upload; scenes succeed, what is none is refused or fails."""
    accepted = {}
    for (name, _, scene), (status, document) in zip(uploads, answers, strict=True):
        assert (status == 201) if scene else (status == 201 or 400 <= status < 500), (name, status, document)
        if status == 201:
            accepted[document["jobID"]] = scene
        else:
            assert document["status"] == status
            assert document["detail"]
    assert len(accepted) == sum(status == 201 for status, _ in answers)
    assert sorted(job["jobID"] for job in jobs) == sorted(accepted)
    for job in jobs:
        assert job["status"] == ("successful" if accepted[job["jobID"]] else "failed"), job
        assert job["attempts"] == 1, job
    print(f"answers: {dict(Counter(status for status, _ in answers))}")
    print(f"jobs: {dict(Counter(job['status'] for job in jobs))}, each begun once")


def check_totals(service: Service, jobs: list[dict[str, Any]]) -> None:
    """The service has counted each job once when it ended."""
    counted = {state: count for state, count in service.totals().items() if count}
    assert counted == dict(Counter(job["status"] for job in jobs)), counted


def check_results(service: Service, jobs: list[dict[str, Any]], wanted: dict[str, str], folder: Path) -> None:
    done = [job for job in jobs if job["status"] == "successful"]
    for job in done:
        assert result(service, job, folder / "results") == wanted[job["title"]], job
    print(f"{len(done)} results are those of geoships predict")


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def report(found: dict[str, list[float]]) -> None:
    for kind, seconds in found.items():
        shown = ", ".join(f"p{share:.0%} {1000 * percentile(seconds, share):.0f}" for share in (0.5, 0.95, 0.99))
        print(f"{kind}: {len(seconds)} requests, {shown.replace('%', '')}, longest {1000 * max(seconds):.0f} ms")


if __name__ == "__main__":
    main()

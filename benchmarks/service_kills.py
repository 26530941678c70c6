"""Kills the HTTP side of a service, its workers or both at random moments while uploads go on.

uv run python benchmarks/service_kills.py                     # 40 kills, 60 uploads, two workers
uv run python benchmarks/service_kills.py --kills 3 --uploads 6

Checks that each upload that was accepted is one job, that each job ends once, that one which failed lost its worker
twice, and that all results are those of `geoships predict`.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import requests
from served_jobs import Service, make_scenes, predicted, result

ACCEPTED = (200, 201)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--uploads", type=int, default=60)
    parser.add_argument("--sizes", default="256,512,1024", help="pixels along the sides of the scenes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pause", type=float, default=6.0, help="most seconds between two kills")
    parser.add_argument("--seconds", type=float, default=1800, help="in which all jobs have to end after the last kill")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="geoships-") as name:
        run(Path(name), arguments)


def run(folder: Path, arguments: argparse.Namespace) -> None:
    scenes = list(make_scenes(folder / "scenes", [int(size) for size in arguments.sizes.split(",")]).values())
    wanted = {path.name: predicted(path, folder / "predicted") for path in scenes}
    draw = random.Random(arguments.seed)  # noqa: S311 (not for secrets)
    service = Service(folder / "data", beside=arguments.workers)
    try:
        uploads = Uploads(service.address, [scenes[number % len(scenes)] for number in range(arguments.uploads)])
        threads = [threading.Thread(target=uploads.send, args=(number,)) for number in range(arguments.uploads)]
        waiting, killed = list(threads), Counter[str]()
        for number in range(arguments.kills):
            for _ in range(-(-len(waiting) // (arguments.kills - number))):
                waiting.pop().start()
            time.sleep(draw.uniform(0, arguments.pause))
            what = draw.choice(("server", "worker", "both"))
            killed[what] += 1
            kill(service, what, draw)
            print(f"kill {number + 1}: {what}; {len(uploads.accepted)} uploads were accepted")
        for thread in threads:
            thread.join()
        jobs = service.wait(arguments.seconds)
        check(service, jobs, uploads.accepted)
        done = [job for job in jobs if job["status"] == "successful"]
        for job in done:
            assert result(service, job, folder / "results") == wanted[job["title"]], job
        print(f"{len(done)} results are those of geoships predict; killed: {dict(killed)}")
    finally:
        service.close()


class Uploads:
    """Sends each scene until its upload is accepted, as a client does that is not sure of an answer."""

    def __init__(self, address: str, scenes: list[Path]) -> None:
        self._address, self._scenes = address, scenes
        self.accepted: dict[int, str] = {}

    def send(self, number: int) -> None:
        """Send a scene; its id is then in `accepted`."""
        scene = self._scenes[number]
        while number not in self.accepted:
            try:
                answer = requests.post(
                    f"{self._address}/jobs", files={"file": (scene.name, scene.read_bytes())},
                    headers={"Idempotency-Key": f"upload-{number}"}, timeout=120,
                )  # fmt: skip
                if answer.status_code in ACCEPTED:
                    self.accepted[number] = answer.json()["jobID"]
                    return
            except requests.RequestException:
                pass
            time.sleep(0.3)


def kill(service: Service, what: str, draw: random.Random) -> None:
    """Kill the HTTP side, a worker or a process that it has begun, or both; start again what was killed."""
    if what != "worker":
        service.kill_server()
    if what != "server" and service.workers:
        place = draw.randrange(len(service.workers))
        worker = service.workers[place]
        begun = [child for child in psutil.Process(worker.pid).children() if "spawn_main" in command_of(child)]
        if begun and draw.random() < 0.5:
            begun[0].kill()  # the process that computes: its worker notices
        else:
            replace(service, place, worker)
    if what != "worker":
        service.start_server()


def command_of(process: psutil.Process) -> str:
    """The command line of a process; empty where it has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def replace(service: Service, place: int, worker: subprocess.Popen[bytes]) -> None:
    """Kill a worker, and start another one."""
    worker.kill()
    worker.wait()
    service.workers[place] = service.start_worker()


def check(service: Service, jobs: list[dict[str, object]], accepted: dict[int, str]) -> None:
    """Each upload is one job, and each job has ended once."""
    assert len(set(accepted.values())) == len(accepted)
    assert sorted(str(job["jobID"]) for job in jobs) == sorted(accepted.values())
    states = Counter(str(job["status"]) for job in jobs)
    assert set(states) <= {"successful", "failed"}, states
    for job in jobs:
        assert job["status"] == "successful" or "two workers were lost" in str(job["message"]), job
    counted = {state: count for state, count in service.totals().items() if count}
    assert counted == dict(states), (counted, states)
    attempts = sum(int(str(job["attempts"])) for job in jobs)
    print(f"{len(accepted)} uploads, {len(jobs)} jobs, which ended once each: {dict(states)}; {attempts} attempts")


if __name__ == "__main__":
    main()

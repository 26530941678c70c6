"""Workers as processes: what is killed, cancelled, late or broken, and that each job ends once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from served import CPU, new_job

from geoships.service.folders import DataFolder
from geoships.service.jobs import Job, State
from geoships.service.settings import Limits, ServiceSettings
from geoships.service.store.store import GIVEN_UP, Store
from geoships.service.work.tidy import tidy
from geoships.service.work.worker import Worker


def settings_of(folder: Path, place: str | Path, **more: object) -> ServiceSettings:
    database = place if isinstance(place, str) else None
    return replace(ServiceSettings(folder, database=database, lease=2.0, predict=CPU), **more)  # type: ignore[arg-type]


def accept(folder: DataFolder, store: Store, name: str) -> str:
    new = new_job(title=name, source={"files": [f"{name}.tif"]})
    folder.input(new.id).mkdir(parents=True)
    store.add(new)
    return new.id


@contextmanager
def working(store: Store, settings: ServiceSettings) -> Iterator[Worker]:
    worker = Worker(store, settings, work="service_jobs:act", name="w")
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join()


def until(found: Callable[[], object], seconds: float = 60) -> float:
    """Wait until something is true; returns the seconds that it took."""
    started = time.monotonic()
    while not found():
        assert time.monotonic() - started < seconds
        time.sleep(0.02)
    return time.monotonic() - started


def state(store: Store, identity: str) -> Job:
    job = store.job(identity)
    assert job is not None
    return job


def test_each_job_ends_once_with_its_result_or_its_reason(place: str | Path, store: Store, tmp_path: Path) -> None:
    folder, settings = DataFolder(tmp_path / "data"), settings_of(tmp_path / "data", place)
    names = ("fine", "fails", "surprises", "dies", "dies once", "fine-2")
    jobs = {name: accept(folder, store, name) for name in names}
    with working(store, settings):
        until(lambda: all(state(store, identity).state.final for identity in jobs.values()), 60)
    found = {name: state(store, identity) for name, identity in jobs.items()}
    assert {name: job.state for name, job in found.items()} == {
        "fine": "successful", "fine-2": "successful", "dies once": "successful",
        "fails": "failed", "surprises": "failed", "dies": "failed",
    }  # fmt: skip
    assert found["fails"].message == "it is too dark"
    assert "/secret" not in found["surprises"].message
    assert "ZeroDivisionError" in found["surprises"].message
    assert found["dies"].message == GIVEN_UP
    begun = {name: (folder.job(identity) / "begun").read_text().split() for name, identity in jobs.items()}
    assert {name: len(lines) for name, lines in begun.items()} == {
        "fine": 1, "fine-2": 1, "fails": 1, "surprises": 1, "dies": 2, "dies once": 2
    }  # fmt: skip
    assert store.totals() == {**store.totals(), "jobs_successful": 3, "jobs_failed": 3}
    good = found["dies once"]
    assert (folder.job(good.id) / f"attempt-{good.result['attempt']}" / "ships.geojson").exists()


@pytest.mark.parametrize("name", ["sleeps", "deaf"])
def test_a_running_job_is_cancelled_within_two_seconds(tmp_path: Path, name: str) -> None:
    settings = settings_of(tmp_path, tmp_path / "service.sqlite")
    store, folder = Store.open(settings.store), DataFolder(tmp_path)
    identity = accept(folder, store, name)
    following = accept(folder, store, "fine")
    with working(store, settings):
        until(lambda: state(store, identity).progress == 0.5)
        store.cancel(identity)
        seconds = until(lambda: state(store, identity).state is State.dismissed)
        assert seconds < 2 + 1  # one more for a machine that does other things, too
        until(lambda: state(store, following).state is State.successful)
    store.close()


def test_a_job_that_takes_too_long_fails_and_one_whose_worker_stops_waits_again(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, tmp_path / "service.sqlite", job_timeout=1.0)
    store, folder = Store.open(settings.store), DataFolder(tmp_path)
    late = accept(folder, store, "sleeps")
    with working(store, settings):
        until(lambda: state(store, late).state is State.failed)
    assert "longer than the 1 s" in state(store, late).message
    stopped = accept(folder, store, "sleeps")
    with working(store, replace(settings, job_timeout=None)):
        until(lambda: state(store, stopped).progress == 0.5)
    job = state(store, stopped)
    assert (job.state, job.lost) == (State.accepted, 0)
    store.close()


def test_a_worker_that_was_overtaken_lets_its_job_go(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, tmp_path / "service.sqlite")
    store, folder = Store.open(settings.store), DataFolder(tmp_path)
    identity = accept(folder, store, "sleeps")
    with working(store, settings):
        until(lambda: state(store, identity).progress == 0.5)
        with store._database.transaction() as run:  # as if the worker had slept through its lease
            run("UPDATE jobs SET lease_until = 0")
        other = store.claim("other", 60)
        assert other is not None
        following = accept(folder, store, "fine")
        until(lambda: state(store, following).state is State.successful)
    assert state(store, identity).worker == "other"
    assert store.succeed(other, {}, 1)
    store.close()


def test_old_jobs_are_removed_by_age_and_by_size(tmp_path: Path) -> None:
    store, folder = Store.open(tmp_path / "service.sqlite"), DataFolder(tmp_path)
    ended = []
    for _ in range(3):
        accept(folder, store, "fine")
        job = store.claim("w", 60)
        assert job is not None
        for token in (7, job.token):
            folder.attempt(job.id, token).mkdir()
        store.succeed(job, {"attempt": job.token}, 100)
        ended.append(job)
    waiting = accept(folder, store, "fine")
    assert tidy(folder, store, Limits(keep_days=1, keep=0)) == 0
    assert not folder.attempt(ended[0].id, 7).exists()
    assert folder.attempt(ended[0].id, ended[0].token).exists()
    assert tidy(folder, store, Limits(keep=250)) == 1
    assert not folder.job(ended[0].id).exists()
    time.sleep(0.01)
    assert tidy(folder, store, Limits(keep_days=1e-9)) == 2
    assert [path.name for path in folder.jobs.iterdir()] == [waiting]
    orphan, upload = folder.job(new_job().id), folder.upload(new_job().id)
    for path in (orphan, upload):
        path.mkdir()
        os.utime(path, (1, 1))
    tidy(folder, store, Limits())
    assert not orphan.exists()
    assert not upload.exists()
    assert folder.job(waiting).exists()
    store.close()


def test_signals_end_a_worker_process_and_give_its_job_back(tmp_path: Path) -> None:
    from geoships.service.work.pool import WorkerPool

    settings = settings_of(tmp_path, tmp_path / "service.sqlite")
    store, folder = Store.open(settings.store), DataFolder(tmp_path)
    identity = accept(folder, store, "sleeps")
    pool = WorkerPool(settings, 1, work="service_jobs:act")
    pool.start()
    try:
        until(lambda: state(store, identity).progress == 0.5)
        (first,) = pool.processes
        os.kill(first, signal.SIGKILL)
        until(lambda: state(store, identity).attempts == 2 and state(store, identity).progress == 0.5, 60)
        assert pool.processes != [first]
    finally:
        pool.close()
    job = state(store, identity)
    assert (job.state, job.lost) == (State.accepted, 1)
    store.close()

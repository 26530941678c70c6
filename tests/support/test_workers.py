import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from worker_jobs import (
    die,
    die_once,
    hang_or_square,
    ignore_the_end,
    raise_unpicklable,
    square,
    tell_twice,
    variable,
    wait_or_fail,
)

from geoships.errors import DeviceError, SceneError
from geoships.support import workers
from geoships.support.workers import Ended, Lost, Raised, Terms, Told, devices_of, run_jobs, run_on_devices

Children = Callable[[], list[multiprocessing.process.BaseProcess]]


def test_each_device_has_a_process_that_takes_the_next_job() -> None:
    results = dict(run_on_devices(range(12), ["cpu", "cpu:0"], square))
    assert sorted(results) == list(range(12))
    assert all(squared == number**2 for number, (squared, _, _) in results.items())
    assert len({(device, process) for _, device, process in results.values()}) == 2
    slow = results[0][2]
    assert sum(process == slow for _, _, process in results.values()) < 6  # the other one did not wait for it


def test_errors_of_jobs_and_dead_processes_are_raised() -> None:
    with pytest.raises(SceneError, match="job -1 on cpu"):
        list(run_on_devices([-1], ["cpu"], square))
    with pytest.raises(DeviceError, match="a process on cpu died"):
        list(run_on_devices([1], ["cpu"], die))


def test_a_failed_job_interrupts_the_others(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(SceneError, match="the second job fails") as caught:
        list(run_on_devices([tmp_path] * 3, ["cpu", "cpu"], wait_or_fail))
    assert time.monotonic() - started < 40
    assert (tmp_path / "cleaned up").exists()
    assert "in wait_or_fail" in caught.value.__notes__[0]


def test_a_caller_that_stops_early_ends_the_processes(children: Children) -> None:
    results = run_on_devices(range(12), ["cpu", "cpu"], square)
    next(results)
    before = children()
    results.close()
    assert len(before) == 2
    assert children() == []


def test_cuda_all_stands_for_every_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices_of("cuda:1") == ["cuda:1"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert devices_of("cuda:all") == ["cuda:0", "cuda:1", "cuda:2"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(DeviceError, match="no GPU was found"):
        devices_of("cuda:all")


def test_jobs_tell_what_they_do_before_they_end() -> None:
    events = list(run_jobs(["a", "b"], ["cpu"], tell_twice))
    assert events == [
        Told(0, "a 1"), Told(0, "a 2"), Ended(0, "A"), Told(1, "b 1"), Told(1, "b 2"), Ended(1, "B")
    ]  # fmt: skip


def test_a_job_whose_process_dies_is_tried_again_and_then_given_up(tmp_path: Path) -> None:
    jobs = [(tmp_path / "first", "die once"), (tmp_path / "second", "live"), (tmp_path / "third", "die always")]
    events = list(run_jobs(jobs, ["cpu"], die_once, Terms(tries=2)))
    assert [event for event in events if isinstance(event, Ended)] == [Ended(1, "live"), Ended(0, "die once")]
    (lost,) = (event for event in events if isinstance(event, Lost))
    assert (lost.index, lost.timed_out) == (2, False)
    assert "died in each of 2 tries (killed by SIGKILL)" in lost.reason


def test_a_job_that_hangs_ends_at_its_time_and_the_others_go_on(children: Children) -> None:
    started = time.monotonic()
    events = list(run_jobs([0, 1, 2], ["cpu"], hang_or_square, Terms(timeout=0.5)))
    assert [Lost(1, "not done after 0.5 s", timed_out=True), Ended(2, 4)] == events[1:]
    assert time.monotonic() - started < 40
    assert children() == []


def test_a_process_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch, children: Children) -> None:
    monkeypatch.setattr(workers, "ENDING", 0.2)
    events = run_jobs([0], ["cpu"], ignore_the_end)
    assert next(events) == Told(0, "deaf")
    events.close()
    assert children() == []


def test_an_error_that_cannot_be_sent_is_told_in_words() -> None:
    (event,) = run_jobs([0], ["cpu"], raise_unpicklable)
    assert isinstance(event, Raised)
    assert str(event.error) == "UnpicklableError: 1 and 2"


def test_the_environment_is_set_before_the_work_is_imported() -> None:
    (event,) = run_jobs(["GEOSHIPS_TEST"], ["cpu"], variable, Terms(environment={"GEOSHIPS_TEST": "3"}))
    assert event == Ended(0, "3")


def test_jobs_that_do_not_fit_beside_others_wait() -> None:
    terms = Terms[int](admit=lambda job, running: job + sum(running) <= 10)
    pool = workers._Pool([8, 6, 2, 1], ["cpu"] * 4, b"", terms)
    started: list[int] = []

    def send(worker: workers._Worker, index: int) -> None:
        worker.index = index
        started.append([8, 6, 2, 1][index])

    def start(device: str) -> workers._Worker:
        pool._workers.append(workers._Worker(device, None, None))  # type: ignore[arg-type]
        return pool._workers[-1]

    pool._send, pool._start = send, start  # type: ignore[method-assign]
    pool.assign()
    assert started == [8, 2]
    pool._workers[0].index = None
    pool.assign()
    assert started == [8, 2, 6, 1]

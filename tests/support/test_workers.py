import multiprocessing
import time
from pathlib import Path

import pytest
import torch
from worker_jobs import die, square, wait_or_fail

from geoships.errors import DeviceError, SceneError
from geoships.support.workers import devices_of, run_on_devices


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


def test_a_caller_that_stops_early_ends_the_processes() -> None:
    results = run_on_devices(range(12), ["cpu", "cpu"], square)
    next(results)
    before = multiprocessing.active_children()
    results.close()
    assert len(before) == 2
    assert multiprocessing.active_children() == []


def test_cuda_all_stands_for_every_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices_of("cuda:1") == ["cuda:1"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert devices_of("cuda:all") == ["cuda:0", "cuda:1", "cuda:2"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(DeviceError, match="no GPU was found"):
        devices_of("cuda:all")

import pytest
import torch
from fake_work import busy, dying

from geoships.errors import DeviceError, SceneError
from geoships.support.workers import devices_of, run_on_devices


def test_each_device_has_a_process_that_takes_the_next_job() -> None:
    results = dict(run_on_devices(range(12), ["cpu", "cpu:0"], busy))
    assert sorted(results) == list(range(12))
    assert all(squared == number**2 for number, (squared, _, _) in results.items())
    assert len({(device, process) for _, device, process in results.values()}) == 2
    slow = results[0][2]
    assert sum(process == slow for _, _, process in results.values()) < 6  # the other one did not wait for it


def test_errors_of_jobs_and_dead_processes_are_raised() -> None:
    with pytest.raises(SceneError, match="job -1 on cpu"):
        list(run_on_devices([-1], ["cpu"], busy))
    with pytest.raises(DeviceError, match="a process on cpu died"):
        list(run_on_devices([1], ["cpu"], dying))


def test_cuda_all_stands_for_every_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices_of("cuda:1") == ["cuda:1"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert devices_of("cuda:all") == ["cuda:0", "cuda:1", "cuda:2"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(DeviceError, match="no GPU was found"):
        devices_of("cuda:all")

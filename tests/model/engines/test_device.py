import pytest
import torch

from geoships.errors import DeviceError
from geoships.model.engines.device import Device, choose_batch_size, choose_device


def test_devices_are_chosen_by_name() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("cuda:99", "toaster"):
        with pytest.raises(DeviceError, match="use auto, cpu"):
            choose_device(name)


def test_batches_shrink_as_tiles_grow() -> None:
    cpu = Device("cpu")
    sizes = [choose_batch_size(cpu, side * side) for side in (64, 256, 512, 8192)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1

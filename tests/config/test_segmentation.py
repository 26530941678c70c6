"""Settings of a training of a segmentation network."""

from __future__ import annotations

from pathlib import Path

import pytest

from geoships.config import train_config
from geoships.errors import GeoshipsError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text("name: a\ndata: {scenes: ['*.tif'], labels: ., bands: [red, green, blue]}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("settings", "crops"),
    [
        (("crops.count=8", "run.epochs=3"), 24),
        (("run.epochs=2",), 3200),
        (("crops.count=100",), 1200),
        (("run.epochs=2", "run.crops=77"), 77),
        (("crops.evenly=0.5",), 20_000),
    ],
)
def test_epochs_of_a_count_of_crops_are_a_budget_of_crops(settings: tuple[str, ...], crops: int, file: Path) -> None:
    assert train_config(file, settings).run.crops == crops


def test_the_former_name_of_the_first_weights_is_understood(file: Path) -> None:
    assert train_config(file, ("network.start=old/bundle",)).start.bundle == Path("old/bundle")


@pytest.mark.parametrize("setting", ["run.epochs=0", "crops.count=many", "crops=5", "run.epoch=3"])
def test_wrong_former_settings_are_refused_in_one_line(setting: str, file: Path) -> None:
    with pytest.raises(GeoshipsError) as error:
        train_config(file, (setting,))
    assert len(str(error.value).splitlines()) == 1

import csv
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from geoships import predict
from geoships.config import PredictConfig, train_config
from geoships.errors import GeoshipsError
from geoships.training.segmentation import fit as fitting
from geoships.training.segmentation.fit import fit


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "bundle" / "model.safetensors")


class KilledError(Exception):
    """Stands for a run that is killed."""


def test_a_killed_run_goes_on_to_the_same_weights(
    settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = train_config(settings)
    whole = fit(config, tmp_path / "whole", quiet=True)

    step = fitting.Segmentation.training_step

    def die(task: fitting.Segmentation, batch: dict[str, torch.Tensor], number: int) -> torch.Tensor:
        if task.current_epoch == 2 and number == 1:
            raise KilledError
        return step(task, batch, number)

    monkeypatch.setattr(fitting.Segmentation, "training_step", die)
    with pytest.raises(KilledError):
        fit(config, tmp_path / "parts", quiet=True)
    monkeypatch.undo()
    assert not (tmp_path / "parts" / "bundle").exists()
    resumed = fit(config, tmp_path / "parts", resume=True, quiet=True)
    assert resumed.epochs == whole.epochs == 3
    torch.testing.assert_close(weights(tmp_path / "parts"), weights(tmp_path / "whole"), rtol=0, atol=0)


def test_training_goes_on_from_a_bundle_for_some_of_its_bands(settings: Path, tmp_path: Path) -> None:
    first = fit(train_config(settings, ("run.epochs=1",)), tmp_path / "both", quiet=True).bundle
    still = (
        "run.epochs=1",
        "optimiser.rate=1e-30",
        "optimiser.weight_decay=0",
        f"network.start={tmp_path / 'both/bundle'}",
    )
    second = fit(train_config(settings, (*still, "data.bands=[nir]")), tmp_path / "one", quiet=True).bundle
    stem = next(iter(first.network().state_dict()))
    torch.testing.assert_close(second.weights[stem], first.weights[stem][:, 1:])
    start = f"network.start={second.path}"
    with pytest.raises(GeoshipsError, match="no band green among nir"):
        fit(train_config(settings, (*still, start, "data.bands=[green]")), tmp_path / "green", quiet=True)


def test_a_trained_bundle_finds_ships_that_it_never_saw(settings: Path, labelled: Path, tmp_path: Path) -> None:
    config = train_config(settings, ("run.epochs=10", "crops.count=48", "run.ema=0.9", "run.keep=best"))
    trained = fit(config, tmp_path / "run", quiet=True)
    assert trained.validation["val_iou"] > 0.5
    card = trained.bundle.card
    assert (card.bands, card.halo, card.step) == (("green", "nir"), 16, 8)
    found = predict(labelled / "west.tif", model=trained.bundle, config=PredictConfig(device="cpu"))
    assert 11 <= len(found.ships) <= 17
    text = card.to_json()
    assert str(labelled) not in text
    log = list(csv.DictReader((tmp_path / "run" / "logs" / "part-1" / "metrics.csv").read_text().splitlines()))
    assert [row["epoch"] for row in log if row["val_iou"]] == [str(epoch) for epoch in range(10)]
    assert list((tmp_path / "run" / "logs").glob("part-1/events*"))


def test_a_folder_holds_one_run(settings: Path, tmp_path: Path) -> None:
    fit(train_config(settings, ("run.epochs=1",)), tmp_path / "run", quiet=True)
    with pytest.raises(GeoshipsError, match="holds a training already"):
        fit(train_config(settings, ("run.epochs=1",)), tmp_path / "run", quiet=True)
    with pytest.raises(GeoshipsError, match="settings differ"):
        fit(train_config(settings, ("run.epochs=1", "seed=7")), tmp_path / "run", resume=True, quiet=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.hold_out=[north]", "north; the groups are east, west"),
        ("data.scenes=['*.jp2']", r"no file matches .*\.jp2"),
        ("data.labels=none", "no labels of"),
        ("network.decoder=vnet", "cannot build network vnet"),
        ("network.encoder_weights=package:no_such_package", "no package no_such_package"),
        ("loss={bse: 1}", "loss.bse"),
        ("optimiser.name=adamm", "optimiser.name: .*'adam', 'adamw', 'lion' or 'sgd'"),
        ("run.epochs.most=3", "run.epochs.most|holds one value"),
        ("input.mean=[1]", "1 values for 2 bands"),
        ("seed", "name=value"),
    ],
)
def test_wrong_settings_are_named_before_anything_is_trained(
    change: str, message: str, settings: Path, tmp_path: Path
) -> None:
    with pytest.raises(GeoshipsError, match=message):
        fit(train_config(settings, (change,)), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run" / "checkpoints").exists()

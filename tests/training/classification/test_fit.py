import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_models import fake_bundle
from geoships_cli.app import main
from labelled_chips import make_chip, write_chips
from safetensors.torch import load_file, save_file
from scenes import ship_scene

from geoships import predict
from geoships.config import ChipConfig, TrainConfig, chip_config, task_config
from geoships.config.classification import ChipAugment, ChipLoss
from geoships.errors import BundleError, GeoshipsError
from geoships.model.classify import classify
from geoships.training.augment.chips import vary_chip
from geoships.training.classification import fit as fitting
from geoships.training.classification.data import ChipData
from geoships.training.classification.fit import fit_chips
from geoships.training.classification.folds import open_chips
from geoships.training.classification.losses import chip_loss
from geoships.training.run import Trained
from geoships.workflows.crossval_chips import cross_validate_chips, measure


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chips(tmp_path_factory.mktemp("chips"))


@pytest.fixture(scope="module")
def settings(root: Path) -> Path:
    path = root / "tiny.yaml"
    path.write_text(f"""
task: classification
name: tiny
data: {{root: {root}, size: 32, validation: 0.25}}
input: {{mean: [0.25, 0.3, 0.3], std: [0.15, 0.15, 0.15]}}
network: {{encoder: resnet10t}}
optimiser: {{rate: 3e-3}}
run: {{epochs: 3, batch_size: 8, precision: fp32, device: cpu, ema: 0.5, keep: last}}
""")
    return path


@pytest.fixture(scope="module")
def trained(settings: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return fit_chips(chip_config(settings, ("run.epochs=8",)), tmp_path_factory.mktemp("run") / "run", quiet=True)


class KilledError(Exception):
    """Stands for a run that is killed."""


def test_a_killed_run_goes_on_to_the_same_weights(
    settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = chip_config(settings)
    chips = open_chips(config.data)
    fit_chips(config, tmp_path / "whole", chips=chips, quiet=True)

    def die(task: fitting.Classification) -> None:
        if task.current_epoch == 2:
            raise KilledError

    monkeypatch.setattr(fitting.Classification, "on_train_epoch_start", die)
    with pytest.raises(KilledError):
        fit_chips(config, tmp_path / "parts", chips=chips, quiet=True)
    monkeypatch.undo()
    assert not (tmp_path / "parts" / "bundle").exists()
    assert fit_chips(config, tmp_path / "parts", chips=chips, resume=True, quiet=True).amount == "3 epochs"
    assert {path.parent.name for path in (tmp_path / "parts" / "logs").glob("*/metrics.csv")} == {"part-1", "part-2"}
    one, other = (load_file(tmp_path / name / "bundle" / "model.safetensors") for name in ("parts", "whole"))
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_trained_classifier_knows_chips_that_it_never_saw(trained: Trained) -> None:
    card = trained.bundle.card
    assert card.tasks == ("classification",)
    assert (card.bands, card.gsd, card.input.input.shape) == (("red", "green", "blue"), 3.0, (-1, 3, 32, 32))
    assert trained.validation["val_accuracy"] > 0.8
    labels = np.array([1, 0] * 10)
    chips = [
        make_chip(5000 + n, ship=bool(label)).transpose(2, 0, 1) / np.float32(255) for n, label in enumerate(labels)
    ]
    scores = classify(trained.bundle, chips, batch_size=7, device="cpu")
    assert ((scores >= 0.5) == labels).mean() >= 0.9
    mirrored = classify(trained.bundle, [chip[:, :, ::-1] for chip in chips], device="cpu")
    np.testing.assert_allclose(mirrored, scores, atol=1e-5)
    once = [classify(trained.bundle, [np.rot90(chips[0], turn, (1, 2))], device="cpu", views=1) for turn in (0, 1)]
    assert once[0] != pytest.approx(once[1], abs=1e-6)


def test_chips_of_another_size_are_brought_to_the_bundles(trained: Trained) -> None:
    large = make_chip(7000, ship=True, size=64).transpose(2, 0, 1) / np.float32(255)
    other = make_chip(7001, ship=False, size=48).transpose(2, 0, 1) / np.float32(255)
    scores = classify(trained.bundle, [large, other], device="cpu")
    assert scores.dtype == np.float32
    assert scores[0] > 0.5 > scores[1]
    assert classify(trained.bundle, [], device="cpu").shape == (0,)


def test_a_classifier_is_not_taken_for_a_model_of_scenes_nor_the_other_way_round(
    trained: Trained, tmp_path: Path
) -> None:
    ship_scene(tmp_path / "scene.tif")
    with pytest.raises(BundleError, match="tiny is a classifier of chips"):
        predict(tmp_path / "scene.tif", out=tmp_path / "ships.geojson", model=trained.bundle)
    assert not (tmp_path / "ships.geojson").exists()
    with pytest.raises(BundleError, match="fake is not a classifier of chips"):
        classify(fake_bundle(), [np.zeros((1, 32, 32), np.float32)])
    with pytest.raises(BundleError, match="expects floats of red, green, blue"):
        classify(trained.bundle, [np.zeros((4, 32, 32), np.float32)], device="cpu")


def test_every_chip_is_judged_once_by_a_model_that_did_not_see_its_group(settings: Path, tmp_path: Path) -> None:
    config = chip_config(settings, ("run.epochs=1", "data.validation=0"))
    result = cross_validate_chips(config, tmp_path, folds=2, quiet=True)
    total = result.total
    assert total.hits + total.misses == 15
    assert total.false_alarms + total.rejections == 25
    written = json.loads((tmp_path / "crossval.json").read_text())
    assert written["all"]["accuracy"] == total.accuracy
    assert len(written["scores"]) == 40
    assert {chip["file"] for chip in written["wrong"]} == {
        name for name, score in written["scores"].items() if (score >= 0.5) != name.startswith("ship/")
    }
    text = (tmp_path / "crossval.md").read_text()
    assert result.table in text
    assert all(chip.file in text for chip in result.wrong)
    before = (tmp_path / "fold-1" / "bundle" / "model.safetensors").stat().st_mtime_ns
    assert cross_validate_chips(config, tmp_path, folds=2, quiet=True, overwrite=True) == result
    assert (tmp_path / "fold-1" / "bundle" / "model.safetensors").stat().st_mtime_ns == before


def test_figures_of_a_small_example() -> None:
    labels, scores = np.array([1, 1, 1, 0, 0]), np.array([0.9, 0.8, 0.2, 0.6, 0.1], np.float32)
    figures = measure(labels, scores, 0.5)
    assert (figures.hits, figures.false_alarms, figures.misses, figures.rejections) == (2, 1, 1, 1)
    assert figures.accuracy == pytest.approx(3 / 5)
    assert figures.precision == figures.recall == figures.f1 == pytest.approx(2 / 3)
    assert figures.roc_auc == pytest.approx(5 / 6)
    assert measure(labels[:3], scores[:3], 0.5).plain()["roc_auc"] is None


def test_an_epoch_shows_every_chip_once_and_depends_on_the_seed_and_itself_alone(settings: Path) -> None:
    steps = ("turn", "flip", "zoom", "shift", "gain", "contrast", "gamma", "blur", "noise")
    config = chip_config(
        settings, (*(f"augment.{step}=null" for step in steps), "input={mean: [0, 0, 0], std: [1, 1, 1]}")
    )
    chips = open_chips(config.data)
    data = ChipData(config, chips)
    plain = sorted(float(chips.images[number].mean()) for number in data.split.train)
    orders = [[float(item["image"].mean()) for item in (data._varied[epoch, n] for n in range(30))] for epoch in (0, 3)]
    assert orders[0] != orders[1]
    for order in orders:
        assert sorted(order) == pytest.approx(plain, abs=1e-5)
    varied, again = (ChipData(chip_config(settings), chips)._varied for _ in range(2))
    again[5, 1]
    torch.testing.assert_close(varied[2, 3], again[2, 3], rtol=0, atol=0)
    assert not torch.equal(varied[2, 3]["image"], varied[3, 3]["image"])


def test_augmentation_keeps_a_ship_near_the_middle_and_values_in_range() -> None:
    image = np.zeros((3, 80, 80), np.float32)
    image[:, 36:44, 20:60] = 1
    rng = np.random.default_rng(1)
    for _ in range(30):
        varied = vary_chip(image, ChipAugment(), rng)
        assert varied.shape == (3, 80, 80)
        assert 0 <= varied.min() <= varied.max() <= 1
        rows, columns = np.nonzero(varied[0] > 0.5)
        assert abs(rows.mean() - 39.5) < 6 and abs(columns.mean() - 39.5) < 6


@pytest.mark.parametrize("name", ["bce", "focal"])
def test_losses_weigh_ships_and_smooth_labels(name: str) -> None:
    labels, right = torch.tensor([1, 0]), torch.tensor([6.0, -6.0])
    plain = ChipLoss(name=name)
    assert chip_loss(right, labels, plain) < 0.01 < chip_loss(-right, labels, plain)
    smooth = ChipLoss(name=name, smoothing=0.2)
    assert chip_loss(right, labels, smooth) > chip_loss(right, labels, plain)
    missed = torch.tensor([-6.0, -6.0])
    assert chip_loss(missed, labels, ChipLoss(name=name, ship_weight=3)) > 1.4 * chip_loss(missed, labels, plain)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("network.encoder=resnet1", "cannot build the network resnet1: timm has no network of that name"),
        ("network.encoder_weights={folder}/misfit.safetensors", "encoder weights do not fit"),
        ("data.hold_out={folds: 3, fold: 4}", "no fold 4 of 3"),
        ("data.hold_out={folds: 20, fold: 1}", "20 folds need"),
        ("data.root=nowhere", "no chip of class ship in nowhere"),
        ("loss.name=dice", "loss.name: .*'bce' or 'focal'"),
        ("input.mean=[1]", "1 values for 3 bands"),
        ("crops.size=64", "crops: Extra inputs"),
    ],
)
def test_wrong_settings_are_named_before_anything_is_trained(
    change: str, message: str, settings: Path, tmp_path: Path
) -> None:
    save_file({"stem": torch.zeros(3, 3), "head": torch.zeros(2)}, tmp_path / "misfit.safetensors")
    change = change.replace("{folder}", str(tmp_path))
    with pytest.raises(GeoshipsError, match=message):
        fit_chips(chip_config(settings, (change,)), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_the_task_says_which_settings_a_file_holds(settings: Path) -> None:
    assert isinstance(task_config(settings), ChipConfig)
    scenes = Path(__file__).parents[3] / "configs" / "sentinel2-5band.yaml"
    assert isinstance(task_config(scenes), TrainConfig)
    assert task_config(scenes, ("task=segmentation",)) == task_config(scenes)
    with pytest.raises(
        GeoshipsError, match="task: expected one of segmentation, classification, verification, got 'detection'"
    ):
        task_config(settings, ("task=detection",))


def test_the_command_trains_a_classifier(
    settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "--config", settings, "--out", tmp_path / "run", "--set", "run.epochs=1", "--json"]
    monkeypatch.setattr(sys, "argv", ["geoships", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    said = json.loads(capsys.readouterr().out)  # nothing else is on stdout, no progress either
    assert (said["name"], said["trained"], said["bundle"]) == ("tiny", "1 epochs", str(tmp_path / "run" / "bundle"))
    assert (tmp_path / "run" / "bundle" / "model.json").exists()

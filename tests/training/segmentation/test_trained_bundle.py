"""What a trained bundle tells of its training, and what becomes of it in `geoships evaluate`."""

import json
import shutil
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path

import geopandas
import pytest
import shapely
from geoships_cli.app import app, main
from typer.testing import CliRunner, Result

from geoships.config import train_config
from geoships.errors import GeoshipsError, GeoshipsWarning
from geoships.model.bundle import load_bundle
from geoships.training.labelled_scenes import open_scenes

SETTINGS = """
name: tiny
data:
  root: {root}
  scenes: [{{scene: east.tif, labels: east.geojson, group: harbours}}]
  bands: [green, nir]
  validation: {{share: 0.2, block: 64, margin: 8}}
network:
  options: {{encoder_depth: 3, decoder_channels: [24, 16, 8]}}
crops: {{size: 64}}
run: {{crops: 32, batch_size: 4, validate_every: 16, precision: fp32, device: cpu, ema: 0.5, pictures: 0}}
bundle: {{halo: 16}}
"""


def geoships(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def run(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The folder of a training, and what the command said."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(SETTINGS.format(root=labelled))
    return folder / "run", geoships("train", "--config", folder / "tiny.yaml", "--out", folder / "run")


def test_the_card_tells_how_it_was_trained_and_asks_for_a_licence(run: tuple[Path, Result]) -> None:
    folder, said = run
    assert said.exit_code == 0, said.output
    assert "the card states no licence: write one" in said.stderr
    card = load_bundle(folder / "bundle").card
    assert card.licence == "not stated"
    (record,) = card.metrics
    assert record["note"].startswith("On 20% of the blocks of the training scenes")
    assert set(record["figures"]) == {"val_iou", "val_loss", "threshold"}
    assert 0 <= record["figures"]["val_iou"] <= 1
    assert record["figures"]["threshold"] == card.threshold
    assert record["budget"]["crops"] == 32
    assert record["data"]["scenes"] == 1
    assert 0 < record["data"]["ships"] <= 14
    assert record["data"]["validation_blocks"] > 0
    assert card.trained_on == ("east", "harbours")
    assert list(card.trained_places) == ["east"]


@pytest.mark.parametrize(("name", "by"), [("east", "name"), ("renamed", "place")])
def test_a_scene_of_the_training_is_known_again(
    name: str, by: str, run: tuple[Path, Result], labelled: Path, tmp_path: Path
) -> None:
    for suffix in (".tif", ".geojson"):
        shutil.copy(labelled / f"east{suffix}", tmp_path / f"{name}{suffix}")
    scene = ["--scenes", tmp_path / f"{name}.tif", "--labels", tmp_path / f"{name}.geojson"]
    more = ["--out", tmp_path / "report", "--device", "cpu", "--no-pictures"]
    said = geoships("evaluate", run[0] / "bundle", *scene, *more)
    assert said.exit_code == 0, said.output
    assert "warning: tiny was trained on 1 of 1 scene" in said.stderr
    (seen,) = json.loads((tmp_path / "report" / "metrics.json").read_text())["seen"]
    assert (seen["trained_as"], seen["by"]) == ("east", by)
    if by == "place":
        said = geoships("evaluate", run[0] / "bundle", *scene, *more, "--allow-seen", "--overwrite")
        assert said.exit_code == 0, said.output
        assert "warning" not in said.stderr


def test_a_scene_that_was_not_trained_on_is_not_warned_of(
    run: tuple[Path, Result], labelled: Path, tmp_path: Path
) -> None:
    scene = ["--scenes", labelled / "west.tif", "--labels", labelled / "west.geojson"]
    said = geoships("evaluate", run[0] / "bundle", *scene, "--out", tmp_path, "--device", "cpu", "--no-pictures")
    assert said.exit_code == 0, said.output
    assert "warning" not in said.stderr
    wrong = ["--scenes", labelled / "west.tif", "--labels", labelled / "east.geojson"]
    said = geoships("evaluate", run[0] / "bundle", *wrong, "--out", tmp_path / "other", "--device", "cpu")
    assert isinstance(said.exception, GeoshipsError)
    assert "no label of" in str(said.exception)
    assert "\n" not in str(said.exception)


@pytest.mark.parametrize(
    ("around", "warned"),
    [((), False), (((-1, -1), (2, 2)), False), (((-1, -1), (0.5, 2)), True)],
    ids=["an empty file", "an extent that covers the scene", "an extent that covers a part of it"],
)
def test_a_scene_without_ships_is_valid_in_training_and_in_evaluation(
    around: tuple[tuple[float, float], ...], warned: bool, run: tuple[Path, Result], labelled: Path, tmp_path: Path
) -> None:
    left, bottom, right, top = geopandas.read_file(labelled / "east.geojson").total_bounds
    corners = [(left + x * (right - left), bottom + y * (top - bottom)) for x, y in around]
    ships = [shapely.Point(corner).buffer(1e-4) for corner in corners]
    labels = tmp_path / "east.gpkg"
    geopandas.GeoDataFrame(geometry=ships, crs=4326).to_file(labels)
    shutil.copy(labelled / "east.tif", tmp_path)
    (tmp_path / "a.yaml").write_text(SETTINGS.format(root=tmp_path))
    text = "the scene counts as one without ships"
    config = train_config(tmp_path / "a.yaml", (f"data.scenes=[{{scene: east.tif, labels: {labels.name}}}]",))
    with pytest.warns(GeoshipsWarning, match=text) if warned else nullcontext():
        (scene,) = open_scenes(config.data)
    assert scene.labels.ships == ()
    if warned:
        judging = ["--scenes", tmp_path / "east.tif", "--labels", labels, "--out", tmp_path / "report", "--allow-seen"]
        said = geoships("evaluate", run[0] / "bundle", *judging, "--device", "cpu", "--no-pictures")
        assert said.exit_code == 0, said.output
        assert text in said.stderr


def test_training_refuses_labels_of_another_place(labelled: Path, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SETTINGS.format(root=labelled))
    config = train_config(tmp_path / "a.yaml", ("data.scenes=[{scene: east.tif, labels: west.geojson}]",))
    with pytest.raises(GeoshipsError, match=r"no label of .*west") as error:
        open_scenes(config.data)
    assert "\n" not in str(error.value)


def test_quiet_leaves_out_warnings_of_layers(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(SETTINGS.format(root=labelled))
    scenes = "data.scenes=[{scene: east.tif, labels: east.geojson, ignore: west.geojson}]"
    command = ["train", "--config", tmp_path / "a.yaml", "--show-crops", tmp_path / "crops.png", "--set", scenes]
    command.append("--overwrite")
    for more, lines in (((), 1), (("--quiet",), 0)):
        monkeypatch.setattr(sys, "argv", ["geoships", *map(str, command), *more])
        with warnings.catch_warnings(), pytest.raises(SystemExit) as end:
            warnings.simplefilter("always", GeoshipsWarning)  # an error in tests
            main()
        assert not end.value.code
        told = capsys.readouterr().err
        assert told.count("warning: the ignore layer") == lines, told

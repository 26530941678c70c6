"""Another class than ships: from the settings of a training to every output."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fake_models import fake_bundle
from labelled_scenes import write_scene
from rasterio.features import rasterize
from scenes import ship_scene

from geoships import predict
from geoships.config import PredictConfig, train_config
from geoships.output.read_ships import read_ships
from geoships.scene.layers.labels import read_labels
from geoships.scene.reader import open_scene
from geoships.training.segmentation.fit import fit

TANKS = {"mlm:output": [{"classification:classes": [{"value": 1, "name": "oil tank", "color_hint": "00ff80"}]}]}
SETTINGS = """
name: {name}
data:
  root: {root}
  scenes: ["*.tif"]
  labels: masks
  bands: [green, nir]
  target: {{name: {name}, value: {value}, colour: "{colour}"}}
  validation: {{share: 0}}
network: {{options: {{encoder_depth: 3, decoder_channels: [24, 16, 8]}}}}
crops: {{size: 64, around_ship: {around}}}
augment: {{paste_ships: null, paste_piers: null, band_dropout: null}}
optimiser: {{rate: 3e-3}}
run: {{crops: {crops}, batch_size: 8, precision: fp32, device: cpu, ema: 0, keep: last, tracker: csv}}
bundle: {{halo: 16, threshold: 0.5}}
"""


def test_outputs_are_named_after_the_class_of_the_model(tmp_path: Path) -> None:
    mask = ship_scene(tmp_path / "yard.tif")
    paths = {"out": "t.gpkg", "mask": "m.tif", "scores": "s.tif", "project": "p.qgz"}
    config = PredictConfig(device="cpu", engine="torch", min_area=0)
    done = predict(
        tmp_path / "yard.tif",
        model=fake_bundle(**TANKS),
        config=config,
        **{kind: tmp_path / name for kind, name in paths.items()},  # type: ignore[arg-type]
    )
    assert len(done.ships) == 4
    assert set(read_ships(tmp_path / "t.gpkg")["class"]) == {"oil tank"}
    with rasterio.open(tmp_path / "m.tif") as file:
        assert (file.descriptions, file.colormap(1)[1]) == (("oil tank",), (0, 255, 128, 255))
        assert np.array_equal(file.read(1) == 1, mask)
    with rasterio.open(tmp_path / "s.tif") as file:
        assert file.descriptions == ("oil tank score",)
    assert 'label="oil tank"' in (tmp_path / "m.qml").read_text()
    project = zipfile.ZipFile(tmp_path / "p.qgz").read("p.qgs").decode()
    assert all(name in project for name in ("Objects of the class oil tank", "Oil tank mask", "Oil tank scores"))
    assert "Ship" not in project


def classes_mask(folder: Path, name: str) -> None:
    """The mask of a scene of `labelled_scenes`: water 1, ships 2, land 0."""
    with open_scene(str(folder / f"{name}.tif"), ("green", "nir")) as scene:
        ships = read_labels(folder / f"{name}.geojson", scene.georeference).ships
    with rasterio.open(folder / f"{name}.tif") as file:
        profile = {**file.profile, "count": 1, "dtype": "uint8", "nodata": None}
        values = np.ones(file.shape, np.uint8)
    values[:, :24] = 0
    values[rasterize(ships, values.shape) > 0] = 2
    (folder / "masks").mkdir(exist_ok=True)
    with rasterio.open(folder / "masks" / f"{name}.tif", "w", **profile) as file:
        file.write(values, 1)


@pytest.mark.parametrize(
    ("name", "value", "colour", "around", "crops"),
    [("water", 1, "#0050ff", 0.0, 192), ("ship", 2, "#ff6000", 0.8, 480)],
)
def test_each_class_of_a_mask_is_trained_and_found(
    name: str, value: int, colour: str, around: float, crops: int, tmp_path: Path
) -> None:
    for seed, scene in enumerate(("east", "west"), 1):
        write_scene(tmp_path, scene, seed=seed)
        classes_mask(tmp_path, scene)
    path = tmp_path / "c.yaml"
    path.write_text(SETTINGS.format(root=tmp_path, name=name, value=value, colour=colour, around=around, crops=crops))
    trained = fit(train_config(path, ("data.hold_out=[west]",)), tmp_path / "run", quiet=True)
    card = json.loads(trained.bundle.card.to_json())
    assert card["geoships:label_value"] == value
    assert card["mlm:output"][0]["classification:classes"][0]["name"] == name
    config = PredictConfig(device="cpu", engine="torch")
    done = predict(tmp_path / "west.tif", mask=tmp_path / "found.tif", model=trained.bundle, config=config)
    with rasterio.open(tmp_path / "found.tif") as found, rasterio.open(tmp_path / "masks" / "west.tif") as true:
        assert found.descriptions == (name,)
        assert found.colormap(1)[1][:3] == tuple(bytes.fromhex(colour[1:]))
        both, either = (
            ((found.read(1) == 1) & (true.read(1) == value)),
            ((found.read(1) == 1) | (true.read(1) == value)),
        )
    assert both.sum() / either.sum() > 0.5
    assert ("class" in done.ships) == (name != "ship")

from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import torch
from labelled import write_scene

from geoships.config import TrainConfig, train_config
from geoships.errors import GeoshipsError
from geoships.scene.layers.labels import IGNORED, SHIP
from geoships.training.segmentation.crops import EpochSampler, hide_rim
from geoships.training.segmentation.data import ShipData


def data(settings: Path, *changes: str) -> ShipData:
    return ShipData(train_config(settings, changes))


def crops(source: ShipData, epoch: int = 0, count: int = 12) -> list[dict[str, torch.Tensor]]:
    return [source._crops[epoch, number] for number in range(count)]


def test_a_crop_depends_on_seed_epoch_and_number_alone(settings: Path) -> None:
    first, second = data(settings), data(settings)
    crops(second, epoch=4)
    for one, other in zip(crops(first), crops(second), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    changed = [
        not torch.equal(a["image"], b["image"]) for a, b in zip(crops(first), crops(first, epoch=1), strict=True)
    ]
    assert all(changed)


def test_without_augmentation_a_crop_shows_the_scene_and_its_ships(settings: Path) -> None:
    steps = ["scale", "paste_ships", "gain", "haze", "offset", "blur", "noise", "gamma", "band_dropout", "turn", "flip"]
    source = data(settings, *(f"augment.{step}=null" for step in steps), "input.mean=[0, 0]", "input.std=[1, 1]")
    for crop in crops(source):
        reflectance, ship = crop["image"] ** 2, crop["mask"][0] == SHIP
        assert crop["image"].shape == (2, 64, 64)
        assert (reflectance[0][ship] > 0.35).all()
        assert (reflectance[0][~ship] < 0.3).all()


def test_the_share_around_ships_is_what_the_settings_say(settings: Path) -> None:
    source = data(settings, "crops.around_ship=1", "augment.paste_ships=null")
    assert all((crop["mask"] == SHIP).any() for crop in crops(source))


def test_false_alarms_of_an_evaluation_are_hard_examples(settings: Path, labelled: Path, tmp_path: Path) -> None:
    ships = geopandas.read_file(labelled / "east.geojson")
    ships["outcome"] = ["false", *["right"] * (len(ships) - 2), "missed"]
    ships.to_file(tmp_path / "east.geojson")
    plain = ["crops.around_ship=0", "crops.hard=1", f"crops.hard_examples={tmp_path}", "augment.scale=null"]
    (source,) = data(settings, *plain)._crops._sources
    left, top, right, bottom = source.scene.labels.ships[0].bounds
    rng = np.random.default_rng(1)
    for window in (source.sampler.draw(rng).window for _ in range(12)):
        assert window.row < (top + bottom) / 2 < window.row_end
        assert window.column < (left + right) / 2 < window.column_end


def test_scales_and_dropped_bands_keep_the_shape(settings: Path) -> None:
    source = data(settings, "augment.scale={low: 0.5, high: 3}", "augment.band_dropout={p: 1, most: 5}")
    for crop in crops(source):
        assert crop["image"].shape == (2, 64, 64)
        assert sum(bool((band == 0).all()) for band in crop["image"]) == 1
        assert torch.isfinite(crop["image"]).all()


def test_bands_that_a_scene_lacks_are_zero_after_normalising(settings: Path, labelled: Path, tmp_path: Path) -> None:
    write_scene(tmp_path, "five", seed=3, bands=("B03", "B08", "B11"))
    scenes = [
        {"scene": str(tmp_path / "five.tif"), "labels": tmp_path / "five.geojson"},
        {"scene": str(labelled / "east.tif"), "labels": labelled / "east.geojson"},
    ]
    config = train_config(settings).model_dump()
    config["data"].update(scenes=scenes, bands=("green", "nir", "swir16"), optional=("swir16",), root=Path("/"))
    config["data"]["validation"] = {"share": 0}
    config["augment"]["band_dropout"] = None
    source = ShipData(TrainConfig.model_validate(config))
    assert [scene.present for scene in source.scenes] == [(True, True, True), (True, True, False)]
    empty = [bool((crop["image"][2] == 0).all()) for crop in crops(source, count=20)]
    assert any(empty) and not all(empty)


def test_pasted_ships_lie_on_water_and_are_labelled(settings: Path) -> None:
    paste = "augment.paste_ships={p: 1, most: 8}"
    plain = data(settings, "crops.around_ship=0", "augment.paste_ships=null")
    pasted = data(settings, "crops.around_ship=0", paste, "data.validation={share: 0}")
    more = sum(int((crop["mask"] == SHIP).sum()) for crop in crops(pasted, count=24))
    assert more > 1.5 * sum(int((crop["mask"] == SHIP).sum()) for crop in crops(plain, count=24))


def test_ships_of_validation_groups_are_never_seen(settings: Path) -> None:
    source = data(settings)
    assert {scene.group for scene in source.train_scenes} == {"east"}
    masks = torch.cat([batch["mask"] for batch in source.val_dataloader()])
    assert int((masks == SHIP).sum()) == 14 * 40


def test_blocks_split_one_scene_with_a_margin(settings: Path, labelled: Path) -> None:
    scene = f"[{{scene: {labelled}/east.tif, labels: {labelled}/east.geojson}}]"
    split = "data.validation={share: 0.3, block: 64, margin: 8}"
    source = data(settings, f"data.scenes={scene}", split)
    trained = source.train_scenes[0].labels.mask(source.train_scenes[0].scene.window)
    whole = source.scenes[0].labels.mask(source.scenes[0].scene.window)
    judged = sum(int((batch["mask"] == SHIP).sum()) for batch in source.val_dataloader())
    assert judged > 0
    assert ((trained == SHIP) <= (whole == SHIP)).all()
    assert int((trained == SHIP).sum()) + judged <= int((whole == SHIP).sum())
    assert (trained == IGNORED).sum() >= 64 * 64


@pytest.mark.parametrize("rim", [1, 2])
def test_the_rim_is_ignored_on_both_sides_and_every_ship_keeps_a_pixel(rim: int) -> None:
    mask = np.zeros((30, 30), np.uint8)
    mask[5:15, 5:15] = SHIP
    mask[22:24, 22:24] = SHIP  # too small for any rim inside
    hidden = hide_rim(mask, rim)
    assert (hidden[5 + rim : 15 - rim, 5 + rim : 15 - rim] == SHIP).all()
    assert (hidden[5, 5:15] == IGNORED).all()
    assert (hidden[5 - rim, 8:12] == IGNORED).all()
    assert (hidden[22:24, 22:24] == SHIP).all()
    assert hidden[5 - rim - 1, 10] == 0


def test_devices_share_out_an_epoch_without_a_crop_twice() -> None:
    parts = [EpochSampler(11, rank, 3) for rank in range(3)]
    for part in parts:
        part.set_epoch(2)
    drawn = [key for part in parts for key in part]
    assert len(drawn) == len(set(drawn)) == 9
    assert {epoch for epoch, _ in drawn} == {2}
    assert {len(list(part)) for part in parts} == {3}


def test_an_ignore_layer_starts_from_the_root_and_hides_what_is_no_ship(settings: Path, labelled: Path) -> None:
    folder = labelled / "unsure"
    folder.mkdir(exist_ok=True)
    for name in ("east", "west"):
        with rasterio.open(labelled / f"{name}.tif") as scene:
            whole = geopandas.GeoDataFrame(geometry=[shapely.box(*scene.bounds)], crs=scene.crs)
        whole.to_file(folder / f"{name}.geojson")
    hidden = crops(data(settings, "data.ignore=unsure", "augment.paste_ships=null", "augment.paste_land=null"))
    assert {value for crop in hidden for value in crop["mask"].unique().tolist()} == {SHIP, IGNORED}
    with pytest.raises(GeoshipsError, match="there is no folder"):
        data(settings, "data.ignore=nowhere")

from itertools import pairwise
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import torch
from labelled_scenes import write_scene

from geoships.config import TrainConfig, train_config
from geoships.config.augment import Augment
from geoships.errors import GeoshipsError, GeoshipsWarning
from geoships.scene.layers.labels import IGNORED, SHIP
from geoships.training.segmentation import atlas as atlases
from geoships.training.segmentation.crop_maker import Batch, CropMaker
from geoships.training.segmentation.crop_sheet import draw_crops
from geoships.training.segmentation.data import TrainingData, open_data
from geoships.training.segmentation.feed import Feed

NO_STEPS = tuple(f"augment.{step}=null" for step in Augment.model_fields)
PLAIN = (*NO_STEPS, "input.mean=[0, 0]", "input.std=[1, 1]")
BOTH = "data.validation={share: 0}"


def data(settings: Path, *changes: str) -> TrainingData:
    return open_data(train_config(settings, changes), settings.parent)


def maker(settings: Path, *changes: str) -> CropMaker:
    opened = data(settings, *changes)
    return CropMaker(opened.atlas, opened.recipe, train_config(settings, changes))


def crops(settings: Path, *changes: str, count: int = 12) -> Batch:
    return maker(settings, *changes).make(range(count))


def test_a_crop_depends_on_the_seed_and_its_number_alone(settings: Path) -> None:
    everything = ("augment.paste_ships.p=1", "augment.paste_piers.p=1", "augment.noise.p=1", "augment.blur.p=1", BOTH)
    first, second = maker(settings, *everything), maker(settings, *everything)
    second.make([40, 3])
    together = first.make(range(12))
    for number in reversed(range(12)):
        alone = second.make([number])
        for name, values in alone.items():
            assert torch.equal(values[0], together[name][number]), name
    assert all(not torch.equal(one, other) for one, other in pairwise(together["image"]))
    assert not torch.equal(crops(settings, *everything, "seed=2")["image"], together["image"])


def test_without_augmentation_a_crop_shows_the_scene_and_its_ships(settings: Path) -> None:
    made = crops(settings, *PLAIN)
    assert made["image"].shape == (12, 2, 64, 64)
    assert made["image"].is_contiguous(memory_format=torch.channels_last)
    reflectance, ship = made["image"] ** 2, made["mask"][:, 0] == SHIP
    assert (reflectance[:, 0][ship] > 0.2).all()  # pixels at the rim are up to half water, of 0.06
    assert (reflectance[:, 0][~ship] < 0.28).all()
    assert (made["mask"] != IGNORED).all()


def test_the_share_around_ships_is_what_the_settings_say(settings: Path) -> None:
    made = crops(settings, "crops.around_ship=1", "crops.shift=0.3", *NO_STEPS)
    assert (made["mask"] == SHIP).flatten(1).any(1).all()


def test_false_alarms_of_an_evaluation_are_hard_examples(settings: Path, labelled: Path, tmp_path: Path) -> None:
    ships = geopandas.read_file(labelled / "east.geojson")
    ships["outcome"] = ["false", *["right"] * (len(ships) - 2), "missed"]
    ships.to_file(tmp_path / "east.geojson")
    plain = ("crops.around_ship=0", "crops.hard=1", f"crops.hard_examples={tmp_path}", "crops.shift=0", *NO_STEPS)
    source = maker(settings, *plain)
    (scene,) = source.atlas.scenes
    assert len(scene.hard) == 1
    for number in range(5):
        centre = source._planner.plan(number).transform[:, 2]
        expected = np.clip(scene.hard[0], 31.5, np.array(scene.shape) - 32.5)  # moved until the crop lies inside
        np.testing.assert_allclose(centre, expected, atol=1e-6)


def test_hard_examples_start_from_the_folder_of_the_data(
    settings: Path, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ships = geopandas.read_file(labelled / "east.geojson")
    for folder in (labelled / "alarms", tmp_path / "elsewhere" / "others"):
        folder.mkdir(parents=True)
        ships[:2].to_file(folder / "east.geojson")
    monkeypatch.chdir(tmp_path / "elsewhere")

    def hard(where: str) -> int:
        (scene,) = maker(settings, "crops.hard=1", f"crops.hard_examples={where}", *NO_STEPS).atlas.scenes
        return len(scene.hard)

    assert hard("alarms") == 2
    with pytest.warns(GeoshipsWarning, match="others is taken from the current folder; give its whole path"):
        assert hard("others") == 2


def test_scales_and_dropped_bands_keep_the_shape(settings: Path) -> None:
    made = crops(settings, "augment.scale={low: 0.5, high: 3}", "augment.band_dropout={p: 1, most: 5}")
    assert made["image"].shape == (12, 2, 64, 64)
    assert ((made["image"] == 0).flatten(2).all(2).sum(1) == 1).all()
    assert torch.isfinite(made["image"]).all()


def test_band_dropout_keeps_the_subset_of_a_sensor(settings: Path) -> None:
    made = crops(settings, "augment.band_dropout={p: 1, subsets: [[green]], subset_share: 1}")
    assert (made["image"][:, 1] == 0).all()
    assert (made["image"][:, 0] != 0).any()


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
    checked = TrainConfig.model_validate(config)
    source = open_data(checked, tmp_path)
    assert [scene.present for scene in source.atlas.scenes] == [(True, True, True), (True, True, False)]
    made = CropMaker(source.atlas, source.recipe, checked).make(range(20))
    empty = [bool((image[2] == 0).all()) for image in made["image"]]
    assert any(empty) and not all(empty)


def test_pasted_ships_lie_on_water_and_are_labelled(settings: Path) -> None:
    still = tuple(change for change in PLAIN if "paste_ships" not in change)
    plain = crops(settings, "crops.around_ship=0", *PLAIN, BOTH, count=24)
    pasted = crops(settings, "crops.around_ship=0", "augment.paste_ships={p: 1, mean: 6}", *still, BOTH, count=24)
    new = (pasted["mask"] == SHIP) & (plain["mask"] != SHIP)
    assert new.sum() > 0.5 * (plain["mask"] == SHIP).sum()
    assert (plain["image"][:, :1][new] ** 2 < 0.15).all()  # it was water
    assert (pasted["image"][:, :1][new] ** 2).mean() > 0.25  # and is a ship
    far = torch.nn.functional.max_pool2d(new.float(), 9, 1, 4) == 0
    assert torch.equal(pasted["image"][far.expand(-1, 2, -1, -1)], plain["image"][far.expand(-1, 2, -1, -1)])


def test_piers_are_land_on_water_and_no_ships(settings: Path) -> None:
    still = tuple(change for change in PLAIN if "paste_piers" not in change)
    place = ("crops.around_ship=0", "crops.size=96")
    piers = "augment.paste_piers={p: 1, length: [15, 20], width: [4, 6]}"
    plain, pasted = crops(settings, *place, *PLAIN, count=24), crops(settings, *place, piers, *still, count=24)
    changed = (plain["image"] != pasted["image"]).any(1)
    assert changed.flatten(1).any(1).sum() >= 4
    assert torch.equal(plain["mask"], pasted["mask"])
    assert not (changed & (plain["mask"][:, 0] == SHIP)).any()
    assert (plain["image"][:, 0][changed] ** 2).mean() < 0.1 < (pasted["image"][:, 0][changed] ** 2).mean()


def test_water_between_two_close_ships_weighs_more(settings: Path, labelled: Path, tmp_path: Path) -> None:
    with rasterio.open(labelled / "east.tif") as scene:
        profile = scene.profile
    mask = np.zeros((profile["height"], profile["width"]), np.uint8)
    mask[40:44, 60:80] = mask[47:51, 60:80] = mask[100:104, 60:80] = 1
    with rasterio.open(tmp_path / "east.tif", "w", **{**profile, "count": 1, "dtype": "uint8"}) as file:
        file.write(mask, 1)
    scene = f"data.scenes=[{{scene: {labelled}/east.tif, labels: {tmp_path}/east.tif}}]"
    table = data(settings, scene, BOTH, "pixels.gap=7").atlas.table
    weight = table.pixels[:, -1].reshape(160, 192)
    assert set(weight.unique().tolist()) == {1, 7}
    assert (weight[44:47, 60:80] == 7).all()
    assert int((weight > 1).sum()) < 3 * 26
    assert torch.equal(table.pixels[:, 2].reshape(160, 192) > 0, torch.from_numpy(mask > 0))


def test_ships_of_validation_groups_are_never_seen(settings: Path) -> None:
    source = data(settings)
    assert "east" in source.trained_on and "north" not in source.trained_on
    masks = torch.cat([batch["mask"] for batch in source.validation_batches()])
    assert int((masks == SHIP).sum()) == 14 * 40


def test_blocks_split_one_scene_with_a_margin(settings: Path, labelled: Path) -> None:
    scene = f"[{{scene: {labelled}/east.tif, labels: {labelled}/east.geojson}}]"
    split = data(settings, f"data.scenes={scene}", "data.validation={share: 0.3, block: 64, margin: 8}")
    whole = data(settings, f"data.scenes={scene}", BOTH)
    trained, all_ships = (source.atlas.table.pixels[:, 2] > 0 for source in (split, whole))
    judged = sum(int((batch["mask"] == SHIP).sum()) for batch in split.validation_batches())
    assert judged > 0
    assert (trained <= all_ships).all()
    assert int(trained.sum()) + judged <= int(all_ships.sum())
    assert int((split.atlas.table.pixels[:, 3] == 0).sum()) >= 64 * 64


def test_an_atlas_that_does_not_fit_into_memory_is_read_from_a_file(settings: Path) -> None:
    everything = maker(settings).make(range(6))
    mapped = maker(settings, "crops.memory=0").make(range(6))
    assert all(torch.equal(values, mapped[name]) for name, values in everything.items())


def test_strips_of_a_resampled_scene_have_no_seams(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finer = ("data.gsd=6", "data.gsd_range=[5, 7]")
    whole = data(settings, *finer).atlas
    monkeypatch.setattr(atlases, "STRIP", 32)
    strips = data(settings, *finer).atlas
    assert whole.scenes[0].shape == (160 * 32 // 19, 192 * 32 // 19)
    assert torch.equal(whole.table.pixels, strips.table.pixels)


def test_an_ignore_layer_starts_from_the_root_and_hides_what_is_no_ship(settings: Path, labelled: Path) -> None:
    folder = labelled / "unsure"
    folder.mkdir(exist_ok=True)
    for name in ("east", "west"):
        with rasterio.open(labelled / f"{name}.tif") as scene:
            whole = geopandas.GeoDataFrame(geometry=[shapely.box(*scene.bounds)], crs=scene.crs)
        whole.to_file(folder / f"{name}.geojson")
    hidden = crops(settings, "data.ignore=unsure", *NO_STEPS)
    assert set(hidden["mask"].unique().tolist()) == {SHIP, IGNORED}
    with pytest.raises(GeoshipsError, match="there is no folder"):
        data(settings, "data.ignore=nowhere")


def test_a_feed_keeps_the_order_and_raises_where_an_item_is_taken() -> None:
    def make(number: int) -> int:
        if number == 9:
            raise GeoshipsError("nine")
        return number

    threads = torch.get_num_threads()
    with Feed(make, workers=3, start=2) as feed:
        items = iter(feed)
        assert [next(items) for _ in range(7)] == list(range(2, 9))
        with pytest.raises(GeoshipsError, match="nine"):
            next(items)
    assert torch.get_num_threads() == threads


def test_a_sheet_shows_crops_beside_their_targets(settings: Path, tmp_path: Path) -> None:
    from PIL import Image

    draw_crops(train_config(settings), tmp_path / "crops.png", count=7)
    with Image.open(tmp_path / "crops.png") as sheet:
        assert sheet.size == (6 * (128 + 4), 2 * (64 + 4))
        assert (255, 255, 255) in {colour for _, colour in sheet.crop((64, 0, 128, 64)).getcolors(1 << 16)}
    with pytest.raises(GeoshipsError, match=r"name a file that ends in \.png"):
        draw_crops(train_config(settings), tmp_path / "crops.what", count=1)

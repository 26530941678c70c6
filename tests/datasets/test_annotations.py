import json
from pathlib import Path

import cv2
import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from annotation_files import BOX, TILE_SHAPE, WRITERS, expected_mask
from scenes import SHIPS, UTM, ship_scene

from geoships.datasets.annotations.tiles import read_manifest
from geoships.scene.georeference import georeference_of
from geoships.scene.layers.labels import IGNORED, read_labels
from geoships.scene.tiling.windows import Window

EMPTY = "scene_0_0"


@pytest.fixture
def tiles(geoships, tmp_path: Path) -> Path:
    """The folder of the tiles of a scene of 180 x 200 pixels."""
    ship_scene(tmp_path / "scene.tif")
    code, out, err = geoships("data", "label-tiles", tmp_path / "scene.tif", "--out", tmp_path / "t", "--size", 96)
    assert (code, err) == (0, "")
    assert out.startswith("6 tiles, 0 without data left out")
    return tmp_path / "t"


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_tiles_have_the_pixels_and_the_georeference_of_the_scene(geoships, tmp_path: Path, kind: str) -> None:
    ship_scene(tmp_path / "scene.tif", nodata_columns=100)
    _, out, _ = geoships(
        "data", "label-tiles", tmp_path / "scene.tif", "-o", tmp_path / "t",
        "--size", 96, "--overlap", 16, "--format", kind, "--json",
    )  # fmt: skip
    facts = json.loads(out)
    assert (facts["tiles"], facts["empty"]) == (6, 3)
    manifest = read_manifest(tmp_path / "t")
    assert {(tile.row, tile.height) for tile in manifest.tiles} == {(0, 96), (80, 96), (160, 20)}
    assert {(tile.column, tile.width) for tile in manifest.tiles} == {(80, 96), (160, 40)}
    with rasterio.open(tmp_path / "t" / f"scene_80_160.{kind}") as tile, rasterio.open(tmp_path / "scene.tif") as scene:
        assert np.allclose(tile.transform, UTM @ rasterio.Affine.translation(160, 80))
        assert tile.count == 3
        bright, window = tile.read(1) > 128, rasterio.windows.Window(160, 80, 40, 96)
        assert np.array_equal(bright, scene.read(1, window=window) > 5000)
        assert bright.any()


@pytest.mark.parametrize("tool", WRITERS)
def test_annotations_of_every_tool_give_the_same_mask(geoships, tiles: Path, tmp_path: Path, tool: str) -> None:
    annotations = WRITERS[tool](tmp_path, "scene_0_96.png", f"{EMPTY}.png")
    code, out, err = geoships("data", "masks", annotations, "--tiles", tiles, "--out", tmp_path / "m.tif", "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert (facts["format"], facts["pictures"]) == (tool.split()[0], 2)
    assert facts["pixels"] == {"ship": int(expected_mask().sum()), "ignore": 0}
    assert ("1 images are of no tile" in err) == (tool == "cvat")
    found = read(tmp_path / "m.tif")
    assert np.array_equal(found[:96, 96:192], expected_mask())
    assert not found[:96, :96].any()
    assert (found[96:] == IGNORED).all()
    with rasterio.open(tmp_path / "m.tif") as mask, rasterio.open(tmp_path / "scene.tif") as scene:
        assert (mask.transform, mask.crs, mask.nodata) == (scene.transform, scene.crs, IGNORED)
        assert mask.colormap(1)[1][:3] == (255, 96, 0)
        labels = read_labels(tmp_path / "m.tif", georeference_of(scene))
    assert np.array_equal(labels.mask(Window(0, 0, 180, 200)), found)  # training reads the same labels


def test_polygons_of_a_whole_scene_are_rasterised_with_custom_classes(geoships, tmp_path: Path) -> None:
    mask = ship_scene(tmp_path / "scene.tif")
    boxes = [shapely.box(c, r, c + w, r + h) for r, c, h, w in SHIPS]
    boxes.append(shapely.box(0, 0, 50, 50))  # below the ships
    placed = [shapely.transform(box, lambda xy: np.column_stack(UTM * xy.T)) for box in boxes]
    frame = geopandas.GeoDataFrame({"class": ["tanker"] * 4 + ["unclear"]}, geometry=placed, crs=32631)
    frame.to_crs(4326).to_file(tmp_path / "ships.geojson")
    classes = tmp_path / "classes.yaml"
    classes.write_text(
        "classes: [{name: cargo, value: 7, aliases: [tanker], colour: '#0102ff'}, {name: unclear, value: 255}]"
    )
    where = ("--scene", tmp_path / "scene.tif", "--out", tmp_path / "m.tif")
    code, _, err = geoships("data", "masks", tmp_path / "ships.geojson", *where)
    assert code == 1
    assert "expected one of the labels ship, ignore, got 'tanker'" in err
    assert not (tmp_path / "m.tif").exists()
    code, _, err = geoships("data", "masks", tmp_path / "ships.geojson", *where, "--classes", classes)
    assert (code, err) == (0, "")
    found = read(tmp_path / "m.tif")
    assert np.array_equal(found == 7, mask)
    assert np.array_equal(found[:50, :50] == IGNORED, ~mask[:50, :50])


BROKEN = {
    "cut.xml": ("<annotations><image", "cannot read the CVAT annotations"),
    "entity.xml": ('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "declares XML entities"),
    "line.xml": (
        '<annotations><image name="scene_0_96.png" width="96" height="96"><polyline label="ship" points="1,2;3,4"/>'
        "</image></annotations>",
        "no shape has an area (left out 1 of 1 shapes: 1 polyline)",
    ),
    "runs.xml": (
        '<annotations><image name="scene_0_96.png" width="96" height="96">'
        '<mask label="ship" rle="3, 4" left="0" top="0" width="2" height="2"/></image></annotations>',
        "expected runs of a mask over 2 x 2 pixels, got 7 pixels",
    ),
    "size.xml": (
        '<annotations><image name="scene_0_96.png" width="192" height="192"/></annotations>',
        "192 x 192 pixels, but its tile of the scene has 96 x 96",
    ),
    "other.xml": ('<annotations><image name="x.png" width="9" height="9"/></annotations>', "none of its images"),
    "coco.json": ('{"annotations": [{"image_id": 1}], "images": [], "categories": []}', "COCO annotations"),
    "orphan.json": (
        '{"annotations": [{"image_id": 1, "category_id": 1}], "images": [], "categories": []}',
        "annotations[0]: its image_id or category_id is not listed",
    ),
    "labelme.json": ('{"shapes": [{"label": "ship"}]}', "Labelme annotations"),
    "nothing.json": ('{"a": 1}', "expected COCO, Labelme or GeoJSON"),
    "ships.gpkg": ("no database", "cannot read the labels"),
    "labels/scene_0_96.txt": (
        "0 0.5 0.5 0.1",
        "line 1: expected 4 numbers of a box or x y pairs of a polygon, got 3",
    ),
    "pixels/scene_0_96.txt": ("0 50 50 10 10", "line 1: expected coordinates as fractions of the image, 0 to 1"),
    "classes/scene_0_96.txt": ("5 0.5 0.5 0.1 0.1", "line 1: class 5 has no name"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_invalid_annotations_give_one_line_and_no_mask(geoships, tiles: Path, tmp_path: Path, name: str) -> None:
    text, message = BROKEN[name]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    given = path.parent if path.suffix == ".txt" else path
    code, out, err = geoships("data", "masks", given, "--tiles", tiles, "--out", tmp_path / "m.tif")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err
    assert not (tmp_path / "m.tif").exists()


def make_pairs(folder: Path, count: int) -> None:
    (folder / "masks").mkdir()
    for number in range(count):
        mask = ship_scene(folder / f"s{number}.tif", ships=SHIPS[: 1 + number % 4])
        with rasterio.open(
            folder / "masks" / f"s{number}_mask.tif", "w", driver="GTiff", height=180, width=200, count=1,
            dtype="uint8", crs="EPSG:32631", transform=UTM, nodata=255,
        ) as file:  # fmt: skip
            file.write(mask.astype("uint8"), 1)


@pytest.mark.parametrize(("by", "count"), [("scene", 3), ("block", 1), ("chip", 1)])
def test_every_pixel_is_in_exactly_one_part(geoships, tmp_path: Path, by: str, count: int) -> None:
    make_pairs(tmp_path, count)
    scenes = [tmp_path / f"s{number}.tif" for number in range(count)]
    code, out, err = geoships(
        "data", "split", *scenes, "--masks", tmp_path / "masks", "--out", tmp_path / "parts",
        "--by", by, "--shares", "50,25,25", "--chip", 32, "--block", 64, "--json",
    )  # fmt: skip
    assert code == 0, err
    assert ("too good" in err) == (by == "chip")
    facts, parts = json.loads(out), ("train", "validation", "test")
    assert facts["chips"].keys() == set(parts)
    assert sum(facts["known_pixels"].values()) == count * 180 * 200
    truth = {scene.stem: read(tmp_path / "masks" / f"{scene.stem}_mask.tif") for scene in scenes}
    assert sum(facts["ship_pixels"].values()) == sum(int(mask.sum()) for mask in truth.values())
    for name, mask in truth.items():  # whole scenes: every pixel is known in one part only
        found = [read(path) for path in (tmp_path / "parts/scenes").glob(f"*/masks/{name}*.tif")]
        assert (np.sum([part != IGNORED for part in found], axis=0) == 1).all()
        assert np.array_equal(np.min(found, axis=0), mask)
        assert len(list((tmp_path / "parts/scenes").glob(f"*/images/{name}.tif"))) == len(found)
    for part in parts:
        chips = sorted((tmp_path / "parts/chips" / part / "images").iterdir())
        assert len(chips) == facts["chips"][part] > 0
        for path in chips:
            with rasterio.open(path) as chip, rasterio.open(path.parents[1] / "masks" / path.name) as labels:
                assert chip.shape == labels.shape == (32, 32)
                assert (chip.descriptions, chip.scales, labels.nodata) == (("B04",), (1e-4,), 255)
                assert chip.transform == labels.transform
                assert np.array_equal(chip.read(1) > 5000, labels.read(1) == 1)


def test_masks_of_another_size_and_too_few_scenes_are_errors(geoships, tmp_path: Path) -> None:
    make_pairs(tmp_path, 2)
    common = ("--masks", tmp_path / "masks", "--out", tmp_path / "parts")
    assert "cannot fill 3 parts" in geoships("data", "split", tmp_path, *common)[2]
    ship_scene(tmp_path / "s1.tif", (90, 100), ships=())
    assert "expected a mask on the scene's grid" in geoships("data", "split", tmp_path, *common, "--shares", "1,1")[2]
    (tmp_path / "masks/s0_mask.tif").unlink()
    assert "no mask of" in geoships("data", "split", tmp_path, *common)[2]
    assert not (tmp_path / "parts").exists()


def test_the_expected_mask_has_the_annotated_shapes() -> None:
    assert expected_mask()[int(BOX[1]), int(BOX[0])] == 1
    assert expected_mask().shape == TILE_SHAPE
    assert cv2.countNonZero(expected_mask()) > 400

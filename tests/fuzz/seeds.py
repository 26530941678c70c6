"""Small valid files of every kind that geoships reads, and the function that reads each."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import annotation_files
import geopandas
import numpy as np
import rasterio
import shapely
import torch
from corpus.rasters import CRS, UTM, raster, vrt
from fake_models import fake_card
from pyproj import CRS as PlaceCRS  # noqa: N811 (an acronym)
from safetensors.torch import save

import geoships.model.networks  # noqa: F401 (takes seconds, which are not those of a read)
from geoships.config import predict_config, task_config
from geoships.datasets.annotations.masks import ImageLayout, write_mask
from geoships.datasets.annotations.shapes import LabelClass
from geoships.datasets.annotations.tiles import read_manifest
from geoships.model.bundle import load_bundle
from geoships.scene.describe import describe_scene
from geoships.scene.georeference import Georeference
from geoships.scene.layers.area import read_area
from geoships.scene.layers.labels import read_labels
from geoships.scene.opening.stac_item import read_item
from geoships.scene.reader import Reading, open_scene
from geoships.scene.tiling.windows import Window

Read = Callable[[Path], object]
PLACE = Georeference(96, 112, UTM, PlaceCRS(CRS))
CLASSES = (LabelClass("ship", 1, (255, 0, 0), ("vessel", "boat")), LabelClass("ignore", 255, (0, 0, 0)))
CONFIGS = Path(__file__).parents[2] / "configs"


@dataclass(frozen=True)
class Seed:
    """A valid file.

    Attributes:
        name: Kind and name.
        path: The file whose bytes are changed.
        read: Reads it, or the folder that it is part of, with a result or a GeoshipsError.
        target: What `read` is given: the file, or a folder around it.
    """

    name: str
    path: Path
    read: Read
    target: Path


def read_scene(path: Path) -> None:
    describe_scene(path)
    with open_scene(str(path), ["red"], Reading(bands=[1], scale=1e-4)) as scene:
        height, width = scene.window.shape
        scene.decode(Window(0, 0, min(height, 64), min(width, 64)))


def read_layers(path: Path) -> None:
    read_labels(path, PLACE)
    read_area(path, PLACE)


def read_shapes(path: Path) -> None:
    layout = ImageLayout("scene.tif", Georeference(96, 96), {"tile": Window(0, 0, 96, 96)}, tiled=True)
    write_mask(path, layout, path.parent / "mask.tif" if path.is_file() else path.parent / "m.tif", CLASSES)


def read_model(path: Path) -> None:
    load_bundle(path).network()


def seeds(folder: Path) -> Iterator[Seed]:
    """Write all seeds into a folder."""
    for make in (scenes, layers, shapes, models, settings):
        yield from make(folder)


def scenes(folder: Path) -> Iterator[Seed]:
    values = np.random.default_rng(0).integers(1, 250, (40, 48)).astype("uint8")
    plain = {"scale": None, "values": values, "dtype": "uint8"}
    forms: dict[str, dict[str, object]] = {
        "striped.tif": {"blockysize": 8},
        "tiled.tif": {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"},
        "lzw.tif": {"compress": "lzw", "predictor": 2, "nodata": 7},
        "big.tif": {"bigtiff": "yes", "endianness": "big"},
        "a.png": {"driver": "PNG", "bands": (None,), "crs": None, "transform": None},
        "a.jpg": {"driver": "JPEG", "bands": (None,), "crs": None, "transform": None},
        "a.bmp": {"driver": "BMP", "bands": (None,), "crs": None, "transform": None},
        "a.jp2": {"driver": "JP2OpenJPEG", "bands": (None,)},
    }
    with rasterio.Env() as env:
        built = env.drivers()
    for name, form in forms.items():
        if form.get("driver", "GTiff") in built:
            path = raster(folder / "scenes" / Path(name).stem / name, **{**plain, **form})  # type: ignore[arg-type]
            yield Seed(f"scene {name}", path, read_scene, path)
    source = raster(folder / "scenes" / "virtual" / "a.tif")
    path = vrt(source.with_name("a.vrt"), ("a.tif",))
    yield Seed("scene a.vrt", path, read_scene, path)
    beside = source.with_name("a.tif.aux.xml")
    beside.write_text(
        '<PAMDataset><SRS>EPSG:32631</SRS><GeoTransform>0,1,0,0,0,-1</GeoTransform><Metadata><MDI key="a">b</MDI>'
        '</Metadata><PAMRasterBand band="1"><Description>B04</Description><NoDataValue>7</NoDataValue>'
        "<Scale>2</Scale></PAMRasterBand></PAMDataset>"
    )
    yield Seed("scene with metadata beside", beside, read_scene, source)
    item = folder / "item.json"
    asset = {"href": "./scenes/virtual/a.tif", "eo:bands": [{"name": "B04", "common_name": "red"}], "gsd": 10}
    item.write_text(
        json.dumps(
            {
                "type": "Feature", "stac_version": "1.0.0", "id": "a", "geometry": None, "links": [],
                "properties": {"datetime": "2024-01-01T00:00:00Z", "proj:epsg": 32631}, "assets": {"red": asset},
            }
        )
    )  # fmt: skip
    yield Seed("STAC Item", item, lambda path: read_item(str(path)), item)


def layers(folder: Path) -> Iterator[Seed]:
    boxes = [shapely.box(500_100, 3_999_500, 500_300, 3_999_700), shapely.box(500_400, 3_999_400, 500_500, 3_999_450)]
    frame = geopandas.GeoDataFrame({"class": ["ship", "ship"]}, geometry=boxes, crs=CRS)
    for name in ("a.geojson", "a.gpkg", "a.fgb", "a.shp", "a.parquet", "a.csv"):
        path = folder / "layers" / Path(name).suffix[1:] / name
        path.parent.mkdir(parents=True)
        if name == "a.parquet":
            frame.to_parquet(path)
        elif name == "a.csv":
            path.write_text("".join(["id,WKT\n", *(f'{n},"{each.wkt}"\n' for n, each in enumerate(boxes))]))
        else:
            frame.to_file(path)
        yield Seed(f"layer {name}", path, read_layers, path)
    path = folder / "layers" / "shp" / "a.dbf"
    yield Seed("layer a.dbf", path, read_layers, path.with_suffix(".shp"))


def shapes(folder: Path) -> Iterator[Seed]:
    for name, write in annotation_files.WRITERS.items():
        place = folder / "shapes" / name.replace(" ", "-")
        place.mkdir(parents=True)
        target = write(place, "tile.png", "empty.png")
        path = target if target.is_file() else sorted(target.rglob("tile.*"))[0]
        yield Seed(f"annotations {name}", path, read_shapes, target)
    manifest = folder / "tiles.json"
    tile = {"file": "a.png", "row": 0, "column": 0, "height": 96, "width": 96}
    manifest.write_text(
        json.dumps(
            {
                "version": 1, "scene": "scene.tif", "height": 96, "width": 112, "transform": list(UTM)[:6],
                "crs": PlaceCRS(CRS).to_wkt(), "bands": "1", "tiles": [tile],
            }
        )
    )  # fmt: skip
    yield Seed("list of tiles", manifest, read_manifest, manifest)


def models(folder: Path) -> Iterator[Seed]:
    network = {"decoder": "unet", "encoder": "resnet18", "options": {"encoder_depth": 3, "decoder_channels": [8, 8, 8]}}
    card = fake_card(**{"geoships:network": network}).to_json().encode()
    weights = save({"a.weight": torch.zeros(2, 3), "b": torch.ones(4)})
    for name in ("model.json", "model.safetensors"):
        place = folder / "models" / name
        place.mkdir(parents=True)
        (place / "model.json").write_bytes(card)
        (place / "model.safetensors").write_bytes(weights)
        yield Seed(f"bundle {name}", place / name, read_model, place)
    for kind, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
        path = folder / "models" / f"{kind}.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("model.json", card)
            archive.writestr("model.safetensors", weights)
        yield Seed(f"bundle {kind}.zip", path, read_model, path)


def settings(folder: Path) -> Iterator[Seed]:
    readers: dict[str, Read] = {
        "predict.yaml": predict_config, "own-data.yaml": task_config, "chips-rgb3m.yaml": task_config,
    }  # fmt: skip
    for name, read in readers.items():
        path = folder / "settings" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((CONFIGS / name).read_bytes())
        yield Seed(f"settings {name}", path, read, path)

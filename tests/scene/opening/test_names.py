"""Local names that look like addresses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from geoships.pipeline.batch import plan_outputs
from geoships.scene.layers.labelled_files import pair_files
from geoships.scene.opening.band_files import band_files
from geoships.scene.opening.names import is_remote, stem_of, title_of
from geoships.scene.opening.open import SceneFile
from geoships.scene.opening.raster import public_name
from geoships.scene.quicklook import open_quicklook
from geoships.scene.reader import open_scene

ODD = ("which one?", "a#b", "50%20done", "x&y=1", "http files", "12:30", "https:")


@pytest.fixture(params=[*ODD, "file"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A scene in a folder with an odd name, or with signs of an address in its own name."""
    folder = tmp_path if request.param == "file" else tmp_path / request.param
    folder.mkdir(exist_ok=True)
    path = folder / ("http what?#%20.tif" if request.param == "file" else "a.tif")
    profile = {"crs": "EPSG:32631", "transform": Affine(10, 0, 500000, 0, -10, 4000000), "dtype": "uint16"}
    with rasterio.open(path, "w", driver="GTiff", height=32, width=32, count=1, **profile) as file:
        file.write(np.full((1, 32, 32), 500, "uint16"))
        file.descriptions = ("red",)
    return path


def test_a_scene_has_the_name_of_its_file(scene):
    with open_scene(str(scene), ["red"]) as opened:
        assert opened.title == scene.name
        assert opened.origins == (str(scene),)
    with open_quicklook(str(scene)) as look:
        assert look.title == scene.name
    assert SceneFile(scene).title == scene.name
    assert public_name(str(scene)) == str(scene)


def test_outputs_are_named_after_the_file(scene, tmp_path):
    (job,) = plan_outputs([str(scene)], tmp_path)
    assert job.out == tmp_path / f"{scene.stem}.geojson"
    assert band_files([f"red={scene}"]).name == scene.stem


def test_labels_are_found_by_the_name_of_the_file(scene, tmp_path):
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / f"{scene.stem}.geojson").write_text("{}")
    (pair,) = pair_files([str(scene)], [labels])
    assert pair.labels == labels / f"{scene.stem}.geojson"


def test_relative_names_with_two_slashes_are_local(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert public_name("data//a.tif") == str(tmp_path / "data/a.tif")
    assert public_name("HTTPS://user:secret@host/a.tif?key=1") == "HTTPS://host/a.tif"


@pytest.mark.parametrize(
    ("name", "remote", "title", "stem"),
    [
        ("https://host/x/a.tif?sig=1/2", True, "a.tif", "a"),
        ("s3://bucket/a.tif", True, "a.tif", "a"),
        ("http.tif", False, "http.tif", "http"),
        ("https:/a?b.tif", False, "a?b.tif", "a?b"),
        ("zip://a.zip!b?.tif", False, "a.zip!b?.tif", "a.zip!b?"),
        ("file:///x/a%20b.tif", False, "a b.tif", "a b"),
    ],
)
def test_only_addresses_of_servers_have_a_query(name, remote, title, stem):
    assert (is_remote(name), title_of(name), stem_of(name)) == (remote, title, stem)

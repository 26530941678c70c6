"""Sentinel-2 products: their bands, and scale and offset to reflectance."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from geoships_cli.info import _is_bundle
from safe_products import GRANULE, PRODUCT, write_old_product, write_product, zipped

from geoships import SceneError
from geoships.scene.describe import describe_scene
from geoships.scene.opening.band_files import BandFiles
from geoships.scene.opening.open import SceneFile
from geoships.scene.reader import open_scene

DRAW = np.random.default_rng(5)
RED = DRAW.integers(1, 60000, (96, 120), np.uint16)
RED[:, :30] = 0
SWIR = DRAW.integers(1, 60000, (48, 60), np.uint16)
SWIR[:, :15] = 0
COARSE = np.full((48, 60), 7, np.uint16)
ADDED = {"B04": -1000, "B11": -1234}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = {"B04_10m": RED, "B04_20m": COARSE, "B11_20m": SWIR}
    return write_product(tmp_path_factory.mktemp("product"), pictures, added=ADDED)


def scene_of(name: Path | str) -> BandFiles:
    scene = SceneFile(name).files
    assert isinstance(scene, BandFiles)
    return scene


@pytest.mark.parametrize(
    "named", ["folder", "metadata", "granule", "stored zip", "deflated zip", "zip without folder", "granule of a zip"]
)
def test_a_product_is_one_scene_however_it_is_named(named, product, tmp_path):
    root = Path(shutil.copytree(product, tmp_path / product.name))
    if "zip" in named:
        archive = zipped(root, deflated=named.startswith("deflated"))
        if named == "zip without folder":
            archive = Path(shutil.make_archive(str(root.with_suffix("")), "zip", root))
        shutil.rmtree(root)  # nothing is unpacked
        names = {"granule of a zip": f"zip://{archive}!{root.name}/GRANULE/{GRANULE}"}
    else:
        archive = root
        names = {"metadata": root / "MTD_MSIL2A.xml", "granule": root / "GRANULE" / GRANULE}
    files = scene_of(names.get(named, archive))
    assert files.name == (GRANULE if named.startswith("granule") else PRODUCT)
    assert files.inputs[0] == str(archive)
    assert [file.name for file in files.files] == ["B04", "B11"]
    with open_scene(files, ["red", "swir16"]) as scene:
        assert scene.radiometry.scale == (1e-4, 1e-4)
        assert scene.radiometry.offset == pytest.approx((-0.1, -0.1234))
        assert "processing baseline 05.09" in scene.radiometry.origin
        assert scene.datetime == "2023-01-01T10:57:35.463000Z"
        assert scene.origins == (str(archive),)
        assert scene.source.reads_sidecars == ("zip" not in named)
        assert not scene.warnings
        assert scene.georeference.pixel_size() == pytest.approx((10, 10), rel=0.01)
        pixels = scene.decode(scene.window)
        np.testing.assert_array_equal(pixels.values[0], RED)
        np.testing.assert_array_equal(pixels.valid[:, 32:], True)
        np.testing.assert_array_equal(pixels.valid[:, :28], False)
    assert list(tmp_path.iterdir()) == [archive]


def test_coarse_bands_are_brought_to_the_finest_grid_as_band_files_are(product):
    paths = {name: next(product.rglob(f"*_{name}_{metres}m.jp2")) for name, metres in (("B04", 10), ("B11", 20))}
    from geoships.scene.opening.band_files import band_files

    with (
        open_scene(product, ["red", "swir16"]) as scene,
        open_scene(band_files([f"{name}={path}" for name, path in paths.items()]), ["red", "swir16"]) as same,
    ):
        np.testing.assert_array_equal(scene.decode(scene.window).values, same.decode(same.window).values)


def test_level_1c_and_baselines_without_an_offset(tmp_path):
    pictures = {"B04": RED, "B8A": SWIR, "B10": COARSE[:16, :20]}
    new = write_product(tmp_path / "new", pictures, level="1C", baseline="04.00", added={"B04": -1000, "B8A": -999})
    with open_scene(new, ["red", "nir08"]) as scene:
        assert scene.radiometry.offset == pytest.approx((-0.1, -0.0999))
    assert [file.name for file in scene_of(new).files] == ["B04", "B8A", "B10"]
    old = write_product(tmp_path / "old", pictures, level="1C", baseline="02.09")
    with open_scene(old, ["red"]) as scene:
        assert (scene.radiometry.scale, scene.radiometry.offset) == ((1e-4,), (0.0,))
        assert scene.radiometry.warning is None
    assert "120 columns x 96 rows" in str(describe_scene(old)["size"])


def test_one_of_several_granules_has_to_be_selected(tmp_path):
    one, other = {"B04": RED, "B11": SWIR}, {"B04": RED[::-1]}
    root = write_old_product(tmp_path, {"T31TCJ": one, "T31TDJ": other})
    for name in (root, zipped(root)):
        with pytest.raises(SceneError, match=r"2 granules \(T31TCJ, T31TDJ\).*GRANULE/S2A_OPER_MSI_L1C_TL_EPA__"):
            SceneFile(name)
    granule = next(root.glob("GRANULE/*T31TDJ*"))
    with open_scene(granule, ["red"]) as scene:
        np.testing.assert_array_equal(scene.decode(scene.window).values[0], RED[::-1])
        assert scene.datetime == "2023-01-01T10:54:21.024000Z"  # of the product, for want of the granule's metadata
        assert "do not" not in scene.radiometry.origin
    assert scene_of(f"zip://{root.with_suffix('.zip')}!{root.name}/GRANULE/{granule.name}").name == granule.name
    with pytest.raises(SceneError, match="no granule T32"):
        SceneFile(f"zip://{root.with_suffix('.zip')}!{root.name}/GRANULE/T32")


def test_a_missing_band_is_a_warning(product, tmp_path):
    root = Path(shutil.copytree(product, tmp_path / product.name))
    next(root.rglob("*_B11_20m.jp2")).unlink()
    with open_scene(root, ["red"]) as scene:
        assert "metadata list: B11" in scene.warnings[0]


def test_a_zip_is_a_scene_or_a_bundle(product, tmp_path):
    root = Path(shutil.copytree(product, tmp_path / product.name))
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as archive:
        archive.writestr("model.json", json.dumps({}))
    assert SceneFile(tmp_path / "bundle.zip").files is None
    assert _is_bundle(str(tmp_path / "bundle.zip"))
    assert not _is_bundle(str(zipped(root)))
    assert SceneFile(tmp_path).files is None
    assert SceneFile("x" * 300).files is None


BOMB = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: (root / "MTD_MSIL2A.xml").write_text(BOMB), "MTD_MSIL2A.xml cannot be read .*Forbidden"),
        (lambda root: (root / "MTD_MSIL2A.xml").write_bytes(BOMB.encode("utf-16")), "cannot be read .*Forbidden"),
        (lambda root: (root / "MTD_MSIL2A.xml").write_text("<a>"), "MTD_MSIL2A.xml cannot be read .*no element"),
        (lambda root: (root / "MTD_MSIL2A.xml").write_text("<a/>"), "no quantification value"),
        (lambda root: (root / "MTD_MSIL2A.xml").unlink(), "has no MTD_MSIL1C.xml or MTD_MSIL2A.xml"),
        (lambda root: shutil.rmtree(root / "GRANULE"), "has no images"),
        (
            lambda root: next(root.rglob("*B04_10m.jp2")).write_text("<VRTDataset>"),
            "B04_10m.jp2 is not a JPEG 2000 image",
        ),
    ],
)
def test_products_that_are_damaged_or_dangerous(change, message, product, tmp_path):
    root = Path(shutil.copytree(product, tmp_path / product.name))
    change(root)
    with pytest.raises(SceneError, match=message):
        SceneFile(root)


def test_archives_that_are_damaged_or_dangerous(product, tmp_path):
    root = Path(shutil.copytree(product, tmp_path / product.name))
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("A.SAFE/MTD_MSIL2A.xml", "<a/>")
        archive.writestr("A.SAFE/MTD_MSIL2A.xml", "<b/>")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("A.SAFE/MTD_MSIL2A.xml", "<a/>")
        archive.writestr("B.SAFE/MTD_MSIL2A.xml", "<a/>")
    content = bytearray(zipped(root).read_bytes())
    place = content.index(b"<PRODUCT_START_TIME>")
    content[place : place + 5] = b"\0\0\0\0\0"
    (tmp_path / "flipped.zip").write_bytes(content)
    messages = {
        "twice": "two files with the same name",
        "two": r"2 Sentinel-2 products.*A.SAFE, B.SAFE",
        "flipped": "Bad CRC-32",
    }
    for name, message in messages.items():
        with pytest.raises(SceneError, match=message):
            SceneFile(tmp_path / f"{name}.zip")

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy
from rasterio.vrt import WarpedVRT

from geoships.errors import SceneError
from geoships.scene.opening.raster import gdal_env, open_dataset, resolve

VALUES = np.arange(48, dtype=np.uint8).reshape(1, 8, 6)

HEAD = '<VRTDataset rasterXSize="6" rasterYSize="8"><SRS>EPSG:32633</SRS>'
RECT = '<SrcRect xOff="0" yOff="0" xSize="6" ySize="8"/><DstRect xOff="0" yOff="0" xSize="6" ySize="8"/>'


def source_of(name: str, relative: int = 1) -> str:
    return f'<SourceFilename relativeToVRT="{relative}">{name}</SourceFilename>'


def band(inner: str, attributes: str = "") -> str:
    return f'<VRTRasterBand dataType="Byte" band="1"{attributes}>{inner}</VRTRasterBand>'


def simple(source: str) -> str:
    return HEAD + band(f"<SimpleSource>{source}<SourceBand>1</SourceBand>{RECT}</SimpleSource>") + "</VRTDataset>"


@pytest.fixture
def folder(write, tmp_path) -> Path:
    """A folder with one image file; another is outside it."""
    write("scene/a.tif", VALUES)
    write("outside.tif", VALUES)
    return tmp_path / "scene"


def refused(folder: Path, xml: str, reason: str, name: str = "a.vrt") -> None:
    path = folder / name
    path.write_text(xml)
    with pytest.raises(SceneError, match=reason) as caught:
        resolve(path)
    assert "this VRT is refused because" in str(caught.value)
    assert "--trust-vrt" in str(caught.value)


@pytest.mark.parametrize("name", ["a.vrt", "a.tif.txt", "picture.tif"])
def test_a_vrt_of_its_own_folder_is_read_whatever_it_is_called(folder, name):
    (folder / name).write_text(simple(source_of("a.tif")))
    source = resolve(folder / name)
    assert source.driver == "VRT"
    with gdal_env(source), open_dataset(source) as dataset:
        np.testing.assert_array_equal(dataset.read(), VALUES)


def test_an_absolute_path_below_the_folder_and_a_nested_vrt(folder):
    (folder / "inner.vrt").write_text(simple(source_of(str(folder / "a.tif"), relative=0)))
    (folder / "outer.vrt").write_text(simple(source_of("inner.vrt")))
    with open_dataset(resolve(folder / "outer.vrt")) as dataset:
        np.testing.assert_array_equal(dataset.read(), VALUES)


def test_trust_vrt_opens_sources_outside_the_folder(folder):
    path = folder / "a.vrt"
    path.write_text(simple(source_of("../outside.tif")))
    with open_dataset(resolve(path, trust_vrt=True)) as dataset:
        np.testing.assert_array_equal(dataset.read(), VALUES)


def test_sources_outside_the_folder(folder, tmp_path):
    refused(folder, simple(source_of(str(tmp_path / "outside.tif"), relative=0)), "is outside its folder")
    refused(folder, simple(source_of("/etc/passwd", relative=0)), "is outside its folder")
    refused(folder, simple(source_of("../outside.tif")), r"contains '\.\.'")
    refused(folder, simple(source_of("../scene/a.tif")), r"contains '\.\.'")


def test_links_out_of_the_folder(folder, tmp_path):
    (folder / "link.tif").symlink_to(tmp_path / "outside.tif")
    refused(folder, simple(source_of("link.tif")), "is outside its folder")
    (folder / "up").symlink_to(tmp_path)
    refused(folder, simple(source_of("up/outside.tif")), "is outside its folder")


def test_a_linked_vrt_is_checked_in_the_folder_of_its_target(folder, tmp_path):
    (folder / "a.vrt").write_text(simple(source_of("a.tif")))
    (tmp_path / "link.vrt").symlink_to(folder / "a.vrt")
    with open_dataset(resolve(tmp_path / "link.vrt")) as dataset:
        np.testing.assert_array_equal(dataset.read(), VALUES)


def test_a_nested_vrt_with_a_source_outside_the_folder(folder):
    (folder / "inner.vrt").write_text(simple(source_of("../outside.tif")))
    refused(folder, simple(source_of("inner.vrt")), r"contains '\.\.'", "outer.vrt")


def test_a_nested_vrt_with_another_suffix(folder):
    (folder / "inner.tif").write_text(simple(source_of("/etc/passwd", relative=0)))
    refused(folder, simple(source_of("inner.tif")), "is outside its folder", "outer.vrt")


def test_derived_bands(folder):
    derived = ' subClass="VRTDerivedRasterBand"'
    code = "<PixelFunctionType>f</PixelFunctionType><PixelFunctionLanguage>Python</PixelFunctionLanguage>"
    refused(folder, HEAD + band(code, derived) + "</VRTDataset>", "VRTDerivedRasterBand")
    refused(folder, HEAD + band(code) + "</VRTDataset>", "derived band")
    as_element = band("<subClass>VRTDerivedRasterBand</subClass>" + code)
    refused(folder, HEAD + as_element + "</VRTDataset>", "derived band|not known to be safe")
    other_case = band("", ' SUBCLASS="vrtderivedrasterband"')
    refused(folder, HEAD + other_case + "</VRTDataset>", "vrtderivedrasterband")
    twice = band("", ' subClass="VRTSourcedRasterBand" SubClass="VRTDerivedRasterBand"')
    refused(folder, HEAD + twice + "</VRTDataset>", "same attribute twice")


def test_raw_bands_and_processed_datasets(folder):
    raw = band(source_of("a.tif") + "<ImageOffset>0</ImageOffset>", ' subClass="VRTRawRasterBand"')
    refused(folder, HEAD + raw + "</VRTDataset>", "VRTRawRasterBand")
    processed = HEAD.replace("<VRTDataset", '<VRTDataset subClass="VRTProcessedDataset"') + "</VRTDataset>"
    refused(folder, processed, "VRTProcessedDataset")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("&lt;VRTDataset rasterXSize=&quot;1&quot; rasterYSize=&quot;1&quot;/&gt;", "connection string"),
        ("http://localhost/a.tif", "connection string"),
        ("/vsicurl/http://localhost/a.tif", "connection string|virtual file system"),
        ("/vsizip/a.zip/a.tif", "virtual file system"),
        ('NETCDF:"a.nc":b', "connection string"),
        ("vrt://a.tif?bands=1", "connection string"),
        ("", "not a plain file name"),
        ("a<!-- -->.tif", "not a plain file name"),
        (" a.tif", "not a plain file name"),
        ("none.tif", "missing"),
    ],
)
def test_sources_that_are_not_plain_files(folder, source, reason):
    refused(folder, simple(source_of(source)), reason)
    refused(folder, simple(source_of(source, relative=0)), f"{reason}|outside|missing")


def test_sources_that_refer_to_other_files(folder):
    (folder / "wms.tif").write_text("<GDAL_WMS></GDAL_WMS>")
    refused(folder, simple(source_of("wms.tif")), "not an image file")
    (folder / "both.jpg").write_bytes(b"\xff\xd8\xff\xfe " + simple(source_of("/etc/passwd", 0)).encode())
    refused(folder, simple(source_of("both.jpg")), "not an image file")
    (folder / "a.tif.ovr").write_text("<GDAL_WMS></GDAL_WMS>")
    (folder / "a.vrt").write_text(simple(source_of("a.tif")))
    with pytest.raises(SceneError, match="overview or mask"):
        resolve(folder / "a.vrt")


def test_file_names_in_attributes_and_in_other_case(folder):
    refused(folder, simple('<sourcefilename RELATIVETOVRT="0">/etc/passwd</sourcefilename>'), "is outside")
    attribute = HEAD + band('<SimpleSource SourceFilename="/etc/passwd"/>') + "</VRTDataset>"
    refused(folder, attribute, "attribute sourcefilename")


def test_warped_vrts(folder):
    head = HEAD.replace("<VRTDataset", '<VRTDataset subClass="VRTWarpedDataset"')
    for inner, reason in {
        '<SourceDataset relativeToVRT="0">/etc/passwd</SourceDataset>': "is outside",
        '<Option name="CUTLINE">/etc/passwd</Option>': "refers to a file",
        "<Transformer><RPCTransformer><DEMPath>/etc/passwd</DEMPath></RPCTransformer></Transformer>": "RPCTransformer",
        "<Transformer><ReprojectionTransformer><SourceSRS>/etc/passwd</SourceSRS></ReprojectionTransformer>"
        "</Transformer>": "neither WKT nor an EPSG code",
    }.items():
        refused(folder, f"{head}<GDALWarpOptions>{inner}</GDALWarpOptions></VRTDataset>", reason)


def test_a_comment_does_not_hide_a_file_name(folder):
    hidden = HEAD.replace("EPSG:32633", "<!-- -->/etc/passwd")
    refused(folder, hidden + band("") + "</VRTDataset>", "more than text")


def test_document_types_and_entities(folder):
    entity = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + simple(source_of("&b;"))
    refused(folder, "<VRTDataset/>" + entity, "document type, an entity or CDATA")
    laughs = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbb">]>' + simple(source_of("&b;"))
    refused(folder, laughs, "document type, an entity or CDATA")
    refused(folder, simple(source_of("<![CDATA[/etc/passwd]]>", 0)), "document type, an entity or CDATA")


def test_malformed_and_huge_files(folder, monkeypatch):
    refused(folder, "<VRTDataset>", "not well-formed")
    (folder / "a.vrt").write_bytes(simple(source_of("a.tif")).encode() + b"\xff")
    with pytest.raises(SceneError, match="not UTF-8"):
        resolve(folder / "a.vrt")
    monkeypatch.setattr("geoships.scene.opening.vrt.MAX_BYTES", 10)
    refused(folder, simple(source_of("a.tif")), "larger than")


def test_overviews_named_by_metadata(folder):
    metadata = '<Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/etc/a.vrt</MDI></Metadata>'
    refused(folder, HEAD + metadata + "</VRTDataset>", "refer to other files")


def test_the_vrt_that_rasterio_writes_is_accepted(folder):
    with rasterio.open(folder / "a.tif") as dataset:
        copy(dataset, folder / "copy.vrt", driver="VRT")
        with WarpedVRT(dataset, crs="EPSG:3857") as warped:
            copy(warped, folder / "warped.vrt", driver="VRT")
    for name in ("copy.vrt", "warped.vrt"):
        assert resolve(folder / name).driver == "VRT"

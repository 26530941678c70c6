"""Cases of files and names: truncated, empty and renamed files, other formats, archives, sidecars, addresses."""

from __future__ import annotations

import gzip
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from corpus.case import Arguments, Expectation, Fails, Make, Works, cases
from corpus.command import predict
from corpus.rasters import COLUMNS, ROWS, raster, reflectance, vrt


def named(name: str) -> Make:
    def make(folder: Path) -> Arguments:
        path = folder / "a.tif"
        raster(path).rename(target := folder / name) if "/" not in name else raster(target := folder / name)
        return predict(target)

    return make


def cut(keep: Callable[[int], int]) -> Make:
    """A GeoTIFF of which only so many bytes are there."""

    def make(folder: Path) -> Arguments:
        path = raster(folder / "scene.tif", compress="deflate")
        content = path.read_bytes()
        path.write_bytes(content[: keep(len(content))])
        return predict(path)

    return make


def holding(content: bytes, name: str = "scene.tif") -> Make:
    def make(folder: Path) -> Arguments:
        (folder / name).write_bytes(content)
        return predict(folder / name)

    return make


def damaged(start: float) -> Make:
    """A compressed GeoTIFF with noise from a fraction of its length on, for 200 bytes."""

    def make(folder: Path) -> Arguments:
        noise = np.random.default_rng(0).integers(0, 65535, (ROWS, COLUMNS), "uint16")
        path = raster(folder / "scene.tif", compress="deflate", values=noise)
        content = bytearray(path.read_bytes())
        first = int(len(content) * start)
        content[first : first + 200] = b"\xaa" * 200
        path.write_bytes(content)
        return predict(path)

    return make


def picture(driver: str, name: str) -> Make:
    values = (reflectance() * 255).astype("uint8")
    return lambda folder: predict(
        raster(
            folder / name, "uint8", scale=None, bands=(None,) * 3, values=values, driver=driver, crs=None, transform=None
        ),
        "--bands", 1, "--scale", 1 / 255,
    )  # fmt: skip


def shortened(make: Make) -> Make:
    """The first half of the scene that another case has."""

    def half(folder: Path) -> Arguments:
        arguments = make(folder)
        path = Path(str(arguments[1]))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return arguments

    return half


def beside(name: str, content: bytes) -> Make:
    """A scene with a file beside it."""

    def make(folder: Path) -> Arguments:
        path = raster(folder / "scene.tif")
        (folder / name).write_bytes(content)
        return predict(path)

    return make


def in_zip(member: str) -> Make:
    def make(folder: Path) -> Arguments:
        with zipfile.ZipFile(folder / "a.zip", "w") as archive:
            archive.write(raster(folder / "scene.tif"), "scene.tif")
        return predict(f"zip://{folder / 'a.zip'}!{member}")

    return make


def in_tar(folder: Path) -> Arguments:
    with tarfile.open(folder / "a.tar", "w") as archive:
        archive.add(raster(folder / "scene.tif"), "scene.tif")
    return predict(f"tar://{folder / 'a.tar'}!scene.tif")


def damaged_zip(folder: Path) -> Arguments:
    (folder / "a.zip").write_bytes(b"PK\x03\x04 and no more")
    return predict(f"zip://{folder / 'a.zip'}!scene.tif")


def gzipped(folder: Path) -> Arguments:
    content = raster(folder / "scene.tif").read_bytes()
    (folder / "scene.tif").write_bytes(gzip.compress(content))
    return predict(folder / "scene.tif")


def linked(target: str) -> Make:
    def make(folder: Path) -> Arguments:
        raster(folder / "a.tif")
        (folder / "scene.tif").symlink_to(folder / target)
        return predict(folder / "scene.tif")

    return make


def pipe(folder: Path) -> Arguments:
    os.mkfifo(folder / "scene.tif")
    return predict(folder / "scene.tif")


def virtual(source: str, *, write: bool = True, text: str | None = None) -> Make:
    def make(folder: Path) -> Arguments:
        if write:
            raster(folder / "a.tif")
        path = vrt(folder / "scene.vrt", (source,), band="<Scale>0.0001</Scale>")
        if text is not None:
            path.write_text(text)
        return predict(path, "--bands", 1)

    return make


def hdf5(folder: Path, subset: str) -> Arguments:
    with h5py.File(folder / "a.h5", "w") as file:
        file["group/red"] = reflectance()
        if subset == "link":
            file["group/link"] = h5py.ExternalLink("/etc/passwd", "/x")
    return predict(f'HDF5:"{folder / "a.h5"}"://group/{subset}', "--bands", 1)


def written_over(folder: Path) -> Arguments:
    path = raster(folder / "scene.tif")
    return ["predict", path, "--mask", path, "--model", "brightness", "--device", "cpu"]


NAMES: dict[str, tuple[Make, Expectation]] = {
    "no ending": (named("scene"), Works(3)),
    "ending in capitals": (named("SCENE.TIF"), Works(3)),
    "ending of another format": (named("scene.jpg"), Works(3)),
    "ending of a document": (named("scene.pdf"), Works(3)),
    "spaces and brackets": (named("my scene (1) [final].tif"), Works(3)),
    "letters of other scripts": (named("港の船-Schiff-ł.tif"), Works(3)),
    "signs of a web address": (named("a?b#c%20d&e=f.tif"), Works(3)),
    "quotes": (named('it\'s "the" scene.tif'), Works(3)),
    "a colon": (named("NETCDF:scene.tif"), Works(3)),
    "a line break": (named("two\nlines.tif"), Works(3)),
    "a folder named like an address": (named("http:/host/scene.tif"), Works(3)),
    "a hyphen in front": (named("-scene.tif"), Works(3)),
    "a name too long": (lambda _: predict("a" * 300 + ".tif"), Fails("name")),
    "no such file": (lambda folder: predict(folder / "none.tif"), Fails("no such file")),
    "no such folder": (lambda folder: predict(folder / "none" / "scene.tif"), Fails("no such file")),
    "an empty name": (lambda _: predict(""), Fails("no scene|name")),
    "a link": (linked("a.tif"), Works(3)),
    "a link to nothing": (linked("none.tif"), Fails("no such file")),
    "a link to itself": (linked("scene.tif"), Fails("cannot be read|no such file")),
    "a pipe": (pipe, Fails("regular file")),
    "a device": (lambda _: predict("/dev/null"), Fails("regular file")),
    "a name of GDAL's own": (lambda _: predict("/vsimem/scene.tif"), Fails("virtual file names")),
    "a connection string": (lambda _: predict("PG:host=localhost"), Fails("connection strings")),
    "XML as a name": (lambda _: predict("<VRTDataset/>"), Fails("connection strings")),
    "an address of no server": (lambda _: predict("http://127.0.0.1:9/scene.tif"), Fails("server|connection")),
    "a VRT on a server": (lambda _: predict("http://127.0.0.1:9/scene.vrt"), Fails("VRT on a server")),
}

CONTENTS: dict[str, tuple[Make, Expectation]] = {
    "empty": (holding(b""), Fails("empty")),
    "one byte": (holding(b"I"), Fails("not a raster")),
    "zeros": (holding(bytes(5000)), Fails("not a raster")),
    "text": (holding(b"this is no scene"), Fails("not a raster")),
    "a web page": (holding(b"<!DOCTYPE html><html><body>404</body></html>"), Fails("not a raster")),
    "GeoJSON": (holding(b'{"type": "FeatureCollection", "features": []}'), Fails("JSON")),
    "a database": (holding(b"SQLite format 3\0" + bytes(90)), Fails("GeoPackage")),
    "gzip": (gzipped, Fails("not a raster")),
    "a header alone": (cut(lambda _: 8), Fails("truncated|damaged|not a raster")),
    "half a file": (cut(lambda size: size // 2), Fails("truncated|damaged")),
    "one byte too few": (cut(lambda size: size - 1), Fails("truncated|damaged")),
    "noise in the pixels": (damaged(0.5), Fails("damaged|cannot read")),
    "PNG": (picture("PNG", "scene.png"), Works(3, "not georeferenced")),
    "BMP": (picture("BMP", "scene.bmp"), Works(3, "not georeferenced")),
    "JPEG": (picture("JPEG", "scene.jpg"), Works(3, "JPEG")),
    "JPEG with the name of a TIFF": (picture("JPEG", "scene.tif"), Works(3, "JPEG")),
    "a PNG with the name of a TIFF": (picture("PNG", "scene.tif"), Works(3, "not georeferenced")),
    "half a PNG": (shortened(picture("PNG", "scene.png")), Fails("truncated")),
    "half a JPEG": (shortened(picture("JPEG", "scene.jpg")), Fails("truncated")),
    "half a BMP": (shortened(picture("BMP", "scene.bmp")), Fails("truncated|damaged|cannot read")),
    "a member of a zip": (in_zip("scene.tif"), Works(3)),
    "a missing member of a zip": (in_zip("other.tif"), Fails("has no member other.tif")),
    "a member of a tar": (in_tar, Works(3)),
    "a damaged zip": (damaged_zip, Fails("archive|cannot|damaged|not a raster")),
    "a VRT": (virtual("a.tif"), Works(3)),
    "a VRT of a missing file": (virtual("none.tif", write=False), Fails("none.tif|source")),
    "a VRT of a file elsewhere": (virtual("/etc/passwd"), Fails("passwd|refused|source")),
    "a VRT cut short": (virtual("a.tif", text="<VRTDataset rasterXSize="), Fails("VRT|XML|not a raster|damaged")),
    "a VRT of itself": (virtual("scene.vrt"), Fails("scene.vrt|itself|refused")),
    "a VRT of huge size": (
        virtual("a.tif", text='<VRTDataset rasterXSize="2147483647" rasterYSize="2147483647"></VRTDataset>'),
        Fails("band|size|VRT"),
    ),
    "HDF5": (lambda folder: hdf5(folder, "red"), Works(3, "georeferenced")),
    "HDF5 without the variable": (lambda folder: hdf5(folder, "none"), Fails("cannot be opened|not a raster")),
    "HDF5 that refers elsewhere": (lambda folder: hdf5(folder, "link"), Fails("refers to the file /etc/passwd")),
    "the output is the scene": (written_over, Fails("is the input .* itself")),
}

SIDECARS: dict[str, tuple[Make, Expectation]] = {
    "overviews that are text": (beside("scene.tif.ovr", b"text"), Fails("overview or mask")),
    "empty overviews": (beside("scene.tif.ovr", b""), Fails("overview or mask|ovr")),
    "a mask that is text": (beside("scene.tif.msk", b"text"), Fails("overview or mask")),
    "a VRT as mask": (beside("scene.tif.msk", b"<VRTDataset/>"), Fails("overview or mask")),
    "metadata that are no XML": (beside("scene.tif.aux.xml", b"<PAMDataset"), Works(3)),
    "metadata that refer elsewhere": (
        beside(
            "scene.tif.aux.xml",
            b'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/etc/passwd</MDI></Metadata></PAMDataset>',
        ),
        Fails("refer to another file"),
    ),
    "a projection that is none": (beside("scene.prj", b"nowhere"), Works(3)),
    "a style": (beside("scene.qml", b"<qgis/>"), Works(3)),
    "ships of an earlier run": (beside("scene.geojson", b"{}"), Works(3)),
}

FILES = [*cases("names", NAMES), *cases("contents of files", CONTENTS), *cases("files beside a scene", SIDECARS)]

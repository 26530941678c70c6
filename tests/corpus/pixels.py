"""Cases of data types, layouts, bands, and the forms in which files tell which pixels have data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from corpus.case import Arguments, Expectation, Fails, Make, Works, cases
from corpus.command import predict
from corpus.rasters import COLUMNS, ROWS, SHIPS, raster, reflectance, vrt
from rasterio.enums import ColorInterp


def scene(*options: object, **form: object) -> Make:
    """A prediction of a scene in this form, with these options."""
    return lambda folder: predict(raster(folder / "scene.tif", **form), *options)  # type: ignore[arg-type]


def rgb(bands: tuple[str | None, ...], *options: object, **form: object) -> Make:
    return scene(*options, bands=bands, **form)


DTYPES: dict[str, tuple[Make, Expectation]] = {
    "uint8 with a scale": (scene(dtype="uint8", scale=0.004), Works(3)),
    "uint8 without a scale": (
        scene(dtype="uint8", scale=None, values=(reflectance() * 255).astype("uint8")),
        Works(3, "reflectance|scale|8-bit|255"),
    ),
    "int8": (scene(dtype="int8", scale=0.01), Works(3)),
    "int16": (scene(dtype="int16"), Works(3)),
    "uint16 without a scale": (
        scene(scale=None, values=(reflectance() * 10_000).astype("uint16")), Works(3, "reflectance|scale")
    ),
    "uint32": (scene(dtype="uint32"), Works(3)),
    "int32": (scene(dtype="int32"), Works(3)),
    "uint64": (scene(dtype="uint64"), Works(3)),
    "int64": (scene(dtype="int64"), Works(3)),
    "float32": (scene(dtype="float32", scale=None), Works(3, "float32")),
    "float64": (scene(dtype="float64", scale=None), Works(3, "float64")),
    "float64 with a scale": (scene(dtype="float64"), Works(3)),
    "complex numbers": (scene(dtype="complex64", scale=None), Fails("complex")),
    "complex integers": (scene(dtype="complex_int16", scale=None, values=np.ones((8, 8), "complex64")), Fails("complex")),
    "12 bits of a uint16": (scene(scale=3e-4, nbits=12), Works(3)),
    "1 bit": (
        scene(dtype="uint8", scale=1, nbits=1, values=(reflectance() > 0.5).astype("uint8")), Works(0, "DN / 255")
    ),
    "a scale of 0": (scene(scale=0.0, values=np.ones((ROWS, COLUMNS), "uint16")), Fails("scale")),
    "a scale that is no number": (
        scene("--scale", "nan", "--offset", 0), Fails("scale", code=1)
    ),
    "huge numbers": (
        scene(dtype="float64", scale=None, values=np.where(reflectance() > 0.5, 1e300, 0.05)), Works(3, "above 2")
    ),
    "negative numbers": (
        scene(dtype="float32", scale=None, values=(reflectance() - 0.2).astype("float32")), Works(3, "float32")
    ),
}  # fmt: skip

TILED = {"tiled": True, "blockxsize": 16, "blockysize": 16}
LAYOUTS: dict[str, tuple[Make, Expectation]] = {
    "strips of one row": (scene(blockysize=1), Works(3)),
    "one strip": (scene(blockysize=ROWS), Works(3)),
    "tiles of 16 pixels": (scene(**TILED), Works(3)),
    "tiles larger than the scene": (scene(tiled=True, blockxsize=512, blockysize=512), Works(3)),
    "band by band": (rgb(("B02", "B03", "B04"), interleave="band", **TILED), Works(3)),
    "pixel by pixel": (rgb(("B02", "B03", "B04"), interleave="pixel"), Works(3)),
    "big endian": (scene(endianness="big"), Works(3)),
    "BigTIFF": (scene(bigtiff="yes"), Works(3)),
    "sparse": (scene(sparse_ok=True, **TILED), Works(3)),
    **{
        f"compressed by {name}": (scene(compress=name), Works(3))
        for name in ("lzw", "deflate", "zstd", "lzma", "packbits", "lerc_deflate")
    },
    "predictor 2": (scene(compress="lzw", predictor=2), Works(3)),
    "predictor 3": (scene(dtype="float32", scale=None, compress="deflate", predictor=3), Works(3, "float32")),
    "compressed as JPEG": (
        rgb(("B02", "B03", "B04"), dtype="uint8", scale=0.004, compress="jpeg", photometric="ycbcr", **TILED),
        Works(3, "JPEG"),
    ),
    "lossless WebP": (
        rgb(("B02", "B03", "B04"), dtype="uint8", scale=0.004, compress="webp", webp_lossless=True), Works(3)
    ),
}  # fmt: skip


def of_size(rows: int, columns: int, value: int = 500) -> Make:
    return scene(values=np.full((rows, columns), value, "uint16"))


SIZES: dict[str, tuple[Make, Expectation]] = {
    "one pixel": (of_size(1, 1), Works(0)),
    "one bright pixel": (of_size(1, 1, 9000), Works(0)),
    "one row": (of_size(1, 300), Works(0)),
    "one column": (of_size(300, 1), Works(0)),
    "three pixels": (of_size(3, 3, 9000), Works(1)),
    "all bright": (of_size(ROWS, COLUMNS, 9000), Works(1)),
    "all zero": (of_size(ROWS, COLUMNS, 0), Works(0)),
}


def with_mask(*, inside: bool) -> Make:
    def make(folder: Path) -> Arguments:
        path = raster(folder / "scene.tif")
        valid = np.full((ROWS, COLUMNS), 255, "uint8")
        valid[:20] = 0  # the first ship
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside), rasterio.open(path, "r+") as file:
            file.write_mask(valid)
        return predict(path)

    return make


def alpha(position: int, *, flagged: bool) -> Make:
    def make(folder: Path) -> Arguments:
        hidden = np.full((ROWS, COLUMNS), 65535, "uint16")
        hidden[:20] = 0
        cube = [(reflectance() * 10_000).astype("uint16")] * 2
        names: list[str | None] = ["B03", "B04"]
        cube.insert(position, hidden)
        names.insert(position, None if flagged else "alpha")
        path = raster(folder / "scene.tif", bands=tuple(names), values=np.stack(cube))
        if flagged:
            with rasterio.open(path, "r+") as file:
                file.colorinterp = [
                    ColorInterp.alpha if number == position else ColorInterp.undefined for number in range(3)
                ]
        return predict(path)

    return make


def first_ship(value: float, **form: object) -> Make:
    """A scene whose rows with the first ship hold a value."""
    values = reflectance() if str(form.get("dtype", "")).startswith("float") else (reflectance() * 10_000).round()
    values[:20] = value
    dtype = str(form.pop("dtype", "uint16"))
    scale = None if dtype.startswith("float") else 1e-4
    return scene(dtype=dtype, scale=scale, values=values.astype(dtype), **form)


def nodata_of_one_band(folder: Path) -> Arguments:
    values = (reflectance() * 10_000).astype("uint16")
    values[:20] = 0
    raster(folder / "a.tif", values=values)
    return predict(vrt(folder / "scene.vrt", ("a.tif",) * 2, band="<NoDataValue>0</NoDataValue>"), "--bands", 2)


def nodata_that_no_pixel_can_have(folder: Path) -> Arguments:
    raster(folder / "a.tif")
    band = "<NoDataValue>-9999</NoDataValue><Scale>0.0001</Scale>"
    return predict(vrt(folder / "scene.vrt", ("a.tif",), band=band), "--bands", 1)


VALIDITY: dict[str, tuple[Make, Expectation]] = {
    "nodata 0": (first_ship(0, nodata=0), Works(2)),
    "nodata 65535": (first_ship(65535, nodata=65535), Works(2)),
    "nodata -9999": (first_ship(-9999, dtype="int16", nodata=-9999), Works(2)),
    "nodata NaN": (first_ship(np.nan, dtype="float32", nodata=np.nan), Works(2, "float32")),
    "NaN without nodata": (first_ship(np.nan, dtype="float32"), Works(2, "float32")),
    "infinite": (first_ship(np.inf, dtype="float32"), Works(2, "float32")),
    "the lowest float as nodata": (
        first_ship(float(np.finfo("float32").min), dtype="float32", nodata=float(np.finfo("float32").min)), Works(2, "float32")
    ),
    "nodata of a water pixel": (first_ship(500, nodata=500), Works(2, "only 1.2% of what is searched has data")),
    "nothing but nodata": (scene(values=np.zeros((ROWS, COLUMNS), "uint16"), nodata=0), Works(0, "only 0.0% of what is searched has data")),
    "nothing but NaN": (
        scene(dtype="float32", scale=None, values=np.full((ROWS, COLUMNS), np.nan, "float32")), Works(0, "float32")
    ),
    "a mask inside": (with_mask(inside=True), Works(2)),
    "a mask beside": (with_mask(inside=False), Works(2)),
    "alpha behind the bands": (alpha(2, flagged=True), Works(2)),
    "alpha before the bands": (alpha(0, flagged=True), Works(2)),
    "alpha by its name": (alpha(2, flagged=False), Works(2)),
    "nodata in a VRT": (nodata_of_one_band, Works(2, "reflectance|scale|bands")),
    "nodata that no pixel can have": (nodata_that_no_pixel_can_have, Works(3)),
}  # fmt: skip

BANDS: dict[str, tuple[Make, Expectation]] = {
    "without names": (rgb((None,)), Works(3, "band")),
    "three without names": (rgb((None, None, None)), Fails("3 without names")),
    "names in lower case": (rgb(("b03", "b04")), Works(3)),
    "names in words": (rgb(("Blue", "Green", "Red")), Works(3)),
    "a name twice": (rgb(("B04", "B04")), Fails("all have this name")),
    "the band is missing": (rgb(("B02", "B8A")), Fails("red")),
    "names that mean nothing": (rgb(("elevation", "slope")), Fails("red|band")),
    "by number": (rgb((None, None), "--bands", 2), Works(3)),
    "by name": (rgb(("first", "second"), "--bands", "second"), Works(3)),
    "number 0": (scene("--bands", 0), Fails("band")),
    "a number too high": (scene("--bands", 7), Fails("7")),
    "a negative number": (scene("--bands=-1"), Fails("-1")),
    "a name that is not there": (scene("--bands", "nir"), Fails("nir")),
    "more than the model reads": (rgb(("B03", "B04"), "--bands", "1,2"), Fails("2|band")),
    "an empty list": (scene("--bands", ","), Fails("band")),
    "a palette": (
        scene(dtype="uint8", scale=None, bands=(None,), photometric="palette", values=np.zeros((64, 64), "uint8")),
        Works(0, "band"),
    ),
}

PIXELS = [
    *cases("data types", DTYPES),
    *cases("layouts of files", LAYOUTS),
    *cases("sizes of scenes", SIZES),
    *cases("pixels without data", VALIDITY),
    *cases("bands", BANDS),
]
assert len(SHIPS) == 3, "as the cases expect"

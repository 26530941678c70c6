"""Description of a scene, as text and as plain values: size, bands, georeference and storage."""

from __future__ import annotations

import math

from rasterio.io import DatasetReader

from geoships.scene.bands import common_names, describe_bands
from geoships.scene.georeference import Georeference, georeference_of
from geoships.scene.opening.band_files import SceneName
from geoships.scene.opening.open import SceneFile
from geoships.scene.opening.raster import gdal_env, public_name


def describe_scene(name: SceneName, *, trust_vrt: bool = False) -> dict[str, object]:
    """Describe a scene.

    Args:
        name: A scene, as for `open_scene`.
        trust_vrt: Open a VRT whatever files it refers to.

    Returns:
        Text or list of texts by title: scene, format, size, bands, CRS, pixel size, place, nodata, mask, blocks and
        overviews.

    Raises:
        SceneError: The scene cannot be opened safely.
    """
    source, dataset = SceneFile(name, trust_vrt=trust_vrt).take()
    with gdal_env(source), dataset:
        georeference = georeference_of(dataset)
        return {
            "scene": str(name),
            "format": dataset.driver,
            "size": f"{dataset.width} columns x {dataset.height} rows, {dataset.width * dataset.height / 1e6:.1f} Mpix",
            "bands": _bands(dataset),
            "CRS": "none" if georeference.crs is None else georeference.crs.name,
            "pixel size": _pixel_size(georeference),
            "place": _place(georeference),
            "nodata": ", ".join(sorted({str(value) for value in dataset.nodatavals})),
            "mask": ", ".join(sorted({flag.name for flags in dataset.mask_flag_enums for flag in flags})),
            "blocks": f"{dataset.block_shapes[0][1]} columns x {dataset.block_shapes[0][0]} rows",
            "overviews": ", ".join(map(str, dataset.overviews(1))) or "none",
        }


def scene_facts(name: SceneName, *, trust_vrt: bool = False) -> dict[str, object]:
    """Describe a scene as plain values for JSON.

    Args:
        name: A scene, as for `open_scene`.
        trust_vrt: Open a VRT whatever files it refers to.

    Returns:
        ``scene``; ``format``; ``rows``; ``columns``; ``bands``, each with ``number``, ``name``, ``common_name``,
        ``dtype``, ``scale``, ``offset`` and ``nodata``; ``crs`` with ``name``, ``epsg`` and ``wkt``; ``transform``, the
        coefficients a to f from (column, row) to map coordinates; ``pixel_size_m``, along columns and rows;
        ``centre``, longitude and latitude; ``ground_control_points``, their number; ``mask_flags``; ``block``, rows and
        columns; ``overviews``. What is not known is None, and a nodata value that is no number is a text.

    Raises:
        SceneError: The scene cannot be opened safely.
    """
    source, dataset = SceneFile(name, trust_vrt=trust_vrt).take()
    with gdal_env(source), dataset:
        georeference = georeference_of(dataset)
        crs, transform = georeference.crs, georeference.transform
        centre = (
            georeference.to_lonlat(georeference.width / 2, georeference.height / 2) if georeference.placed else None
        )
        return {
            "scene": public_name(str(name)),
            "format": dataset.driver,
            "rows": dataset.height,
            "columns": dataset.width,
            "bands": _band_facts(dataset),
            "crs": None if crs is None else {"name": crs.name, "epsg": crs.to_epsg(), "wkt": crs.to_wkt()},
            "transform": None if transform is None else list(transform)[:6],
            "pixel_size_m": georeference.pixel_size(),
            "centre": None if centre is None else [float(degrees) for degrees in centre],
            "ground_control_points": len(georeference.gcps),
            "mask_flags": sorted({flag.name for flags in dataset.mask_flag_enums for flag in flags}),
            "block": dataset.block_shapes[0],
            "overviews": dataset.overviews(1),
        }


def _band_facts(dataset: DatasetReader) -> list[dict[str, object]]:
    described = describe_bands(dataset)
    names = common_names(described)
    values = zip(described, dataset.dtypes, dataset.scales, dataset.offsets, dataset.nodatavals, strict=True)
    return [
        {
            "number": band.index,
            "name": band.label,
            "common_name": names.get(band.index),
            "dtype": dtype,
            "scale": scale,
            "offset": offset,
            "nodata": nodata if nodata is None or math.isfinite(nodata) else str(nodata),
        }
        for band, dtype, scale, offset, nodata in values
    ]


def _bands(dataset: DatasetReader) -> list[str]:
    described = describe_bands(dataset)
    names = common_names(described)
    lines = []
    for band, dtype, scale, offset in zip(described, dataset.dtypes, dataset.scales, dataset.offsets, strict=True):
        scaling = "" if (scale, offset) == (1, 0) else f", reflectance = value * {scale:g} + {offset:g}"
        lines.append(f"{band.index}: {band.label}, {dtype}, {names.get(band.index) or 'unknown colour'}{scaling}")
    return lines


def _pixel_size(georeference: Georeference) -> str:
    size = georeference.pixel_size()
    return "not known" if size is None else f"{size[0]:.4g} x {size[1]:.4g} m at the centre, on the ellipsoid"


def _place(georeference: Georeference) -> str:
    if not georeference.placed:
        return "none: outputs are in pixels (column, row)"
    lon, lat = georeference.to_lonlat(georeference.width / 2, georeference.height / 2)
    points = "ground control points"
    if georeference.bent:
        points += f" (thin plate spline; a polynomial misses them by up to {georeference.gcp_misfit:.1f} pixels)"
    how = points if georeference.transform is None else "a geotransform"
    return f"centre at longitude {float(lon):.6f}, latitude {float(lat):.6f}, by {how}"

"""The scene that the files of a job make up: one raster, a product, a zip, or several band files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geoships.errors import SceneError
from geoships.scene.opening.band_files import BandFile, BandFiles, SceneName
from geoships.scene.opening.names import stem_of
from geoships.scene.opening.open import SceneFile
from geoships.scene.opening.raster import gdal_env, open_named
from geoships.scene.opening.sentinel2_product import product_scene
from geoships.service.intake.kinds import DRIVERS

IMAGES = (".tif", ".tiff", ".jp2")


def scene_of(paths: Sequence[Path]) -> SceneName:
    """The scene of a job's files, as `geoships.predict` takes it.

    Args:
        paths: The files, which were checked.

    Returns:
        A path, a member of a zip, or files band by band.

    Raises:
        SceneError: The files make up no scene.
    """
    if len(paths) > 1:
        return _bands([(path.name, str(path)) for path in sorted(paths)], paths[0].stem)
    path = paths[0]
    if path.suffix.lower() != ".zip":
        return str(path)
    if product_scene(str(path)) is not None:
        return str(path)
    images = _images(path)
    if len(images) == 1:
        return f"zip://{path}!{images[0]}"
    return _bands([(Path(member).name, f"zip://{path}!{member}") for member in images], path.stem)


def _images(path: Path) -> list[str]:
    from zipfile import ZipFile

    with ZipFile(path) as archive:
        return sorted(name for name in archive.namelist() if name.lower().endswith(IMAGES))


def _bands(files: Sequence[tuple[str, str]], title: str) -> BandFiles:
    """Several files as bands, named by the last part of each file's name, such as ``T31_B04.jp2``."""
    bands: list[BandFile] = []
    for name, href in files:
        stem = stem_of(name)
        own = stem.removesuffix("_10m").removesuffix("_20m").removesuffix("_60m").replace("-", "_").split("_")[-1]
        with_bands = _count(href)
        if with_bands != 1:
            raise SceneError(f"{name}: of several files each has one band, but this one has {with_bands}")
        bands.append(BandFile(own, href))
    names = [band.name for band in bands]
    if len(set(names)) < len(names):
        raise SceneError(
            f"the files end with the same name of a band ({', '.join(names)}); name them after their bands, such as "
            "scene_B02.tif and scene_B03.tif"
        )
    return BandFiles(title, tuple(bands))


def _count(href: str) -> int:
    source, dataset = open_named(href)
    with gdal_env(source), dataset:
        return int(dataset.count)


def header_of(paths: Sequence[Path]) -> dict[str, Any]:
    """Rows, columns and bands of the scene of some files, by its header alone.

    Args:
        paths: The files, which were checked.

    Raises:
        SceneError: It cannot be opened, or another driver of GDAL than those of `DRIVERS` would read it.
    """
    with SceneFile(scene_of(paths)) as file:
        source, dataset = file.take()
        with gdal_env(source), dataset:
            if file.files is None and source.driver not in DRIVERS:
                raise SceneError(f"{paths[0].name}: files of the kind {source.driver} are not taken; send a GeoTIFF")
            return {"rows": dataset.height, "columns": dataset.width, "bands": dataset.count}

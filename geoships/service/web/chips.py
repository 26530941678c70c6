"""Small pictures of single ships."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import numpy as np
import rasterio
import shapely
from fastapi import APIRouter, Query
from fastapi.responses import Response
from PIL import Image
from rasterio.warp import transform_geom
from rasterio.windows import Window

from geoships.service.problems import ProblemError
from geoships.service.web.access import ReadJob
from geoships.service.web.jobs import result_folder
from geoships.service.web.raster_settings import GDAL
from geoships.service.web.service import Parts
from geoships.service.web.ship_collections import ships_of

router = APIRouter(tags=["Features"])

LEAST = 40  # pixels of the scene on a side
MARGIN = 1.6  # side of a chip in lengths of the ship
CACHED = {"Cache-Control": "private, max-age=3600"}


@router.get("/jobs/{job}/ships/{ship}/chip.webp", summary="A picture of a ship", response_class=Response)
def chip(job: ReadJob, ship: str, service: Parts, size: Annotated[int, Query(ge=16, le=512)] = 192) -> Response:
    """The ship in the middle of a square of the scene, north up as the scene has it."""
    feature = ships_of(service, job, corrected=True).feature(ship) or ships_of(service, job, corrected=False).feature(
        ship
    )
    path = result_folder(service, job) / "scene.tif"
    if feature is None or not feature["geometry"] or not path.is_file():
        raise ProblemError(404, "there is no picture of this ship: the job has no such ship, or no place on Earth")
    image = _cut(path, feature["geometry"], size)
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="WEBP", quality=85)
    return Response(file.getvalue(), media_type="image/webp", headers=CACHED)


def _cut(path: Path, geometry: dict[str, object], size: int) -> np.ndarray:
    """A square around an outline, (size, size, 3)."""
    with rasterio.Env(**GDAL), rasterio.open(path) as dataset:
        outline = shapely.geometry.shape(transform_geom("EPSG:4326", dataset.crs, geometry))
        west, south, east, north = outline.bounds
        corners = [~dataset.transform * point for point in ((west, north), (east, south), (west, south), (east, north))]
        columns, rows = zip(*corners, strict=True)
        width, height = max(columns) - min(columns), max(rows) - min(rows)
        side = min(max(LEAST, MARGIN * max(width, height)), 8192)
        window = Window((max(columns) + min(columns) - side) / 2, (max(rows) + min(rows) - side) / 2, side, side)
        bands = dataset.read(window=window, boundless=True, fill_value=0, out_shape=(3, size, size))
    return np.moveaxis(bands, 0, 2)

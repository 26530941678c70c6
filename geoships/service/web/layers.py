"""Tiles of a job's scene, scores and mask, by titiler: XYZ, TileJSON and WMTS.

The path of a raster comes from the job alone; there is no address and no expression that a client could give.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Literal
from xml.sax.saxutils import escape

import morecantile
import rasterio
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from rio_tiler.colormap import cmap
from rio_tiler.errors import RioTilerError
from rio_tiler.io import Reader as RasterReader
from titiler.core.dependencies import DefaultDependency
from titiler.core.factory import TilerFactory

from geoships.service.jobs import Job
from geoships.service.problems import ProblemError
from geoships.service.web.access import ReadJob
from geoships.service.web.jobs import result_folder
from geoships.service.web.raster_settings import GDAL
from geoships.service.web.service import Parts, Service, base_of

MATRIX = "WebMercatorQuad"
TMS = morecantile.TileMatrixSets({MATRIX: morecantile.tms.get(MATRIX)})
DEEPEST = 24  # zoom
CACHED = "private, max-age=86400"
LARGEST = 1024  # pixels of a tile's side
FORMATS = ("png", "webp", "jpg", "jpeg")
LAYERS = ("scene", "scores", "mask")

ColorMap = dict[int, tuple[int, int, int, int]]
ColorMapName = Literal["inferno", "magma", "plasma", "viridis", "turbo", "gray"]


def layer_path(service: Service, job: Job, layer: str) -> str:
    """The raster of a layer.

    Raises:
        ProblemError: 404 where the job has none: its scene has no place on Earth.
    """
    path = result_folder(service, job) / f"{layer}.tif"
    if layer not in LAYERS or not job.result.get("placed") or not path.is_file():
        raise ProblemError(404, f"the job has no tiles of the {layer[:20]}: its scene may have no place on Earth")
    return str(path)


def _require_tile(request: Request, tilesize: Annotated[int | None, Query(gt=0, le=LARGEST)] = None) -> None:
    """Refuse tiles that are none, or that are too large."""
    del tilesize
    place = request.path_params
    form = place.get("format")
    if form is not None and form not in FORMATS:
        raise ProblemError(404, f"tiles have the forms {', '.join(FORMATS)}")
    if "z" not in place:
        return
    try:
        zoom, column, row = (int(place[name]) for name in ("z", "x", "y"))
    except ValueError:
        raise ProblemError(404, "there is no such tile") from None
    if not (0 <= zoom <= DEEPEST and 0 <= column < 2**zoom and 0 <= row < 2**zoom):
        raise ProblemError(404, "there is no such tile")


@dataclass
class _Band(DefaultDependency):
    """The band of a model of several classes."""

    band: Annotated[int, Query(ge=1, le=32, description="Band of the scores of several classes")] = 1

    def as_dict(self, exclude_none: bool = True) -> dict[str, Any]:
        """Arguments of rio-tiler."""
        del exclude_none
        return {"indexes": self.band}


@dataclass
class _Nearest(DefaultDependency):
    """Classes are never mixed."""

    def as_dict(self, exclude_none: bool = True) -> dict[str, Any]:
        """Arguments of rio-tiler."""
        del exclude_none
        return {"resampling_method": "nearest"}


@dataclass
class _Bilinear(DefaultDependency):
    """Pictures are smooth."""

    def as_dict(self, exclude_none: bool = True) -> dict[str, Any]:
        """Arguments of rio-tiler."""
        del exclude_none
        return {"resampling_method": "bilinear"}


@dataclass
class _Nothing(DefaultDependency):
    """No parameters."""

    def as_dict(self, exclude_none: bool = True) -> dict[str, Any]:
        """Arguments of rio-tiler."""
        del exclude_none
        return {}


def _no_colours() -> None:
    """The colours of the file."""


def _score_colours(
    colormap_name: Annotated[ColorMapName, Query(description="Colours of the scores")] = "inferno",
) -> ColorMap:
    """Colours of scores, which are the more opaque the higher they are."""
    colours = cmap.get(colormap_name)
    return {value: (*colours[value][:3], min(255, 3 * value)) for value in range(256)}


def _mask_colours(job: ReadJob, service: Parts) -> ColorMap:
    """Colours of the mask, in which only objects are seen."""
    with rasterio.Env(**GDAL), rasterio.open(layer_path(service, job, "mask")) as dataset:
        try:
            colours = dataset.colormap(1)
        except ValueError:  # a mask of several bands has none
            colours = {}
    seen = {value: tuple(colour) for value, colour in colours.items() if value not in (0, 255)}
    return {0: (0, 0, 0, 0), 255: (0, 0, 0, 0), **(seen or {1: (255, 90, 30, 255)})}


def _no_process() -> None:
    """No algorithms."""


def _kept(request: Request, answer: Response) -> Response:
    """An answer that a browser keeps, since results never change; 304 where it has it already."""
    tag = f'"{sha256(answer.body).hexdigest()[:32]}"'
    headers = {"Cache-Control": CACHED, "ETag": tag, "Vary": "Authorization, Cookie, X-API-Key"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    answer.headers.update(headers)
    return answer


class _TileRoute(APIRoute):
    """A route of tiles, for which rio-tiler has errors of its own."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return _kept(request, await handler(request))
            except RioTilerError:
                raise ProblemError(404, "the scene has nothing here") from None
            except IndexError:
                raise ProblemError(404, "the scores have no such band") from None

        return answer


class _Tiles(TilerFactory):
    """Tiles and TileJSON alone."""

    def url_for(self, request: Request, name: str, **path_params: Any) -> str:
        """The address of a route for clients, also behind a proxy."""
        path = self.router.url_path_for(name, **path_params)
        prefix = self.router_prefix.replace("{job}", request.path_params["job"])
        return f"{base_of(request)}{prefix}{path}"

    def register_routes(self) -> None:
        """Add the routes of a layer."""
        self.tile()  # type: ignore[no-untyped-call]
        self.tilejson()  # type: ignore[no-untyped-call]


def _path_of(layer: str) -> Callable[..., str]:
    def path(job: ReadJob, service: Parts) -> str:
        return layer_path(service, job, layer)

    return path


def _factory(layer: str, **settings: Any) -> _Tiles:
    return _Tiles(
        reader=RasterReader,
        router=APIRouter(tags=["Tiles"], dependencies=[Depends(_require_tile)], route_class=_TileRoute),
        router_prefix=f"/jobs/{{job}}/layers/{layer}",
        name=layer,
        path_dependency=_path_of(layer),
        reader_dependency=_Nothing,
        tile_dependency=_Nothing,
        process_dependency=_no_process,
        render_dependency=_Render,
        environment_dependency=lambda: GDAL,
        supported_tms=TMS,
        add_viewer=False,
        **settings,
    )


@dataclass
class _Render(DefaultDependency):
    """Masks become transparent."""

    def as_dict(self, exclude_none: bool = True) -> dict[str, Any]:
        """Arguments of titiler."""
        del exclude_none
        return {"add_mask": True}


def add_layers(app: FastAPI) -> None:
    """Add the routes of all layers to an application."""
    app.include_router(wmts_router)
    for prefix, router in _layer_routers():
        app.include_router(router, prefix=prefix)


def _layer_routers() -> list[tuple[str, APIRouter]]:
    """The routers of all layers, with their prefixes."""
    factories = (
        _factory("scene", layer_dependency=_Nothing, dataset_dependency=_Bilinear, colormap_dependency=_no_colours),
        _factory("scores", layer_dependency=_Band, dataset_dependency=_Bilinear, colormap_dependency=_score_colours),
        _factory("mask", layer_dependency=_Band, dataset_dependency=_Nearest, colormap_dependency=_mask_colours),
    )
    return [(factory.router_prefix, factory.router) for factory in factories]


wmts_router = APIRouter(tags=["Tiles"])

_CAPABILITIES = """<?xml version="1.0" encoding="UTF-8"?>
<Capabilities xmlns="http://www.opengis.net/wmts/1.0" xmlns:ows="http://www.opengis.net/ows/1.1"
  xmlns:xlink="http://www.w3.org/1999/xlink" version="1.0.0">
<ows:ServiceIdentification><ows:Title>{title}</ows:Title><ows:ServiceType>OGC WMTS</ows:ServiceType>
<ows:ServiceTypeVersion>1.0.0</ows:ServiceTypeVersion></ows:ServiceIdentification>
<ows:OperationsMetadata>{operations}</ows:OperationsMetadata>
<Contents>{layers}<TileMatrixSet><ows:Identifier>{matrix}</ows:Identifier>
<ows:SupportedCRS>urn:ogc:def:crs:EPSG::3857</ows:SupportedCRS>{matrices}</TileMatrixSet></Contents>
<ServiceMetadataURL xlink:href="{here}"/></Capabilities>
"""
_OPERATION = """<ows:Operation name="{name}"><ows:DCP><ows:HTTP><ows:Get xlink:href="{here}">
<ows:Constraint name="GetEncoding"><ows:AllowedValues><ows:Value>RESTful</ows:Value></ows:AllowedValues>
</ows:Constraint></ows:Get></ows:HTTP></ows:DCP></ows:Operation>"""
_LAYER = """<Layer><ows:Title>{title}</ows:Title>
<ows:WGS84BoundingBox><ows:LowerCorner>{west} {south}</ows:LowerCorner>
<ows:UpperCorner>{east} {north}</ows:UpperCorner></ows:WGS84BoundingBox><ows:Identifier>{name}</ows:Identifier>
<Style isDefault="true"><ows:Identifier>default</ows:Identifier></Style><Format>image/png</Format>
<TileMatrixSetLink><TileMatrixSet>{matrix}</TileMatrixSet></TileMatrixSetLink>
<ResourceURL format="image/png" resourceType="tile" template="{template}"/></Layer>"""
_MATRIX = """<TileMatrix><ows:Identifier>{zoom}</ows:Identifier><ScaleDenominator>{scale}</ScaleDenominator>
<TopLeftCorner>{left} {top}</TopLeftCorner><TileWidth>256</TileWidth><TileHeight>256</TileHeight>
<MatrixWidth>{width}</MatrixWidth><MatrixHeight>{height}</MatrixHeight></TileMatrix>"""


@wmts_router.get("/jobs/{job}/wmts", summary="Tiles of a job for a GIS, as WMTS", response_class=Response)
@wmts_router.get("/jobs/{job}/WMTSCapabilities.xml", include_in_schema=False)
def wmts(request: Request, job: ReadJob, service: Parts) -> Response:
    """Capabilities of the layers scene, scores and mask."""
    here = escape(f"{base_of(request)}/jobs/{job.id}/wmts", {'"': "&quot;"})
    layers = "".join(_layer_xml(request, service, job, layer) for layer in LAYERS)
    matrices = "".join(
        _MATRIX.format(
            zoom=matrix.id, scale=matrix.scaleDenominator, left=matrix.pointOfOrigin[0], top=matrix.pointOfOrigin[1],
            width=matrix.matrixWidth, height=matrix.matrixHeight,
        )
        for matrix in TMS.get(MATRIX).tileMatrices
    )  # fmt: skip
    operations = "".join(_OPERATION.format(name=name, here=here) for name in ("GetCapabilities", "GetTile"))
    text = _CAPABILITIES.format(
        title=escape(f"geoships: {job.title}"), operations=operations, layers=layers, matrix=MATRIX,
        matrices=matrices, here=here,
    )  # fmt: skip
    return Response(text, media_type="application/xml")


def _layer_xml(request: Request, service: Service, job: Job, layer: str) -> str:
    try:
        with rasterio.Env(**GDAL), RasterReader(layer_path(service, job, layer)) as raster:
            west, south, east, north = raster.get_geographic_bounds("EPSG:4326")
    except ProblemError:
        return ""
    place = f"{base_of(request)}/jobs/{job.id}/layers/{layer}/tiles/{MATRIX}"
    template = escape(f"{place}/{{TileMatrix}}/{{TileCol}}/{{TileRow}}.png", {'"': "&quot;"})
    return _LAYER.format(
        title=escape(f"{layer} of {job.title}"), west=west, south=south, east=east, north=north, name=layer,
        matrix=MATRIX, template=template,
    )  # fmt: skip

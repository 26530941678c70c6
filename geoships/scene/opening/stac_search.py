"""Scenes of a STAC API: those that match a search."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import shapely
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from geoships.errors import SceneError
from geoships.scene.acquisition import Acquisition
from geoships.scene.opening.raster import public_name
from geoships.scene.opening.stac_item import MISSING, TIMEOUT, item_acquisition

if TYPE_CHECKING:
    from pystac import Item
    from pystac_client import Client

Box = tuple[float, float, float, float]

MOST = 200  # Items that a search may find


@dataclass(frozen=True)
class Search:
    """What to look for.

    api: address of the API. collections: their ids. bbox: west, south, east, north in degrees.
    datetime: a date, or two with a slash between. max_cloud: percent.
    """

    api: str
    collections: tuple[str, ...]
    bbox: Box
    datetime: str | None = None
    max_cloud: float | None = None

    def __post_init__(self) -> None:
        west, south, east, north = self.bbox
        if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90 and west != east):
            raise SceneError(f"--bbox {west:g} {south:g} {east:g} {north:g}: give west, south, east, north in degrees")


@dataclass(frozen=True)
class Found:
    """An Item that was found.

    address: of the Item. name: its id. cloud: percent, None where it does not say. covered: share of the box, 0 to 1.
    acquired: when it was taken. part: what it covers of the box, in degrees.
    """

    address: str
    name: str
    cloud: float | None
    covered: float
    acquired: Acquisition | None
    part: BaseGeometry

    def __str__(self) -> str:
        cloud = "cloud cover unknown" if self.cloud is None else f"{self.cloud:.3g} % clouds"
        when = self.acquired.text if self.acquired else "time unknown"
        return f"{self.name} ({when}, {cloud}, {self.covered:.0%} of the box)"

    @property
    def order(self) -> tuple[float, float, float]:
        """Sorts the best first: the most of the box to a percent, then the fewest clouds, then the newest."""
        newest = -self.acquired.start.timestamp() if self.acquired else 0.0
        return -round(self.covered, 2), 101.0 if self.cloud is None else self.cloud, newest


def find_items(search: Search) -> list[Found]:
    """All Items that match a search, the best first (see `Found.order`).

    With `max_cloud`, Items that do not tell their cloud cover are left out.

    Raises SceneError where the API does not answer as one, nothing matches, or more than 200 Items do.
    """
    try:
        from pystac_client import Client
        from pystac_client.exceptions import APIError
        from pystac_client.stac_api_io import StacApiIO
    except ImportError as error:
        raise SceneError(MISSING) from error
    import pystac
    import requests

    shown = public_name(search.api)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on what the API does not claim to conform to; it answers, or it does not
            client = Client.open(search.api, stac_io=StacApiIO(timeout=TIMEOUT))
            found = [_found(item, search.bbox) for item in islice(_matches(client, search), MOST + 1)]
    except (APIError, pystac.STACError, requests.RequestException, NotImplementedError, KeyError, ValueError) as error:
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        raise SceneError(f"{shown}: the search failed ({reason}); check the address of the STAC API") from error
    if len(found) > MOST:
        raise SceneError(f"{shown}: more than {MOST} items match; narrow --bbox, --datetime or --max-cloud")
    if not found:
        raise SceneError(f"{shown}: no item matches; widen --bbox, --datetime or --max-cloud, or check --collection")
    return sorted(found, key=lambda item: item.order)


def _matches(client: Client, search: Search) -> Iterator[Item]:
    limit = search.max_cloud
    query = {"eo:cloud_cover": {"lte": limit}} if limit is not None and client.conforms_to("QUERY") else None
    posts = any(link.extra_fields.get("method") == "POST" for link in client.get_links("search"))
    answer = client.search(
        method="POST" if posts else "GET",
        collections=list(search.collections),
        bbox=list(search.bbox),
        datetime=search.datetime,
        query=query,
        limit=100,
    )
    for item in answer.items():
        cloud = item.properties.get("eo:cloud_cover")
        if limit is None or (cloud is not None and cloud <= limit):
            yield item


def _found(item: Item, bbox: Box) -> Found:
    address = item.get_self_href()
    if not address:
        raise SceneError(f"the item {item.id} has no address of its own; give its assets with --band NAME=FILE")
    cloud = item.properties.get("eo:cloud_cover")
    part, box = _part(item, bbox), bbox_shape(bbox)
    return Found(
        address,
        item.id,
        None if cloud is None else float(cloud),
        float(part.area / box.area),
        item_acquisition(item),
        part,
    )


def _part(item: Item, bbox: Box) -> BaseGeometry:
    """What an Item's footprint covers of the box; nothing where it has none."""
    try:
        footprint = shapely.make_valid(shapely.geometry.shape(item.geometry)) if item.geometry else shapely.Polygon()
    except (ShapelyError, ValueError, TypeError, KeyError, AttributeError):
        return shapely.Polygon()
    return shapely.intersection(footprint, bbox_shape(bbox))


def bbox_shape(bbox: Sequence[float]) -> BaseGeometry:
    """The box as a shape in degrees, of two parts where it crosses the antimeridian (west greater than east)."""
    west, south, east, north = bbox
    if west < east:
        return shapely.box(west, south, east, north)
    return shapely.MultiPolygon([shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)])

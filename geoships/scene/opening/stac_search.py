"""Search of a STAC API for scenes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
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
from geoships.scene.place import Box, bbox_shape

if TYPE_CHECKING:
    from pystac import Item
    from pystac_client import Client


MAX_ITEMS = 200  # of one search


@dataclass(frozen=True)
class Search:
    """Parameters of a STAC API search.

    Attributes:
        api: URL of the STAC API.
        collections: Ids of the collections to search.
        bbox: Bounding box (west, south, east, north) in degrees; west is greater than east across the antimeridian.
        datetime: A date, or an interval of two dates with a slash between them; None: any time.
        max_cloud: Maximum cloud cover in percent; None: any.

    Raises:
        SceneError: The bounding box is invalid.
    """

    api: str
    collections: tuple[str, ...]
    bbox: Box
    datetime: str | None = None
    max_cloud: float | None = None

    def __post_init__(self) -> None:
        west, south, east, north = self.bbox
        if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90 and west != east):
            raise SceneError(
                f"--bbox {west:g} {south:g} {east:g} {north:g}: expected west, south, east and north in degrees, with "
                "south less than north"
            )


@dataclass(frozen=True)
class FoundItem:
    """A STAC Item that matches a search.

    Attributes:
        address: URL of the Item.
        name: Id of the Item.
        cloud: Cloud cover in percent; None if it is not stated.
        covered: Fraction of the bounding box that the Item covers, 0 to 1.
        acquired: Acquisition time; None if it is not stated.
        part: Intersection of the Item's footprint and the bounding box, in degrees.
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
        """Sort key, best first: largest covered fraction (to a percent), then lowest cloud cover, then newest."""
        newest = -self.acquired.start.timestamp() if self.acquired else 0.0
        return -round(self.covered, 2), 101.0 if self.cloud is None else self.cloud, newest


def find_items(search: Search, *, least: int = 1) -> list[FoundItem]:
    """Find all Items that match a search.

    With `max_cloud`, Items that do not state their cloud cover are left out.

    Args:
        search: The search parameters.
        least: Number of Items below which the search has failed.

    Returns:
        The Items, best first (see `FoundItem.order`).

    Raises:
        SceneError: The server does not answer as a STAC API, or fewer Items match than `least`, or more than 200.
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
            warnings.simplefilter("ignore")  # on missing conformance classes: a search works without them, or fails
            client = Client.open(search.api, stac_io=StacApiIO(timeout=TIMEOUT))
            items = [_found_item(item, search.bbox) for item in islice(_matches(client, search), MAX_ITEMS + 1)]
    except (APIError, pystac.STACError, requests.RequestException, NotImplementedError, KeyError, ValueError) as error:
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        raise SceneError(f"{shown}: the search failed ({reason}); check the URL of the STAC API") from error
    if len(items) > MAX_ITEMS:
        raise SceneError(f"{shown}: more than {MAX_ITEMS} items match; narrow --bbox, --datetime or --max-cloud")
    if len(items) < least:
        raise SceneError(f"{shown}: no item matches; widen --bbox, --datetime or --max-cloud, or check --collection")
    return sorted(items, key=lambda item: item.order)


def _matches(client: Client, search: Search) -> Iterator[Item]:
    limit = search.max_cloud
    query = {"eo:cloud_cover": {"lte": limit}} if limit is not None and client.conforms_to("QUERY") else None
    accepts_post = any(link.extra_fields.get("method") == "POST" for link in client.get_links("search"))
    results = client.search(
        method="POST" if accepts_post else "GET",
        collections=list(search.collections),
        bbox=list(search.bbox),
        datetime=search.datetime,
        query=query,
        limit=100,
    )
    for item in results.items():
        cloud = item.properties.get("eo:cloud_cover")
        if limit is None or (cloud is not None and cloud <= limit):
            yield item


def _found_item(item: Item, bbox: Box) -> FoundItem:
    address = item.get_self_href()
    if not address:
        raise SceneError(f"the item {item.id} has no self link; give its assets with --band NAME=FILE")
    cloud = item.properties.get("eo:cloud_cover")
    part, box = _covered_part(item, bbox), bbox_shape(bbox)
    return FoundItem(
        address,
        item.id,
        None if cloud is None else float(cloud),
        float(part.area / box.area),
        item_acquisition(item),
        part,
    )


def _covered_part(item: Item, bbox: Box) -> BaseGeometry:
    """Intersection of an Item's footprint and the bounding box; empty if the Item has no valid footprint."""
    try:
        footprint = shapely.make_valid(shapely.geometry.shape(item.geometry)) if item.geometry else shapely.Polygon()
    except (ShapelyError, ValueError, TypeError, KeyError, AttributeError):
        return shapely.Polygon()
    return shapely.intersection(footprint, bbox_shape(bbox))

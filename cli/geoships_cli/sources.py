"""Where scenes come from: names, files band by band, or a search in a STAC API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from geoships.scene.opening.band_files import BandFiles
    from geoships_cli.progress import Lines

Box = tuple[float, float, float, float]

BandFile = Annotated[
    list[str] | None,
    typer.Option("--band", help="NAME=FILE: one band of a scene in separate files, e.g. blue=B02.jp2; give all."),
]
StacApi = Annotated[str | None, typer.Option("--stac-api", help="Search the scenes in this STAC API.")]
Collection = Annotated[list[str] | None, typer.Option("--collection", help="With --stac-api: a collection's id.")]
Bbox = Annotated[
    Box | None,
    typer.Option(
        help="With --stac-api: west, south, east, north in degrees. It is the area to search, too.",
        metavar="W S E N",
    ),
]
Datetime = Annotated[str | None, typer.Option("--datetime", help="With --stac-api: a date, or DATE/DATE.")]
MaxCloud = Annotated[
    float | None, typer.Option("--max-cloud", min=0, max=100, help="With --stac-api: greatest cloud cover, percent.")
]
Stac = Annotated[Path | None, typer.Option("--stac", help="STAC Item of the outputs of one scene (.json).")]
Items = Annotated[bool, typer.Option("--items", help="With --out-dir: write a STAC Item for each scene.")]


@dataclass(frozen=True)
class Query:
    """The options of a search, as given."""

    api: str | None
    collections: Sequence[str] | None
    bbox: Box | None
    datetime: str | None
    max_cloud: float | None


def find_scenes(
    scenes: Sequence[str] | None, bands: Sequence[str] | None, query: Query, *, several: bool, progress: Lines
) -> list[str | BandFiles]:
    """The scenes to look at; exactly one of the three sources has to be given.

    several: take all that a search finds, not only the best.
    """
    if sum(map(bool, (scenes, bands, query.api))) != 1:
        raise typer.BadParameter("name scenes, or the files of one with --band NAME=FILE, or search with --stac-api")
    if not query.api and any(value is not None for value in (query.bbox, query.datetime, query.max_cloud)):
        raise typer.BadParameter("--bbox, --datetime and --max-cloud belong to --stac-api", param_hint="--stac-api")
    if bands:
        from geoships.scene.opening.band_files import band_files

        return [band_files(bands)]
    return _search(query, several, progress) if query.api else list(scenes or ())


def _search(query: Query, several: bool, progress: Lines) -> list[str | BandFiles]:
    if not query.collections or query.bbox is None:
        raise typer.BadParameter("a search needs --collection and --bbox", param_hint="--stac-api")
    from geoships.scene.opening.stac_search import Search, find_items

    assert query.api is not None
    found = find_items(Search(query.api, tuple(query.collections), query.bbox, query.datetime, query.max_cloud))
    taken = found if several else found[:1]
    progress.note(f"{len(found)} item{'' if len(found) == 1 else 's'} found; taken:")
    for item in taken:
        progress.note(f"  {item}")
    return [item.address for item in taken]


@contextmanager
def area_of(area: Path | None, bbox: Box | None) -> Iterator[Path | None]:
    """The area of interest: the user's, or else the box of the search in a file for as long as the block runs."""
    if area is not None or bbox is None:
        yield area
        return
    from shapely.geometry import mapping

    from geoships.scene.opening.stac_search import bbox_shape

    with TemporaryDirectory(prefix="geoships-") as folder:
        path = Path(folder) / "bbox.geojson"
        feature = {"type": "Feature", "properties": {}, "geometry": mapping(bbox_shape(bbox))}
        path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
        yield path

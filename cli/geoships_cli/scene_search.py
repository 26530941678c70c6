"""The scenes of a run: by name, as files band by band, or from a search in a STAC API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from geoships_cli.options import SCENE

if TYPE_CHECKING:
    from geoships.scene.listing.listed import Listing
    from geoships.scene.opening.band_files import SceneName
    from geoships_cli.progress import Lines

Box = tuple[float, float, float, float]  # west, south, east, north in degrees


@dataclass(frozen=True)
class SearchOptions:
    """Scenes that are not named: in folders, as files band by band, or from a search in a STAC API."""

    pattern: Annotated[
        list[str] | None,
        typer.Option(help="Files to take from folders, e.g. '*_B04.jp2'; repeatable", rich_help_panel=SCENE),
    ] = None
    band: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE, one band of a scene, e.g. blue=B02.jp2; repeatable", rich_help_panel=SCENE),
    ] = None
    stac_api: Annotated[str | None, typer.Option(help="Search scenes in this STAC API", rich_help_panel=SCENE)] = None
    collection: Annotated[
        list[str] | None,
        typer.Option(help="With --stac-api: collection id; repeatable", rich_help_panel=SCENE),
    ] = None
    bbox: Annotated[
        Box | None,
        typer.Option(
            help="With --stac-api: box in degrees, which is the area too", metavar="W S E N", rich_help_panel=SCENE
        ),
    ] = None
    datetime: Annotated[str | None, typer.Option(help="With --stac-api: DATE or DATE/DATE", rich_help_panel=SCENE)] = (
        None
    )
    max_cloud: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="With --stac-api: maximum cloud cover in percent", rich_help_panel=SCENE),
    ] = None


def find_scenes(
    scenes: Sequence[str] | None, search: SearchOptions, *, out_dir: Path | None, progress: Lines
) -> Listing:
    """Return the scenes of a run.

    Args:
        scenes: Names of scenes, folders, patterns, lists and tables; exactly one of these, of files band by band and of
            a search has to be given.
        search: The other two.
        out_dir: Folder of the outputs, in which no scene is looked for. None: a search takes the best scene alone.
        progress: Told which scenes a search finds.

    Raises:
        typer.BadParameter: None or several of the three are given, or an option of the search is missing.
        GeoshipsError: The search fails or finds nothing, or a folder, list or table has no scene.
    """
    if sum(map(bool, (scenes, search.band, search.stac_api))) != 1:
        raise typer.BadParameter("name scenes, or the files of one with --band NAME=FILE, or search with --stac-api")
    if not search.stac_api and any(value is not None for value in (search.bbox, search.datetime, search.max_cloud)):
        raise typer.BadParameter("--bbox, --datetime and --max-cloud belong to --stac-api", param_hint="--stac-api")
    from geoships.scene.listing.list_scenes import list_scenes

    names: list[SceneName] = list(scenes or ())
    if search.band:
        from geoships.scene.opening.band_files import band_files

        names = [band_files(search.band)]
    elif search.stac_api:
        names = list(_search(search, out_dir is not None, progress))
    own = out_dir.resolve() if out_dir else None

    def excluded(path: Path) -> str | None:
        return "the folder of outputs" if path.resolve() == own else None

    return list_scenes(names, patterns=search.pattern or (), excluded=excluded)


def _search(search: SearchOptions, several: bool, progress: Lines) -> list[str]:
    if not search.collection or search.bbox is None:
        raise typer.BadParameter("a search needs --collection and --bbox", param_hint="--stac-api")
    from geoships.scene.opening.stac_search import Search, find_items

    assert search.stac_api is not None
    query = Search(search.stac_api, tuple(search.collection), search.bbox, search.datetime, search.max_cloud)
    items = find_items(query)
    chosen = items if several else items[:1]
    progress.note(f"{len(items)} item{'' if len(items) == 1 else 's'} found; taken:")
    for item in chosen:
        progress.note(f"  {item}")
    return [item.address for item in chosen]


@contextmanager
def area_file(area: Path | None, bbox: Box | None) -> Iterator[Path | None]:
    """Yield the file of the area to search: the given one, or else a temporary one of the search's bounding box."""
    if area is not None or bbox is None:
        yield area
        return
    from shapely.geometry import mapping

    from geoships.scene.place import bbox_shape

    with TemporaryDirectory(prefix="geoships-") as folder:
        path = Path(folder) / "bbox.geojson"
        feature = {"type": "Feature", "properties": {}, "geometry": mapping(bbox_shape(bbox))}
        path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
        yield path

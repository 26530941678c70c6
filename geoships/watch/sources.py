"""Where new scenes come from: a folder, or a search in a STAC API."""

from __future__ import annotations

import glob
import hashlib
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from geoships.errors import SceneError
from geoships.scene.listing.folders import list_folder
from geoships.scene.listing.list_scenes import list_scenes
from geoships.scene.listing.listed import ListedScene
from geoships.scene.opening.names import without_query
from geoships.scene.opening.raster import local_file
from geoships.scene.opening.stac_search import Search, find_items


class Source(Protocol):
    """Tells which scenes there are."""

    def scenes(self) -> list[ListedScene]:
        """All scenes that are there now, also those that were there before."""


@dataclass(frozen=True)
class FolderSource:
    """The scenes of a folder and the folders below it.

    Attributes:
        folder: The folder.
        own: Folder of the outputs, in which no scene is looked for.
        settle: Seconds for which a scene's files must not have changed.
    """

    folder: Path
    own: Path
    settle: float = 60.0

    def scenes(self) -> list[ListedScene]:
        """The scenes whose files are complete, as far as their times tell.

        Raises:
            SceneError: The folder cannot be read.
        """
        if not self.folder.is_dir():
            raise SceneError(f"{self.folder}: no such folder to watch; check its name, or whether its disk is there")
        own = self.own.resolve()
        found = list_folder(self.folder, excluded=lambda path: "outputs" if path.resolve() == own else None)
        youngest = time.time() - self.settle
        return [each for each in found.scenes if _changed(str(each.scene)) <= youngest]


@dataclass(frozen=True)
class StacSource:
    """The Items of a STAC API in an area, of the last days.

    Attributes:
        api: Address of the API.
        collections: Ids of the collections.
        bbox: West, south, east and north in degrees.
        days: How far back scenes are looked for.
        max_cloud: Maximum cloud cover in percent; None: any.
    """

    api: str
    collections: tuple[str, ...]
    bbox: tuple[float, float, float, float]
    days: float = 30.0
    max_cloud: float | None = None

    def scenes(self) -> list[ListedScene]:
        """The Items that match now.

        Raises:
            SceneError: The search fails.
        """
        until = datetime.now(UTC) + timedelta(days=1)
        since = until - timedelta(days=self.days + 1)
        times = f"{since:%Y-%m-%dT%H:%M:%SZ}/{until:%Y-%m-%dT%H:%M:%SZ}"
        search = Search(self.api, self.collections, self.bbox, times, self.max_cloud)
        items = find_items(search, least=0)
        return list_scenes([item.address for item in items]).scenes if items else []


@dataclass
class Named:
    """A scene with a key that stays. key: absolute path, or the address without its query."""

    scene: ListedScene
    key: str = field(init=False)

    def __post_init__(self) -> None:
        name = str(self.scene.scene)
        path = local_file(name)
        self.key = without_query(name) if path is None else os.path.abspath(name) if "://" not in name else name  # noqa: PTH100

    def place(self) -> str:
        """Relative path of its outputs, without an ending."""
        return "/".join(self.scene.parts[-self.scene.kept :])

    def other_place(self) -> str:
        """A place for a scene whose own is taken by another."""
        return f"{self.place()}-{hashlib.sha256(self.key.encode()).hexdigest()[:8]}"


def _changed(name: str) -> float:
    """When the files of a scene changed last, in seconds since 1970; 0 for what is not local."""
    path = local_file(name)
    if path is None or not path.exists():
        return 0.0
    files = [path, *(path.rglob("*") if path.is_dir() else path.parent.glob(f"{glob.escape(path.stem)}.*"))]
    try:
        return max(each.stat().st_mtime for each in files)
    except OSError:  # a file went away while it was looked at: the scene is not complete
        return time.time()

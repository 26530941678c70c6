"""One scene of a list, and what a list leaves out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from geoships.scene.opening.band_files import BandFiles, SceneName
from geoships.scene.opening.item_collection import split_name
from geoships.scene.opening.names import is_remote, stem_of, without_query


@dataclass(frozen=True)
class ListedScene:
    """A scene, and where it lies, from which the place of its outputs follows.

    Attributes:
        scene: As `geoships.predict` takes it.
        parts: Folders and the stem of the file name, from the root of the file system or the server on.
        kept: How many of the last parts name its outputs: 1 for the stem alone, more to keep the folders below the
            folder, pattern or list in which it was found.
        suffix: Ending of its file name, which tells scenes of one stem apart; with its dot.
    """

    scene: SceneName
    parts: tuple[str, ...]
    kept: int = 1
    suffix: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A file that is not taken as a scene.

    Attributes:
        name: Path of the file or folder.
        reason: Why, as text for the user.
    """

    name: str
    reason: str


@dataclass
class Listing:
    """What was found.

    Attributes:
        scenes: The scenes, in the order of their names.
        left_out: Files that are not taken, with the reason.
    """

    scenes: list[ListedScene] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def add(self, other: Listing) -> None:
        """Append what was found elsewhere."""
        self.scenes += other.scenes
        self.left_out += other.left_out


def listed_file(path: Path, kept: int = 1) -> ListedScene:
    """A local file as a scene; `kept` as in `ListedScene`.

    >>> listed_file(Path("/in/x/a.b.tif"), 2)
    ListedScene(scene='/in/x/a.b.tif', parts=('in', 'x', 'a.b'), kept=2, suffix='.tif')
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 (links stay as they are named)
    suffix = path.suffix if path.stem else ""
    return ListedScene(str(path), (*absolute.parts[1:-1], absolute.stem), kept, suffix)


def listed_address(name: str) -> ListedScene:
    """An address, or a member of an archive, as a scene.

    >>> listed_address("https://host/x/a.tif?key=1").parts
    ('host', 'x', 'a')
    """
    split = urlsplit(without_query(name))
    path = PurePosixPath(split.path)
    folders = tuple(part for part in path.parts[:-1] if part not in ("/", ".."))
    return ListedScene(name, (*((split.netloc,) if split.netloc else ()), *folders, stem_of(name)), suffix=path.suffix)


def listed_scene(name: SceneName) -> ListedScene:
    """A scene that is named alone: its outputs are named after the stem of its file name."""
    if isinstance(name, BandFiles):
        return ListedScene(name, (stem_of(str(name)),))
    text = str(name)
    if is_remote(text) or text.lower().startswith(("zip://", "tar://", "file://")):
        return listed_address(text)
    if item := split_name(text):
        return listed_item(*item)
    return replace(listed_file(Path(text)), scene=text)  # a name of GDAL's may hold //, which a path loses


def listed_item(collection: Path, item_id: str) -> ListedScene:
    """A STAC Item of a collection file as a scene; its outputs are named after its id."""
    return ListedScene(f"{collection}#{item_id}", (*listed_file(collection).parts, item_id.replace("/", "_")))

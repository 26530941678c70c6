"""From what a user names to the list of scenes."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from geoships.errors import SceneError
from geoships.scene.listing.folders import Excluded, list_folder
from geoships.scene.listing.listed import ListedScene, Listing, listed_file, listed_scene
from geoships.scene.listing.stores import is_folder_of_store, list_store
from geoships.scene.listing.tables import list_table
from geoships.scene.opening.band_files import BandFiles, SceneName
from geoships.scene.opening.names import is_remote
from geoships.scene.opening.sentinel2_product import is_product

STDIN, LIST = "-", "@"


def list_scenes(
    names: Sequence[SceneName], *, patterns: Sequence[str] = (), excluded: Excluded = lambda _: None
) -> Listing:
    """List the scenes that are named.

    Args:
        names: Scenes as `geoships.predict` takes them; folders, with the folders below them, also of object stores
            (``s3://bucket/scenes/``, with a slash at the end); patterns such as ``scenes/**/*.tif``; ``@FILE``, a list
            with one name a line; ``-``, the same from standard input; STAC ItemCollections; tables of scenes
            (GeoParquet, CSV).
        patterns: Which files to take from folders, see `list_folder`.
        excluded: Tells why a path of a folder is not taken.

    Returns:
        Each scene once, in the order of the names.

    Raises:
        SceneError: A list, table or collection cannot be read, or a folder or a pattern holds no scene.
    """
    found = Listing()
    for name in names:
        found.add(_list_one(name, patterns, excluded))
    unique = {_key(listed): listed for listed in reversed(found.scenes)}  # of several, the first stays
    return Listing(list(reversed(unique.values())), found.left_out)


def _key(listed: ListedScene) -> str:
    """The same for two names of one scene."""
    if isinstance(listed.scene, BandFiles) or is_remote(listed.scene):
        return "\n".join((str(listed.scene), *(listed.scene.inputs if isinstance(listed.scene, BandFiles) else ())))
    return "/".join(("", *listed.parts)) + listed.suffix


def _list_one(name: SceneName, patterns: Sequence[str], excluded: Excluded) -> Listing:
    if isinstance(name, BandFiles):
        return Listing([listed_scene(name)])
    text = str(name)
    if text == STDIN:
        return _list_lines(sys.stdin, "standard input", patterns, excluded)
    path = Path(text)
    if text.startswith(LIST) and not is_remote(text):
        return _read_list(Path(text[len(LIST) :]), patterns, excluded)
    if is_folder_of_store(text):
        return list_store(text, patterns, excluded)
    if is_remote(text) or "://" in text:
        return Listing([listed_scene(text)])
    if _is_plain_folder(path):
        return _list_folder(path, patterns, excluded)
    if (table := list_table(text)) is not None:
        return table
    if not _exists(path) and glob.has_magic(text):
        return _list_pattern(text, patterns, excluded)
    return Listing([listed_scene(text)])


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _is_plain_folder(path: Path) -> bool:
    """Whether a path is a folder and no Sentinel-2 product."""
    try:
        return path.is_dir() and not is_product(path)
    except OSError:
        return False


def _list_folder(folder: Path, patterns: Sequence[str], excluded: Excluded) -> Listing:
    found = list_folder(folder, patterns, excluded)
    if not found.scenes:
        unreadable = next((one for one in found.left_out if one.reason.startswith("cannot be read")), None)
        what = f" that matches {', '.join(patterns)}" if patterns else ""
        why = f" ({unreadable.name} {unreadable.reason})" if unreadable else ""
        raise SceneError(f"{folder}: the folder has no scene{what}{why}; give another folder, or --pattern '*.tif'")
    return found


def _list_pattern(pattern: str, patterns: Sequence[str], excluded: Excluded) -> Listing:
    """The files that match a pattern; their folders are kept from the first one with a wildcard on."""
    found, root = Listing(), _fixed_part(pattern)
    for match in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 (Path.glob refuses absolute patterns)
        path = Path(match)
        kept = len(path.relative_to(root).parts)
        if _is_plain_folder(path):
            if "**" not in pattern:  # else the files in it match themselves
                inner = list_folder(path, patterns, excluded)
                found.left_out += inner.left_out
                found.scenes += [ListedScene(one.scene, one.parts, one.kept + kept, one.suffix) for one in inner.scenes]
        else:
            found.scenes.append(listed_file(path, kept))
    if not found.scenes:
        raise SceneError(f"no file matches {pattern}; check the pattern and the folder")
    return found


def _fixed_part(pattern: str) -> Path:
    """The folders of a pattern before its first wildcard.

    >>> _fixed_part("in/2023/*/a?.tif").as_posix(), _fixed_part("*.tif").as_posix()
    ('in/2023', '.')
    """
    parts = Path(pattern).parts
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:fixed])


def _read_list(path: Path, patterns: Sequence[str], excluded: Excluded) -> Listing:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SceneError(f"{path}: the list of scenes cannot be read ({error.strerror}); check its name") from error
    except UnicodeDecodeError as error:
        raise SceneError(f"{path}: the list of scenes is no UTF-8 text; give one name a line") from error
    return _list_lines(text.splitlines(), str(path), patterns, excluded)


def _list_lines(lines: Iterable[str], where: str, patterns: Sequence[str], excluded: Excluded) -> Listing:
    """The scenes of a list: one name a line; empty lines and comments after ``#`` at the start are passed over."""
    found = Listing()
    for line in lines:
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        if name == STDIN or name.startswith(LIST):
            raise SceneError(f"{where}: {name!r} is a list in a list; write the names of scenes themselves")
        for one in (listing := _list_one(name, patterns, excluded)).scenes:
            found.scenes.append(_with_folders(one, name))
        found.left_out += listing.left_out
    if not found.scenes:
        raise SceneError(f"{where}: the list has no scene; write one name a line")
    return found


def _with_folders(listed: ListedScene, name: str) -> ListedScene:
    """A scene of a list, with the folders that the list names where these are relative."""
    path = PurePosixPath(Path(name).as_posix())
    if listed.kept > 1 or is_remote(name) or path.is_absolute() or ".." in path.parts or "://" in name:
        return listed
    return ListedScene(listed.scene, listed.parts, max(1, len(path.parts)), listed.suffix)

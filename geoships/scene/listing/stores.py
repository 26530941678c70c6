"""The scenes in a folder of an object store, or those that match a pattern there."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from geoships.errors import OutputError, SceneError
from geoships.scene.listing.folders import (
    PICTURE_SUFFIXES,
    PRODUCT_SUFFIX,
    SCENE_SUFFIXES,
    Excluded,
    matches,
    without_companions,
)
from geoships.scene.listing.listed import LeftOut, ListedScene, Listing
from geoships.scene.opening.names import is_in_store
from geoships.support.remote.address import RemotePath
from geoships.support.remote.objects import listing


def is_folder_of_store(name: str) -> bool:
    """Whether a name is an address that ends with a slash, or a pattern of addresses.

    >>> is_folder_of_store("s3://bucket/scenes/"), is_folder_of_store("s3://bucket/*/a.tif"), is_folder_of_store("s3://b/a.tif")
    (True, True, False)
    """
    return is_in_store(name) and (name.endswith("/") or "*" in name)


def list_store(name: str, patterns: Sequence[str] = (), excluded: Excluded = lambda _: None) -> Listing:
    """List the scenes of a folder in a store and all folders below it, or those whose address matches a pattern.

    Args:
        name: Address of the folder, such as ``s3://bucket/scenes/``, or a pattern, such as ``s3://bucket/*/B04.tif``.
        patterns: As for `list_folder`; for folders alone.
        excluded: Tells why an address is not taken.

    Returns:
        The scenes in the order of their addresses, and the objects that look like scenes and are not taken.

    Raises:
        SceneError: The store cannot be asked, or there is no scene.
    """
    root, wanted = _fixed_part(name)
    found = Listing()
    for path in _objects(root):
        below = PurePosixPath(path.relative_to(root).as_posix())
        if not below.parts or any(part.startswith(".") for part in below.parts):
            continue
        if wanted is not None:
            if _fits(below, wanted):
                found.scenes.append(_listed(path, below))
            continue
        _take(path, below, patterns, excluded, found)
    if not found.scenes:
        what = f" that matches {', '.join(patterns)}" if patterns and wanted is None else ""
        raise SceneError(f"{name}: the store has no scene there{what}; check the address, or give --pattern '*.tif'")
    return found if patterns or wanted is not None else without_companions(found)


def _take(path: RemotePath, below: PurePosixPath, patterns: Sequence[str], excluded: Excluded, found: Listing) -> None:
    """Take an object as a scene, or note why it is not one."""
    if patterns and not matches(below, patterns):
        return
    suffix = path.suffix.lower()
    product = next((part for part in below.parts[:-1] if part.lower().endswith(PRODUCT_SUFFIX)), None)
    if reason := next((why for place in (path, *path.parents) if (why := excluded(place))), None):
        if patterns or suffix in SCENE_SUFFIXES:
            found.left_out.append(LeftOut(str(path), reason))
    elif patterns or (suffix in SCENE_SUFFIXES and product is None):
        found.scenes.append(_listed(path, below))
    elif suffix == ".zip":
        found.left_out.append(LeftOut(str(path), "an archive in a store; download it"))
    elif suffix in SCENE_SUFFIXES:
        found.left_out.append(LeftOut(str(path), f"a part of {product}; download the product, or name its STAC Item"))
    elif suffix in PICTURE_SUFFIXES:
        found.left_out.append(LeftOut(str(path), "a picture; --pattern takes it"))


def _objects(folder: RemotePath) -> Iterator[RemotePath]:
    try:
        yield from listing(folder)
    except OutputError as error:
        raise SceneError(str(error)) from None


def _listed(path: RemotePath, below: PurePosixPath) -> ListedScene:
    return ListedScene(str(path), (*path.parts[1:-1], path.stem), len(below.parts), path.suffix)


def _fixed_part(name: str) -> tuple[RemotePath, tuple[str, ...] | None]:
    """The folder that is listed, and the parts of the pattern below it; None: there is no pattern.

    >>> _fixed_part("s3://bucket/in/*/a.tif")
    (RemotePath('s3://bucket/in'), ('*', 'a.tif'))
    """
    path = RemotePath(name)
    first = next((number for number, part in enumerate(path.parts) if number > 1 and "*" in part), None)
    if first is None:
        return path, None
    scheme, *parts = path.parts[:first]
    return RemotePath(f"{scheme}//{'/'.join(parts)}"), path.parts[first:]


def _fits(below: PurePosixPath, wanted: Sequence[str]) -> bool:
    """Whether the parts of a path match those of a pattern, in which ``**`` stands for any number of folders."""
    if not wanted:
        return not below.parts
    first, *rest = wanted
    parts = below.parts
    if first == "**":
        return any(_fits(PurePosixPath(*parts[skipped:]), rest) for skipped in range(len(parts)))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], first) and _fits(PurePosixPath(*parts[1:]), rest)

"""The scenes in a folder and the folders below it."""

from __future__ import annotations

import fnmatch
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath

from geoships.scene.listing.listed import LeftOut, ListedScene, Listing, listed_file
from geoships.scene.opening.sentinel2_product import METADATA, is_product

# Pictures (PNG, JPEG) are not among them, because quicklooks of scenes lie beside the scenes; a pattern takes them.
SCENE_SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", ".img", ".ntf")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
PRODUCT_SUFFIX = ".safe"
ENDINGS = ("_mask", "_scores")  # of rasters that belong to a scene of the same folder: labels and outputs

Excluded = Callable[[Path], str | None]  # why a path is not taken; None: it is


def list_folder(folder: Path, patterns: Sequence[str] = (), excluded: Excluded = lambda _: None) -> Listing:
    """List the scenes of a folder and all folders below it.

    Scenes are rasters, Sentinel-2 products as folder or zip, and rasters in zips. Hidden files and folders are passed
    over. Folders behind links are entered once.

    Args:
        folder: The folder.
        patterns: Take files whose name matches one of these, such as ``*_B04.jp2``; a pattern with a slash is compared
            with the path below the folder. Empty: files with one of SCENE_SUFFIXES, products and zips.
        excluded: Tells why a path is not taken.

    Returns:
        The scenes in the order of their paths, and the files that look like scenes and are not taken.
    """
    found = Listing()
    for path in _walk(folder, excluded, found):
        below = path.relative_to(folder)
        if patterns and not matches(below, patterns):
            continue
        if reason := excluded(path):
            found.left_out.append(LeftOut(str(path), reason))
        elif path.suffix.lower() == ".zip":
            found.add(_list_zip(path, below))
        elif patterns or path.suffix.lower() in (*SCENE_SUFFIXES, PRODUCT_SUFFIX) or path.is_dir():
            found.scenes.append(listed_file(path, len(below.parts)))
        elif path.suffix.lower() in PICTURE_SUFFIXES:
            found.left_out.append(LeftOut(str(path), "a picture; --pattern takes it"))
    return found if patterns else without_companions(found)


def matches(path: PurePath, patterns: Sequence[str]) -> bool:
    """Whether a path below a folder matches one of some patterns, in upper or lower case.

    >>> matches(Path("x/A.TIF"), ["*.tif"]), matches(Path("x/a.tif"), ["y/*.tif"]), matches(Path("x/a.tif"), ["x/*"])
    (True, False, True)
    """
    whole, name = path.as_posix().lower(), path.name.lower()
    return any(fnmatch.fnmatchcase(whole if "/" in each else name, each.lower()) for each in patterns)


def _walk(folder: Path, excluded: Excluded, found: Listing) -> Iterator[Path]:
    """Files below a folder and products, in the order of their paths; notes what cannot be read in `found`."""
    entered: set[tuple[int, int]] = set()

    def note(error: OSError) -> None:
        found.left_out.append(LeftOut(str(error.filename), f"cannot be read ({error.strerror})"))

    for place, folders, files in os.walk(folder, onerror=note, followlinks=True):
        root = Path(place)
        status = root.stat()
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        products = [name for name in folders if is_product(root / name)]
        folders[:] = sorted(
            name for name in folders if name not in products and name[0] != "." and not excluded(root / name)
        )
        yield from (root / name for name in sorted([*products, *files]) if name[0] != ".")


def _list_zip(path: Path, below: Path) -> Listing:
    """The scenes of a zip: the archive itself if it holds a Sentinel-2 product, else each raster in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, RuntimeError) as error:
        return Listing(left_out=[LeftOut(str(path), f"cannot be read ({error})")])
    if any(METADATA.fullmatch(name.rpartition("/")[2]) for name in names):
        return Listing([listed_file(path, len(below.parts))])
    rasters = [name for name in names if Path(name).suffix.lower() in SCENE_SUFFIXES and not Path(name).is_absolute()]
    if not rasters:
        return Listing(left_out=[LeftOut(str(path), "no scene is in the archive")])
    return Listing([_member(path, name, len(below.parts)) for name in sorted(rasters)])


def _member(archive: Path, name: str, kept: int) -> ListedScene:
    outer, inner = listed_file(archive), Path(name)
    parts = (*outer.parts, *(part for part in inner.parts[:-1] if part != ".."), inner.stem)
    return ListedScene(f"zip://{archive}!{name}", parts, kept + len(parts) - len(outer.parts), inner.suffix)


def without_companions(found: Listing) -> Listing:
    """Leave out masks and scores that lie beside their scene."""
    known = {listed.parts for listed in found.scenes}
    kept = Listing(left_out=found.left_out)
    for listed in found.scenes:
        *folders, stem = listed.parts
        ending = next((each for each in ENDINGS if stem.endswith(each)), None)
        if ending and (*folders, stem.removesuffix(ending)) in known:
            kept.left_out.append(LeftOut(str(listed.scene), f"{ending[1:]} of a scene beside it"))
        else:
            kept.scenes.append(listed)
    return kept

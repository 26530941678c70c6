"""Checks HDF5 and NetCDF-4 files for data that lie in other files."""

from __future__ import annotations

from pathlib import Path

from geoships.errors import SceneError


def check_hdf5(path: Path) -> None:
    """Raise SceneError where an HDF5 file takes data from other files; other files pass.

    External links, external raw storage and virtual datasets may name any file of the machine, and the
    HDF5 library follows them without a word.
    """
    import h5py

    if not h5py.is_hdf5(path):
        return
    try:
        with h5py.File(path, "r") as file:
            reason = _foreign(file, set())
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise SceneError(f"{path}: the HDF5 file is damaged ({error}); copy or download it again") from error
    if reason:
        raise SceneError(f"{path}: refused, because {reason}, which may be any file; convert it to GeoTIFF")


def _foreign(group, seen: set[int]) -> str | None:  # type: ignore[no-untyped-def]
    """What in a group leads to another file; None where nothing does. Links are looked at, not followed."""
    import h5py

    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            return f"its link {name} leads to the file {link.filename}"
        if isinstance(link, h5py.SoftLink):
            continue  # leads to a place that is visited by itself
        item = group[name]
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            continue
        seen.add(address)
        if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
            return f"its dataset {name} takes its values from other files"
        if isinstance(item, h5py.Group) and (reason := _foreign(item, seen)):
            return reason
    return None

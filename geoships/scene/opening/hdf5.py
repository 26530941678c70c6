"""Security check of HDF5 and NetCDF-4 files: they must not read data from other files."""

from __future__ import annotations

from pathlib import Path

from geoships.errors import SceneError


def check_hdf5(path: Path) -> None:
    """Check that an HDF5 file does not read data from other files.

    External links, external raw storage and virtual datasets may refer to any file of the machine, and the HDF5
    library follows them silently.

    Args:
        path: Any file. Files in other formats are not checked.

    Raises:
        SceneError: The file refers to other files, or is damaged.
    """
    import h5py

    if not h5py.is_hdf5(path):
        return
    try:
        with h5py.File(path, "r") as file:
            reason = _external_reference(file, set())
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise SceneError(f"{path}: the HDF5 file is damaged ({error}); copy or download it again") from error
    if reason:
        raise SceneError(f"{path}: refused, because {reason}, which may be any file; convert it to GeoTIFF")


def _external_reference(group, seen: set[int]) -> str | None:  # type: ignore[no-untyped-def]
    """Find a reference to another file in a group; None if there is none. Links are inspected, not followed."""
    import h5py

    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            return f"its link {name} refers to the file {link.filename}"
        if isinstance(link, h5py.SoftLink):
            continue  # its target is visited anyway
        item = group[name]
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            continue
        seen.add(address)
        if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
            return f"its dataset {name} reads its values from other files"
        if isinstance(item, h5py.Group) and (reason := _external_reference(item, seen)):
            return reason
    return None

"""Security check of HDF5 and NetCDF-4 files: they must not read data from other files."""

from __future__ import annotations

from pathlib import Path

from geoships.errors import SceneError

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def check_hdf5(path: Path) -> None:
    """Check that an HDF5 file does not read data from other files.

    External links, external raw storage and virtual datasets may refer to any file of the machine, and the HDF5
    library follows them silently.

    Args:
        path: Any file. Files in other formats are not checked.

    Raises:
        SceneError: The file refers to other files, or is damaged.
    """
    if not _is_hdf5(path):
        return
    try:
        import h5py
    except ImportError as error:
        raise SceneError(f"{path}: HDF5 files cannot be checked without h5py; pip install h5py") from error
    try:
        with h5py.File(path, "r") as file:
            reason = _external_reference(file, set())
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise SceneError(f"{path}: the HDF5 file is damaged ({error}); copy or download it again") from error
    if reason:
        raise SceneError(f"{path}: refused, because {reason}, which may be any file; convert it to GeoTIFF")


def _is_hdf5(path: Path) -> bool:
    """Whether a file has the signature of HDF5: at its start, or at 512 bytes, 1,024 and each power of 2 from there.

    As h5py's own function, but without its import.
    """
    try:
        with path.open("rb") as file:
            offset = 0
            while True:
                file.seek(offset)
                head = file.read(len(SIGNATURE))
                if head == SIGNATURE:
                    return True
                if len(head) < len(SIGNATURE):
                    return False
                offset = max(512, 2 * offset)
    except OSError:  # the file is opened later, and what is wrong with it is told there
        return False


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

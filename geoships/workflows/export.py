"""Exports models to files."""

from __future__ import annotations

from pathlib import Path

from geoships.model.bundle import Bundle
from geoships.model.bundle_files import bundle_files
from geoships.model.export import SIZE, Format, export_model, output_paths
from geoships.support.files import reserve, write_together
from geoships.support.overwrite import refuse_overwrites


def export(
    bundle: Bundle,
    out: Path,
    form: Format,
    *,
    size: int = SIZE,
    background: bool = False,
    scale: float = 1.0,
    offset: float = 0.0,
    overwrite: bool = False,
) -> list[Path]:
    """Write a model for other programs, and return its files; see `geoships.model.export.export_model`.

    Existing files are replaced with `overwrite` only, and the bundle's own never.
    Raises GeoshipsError; nothing is written then.
    """
    paths = output_paths(out, form)
    refuse_overwrites(paths.values(), bundle_files(bundle.path), overwrite=overwrite)
    for path in paths.values():
        reserve(path)  # report files that cannot be written before the export
    files = export_model(bundle, form, size=size, background=background, scale=scale, offset=offset)
    write_together({path: files[suffix] for suffix, path in paths.items()})
    return list(paths.values())

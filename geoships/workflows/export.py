"""Exports models to files."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

from geoships.errors import DeviceError
from geoships.model.bundle import Bundle, save_bundle
from geoships.model.bundle_files import bundle_files, refuse_bundle
from geoships.model.engines.graph_maker import with_graph
from geoships.model.export import SIZE, Format, export_model, output_paths
from geoships.support.files import reserve, write_together
from geoships.support.overwrite import refuse_overwrites


def export(
    bundle: Bundle,
    out: Path,
    form: Format | Literal["bundle"],
    *,
    size: int = SIZE,
    background: bool = False,
    scale: float = 1.0,
    offset: float = 0.0,
    overwrite: bool = False,
) -> list[Path]:
    """Write a model for other programs, and return its files; see `geoships.model.export.export_model`.

    The form ``bundle`` is the same bundle with a graph, see `geoships.model.graph`; the settings of a tile do not
    matter for it.

    Existing files are replaced with `overwrite` only, and the bundle's own never.
    Raises GeoshipsError; nothing is written then.
    """
    if form == "bundle":
        return _export_bundle(bundle, out, overwrite=overwrite)
    paths = output_paths(out, form)
    refuse_overwrites(paths.values(), bundle_files(bundle.path), overwrite=overwrite)
    for path in paths.values():
        reserve(path)  # report files that cannot be written before the export
    files = export_model(bundle, form, size=size, background=background, scale=scale, offset=offset)
    write_together({path: files[suffix] for suffix, path in paths.items()})
    return list(paths.values())


def _export_bundle(bundle: Bundle, out: Path, *, overwrite: bool) -> list[Path]:
    if importlib.util.find_spec("onnx") is None:
        raise DeviceError("onnx is not installed: pip install 'geoships[onnx]'")
    refuse_bundle(out, (bundle.path,), overwrite=overwrite)
    whole = with_graph(bundle)
    save_bundle(
        out, whole.card, whole.weights, half=False, verifier=whole.verifier, int8=whole.int8, screen=whole.screen,
        graph=whole.graph,
    )  # fmt: skip
    return [path for path in bundle_files(out) if path.exists()]

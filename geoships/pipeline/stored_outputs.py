"""Outputs of a run that go to object stores: what is checked before it, and what is sent after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from geoships.errors import OutputError
from geoships.pipeline.outputs import with_cards
from geoships.scene.opening.band_files import BandFiles, SceneName
from geoships.scene.opening.memory_scene import MemoryScene
from geoships.scene.opening.names import is_remote
from geoships.support.overwrite import refuse_overwrites
from geoships.support.remote.address import RemotePath, as_path
from geoships.support.remote.objects import check_address
from geoships.support.remote.upload import LocalFiles, local_files

DESCRIBING = {"stac": "a STAC Item", "project": "a QGIS project"}  # outputs that name the others by relative paths


@contextmanager
def stored_outputs(
    paths: Mapping[str, Path], scene: SceneName | MemoryScene, *, overwrite: bool, owner: str = ""
) -> Iterator[LocalFiles]:
    """Write outputs that go to stores to a temporary folder, and send them when the block ends without an error.

    Args:
        paths: Files or addresses to write, by kind (vector, mask, scores, preview, project, stac).
        scene: What is read.
        overwrite: Whether outputs may replace objects that are there.
        owner: See `geoships.support.remote.upload.local_files`.

    Yields:
        The local files to write.

    Raises:
        OutputError: An object exists, is the scene itself, or cannot be written; or outputs that name each other are to
            be written to different places.
    """
    remote = {kind: path for kind, path in paths.items() if isinstance(path, RemotePath)}
    for path in remote.values():
        check_address(path)
    if remote:
        _check_together(paths, scene)
        refuse_overwrites(with_cards(dict(remote)), _addresses(scene), overwrite=overwrite)
    with local_files(paths, overwrite=overwrite, owner=owner) as files:
        yield files


def _addresses(scene: SceneName | MemoryScene) -> Iterator[Path]:
    """The addresses that a scene is read from."""
    names = scene.inputs if isinstance(scene, BandFiles | MemoryScene) else (str(scene),)
    yield from (as_path(name) for name in names if is_remote(name))


def _check_together(paths: Mapping[str, Path], scene: SceneName | MemoryScene) -> None:
    """Refuse outputs whose relative paths would lead nowhere."""
    stores = {(path.scheme, path.bucket) if isinstance(path, RemotePath) else None for path in paths.values()}
    for kind, what in DESCRIBING.items():
        if kind in paths and len(stores) > 1:
            raise OutputError(f"{paths[kind]}: {what} names the other outputs; write all of them to one bucket")
    if isinstance(paths.get("project"), RemotePath) and not any(_addresses(scene)):
        raise OutputError(
            f"{paths['project']}: a QGIS project in a store needs a scene on a server; write it to a local folder"
        )

"""From what outputs are made: digests of the scene's files, of the bundle and of the settings."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rasterio.errors import RasterioError

from geoships.cluster.records import InputFile, Model
from geoships.config import PredictConfig
from geoships.errors import BundleError, GeoshipsError
from geoships.pipeline.run_mark import LAYERS, OTHER_SETTINGS
from geoships.scene.opening.band_files import SceneName
from geoships.scene.opening.item_collection import item_content, split_name
from geoships.scene.opening.names import is_remote, without_query
from geoships.scene.opening.open import SceneFile
from geoships.scene.opening.raster import gdal_env
from geoships.support.fingerprint import file_fingerprints, settings_fingerprint
from geoships.support.versions import versions
from geoships.support.workers import run_on_devices

if TYPE_CHECKING:
    from geoships.model.bundle import Bundle
    from geoships.model.engines.choose import EngineChoice
    from geoships.pipeline.scene_run import SceneRun


def settings_mark(config: PredictConfig) -> dict[str, Any]:
    """The settings that decide what is found, as JSON values; the content of files is given by its digest.

    Raises:
        GeoshipsError: A file cannot be read.
    """
    values = config.model_dump(mode="json", exclude=OTHER_SETTINGS)
    for name in LAYERS:
        path: Path | None = getattr(config, name)
        if path is not None:
            try:
                values[name] = f"sha256 {file_digest(path)}"
            except OSError as error:
                raise GeoshipsError(f"{path}: cannot be read ({error.strerror}); check the setting {name}") from error
    return values


def model_mark(bundle: Bundle) -> Model:
    """Name and digest of a bundle: its card, its weights and those of its verifier, screen and int8 variant."""
    from geoships.model.fingerprint import bundle_digest

    return Model(name=bundle.card.name, sha256=bundle_digest(bundle))


@cache
def installed_mark(name: str) -> Model | None:
    """Mark of an installed model; None if none has this name."""
    from geoships.model.bundle import load_bundle

    try:
        return model_mark(load_bundle(name))
    except BundleError:
        return None


@cache
def mark_apart(name: str) -> Model:
    """Mark of a bundle by its name, from a process of its own: this one need not load PyTorch for it.

    Raises:
        BundleError: There is no such bundle, or it is damaged.
    """
    ((_, mark),) = run_on_devices([name], ["cpu"], _mark)
    return mark


def _mark(name: str, device: str) -> Model:  # noqa: ARG001 - what `run_on_devices` calls
    from geoships.model.bundle import load_bundle

    return model_mark(load_bundle(name))


@cache
def installed_mark_apart(name: str) -> Model | None:
    """As `installed_mark`, from a process of its own."""
    try:
        return mark_apart(name)
    except BundleError:
        return None


def scene_files(scene: SceneName, *, trust_vrt: bool) -> tuple[InputFile, ...]:
    """The local files of a scene with their digests, in the order of their names.

    Of an address there is no digest; of a STAC Item in a collection, that of the Item.

    Args:
        scene: The scene.
        trust_vrt: As in `PredictConfig`.

    Raises:
        SceneError: The scene cannot be opened.
        OSError: A file cannot be read.
    """
    found = [_item_file(str(scene))] if split_name(str(scene)) else []
    return (*found, *(_input_file(path) for path in sorted(set(_local_files(scene, trust_vrt=trust_vrt)))))


def _local_files(scene: SceneName, *, trust_vrt: bool) -> Iterator[Path]:
    collection = split_name(str(scene))
    with SceneFile(scene, trust_vrt=trust_vrt) as file:
        names: Iterable[str] = file.inputs
        if file.files is None and not is_remote(file.name):
            source, dataset = file.take()
            with gdal_env(source), dataset:
                names = [*(dataset.files or ()), *([str(source.path)] if source.path else ())]
        for name in names:
            path = Path(name).absolute()
            if is_remote(name) or (collection and path == collection[0].absolute()):
                continue
            if path.is_dir():  # of a Sentinel-2 product
                yield from path.glob("*.xml")
            elif path.is_file():
                yield path


def _input_file(path: Path) -> InputFile:
    status = path.stat()
    return InputFile(path=str(path), bytes=status.st_size, modified_ns=status.st_mtime_ns, sha256=file_digest(path))


def _item_file(name: str) -> InputFile:
    """A STAC Item in a collection; the signatures of its addresses do not count, because they end."""
    split = split_name(name)
    assert split is not None
    text = json.dumps(_without_signatures(item_content(*split)), sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return InputFile(path=f"{split[0].absolute()}#{split[1]}", bytes=len(text), modified_ns=0, sha256=digest)


def _without_signatures(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_signatures(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_signatures(part) for part in value]
    return without_query(value) if isinstance(value, str) else value


def changed_file(files: Iterable[InputFile]) -> str | None:
    """The first file that is not what it was, or is gone; None: all are the same.

    A file of the same size and time is taken for the same without being read.
    """
    for file in files:
        if split_name(file.path):
            try:
                same = _item_file(file.path).sha256 == file.sha256
            except GeoshipsError:
                same = False
        else:
            same = _is_same(file)
        if not same:
            return file.path
    return None


def _is_same(file: InputFile) -> bool:
    path = Path(file.path)
    try:
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) == (file.bytes, file.modified_ns):
            return True
        return status.st_size == file.bytes and file_digest(path) == file.sha256
    except OSError:
        return False


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scores_mark(run: SceneRun, scene: SceneName) -> str:
    """Digest of all that the scores of a scene depend on: its files, the settings, the model, and what computes.

    Large files are sampled, see `file_fingerprints`, which notices a file that was written since.

    Args:
        run: The open scene and its model.
        scene: Its name.

    Raises:
        GeoshipsError: A file cannot be read.
    """
    config, engine, plan = run.config, run.engine, run.plan
    content = {
        "scene": run.scene.origins,
        "files": file_fingerprints(_local_files(scene, trust_vrt=config.trust_vrt)),
        "settings": settings_mark(config),
        "model": model_mark(run.bundle).sha256,
        "engine": [engine.engine, engine.precision, engine.device.type, *_processor(engine)],
        "plan": repr((plan.tiles, plan.ratios, plan.views, plan.south_up)),
        "versions": versions(),
    }
    return settings_fingerprint(content)


def _processor(engine: EngineChoice) -> list[object]:
    """What the float sums of an engine depend on besides its own version; PyTorch is imported only if it computes."""
    if engine.engine == "torch":
        import torch

        threads = torch.get_num_threads() if engine.device.type == "cpu" else None
        return [torch.backends.cpu.get_cpu_capability(), threads]
    if engine.engine == "openvino":
        import openvino

        return [str(openvino.Core().get_property("CPU", "FULL_DEVICE_NAME"))]
    return [platform.processor() or platform.machine()]


def known_files(scene: SceneName, *, trust_vrt: bool) -> tuple[InputFile, ...]:
    """As `scene_files`; of a scene that cannot be opened the file of its name, so that a mended one is noticed."""
    try:
        return scene_files(scene, trust_vrt=trust_vrt)
    except (GeoshipsError, OSError, RasterioError):
        pass
    try:
        path = Path(str(scene)).absolute()
        return (_input_file(path),) if path.is_file() else ()
    except (OSError, ValueError):
        return ()

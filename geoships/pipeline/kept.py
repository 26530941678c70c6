"""Results that are there already: a run that would make them again need not.

The user's cache folder has a small record of each set of outputs that `geoships predict` wrote for one scene: what they
were made from, and the fingerprint of each file. Nothing is written beside the outputs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from geoships.config import PredictConfig
from geoships.errors import OutputError
from geoships.model.card import Card
from geoships.model.engines.cache import cache_folder
from geoships.pipeline.jobs import SceneJob
from geoships.pipeline.observe import observed_path
from geoships.pipeline.outputs import config_files
from geoships.pipeline.predict import Prediction
from geoships.pipeline.record import input_fingerprints
from geoships.pipeline.run_mark import RunMark, Searched, mark_differences, run_mark
from geoships.pipeline.run_plan import scene_pixel_size
from geoships.pipeline.scene_run import Layers, choose_bundle, read_layers
from geoships.scene.bands import choose_bands
from geoships.scene.georeference import georeference_of
from geoships.scene.opening.names import without_secrets
from geoships.scene.opening.open import SceneFile
from geoships.scene.opening.raster import gdal_env
from geoships.scene.tiling.windows import Window
from geoships.support.files import real_path, write_text
from geoships.support.fingerprint import Fingerprint, content_of, file_fingerprints
from geoships.support.overwrite import existing_error, refuse_overwrites
from geoships.support.remote.address import RemotePath

FOLDER = "results"  # in the cache folder
MOST = 500  # records that are kept, the latest: at most 32 MB
MOST_BYTES = 64 << 10  # of a record
STYLE = ".qml"  # files that a user may change


class KeptResult(BaseModel):
    """Outputs of a run, and what they were made from.

    Attributes:
        mark: See `run_mark`.
        files: Size and hash of each file, by its absolute path; a style only has to be there.
        summary: See `Prediction.summary`.
        table: The ships as lines of text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mark: RunMark
    files: dict[str, Fingerprint]
    summary: dict[str, Any]
    table: list[str]


def kept_result(job: SceneJob, config: PredictConfig) -> KeptResult | None:
    """The outputs of a job, where they are all there and hold the result of the very same run.

    PyTorch is not loaded, and of large files only parts are read.

    Args:
        job: The scene and its outputs.
        config: Settings.

    Returns:
        None where nothing is known of the outputs, or one of them is gone.

    Raises:
        OutputError: An output was changed, is the result of another run, or is an input.
        GeoshipsError: The scene, the model or a layer cannot be read.
    """
    known = None if config.overwrite else _read(job.outputs)
    if known is None or not all(os.path.lexists(path) for path in known.files):
        return None
    outputs = list(job.outputs.values())
    if changed := _changed(known):
        raise existing_error([changed], ", and has changed since geoships wrote it")
    with SceneFile(job.scene, trust_vrt=config.trust_vrt, incomplete=config.on_error == "skip") as file:
        refuse_overwrites(outputs, [*config_files(config), *file.local_files()], overwrite=True)
        now = _mark(file, config)
    if now is None:
        return None
    if different := mark_differences(known.mark, now):
        raise existing_error(outputs, f", from another run ({'; '.join(different)})")
    return known.model_copy(update={"summary": _named_now(known.summary, job)})


def _named_now(summary: Mapping[str, Any], job: SceneJob) -> dict[str, Any]:
    """A summary with the names by which scene and outputs are called now."""
    paths = dict(job.outputs)
    if "observed" in summary["outputs"] and (beside := observed_path(paths["vector"])):
        paths["observed"] = beside
    outputs = {kind: str(paths[kind]) for kind in summary["outputs"]}
    return {**summary, "scene": without_secrets(str(job.scene)), "outputs": outputs}


def _changed(known: KeptResult) -> Path | None:
    """The first output that is not as it was written."""
    paths = [Path(path) for path in known.files if Path(path).suffix != STYLE]
    now = {str(each["path"]): content_of(each) for each in file_fingerprints(paths)}
    return next((path for path in paths if now.get(str(path)) != known.files[str(path)]), None)


def _mark(file: SceneFile, config: PredictConfig) -> RunMark | None:
    """What a run would be made from, without an engine."""
    named = list(config_files(config))
    inputs = input_fingerprints(file, named)
    bundle, _ = choose_bundle(file, config, None, None)
    return run_mark(file, inputs, named, bundle, config, _searched(file, bundle.card, config))


def _searched(file: SceneFile, card: Card, config: PredictConfig) -> Searched:
    """Where a run would look for ships; no pixel is read for that."""
    if not (config.area or config.land):
        return Searched(Window(0, 0, *file.header.shape), None, ())
    source, dataset = file.take(lambda bands: choose_bands(card.bands, bands, config.bands, card.optional).indexes)
    with gdal_env(source), dataset:
        georeference, driver = georeference_of(dataset), dataset.driver
    pixel_size, _ = scene_pixel_size(georeference, config.gsd, card, driver)
    return read_layers(georeference, Layers.of(config), config, pixel_size)


def keep_result(
    job: SceneJob,
    prediction: Prediction,
    summary: Mapping[str, Any],
    files: Mapping[Path, Fingerprint],
    table: list[str],
) -> None:
    """Note what the outputs of a run were made from; without effect where the cache folder cannot be written.

    Nothing is noted of a scene whose content is not known, such as one on a server, or of which parts could not be
    read, nor of outputs in a store.

    Args:
        job: The scene and its outputs.
        prediction: The result.
        summary: What is to be told of it again, see `Prediction.summary`.
        files: What was written, see `noted_files`.
        table: The ships as lines of text.
    """
    paths = [path.absolute() for path in prediction.outputs.values() if not isinstance(path, RemotePath)]
    whole = len(paths) == len(prediction.outputs) and files.keys() >= set(paths)
    if prediction.mark is None or prediction.unread or not paths or not whole:
        return
    contents = {str(path): {} if path.suffix == STYLE else content_of(known) for path, known in files.items()}
    record = KeptResult(mark=prediction.mark, files=contents, summary=dict(summary), table=table)
    place = _place(job.outputs)
    with suppress(OSError, OutputError, ValueError):  # a name that is no UTF-8 is no JSON
        text = record.model_dump_json()
        if len(text) > MOST_BYTES:
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, text)
        _remove_oldest(place.parent)


def _read(outputs: Mapping[str, Path]) -> KeptResult | None:
    if not outputs or any(isinstance(path, RemotePath) for path in outputs.values()):
        return None
    try:
        return KeptResult.model_validate_json(_place(outputs).read_bytes())
    except (OSError, ValidationError):
        return None


def _place(outputs: Mapping[str, Path]) -> Path:
    """The record of a set of outputs."""
    places = {kind: str(real_path(path.parent) / path.name) for kind, path in outputs.items()}
    key = hashlib.sha256(json.dumps(places, sort_keys=True).encode()).hexdigest()
    return cache_folder() / FOLDER / f"{key}.json"


def _remove_oldest(folder: Path) -> None:
    """Delete records until there are no more than MOST; others may do so at the same time."""
    with os.scandir(folder) as entries:
        names = [entry for entry in entries if entry.name.endswith(".json")]
    if len(names) <= MOST:
        return
    dated = []
    for entry in names:
        with suppress(OSError):
            dated.append((entry.stat().st_mtime_ns, entry.path))
    for _, path in sorted(dated)[:-MOST]:
        Path(path).unlink(missing_ok=True)

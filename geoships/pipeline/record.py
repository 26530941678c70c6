"""What a run was made of, so that its result can be traced and made again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from geoships.model.bundle import Bundle
from geoships.model.fingerprint import fingerprint
from geoships.model.installed import installed
from geoships.pipeline.scene_run import SceneRun
from geoships.scene.opening.open import SceneFile
from geoships.scene.opening.raster import local_file, public_name
from geoships.support.fingerprint import Fingerprint, file_fingerprints, settings_fingerprint
from geoships.support.versions import versions


def run_record(run: SceneRun, inputs: Sequence[Fingerprint]) -> dict[str, object]:
    """What a run was made of, as plain values.

    Args:
        run: The open run.
        inputs: Fingerprints of the files that are read.

    Returns:
        ``inputs``; ``bundle``, its name and fingerprint; ``options``, the settings with all that was chosen for the
        user but the device, which make the result again; ``options_sha256``; ``engine``; ``tile``, its rows and columns
        in model pixels; and ``versions``.
    """
    options = pinned_options(run)
    verifier = run.verifier.bundle if run.verifier else None
    return {
        "inputs": list(inputs),
        "bundle": _bundle(run.bundle),
        "verifier_bundle": _bundle(verifier) if verifier else None,
        "options": options,
        "options_sha256": settings_fingerprint(options),
        "engine": {"name": run.engine.engine, "precision": run.engine.precision, "device": str(run.engine.device)},
        "tile": list(run.plan.tile_shape),
        "versions": versions(),
    }


def pinned_options(run: SceneRun) -> dict[str, object]:
    """The settings of a run with the model, the engine and the thresholds that were chosen, and absolute paths."""
    config = run.config
    options = config.model_dump(mode="json", exclude={"overwrite"})
    options |= {name: str(path.absolute()) for name in ("area", "land", "fixed") if (path := getattr(config, name))}
    return {
        **options,
        "model": _model_name(run.bundle),
        "engine": run.engine.engine,
        "precision": run.engine.precision,
        # several classes have thresholds of their own, in the bundle
        "threshold": config.threshold if run.bundle.card.several else run.threshold,
        "min_peak": run.min_peak,
        "sensitivity": None,  # what it stood for is in the two above
        "views": run.plan.views,
        "verify": run.verifier is not None,
    }


def without_area(summary: Mapping[str, Any]) -> dict[str, Any]:
    """A summary without the file of the area: one that was made for the run and is gone after it.

    Args:
        summary: Of a prediction, see `Prediction.summary`.
    """
    area, options = summary["options"]["area"], {**summary["options"], "area": None}
    inputs = [each for each in summary["inputs"] if each["path"] != area]
    return {**summary, "inputs": inputs, "options": options, "options_sha256": settings_fingerprint(options)}


def input_fingerprints(file: SceneFile, layers: Sequence[Path]) -> list[Fingerprint]:
    """Fingerprints of the files that a scene is read from, and of layers.

    Of a scene on a server only the address is known. Those of a Sentinel-2 product are its bands, its scene
    classification and its metadata, after the address of its folder.

    Args:
        file: The scene.
        layers: Vector files of the settings.
    """
    names = [name for name in file.inputs if (path := local_file(name)) is None or path.is_dir()]
    remote: list[Fingerprint] = [{"path": public_name(name)} for name in names]
    return [*remote, *file_fingerprints((*file.local_files(), *_described_by(file), *layers))]


def _described_by(file: SceneFile) -> Iterator[Path]:
    """Files that tell how a scene is read and what was seen of it, beside those that hold its pixels."""
    if file.files is None:
        return
    if file.files.classes and (path := local_file(file.files.classes.href)):
        yield path
    for name in file.inputs:
        if (path := local_file(name)) and path.is_dir():
            yield from sorted(path.rglob("*.xml"))


def _model_name(bundle: Bundle) -> str:
    names = {path.resolve(): name for name, path in installed()}
    return names.get(bundle.path.resolve(), str(bundle.path.absolute()))


def _bundle(bundle: Bundle) -> dict[str, object]:
    return {"name": bundle.card.name, "path": _model_name(bundle), "fingerprint": fingerprint(bundle)}

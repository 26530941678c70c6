"""One scene of many: claim it, compute it, and write down what became of it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from geoships.cluster.block_folder import BlockFolder
from geoships.cluster.block_rows import row_source
from geoships.cluster.blocks import Blocks
from geoships.cluster.decide import Expected, decide
from geoships.cluster.fingerprint import file_digest, installed_mark, known_files
from geoships.cluster.manifest import Manifest
from geoships.cluster.outcomes import TRIES, Outcome, failed_record, outcome_of, shown_name
from geoships.cluster.records import InputFile, OutputFile, SceneRecord, now_text
from geoships.config import PredictConfig
from geoships.errors import GeoshipsError
from geoships.model.bundle import Bundle
from geoships.model.engines.choose import EngineCache
from geoships.pipeline.jobs import SceneJob
from geoships.pipeline.predict import Prediction, predict_scene, sent
from geoships.pipeline.scene_run import RowSource
from geoships.pipeline.stored_outputs import stored_outputs
from geoships.support.files import output_errors
from geoships.support.progress import Progress
from geoships.support.remote.address import RemotePath
from geoships.support.remote.upload import owner_of
from geoships.support.versions import own_version
from geoships.support.workers import death_reason


def attempt(
    job: SceneJob,
    expected: Expected,
    config: PredictConfig,
    progress: Progress,
    model: Bundle | None = None,
    blocks: Blocks | None = None,
    engines: EngineCache | None = None,
) -> Outcome:
    """Compute a scene unless it is done or another process has it, and write its record.

    Args:
        job: The scene and its outputs.
        expected: What the run makes.
        config: Settings.
        progress: Told of the scene.
        model: The loaded bundle of `config.model`.
        blocks: How a large scene is cut into blocks; None: as by default.
        engines: Stay open for the scenes to come.

    Raises:
        OutputError: The record cannot be written.
    """
    manifest, name = Manifest(expected.out_dir), shown_name(job)
    with manifest.claim(job.place) as ours:
        if not ours:
            return Outcome(job.place, name, "busy", reason="another process works on it")
        record = manifest.read(job.place)
        decision = decide(job, record, expected)
        if decision.what != "run":
            ours_too = record is not None and expected.ended_now(record)  # as by a process that died then
            return outcome_of(job, record, decision.what, decision.reason, now=ours_too)
        begun = _begin(job, record, expected)
        if begun.lost >= TRIES:
            ended = failed_record(begun, death_reason(config.device, begun.lost))
            manifest.write(ended)
            return Outcome(job.place, name, "failed", ended, ended.reason or "")
        manifest.write(begun)
        folder = BlockFolder(expected.out_dir, job.place)
        source = row_source(blocks or Blocks(), job.scene, folder, progress)
        ended = _compute(job, begun, expected, config, progress, model, source, engines)
        if ended.state == "done":
            folder.remove()
        manifest.write(ended)
        return Outcome(job.place, name, "done" if ended.state == "done" else "failed", ended, ended.reason or "")


def _begin(job: SceneJob, before: SceneRecord | None, expected: Expected) -> SceneRecord:
    died = before is not None and not before.finished and before.run == expected.run
    return SceneRecord(
        scene=shown_name(job),
        place=job.place,
        state="running",
        settings=dict(expected.settings),
        model=expected.model,
        attempts=(before.attempts if before else 0) + 1,
        run=expected.run,
        lost=before.lost + 1 if before and died else 0,
        started=now_text(),
        host=socket.gethostname(),
        geoships=own_version(),
    )


def _compute(
    job: SceneJob,
    begun: SceneRecord,
    expected: Expected,
    config: PredictConfig,
    progress: Progress,
    model: Bundle | None,
    source: RowSource | None,
    engines: EngineCache | None,
) -> SceneRecord:
    """Compute a scene; the record of a success or of a failure."""
    started = time.monotonic()
    digests = _Digests(job, trust_vrt=config.trust_vrt)
    config = config.model_copy(update={"overwrite": True})  # what lies there is ours, as `decide` has found
    try:
        make_folders(job.outputs.values())
        owner = owner_of(expected.out_dir / job.place)
        with stored_outputs(job.outputs, job.scene, overwrite=True, owner=owner) as files:
            prediction = predict_scene(
                job.scene, files.paths, config=config, progress=progress, model=model, source=source, engines=engines
            )
            outputs = {
                kind: _output(prediction.outputs[kind], path, expected.out_dir) for kind, path in job.outputs.items()
            }
        if files.folder is not None:
            prediction = sent(prediction, job.outputs, time.monotonic() - started)
        return _success(begun, prediction, outputs, expected, digests.wait())
    except GeoshipsError as error:
        reason = " ".join(str(error).split())
    except MemoryError:
        reason = "out of memory; use smaller tiles (--tile-size)"
    except Exception as error:  # a fault of geoships or a library must not stop the other scenes
        reason = f"unexpected {type(error).__name__}: {' '.join(str(error).split())}; please report it"
    seconds = round(time.monotonic() - started, 3)
    return failed_record(begun, reason, files=digests.wait(1.0), seconds=seconds)


def _success(
    begun: SceneRecord,
    prediction: Prediction,
    outputs: dict[str, OutputFile],
    expected: Expected,
    files: tuple[InputFile, ...],
) -> SceneRecord:
    return begun.model_copy(
        update={
            "state": "done",
            "model": expected.model or installed_mark(prediction.model),
            "files": files,
            "outputs": outputs,
            "finished": now_text(),
            "seconds": round(prediction.seconds, 3),
            "pixels": prediction.pixels,
            "ships": len(prediction.ships),
            "warnings": prediction.warnings,
            "summary": {**prediction.summary(), "scene": begun.scene},
        }
    )


def make_folders(paths: Iterable[Path]) -> None:
    """Make the folders of outputs.

    Raises:
        OutputError: One cannot be made.
    """
    for folder in dict.fromkeys(path.parent for path in paths if not isinstance(path, RemotePath)):
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)


def _output(file: Path, path: Path, out_dir: Path) -> OutputFile:
    """An output in a local file, which belongs to a path or an address."""
    with output_errors(file):
        size = file.stat().st_size
        return OutputFile(path=path.relative_to(out_dir).as_posix(), bytes=size, sha256=file_digest(file))


class _Digests:
    """Digests of a scene's files, computed in a thread while the scene is.

    The thread is not waited for where the scene fails: a read that never returns would hold it for ever.
    """

    def __init__(self, job: SceneJob, *, trust_vrt: bool) -> None:
        self._job, self._trust_vrt = job, trust_vrt
        self._found: tuple[InputFile, ...] = ()
        self._thread = threading.Thread(target=self._run, name="digests", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._found = known_files(self._job.scene, trust_vrt=self._trust_vrt)

    def wait(self, seconds: float | None = None) -> tuple[InputFile, ...]:
        """The digests; none where they take more than some seconds."""
        self._thread.join(seconds)
        return self._found

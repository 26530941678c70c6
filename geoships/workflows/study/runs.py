"""The runs of a study: each trained and judged once, by one process a GPU."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
import yaml

from geoships.config import predict_config
from geoships.config.segmentation import TrainConfig
from geoships.config.study import StudyConfig, StudyRun
from geoships.errors import GeoshipsError
from geoships.support.files import atomic_write, output_errors
from geoships.support.workers import run_on_devices
from geoships.training.labelled_scenes import group_of, scene_files
from geoships.training.segmentation.fit import fit
from geoships.workflows.crossval import judge
from geoships.workflows.study.chips import cut_chips

RUNS, CHIPS, DATA, RESULT = "runs", "chips", "data.yaml", "judged.json"
CPU = "cpu"
Tell = Callable[[StudyRun, dict[str, Any]], None]


@dataclass(frozen=True)
class Plan:
    """What all runs of a study share. out: folder. reading: how to read the chips; None: no way wants any."""

    study: StudyConfig
    out: Path
    reading: dict[str, Any] | None

    def config(self, run: StudyRun) -> TrainConfig:
        """Settings of a run's training."""
        if self.study.ways[run.way].source == "scenes":
            return self.study.scene_config(run)
        return self.study.chip_config(run, chips_folder(self.study, self.out), self.reading)


def chips_folder(study: StudyConfig, out: Path) -> Path:
    """Folder of the chips of a study."""
    return out / f"{CHIPS}-{_chip(study)}"


def _chip(study: StudyConfig) -> int:
    return study.chip or study.scene_config(study.all_runs()[0]).crops.size


def prepare(study: StudyConfig, out: Path) -> Plan:
    """Check that a folder holds no other data, and cut the chips that runs are to be trained on.

    Raises GeoshipsError where it does, or scenes or labels are missing.
    """
    runs = study.runs()
    judged = _judged(study)
    known = {group_of(entry) for entry in scene_files(study.scene_config(runs[0]).data)}
    if unknown := sorted(set(study.judge.groups) - known):
        raise GeoshipsError(f"judge.groups names {', '.join(unknown)}; the groups are {', '.join(sorted(known))}")
    if set(study.judge.groups) & set(study.scene_config(runs[0]).data.validation.groups) or not judged:
        raise GeoshipsError("judge.groups and training.data.validation.groups are not to share a group")
    text = yaml.safe_dump({"data": study.training.get("data"), "judge": list(study.judge.groups)}, sort_keys=True)
    saved = out / DATA
    if saved.exists() and saved.read_text(encoding="utf-8") != text:
        raise GeoshipsError(f"{out} holds runs on other data or another split ({saved}); choose another folder")
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        saved.write_text(text, encoding="utf-8")
    on_chips = [run for run in runs if study.ways[run.way].source == "chips"]
    reading = None
    if on_chips:
        # Every band that any way wants has to be there; chips keep all bands of a scene anyway.
        reading = cut_chips(study.scene_config(on_chips[0]), chips_folder(study, out), _chip(study))
    return Plan(study, out, reading)


def run_all(plan: Plan, *, jobs: int | None = None, tell: Tell, quiet: bool = True) -> None:
    """Train and judge every run that is not finished; what was stopped goes on.

    jobs: runs at once, each in a process of its own; None: one for each GPU, and one on a processor.
    tell: hears of each finished run, also of those that were finished before. Raises GeoshipsError.
    """
    waiting = []
    for run in plan.study.runs():
        result = read_result(plan.study, plan.out, run)
        if result is None:
            waiting.append(run)
        else:
            tell(run, result)
    gpus = torch.cuda.device_count() if plan.study.training.get("run", {}).get("device") != "cpu" else 0
    jobs = min(jobs or gpus or 1, len(waiting))
    if jobs > 1:
        devices = [f"cuda:{number % gpus}" if gpus else CPU for number in range(jobs)]
        for number, result in run_on_devices(waiting, devices, partial(_run_in_process, plan)):
            tell(waiting[number], result)
        return
    for run in waiting:
        tell(run, run_one(plan, run, quiet=quiet))


def run_one(plan: Plan, run: StudyRun, *, quiet: bool = True) -> dict[str, Any]:
    """Train a run, or go on with it, judge it, and keep what came out. Raises GeoshipsError."""
    folder, config = plan.out / RUNS / run.name, plan.config(run)
    fresh, started = not folder.exists(), time.monotonic()
    trained = fit(config, folder, resume=True, quiet=quiet)
    seconds = time.monotonic() - started
    study = plan.study
    settings = study.judge.model_dump(exclude={"groups"}, exclude_none=True)
    scenes = [entry for entry in scene_files(study.scene_config(run).data) if group_of(entry) in study.judge.groups]
    started = time.monotonic()
    data = study.scene_config(run).data
    evaluation = judge(data, scenes, trained.bundle, predict_config(**settings), thresholds=())
    totals = evaluation.figures["all"]
    steps = -(-config.run.crops // (config.run.batch_size * config.run.accumulate))
    result = {
        **asdict(run),
        "bands": len(config.data.bands),
        **{name: totals["pixels"][name] or 0.0 for name in ("iou", "dice", "precision", "recall")},
        "ships_f1": totals["ships"]["iou_0.3"]["f1"] or 0.0,
        "threshold": evaluation.threshold,
        "steps": steps,
        "pixels_seen": steps * config.run.accumulate * config.run.batch_size * config.crops.size**2,
        "train_seconds": round(seconds, 1) if fresh else None,
        "judge_seconds": round(time.monotonic() - started, 1),
    }
    with atomic_write(folder / RESULT) as temporary:
        text = json.dumps({"judge": _judging(study), "result": result}, indent=2) + "\n"
        temporary.write_text(text, encoding="utf-8")
    return result


def read_result(study: StudyConfig, out: Path, run: StudyRun) -> dict[str, Any] | None:
    """What a finished run gave; None for one that is not finished, or was judged in another way."""
    path = out / RUNS / run.name / RESULT
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return None
    except ValueError as error:
        raise GeoshipsError(f"{path} is damaged: {error}; remove it, and the run is judged again") from error
    result: dict[str, Any] = found["result"]
    return result if found["judge"] == _judging(study) else None


def _judging(study: StudyConfig) -> dict[str, Any]:
    told = {"groups", "threshold", "tile_size", "precision"}  # what scores follow from
    judging: dict[str, Any] = study.judge.model_dump(mode="json", include=told)
    return judging


def _judged(study: StudyConfig) -> list[str]:
    data = study.scene_config(study.runs()[0]).data
    return [entry.scene for entry in scene_files(data) if group_of(entry) in study.judge.groups]


def _run_in_process(plan: Plan, run: StudyRun, device: str) -> dict[str, Any]:
    """Train and evaluate a run in a worker process. Raises GeoshipsError with the name of the run."""
    _see_only(device)
    try:
        return run_one(plan, run)
    except GeoshipsError as error:
        raise GeoshipsError(f"run {run.name}: {error}") from error


@cache  # the variable is read before it is set, so that a process must do it once only
def _see_only(device: str) -> None:
    """Hide the other GPUs from this process, so that the settings of a run are the same on every GPU."""
    if device != CPU:
        gpu = int(device.partition(":")[2])
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[gpu] if visible else str(gpu)

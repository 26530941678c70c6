"""Trains and evaluates the runs of a study, with one process per GPU."""

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
from geoships.workflows.crossval import evaluate_entries, require_one_class
from geoships.workflows.study.chips import cut_chips

RUNS, CHIPS, DATA, RESULT = "runs", "chips", "data.yaml", "judged.json"
CPU = "cpu"
OnResult = Callable[[StudyRun, dict[str, Any]], None]


@dataclass(frozen=True)
class Plan:
    """A prepared study.

    Attributes:
        study: Its settings.
        out: Folder of its runs.
        chip_settings: How to read its chips (bands, scale, offset and sensor); None if no run is trained on chips.
    """

    study: StudyConfig
    out: Path
    chip_settings: dict[str, Any] | None

    def config(self, run: StudyRun) -> TrainConfig:
        """Return the training settings of a run."""
        if self.study.ways[run.way].source == "scenes":
            return self.study.scene_config(run)
        return self.study.chip_config(run, chips_folder(self.study, self.out), self.chip_settings)


def chips_folder(study: StudyConfig, out: Path) -> Path:
    """Return the folder of the chips of a study."""
    return out / f"{CHIPS}-{_chip_size(study)}"


def _chip_size(study: StudyConfig) -> int:
    return study.chip or study.scene_config(study.all_runs()[0]).crops.size


def prepare_study(study: StudyConfig, out: Path) -> Plan:
    """Check the settings and the folder of a study, and cut its chips if runs are trained on chips.

    Args:
        study: Settings.
        out: Folder for the runs and chips; created if needed.

    Returns:
        The prepared study.

    Raises:
        GeoshipsError: The folder has runs on other data, a group is unknown or has two uses, or scenes or labels are
            missing.
    """
    runs = study.runs()
    require_one_class(study.scene_config(runs[0]), "a study")
    test_scenes = _test_scenes(study)
    known = {group_of(entry) for entry in scene_files(study.scene_config(runs[0]).data)}
    if unknown := sorted(set(study.judge.groups) - known):
        raise GeoshipsError(
            f"judge.groups: unknown group {', '.join(unknown)}; the groups are {', '.join(sorted(known))}"
        )
    if set(study.judge.groups) & set(study.scene_config(runs[0]).data.validation.groups) or not test_scenes:
        raise GeoshipsError(
            "judge.groups and training.data.validation.groups must not share a group; change one of them"
        )
    text = yaml.safe_dump({"data": study.training.get("data"), "judge": list(study.judge.groups)}, sort_keys=True)
    saved = out / DATA
    if saved.exists() and saved.read_text(encoding="utf-8") != text:
        raise GeoshipsError(f"{out} has runs on other data or another split ({saved}); choose another folder")
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        saved.write_text(text, encoding="utf-8")
    on_chips = [run for run in runs if study.ways[run.way].source == "chips"]
    chip_settings = None
    if on_chips:
        chip_settings = cut_chips(study.scene_config(on_chips[0]), chips_folder(study, out), _chip_size(study))
    return Plan(study, out, chip_settings)


def run_study(plan: Plan, *, jobs: int | None = None, on_result: OnResult, quiet: bool = True) -> None:
    """Train and evaluate every run that is not finished; interrupted trainings are resumed.

    Args:
        plan: The prepared study.
        jobs: Number of runs at a time, each in its own process; None: one per GPU, or one on the CPU.
        on_result: Called with each run and its result, also for runs that were finished before.
        quiet: Show no progress of trainings.

    Raises:
        GeoshipsError: A run fails; the error names it if several run at a time.
        DeviceError: A process died.
    """
    waiting = []
    for run in plan.study.runs():
        result = read_result(plan.study, plan.out, run)
        if result is None:
            waiting.append(run)
        else:
            on_result(run, result)
    gpus = torch.cuda.device_count() if plan.study.training.get("run", {}).get("device") != "cpu" else 0
    jobs = min(jobs or gpus or 1, len(waiting))
    if jobs > 1:
        devices = [f"cuda:{number % gpus}" if gpus else CPU for number in range(jobs)]
        for number, result in run_on_devices(waiting, devices, partial(_run_in_process, plan)):
            on_result(waiting[number], result)
        return
    for run in waiting:
        on_result(run, run_one(plan, run, quiet=quiet))


def run_one(plan: Plan, run: StudyRun, *, quiet: bool = True) -> dict[str, Any]:
    """Train a run or resume it, evaluate it, and save its result.

    Args:
        plan: The prepared study.
        run: The run.
        quiet: Show no progress.

    Returns:
        The row of the run in the study's table: levels of its factors, metrics, steps, pixels and seconds.

    Raises:
        GeoshipsError: The training or the evaluation fails.
    """
    folder, config = plan.out / RUNS / run.name, plan.config(run)
    fresh, started = not folder.exists(), time.monotonic()
    trained = fit(config, folder, resume=True, quiet=quiet)
    seconds = time.monotonic() - started
    study = plan.study
    settings = study.judge.model_dump(exclude={"groups"}, exclude_none=True)
    scenes = [entry for entry in scene_files(study.scene_config(run).data) if group_of(entry) in study.judge.groups]
    started = time.monotonic()
    data = study.scene_config(run).data
    evaluation = evaluate_entries(data, scenes, trained.bundle, predict_config(**settings), thresholds=())
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
        text = json.dumps({"judge": _score_settings(study), "result": result}, indent=2) + "\n"
        temporary.write_text(text, encoding="utf-8")
    return result


def read_result(study: StudyConfig, out: Path, run: StudyRun) -> dict[str, Any] | None:
    """Read the result of a run.

    Args:
        study: Settings.
        out: Folder of the runs.
        run: The run.

    Returns:
        The result; None if the run is not finished or was evaluated with other settings.

    Raises:
        GeoshipsError: The file is damaged.
    """
    path = out / RUNS / run.name / RESULT
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return None
    except ValueError as error:
        raise GeoshipsError(f"{path} is damaged: {error}; delete it to evaluate the run again") from error
    result: dict[str, Any] = content["result"]
    return result if content["judge"] == _score_settings(study) else None


def _score_settings(study: StudyConfig) -> dict[str, Any]:
    """Return the evaluation settings that scores depend on."""
    names = {"groups", "threshold", "tile_size", "precision"}
    settings: dict[str, Any] = study.judge.model_dump(mode="json", include=names)
    return settings


def _test_scenes(study: StudyConfig) -> list[str]:
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

"""Who keeps the figures of a training: loggers by name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only  # type: ignore[attr-defined]

from geoships.config.training import Run
from geoships.errors import GeoshipsError
from geoships.support.yaml_text import parse_yaml

LOGS = "logs"
NEEDS = {
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow", "sqlalchemy"),
    "wandb": ("wandb",),
    "clearml": ("clearml",),
}
IDS = "trackers.json"  # of the runs there, so that a training that goes on does so there as well


def make_loggers(run: Run, out: Path) -> list[Logger]:
    """The loggers of a training, in the order of `run.tracker`; CSV is always the first.

    Files go below OUT/logs, in a folder for each part of a run that was stopped. mlflow goes to MLFLOW_TRACKING_URI,
    or else to OUT/logs/mlflow.db; wandb and clearml go where their own settings say, also offline.
    Raises GeoshipsError that names the extra of a tracker that is not installed.
    """
    check_trackers(run.tracker)
    part = f"part-{len(list((out / LOGS).glob('part-*'))) + 1}"
    loggers: list[Logger] = [CSVLogger(out, name=LOGS, version=part)]
    if "tensorboard" in run.tracker:
        loggers.append(TensorBoardLogger(out, name=LOGS, version=part))
    for name in run.tracker:
        if name in REMOTE:
            (out / LOGS).mkdir(parents=True, exist_ok=True)
            logger = REMOTE[name](run, out, _ids(out).get(name))
            _introduce(logger, name, out)
            loggers.append(logger)
    return loggers


def _mlflow(run: Run, out: Path, known: str | None) -> Logger:
    where = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(out / LOGS).resolve() / 'mlflow.db'}"
    return MLFlowLogger(run.project, out.name, tracking_uri=where, run_id=known)


def _wandb(run: Run, out: Path, known: str | None) -> Logger:
    return ClosingWandbLogger(name=out.name, save_dir=out / LOGS, project=run.project, id=known)


def _clearml(run: Run, out: Path, known: str | None) -> Logger:
    return ClearMLLogger(run.project, out.name, known)


REMOTE: dict[str, Callable[[Run, Path, str | None], Logger]] = {"mlflow": _mlflow, "wandb": _wandb, "clearml": _clearml}


def check_trackers(names: tuple[str, ...]) -> None:
    """Raise GeoshipsError for a tracker that is not installed."""
    for name in names:
        if any(find_spec(module) is None for module in NEEDS.get(name, ())):
            extra = "train" if name == "tensorboard" else name  # the extra of training has it, and all else it needs
            raise GeoshipsError(
                f"run.tracker: {name} is not installed: install geoships with its extra, geoships[{extra}]"
            )


@rank_zero_only
def _introduce(logger: Logger, tracker: str, out: Path) -> None:
    """Begin the run there, hand over the settings, and keep its name for a training that goes on.

    Raises GeoshipsError where the tracker refuses.
    """
    ids = _ids(out)
    try:
        logger.log_hyperparams(parse_yaml((out / "config.yaml").read_text(encoding="utf-8")))
        ids[tracker] = str(logger.run_id if isinstance(logger, MLFlowLogger) else logger.version)
    except Exception as error:  # each has errors of its own
        raise GeoshipsError(f"run.tracker: {tracker} takes no run: {error}") from error
    (out / LOGS / IDS).write_text(json.dumps(ids) + "\n", encoding="utf-8")


def _ids(out: Path) -> dict[str, str]:
    """The runs of a training that goes on, as its trackers call them."""
    try:
        found: dict[str, str] = json.loads((out / LOGS / IDS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


class ClosingWandbLogger(WandbLogger):
    """Ends its run with the training: one process may train several times."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End the run."""
        super().finalize(status)
        if self._experiment is not None:
            self._experiment.finish(exit_code=0 if status == "success" else 1)
            self._experiment = None


class ClearMLLogger(Logger):
    """Reports figures to a task of ClearML, as Lightning has no logger of its own for it.

    project, name: of the task. known: the task to go on with.
    """

    def __init__(self, project: str, name: str, known: str | None = None) -> None:
        super().__init__()
        self._project, self._task_name, self._known = project, name, known
        self._task: Any = None

    @property
    def name(self) -> str:
        """The task's name."""
        return self._task_name

    @property
    def version(self) -> str:
        """The task's id."""
        return str(self.task.id)

    @property
    def task(self) -> Any:
        """The task; it begins with its first use."""
        if self._task is None:
            from clearml import Task

            # What ClearML would patch into other libraries is left alone: the figures come from here.
            self._task = Task.init(
                project_name=self._project,
                task_name=self._task_name,
                reuse_last_task_id=False,
                continue_last_task=self._known or False,
                auto_connect_arg_parser=False,
                auto_connect_frameworks=False,
                auto_connect_streams=False,
                auto_resource_monitoring=False,
            )
        return self._task

    @rank_zero_only
    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        """Connect the settings to the task."""
        self.task.connect_configuration(dict(params), name="training")

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Report figures; `train_loss` and `val_loss` share one plot."""
        logger = self.task.get_logger()
        for name, value in metrics.items():
            series, _, title = name.partition("_")
            logger.report_scalar(title or name, series, value=float(value), iteration=step or 0)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Close the task, and hand over what is still waiting."""
        if self._task is None:
            return
        if status != "success":
            self._task.mark_stopped(status_message=status)
        self._task.close()
        self._task = None

import csv
import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from geoships.config import train_config
from geoships.config.training import Run
from geoships.errors import GeoshipsError
from geoships.training import trackers
from geoships.training.segmentation.fit import fit
from geoships.training.trackers import make_loggers

FOREIGN = pytest.mark.filterwarnings("default")  # what trackers call may be on its way out: not ours to mend


def needs(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(module) is None, reason=f"{module} is not installed: geoships[{module}]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "run"
    out.mkdir()
    (out / "config.yaml").write_text("name: tiny\nseed: 3\n")
    return out


def log(out: Path, tracker: str) -> None:
    for logger in make_loggers(Run(tracker=tracker), out):
        logger.log_metrics({"train_loss": 0.5, "epoch": 0}, step=4)
        logger.save()
        logger.finalize("success")


def test_a_training_writes_csv_and_tensorboard_where_they_are_named(settings: Path, tmp_path: Path) -> None:
    fit(train_config(settings, ("run.tracker=csv", "run.log_every=12")), tmp_path / "one", quiet=True)
    fit(train_config(settings, ("run.tracker=[tensorboard]", "run.log_every=12")), tmp_path / "two", quiet=True)
    for name, events in (("one", 0), ("two", 1)):
        part = tmp_path / name / "logs" / "part-1"
        rows = list(csv.DictReader((part / "metrics.csv").read_text().splitlines()))
        assert [float(row["train_loss"]) > 0 for row in rows if row["train_loss"]] == [True]
        assert len(list(part.glob("events*"))) == events


@FOREIGN
@needs("wandb")
def test_wandb_gets_settings_and_figures_offline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    log(folder, "wandb")
    known = json.loads((folder / "logs" / "trackers.json").read_text())["wandb"]
    [written] = (folder / "logs" / "wandb").glob(f"offline-run-*-{known}/run-{known}.wandb")
    assert b"train_loss" in written.read_bytes()
    log(folder, "wandb")  # goes on with the same run
    assert json.loads((folder / "logs" / "trackers.json").read_text())["wandb"] == known


@FOREIGN
@needs("sqlalchemy")
@needs("mlflow")
def test_mlflow_keeps_one_run_in_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    log(folder, "mlflow")
    log(folder, "mlflow")
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'logs' / 'mlflow.db'}")
    [run] = client.search_runs([client.get_experiment_by_name("geoships").experiment_id])
    assert run.data.params["seed"] == "3"
    assert run.data.metrics["train_loss"] == 0.5
    assert len(client.get_metric_history(run.info.run_id, "train_loss")) == 2


@FOREIGN
@needs("clearml")
def test_clearml_gets_settings_figures_and_data_sets_offline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARML_CACHE_DIR", str(folder.parent / "cache"))
    from clearml import Task

    from geoships.datasets.upload import upload_clearml

    Task.set_offline(True)  # stays so: no other test asks for ClearML
    logger = trackers.ClearMLLogger("geoships", "run")
    logger.log_hyperparams({"seed": 3})
    logger.log_metrics({"train_loss": 0.5}, step=4)
    session = Path(logger.task.get_offline_mode_folder())
    logger.finalize("success")
    events = "".join(path.read_text(errors="ignore") for path in session.rglob("*.jsonl"))
    assert '"metric": "loss"' in events
    assert '"variant": "train"' in events
    made = upload_clearml(folder, name="ships", project="geoships")
    assert (made.files, made.offline) == (1, True)


@pytest.mark.parametrize("name", ["mlflow", "wandb", "clearml"])
def test_a_tracker_that_is_not_installed_names_its_extra(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(trackers, "find_spec", lambda module: None if module == name else object())
    with pytest.raises(GeoshipsError, match=rf"geoships\[{name}\]"):
        make_loggers(Run(tracker=name), folder)
    assert not (folder / "logs").exists()


def test_an_empty_folder_is_no_data_set(tmp_path: Path) -> None:
    from geoships.datasets.upload import upload_clearml

    with pytest.raises(GeoshipsError, match="expected a folder with files, got none"):
        upload_clearml(tmp_path, name="none", project="geoships")

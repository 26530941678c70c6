import csv
import os
import random
import signal
import subprocess
import sys
import time
from multiprocessing.context import BaseContext
from pathlib import Path

import command_jobs
import pytest
import torch
import training_jobs
from geoships_cli.app import main
from safetensors.torch import load_file

from geoships import predict
from geoships.config import PredictConfig, train_config
from geoships.errors import GeoshipsError
from geoships.training.segmentation.checkpoint import load_checkpoint
from geoships.training.segmentation.fit import fit
from geoships.training.segmentation.loop import Training


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "bundle" / "model.safetensors")


def test_a_run_killed_at_any_moment_resumes_to_the_same_weights(
    settings: Path, tmp_path: Path, forkserver: BaseContext
) -> None:
    changes = ("run.crops=96", "run.checkpoint_minutes=0", "run.validate_every=48", "run.pictures=0")
    last = tmp_path / "parts" / "checkpoints" / "last.ckpt"
    threads = torch.get_num_threads()
    process = forkserver.Process(target=training_jobs.train, args=(settings, tmp_path / "parts", changes, threads))
    process.start()
    while process.is_alive() and not last.exists():
        time.sleep(0.05)
    time.sleep(random.uniform(0, 0.5))
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL  # it was not finished
    assert not (tmp_path / "parts" / "bundle").exists()
    config = train_config(settings, changes)
    resumed = fit(config, tmp_path / "parts", resume=True, quiet=True)
    seldom = train_config(settings, (*changes, "run.checkpoint_minutes=5"))
    whole = fit(seldom, tmp_path / "whole", quiet=True)
    assert resumed.amount == whole.amount == "96 crops"
    assert resumed.validation == whole.validation
    torch.testing.assert_close(weights(tmp_path / "parts"), weights(tmp_path / "whole"), rtol=0, atol=0)
    assert not list(last.parent.glob(".*"))


def test_a_run_that_is_asked_to_stop_finishes_its_step_and_goes_on_from_it(
    settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Training._step

    def interrupted(self: Training, batches: object) -> None:
        step(self, batches)  # type: ignore[arg-type]
        if self.state.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Training, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(train_config(settings), tmp_path / "run", quiet=True)
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["state"]["step"] == 5
    monkeypatch.undo()
    assert fit(train_config(settings), tmp_path / "run", resume=True, quiet=True).amount == "48 crops"


def test_the_command_ends_with_the_code_of_the_signal_that_stopped_it(
    settings: Path, tmp_path: Path, forkserver: BaseContext
) -> None:
    arguments = ["train", "--config", settings, "--out", tmp_path / "run", "--set", "run.crops=1000000", "--quiet"]
    process = forkserver.Process(target=command_jobs.command, args=tuple(map(str, arguments)))
    process.start()
    while not (tmp_path / "run" / "logs").exists():
        assert process.is_alive()
        time.sleep(0.05)
    time.sleep(2)
    process.terminate()
    process.join()
    assert process.exitcode == 128 + signal.SIGTERM
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["state"]["step"] > 0


def test_the_command_draws_crops_and_trains_nothing(
    settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, code in (("--show-crops", 0), ("--resume", 2)):
        arguments = ["geoships", "train", "--config", str(settings), options]
        monkeypatch.setattr(sys, "argv", [*arguments, str(tmp_path / "crops.png")] if not code else arguments)
        with pytest.raises(SystemExit) as end:
            main()
        assert (end.value.code or 0) == code
    assert "--out" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["crops.png", "tiny.yaml"]


def test_threads_of_a_training_do_not_spin_while_they_wait() -> None:
    code = (
        "import os, sys; from geoships_cli.train import training_libraries; assert 'torch' not in sys.modules\n"
        "with training_libraries(): print(os.environ['OMP_WAIT_POLICY'])"  # what PyTorch would read
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "PASSIVE\n"


def test_a_budget_of_hours_ends_a_run(settings: Path, tmp_path: Path) -> None:
    hours = 1 / 3600
    trained = fit(train_config(settings, (f"run.hours={hours}", "run.crops=100000000")), tmp_path / "run", quiet=True)
    state = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["state"]
    assert state["seconds"] >= 1
    assert trained.amount == f"{state['step'] * 4:,} crops"


def test_no_improvement_stops_a_run_early(settings: Path, tmp_path: Path) -> None:
    changes = ("run.crops=100000", "run.early_stopping={patience: 2, min_delta: 1}")
    fit(train_config(settings, changes), tmp_path / "run", quiet=True)
    assert (
        load_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["state"]["step"] == 3 * 16 / 4
    )  # the first one is an improvement on none


def test_training_goes_on_from_a_bundle_for_some_of_its_bands(settings: Path, tmp_path: Path) -> None:
    first = fit(train_config(settings), tmp_path / "both", quiet=True).bundle
    still = (
        "optimiser.rate=1e-30",
        "optimiser.weight_decay=0",
        f"start.bundle={tmp_path / 'both/bundle'}",
    )
    second = fit(train_config(settings, (*still, "data.bands=[nir]")), tmp_path / "one", quiet=True).bundle
    stem = next(iter(first.network().state_dict()))
    torch.testing.assert_close(second.weights[stem], first.weights[stem][:, 1:])
    start = f"start.bundle={second.path}"
    with pytest.raises(GeoshipsError, match="no band green among nir"):
        fit(train_config(settings, (*still, start, "data.bands=[green]")), tmp_path / "green", quiet=True)


def test_a_trained_bundle_finds_ships_that_it_never_saw(settings: Path, labelled: Path, tmp_path: Path) -> None:
    config = train_config(settings, ("run.crops=384", "run.validate_every=64", "run.ema=0.9", "run.keep=best"))
    trained = fit(config, tmp_path / "run", quiet=True)
    assert trained.validation["val_iou"] > 0.5
    card = trained.bundle.card
    assert (card.bands, card.halo, card.step, card.views) == (("green", "nir"), 16, 8, 1)
    found = predict(labelled / "west.tif", model=trained.bundle, config=PredictConfig(device="cpu"))
    assert 11 <= len(found.ships) <= 17
    text = card.to_json()
    assert str(labelled) not in text
    log = list(csv.DictReader((tmp_path / "run" / "logs" / "part-1" / "metrics.csv").read_text().splitlines()))
    assert [row["step"] for row in log if row["val_iou"]] == [str(16 * number) for number in range(1, 7)]
    assert list((tmp_path / "run" / "logs").glob("part-1/events*"))


def test_a_folder_holds_one_run(settings: Path, tmp_path: Path) -> None:
    fit(train_config(settings), tmp_path / "run", quiet=True)
    with pytest.raises(GeoshipsError, match="holds a training already"):
        fit(train_config(settings), tmp_path / "run", quiet=True)
    with pytest.raises(GeoshipsError, match="settings differ in seed;"):
        fit(train_config(settings, ("seed=7",)), tmp_path / "run", resume=True, quiet=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.hold_out=[north]", "north; the groups are east, west"),
        ("data.scenes=['*.jp2']", r"no file matches .*\.jp2"),
        ("data.labels=none", "no labels of"),
        ("network.decoder=vnet", "cannot build network vnet"),
        ("network.encoder_weights=package:no_such_package", "no package no_such_package"),
        ("start.bundle=nowhere", "nowhere"),
        ("loss={bse: 1}", "loss.bse"),
        ("optimiser.name=adamm", "optimiser.name: .*'adam', 'adamw', 'lion' or 'sgd'"),
        ("run.crops.most=3", "run.crops.most|holds one value"),
        ("augment.paste_piers={length: [9, 3]}", "length runs from 9 to 3"),
        ("input.mean=[1]", "1 values for 2 bands"),
        ("seed", "name=value"),
    ],
)
def test_wrong_settings_are_named_before_anything_is_trained(
    change: str, message: str, settings: Path, tmp_path: Path
) -> None:
    with pytest.raises(GeoshipsError, match=message):
        fit(train_config(settings, (change,)), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()

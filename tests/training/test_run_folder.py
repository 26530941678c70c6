"""What a folder holds after a training that failed."""

from pathlib import Path

import pytest
import torch
import yaml
from fake_models import fake_card

from geoships.config import train_config
from geoships.errors import GeoshipsError, OutputError
from geoships.training import run_folder as module
from geoships.training.run_folder import run_folder, write_bundle


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_run_that_fails_before_its_first_checkpoint_leaves_nothing(settings: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for mine in (False, True):  # the folder is new, or holds files of the user
        if mine:
            out.mkdir()
            (out / "mine.txt").touch()
        before = names(tmp_path)
        with pytest.raises(RuntimeError), run_folder(train_config(settings), out, False):
            (out / "logs" / "part-1").mkdir(parents=True)
            (out / "checkpoints").mkdir()
            (out / "checkpoints" / ".geoships-half.ckpt").touch()
            assert (out / "config.yaml").exists()
            raise RuntimeError
        assert names(tmp_path) == before


def test_a_killed_run_without_checkpoint_is_begun_anew_with_other_settings(settings: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "config.yaml").write_text("name: [")
    (out / ".geoships-bundle").mkdir()
    for resume in (False, True):
        changed = train_config(settings, (f"seed={3 + resume}",))
        with run_folder(changed, out, resume, overwrite=not resume) as last:
            assert last is None
        assert yaml.safe_load((out / "config.yaml").read_text())["seed"] == 3 + resume
    assert names(out) == ["config.yaml"]


def test_a_run_with_a_checkpoint_is_kept_and_goes_on_with_its_own_settings(settings: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(RuntimeError), run_folder(train_config(settings), out, False):
        (out / "checkpoints").mkdir()
        (out / "checkpoints" / "last.ckpt").touch()
        raise RuntimeError
    with pytest.raises(GeoshipsError, match="holds a training already"), run_folder(train_config(settings), out, False):
        pass
    changed = train_config(settings, ("optimiser.rate=1", "crops.size=96", "run.tracker=csv"))
    with (
        pytest.raises(GeoshipsError, match=r"settings differ in crops\.size, optimiser\.rate;"),
        run_folder(changed, out, True),
    ):
        pass
    free = train_config(settings, ("run.tracker=csv", "run.checkpoint_minutes=1", "bundle.halo=32"))
    with run_folder(free, out, True) as last:
        assert last == out / "checkpoints" / "last.ckpt"
    (out / "bundle").mkdir()
    finished = train_config(settings, ("bundle.halo=64",))
    with pytest.raises(GeoshipsError, match=r"settings differ in bundle\.halo"), run_folder(finished, out, True):
        pass
    (out / "config.yaml").write_text("name: a\nname: b\n")
    with (
        pytest.raises(GeoshipsError, match=r"config\.yaml: cannot read the settings: name given twice"),
        run_folder(free, out, True),
    ):
        pass


def test_a_bundle_of_a_run_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        path.mkdir()
        (path / "model.json").touch()
        raise OSError(28, "no space")

    weights = {"weight": torch.zeros(1)}
    monkeypatch.setattr(module, "save_bundle", full)
    with pytest.raises(OutputError, match="the disk is full"):
        write_bundle(tmp_path, fake_card(), weights)
    assert names(tmp_path) == []
    monkeypatch.undo()
    write_bundle(tmp_path, fake_card(), weights)
    assert names(tmp_path) == ["bundle", "bundle/model.json", "bundle/model.safetensors"]

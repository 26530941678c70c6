"""A training in a folder that holds one: refused, resumed, or begun anew."""

from pathlib import Path

import pytest

from geoships.config import ChipConfig
from geoships.errors import GeoshipsError, OutputError
from geoships.training.run_folder import CONTENT, run_folder


def settings(**network: object) -> ChipConfig:
    return ChipConfig.model_validate({"task": "classification", "name": "x", "network": network})


def prepare_folder(config: ChipConfig, out: Path, *, resume: bool, overwrite: bool = False) -> None:
    with run_folder(config, out, resume, overwrite=overwrite):
        pass


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run, with a file of the user's own."""
    prepare_folder(settings(), tmp_path / "run", resume=False)
    for name in ("checkpoints", "bundle", "logs"):
        (tmp_path / "run" / name).mkdir()
    (tmp_path / "run" / "mine").touch()
    return tmp_path / "run"


@pytest.mark.parametrize("name", CONTENT)
def test_any_part_of_an_earlier_run_is_enough_to_refuse(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(OutputError, match=rf"holds a training already \({name}\); use --resume .* --overwrite"):
        prepare_folder(settings(), tmp_path, resume=False)


def test_beginning_anew_deletes_the_earlier_run_and_nothing_else(run: Path) -> None:
    prepare_folder(settings(encoder="resnet18"), run, resume=False, overwrite=True)
    assert {path.name for path in run.iterdir()} == {"config.yaml", "mine"}
    assert "resnet18" in (run / "config.yaml").read_text()


@pytest.mark.parametrize("start", ["run/bundle", "run/checkpoints/../bundle", "link"])
def test_a_run_that_the_new_one_begins_from_is_not_deleted(
    run: Path, start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    (run.parent / "link").symlink_to(run / "bundle")
    with pytest.raises(OutputError, match="belongs to the run"):
        prepare_folder(settings(start=start), run, resume=False, overwrite=True)
    assert (run / "bundle").is_dir()


def test_resuming_and_beginning_anew_exclude_each_other(run: Path) -> None:
    with pytest.raises(GeoshipsError, match="not both"):
        prepare_folder(settings(), run, resume=True, overwrite=True)
    assert (run / "bundle").is_dir()

import logging
from pathlib import Path

import pytest
from geoships_cli.app import app
from geoships_cli.commands import command_tree
from geoships_cli.logs import LOGGER, LogLevel, logged, without_secrets
from scenes import ship_scene

from geoships.errors import OutputError, SceneError


def leaves(command, path=""):
    for name, child in command.commands.items():
        whole = f"{path} {name}".strip()
        yield from leaves(child, whole) if hasattr(child, "commands") else [(whole, child)]


@pytest.mark.parametrize(("name", "command"), list(leaves(command_tree(app))))
def test_every_command_has_a_log_and_json(name: str, command) -> None:
    assert {"--log-level", "--log-file", "-v", "--json", "--quiet"} <= {o for p in command.params for o in p.opts}, name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("read https://me:pw@host/a.tif now", "read https://host/a.tif now"),
        ("https://host/a.tif?sig=abc&x=1: 403", "https://host/a.tif?..."),
        ("/vsicurl/https://host/a?token=t", "/vsicurl/https://host/a?..."),
        ("AWS_SECRET_ACCESS_KEY=abc done", "AWS_SECRET_ACCESS_KEY=... done"),
        ("Authorization: Bearer abc.def", "Authorization: ..."),
        ("'password': 'x y'", "'password': ..."),
        ("row 3, column 4 of a.tif", "row 3, column 4 of a.tif"),
        ("C:/scenes/a?b.tif", "C:/scenes/a?b.tif"),
    ],
)
def test_secrets_are_left_out(text: str, shown: str) -> None:
    assert without_secrets(text).startswith(shown)
    assert not any(secret in without_secrets(text) for secret in ("pw@", "sig=abc", "token=t", "=abc", "abc.def"))


def log(tmp_path: Path, **options: object) -> tuple[str, Path]:
    file = tmp_path / "run.log"
    given = {"level": None, "file": file, "verbose": False, "quiet": False, **options}
    with logged("test", **given):
        LOGGER.getChild("part").debug("a detail")
        LOGGER.getChild("part").info("a step of https://me:pw@host/a?b=c")
        LOGGER.getChild("part").warning("a doubt")
    return file.read_text(), file


@pytest.mark.parametrize(
    ("options", "in_file", "on_stderr"),
    [
        ({}, {"step", "doubt"}, {"doubt"}),
        ({"verbose": True}, {"step", "doubt"}, {"step", "doubt"}),
        ({"level": LogLevel.debug}, {"detail", "step", "doubt"}, {"detail", "step", "doubt"}),
        ({"level": LogLevel.error}, set(), set()),
        ({"quiet": True}, {"step", "doubt"}, set()),
    ],
)
def test_levels_of_stderr_and_file(tmp_path: Path, capsys, options: dict, in_file: set, on_stderr: set) -> None:
    text, _ = log(tmp_path, **options)
    shown = capsys.readouterr().err
    for word in ("detail", "step", "doubt"):
        assert (word in text) == (word in in_file)
        assert (word in shown) == (word in on_stderr)
    assert "pw" not in text + shown


def test_a_log_is_appended_and_nothing_else_is_written_to(tmp_path: Path) -> None:
    _, file = log(tmp_path)
    assert log(tmp_path)[0].count("a doubt") == 2
    file.write_text("mine")
    with pytest.raises(OutputError, match="is no log"):
        log(tmp_path)
    assert file.read_text() == "mine"
    with pytest.raises(OutputError, match="cannot write"):
        log(tmp_path, file=tmp_path / "none" / "run.log")


def test_an_error_is_in_the_file_and_where_it_came_from_with_debug(tmp_path: Path, capsys) -> None:
    for level, traced in ((None, False), (LogLevel.debug, True)):
        file = tmp_path / f"{level}.log"
        with pytest.raises(SceneError), logged("test", level=level, file=file, verbose=False, quiet=False):
            raise SceneError("a.tif: no raster")
        assert "ERROR   geoships: a.tif: no raster" in file.read_text()
        assert ("Traceback" in file.read_text()) == traced
    with pytest.raises(ZeroDivisionError), logged("test", level=None, file=file, verbose=False, quiet=False):
        _ = 1 / 0
    assert "ZeroDivisionError" in file.read_text()
    assert "no raster" not in capsys.readouterr().err.replace("Traceback", "").split("where it was raised")[0]


def test_nothing_is_left_of_a_log(tmp_path: Path) -> None:
    before = LOGGER.level, list(LOGGER.handlers)
    log(tmp_path, level=LogLevel.debug)
    assert (LOGGER.level, LOGGER.handlers) == before
    assert not logging.getLogger().handlers or LOGGER.propagate


def test_a_prediction_logs_what_it_shows_and_more(geoships, tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    command = ("predict", tmp_path / "scene.tif", "--out", tmp_path / "s.fgb", "--device", "cpu", "--quiet")
    assert geoships(*command, "--log-file", tmp_path / "run.log") == (0, "", "")
    text = (tmp_path / "run.log").read_text()
    for part in ("geoships predict begins", "model: fake", "bands: red=1", "s.fgb", "geoships predict is done"):
        assert part in text
    assert geoships(*command, "--log-file", tmp_path / "run.log") == (0, "", "")
    assert "nothing to do" in (tmp_path / "run.log").read_text()
    code, _, err = geoships(*command, "--threshold", "0.4", "--log-file", tmp_path / "run.log")
    assert (code, err.count("\n")) == (1, 1)
    assert "exists already" in (tmp_path / "run.log").read_text()

"""Options by environment: the table of the documentation, and which of option, variable and file comes first."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doc_pages import REPOSITORY
from geoships_cli.app import app
from geoships_cli.commands import command_tree
from scenes import ship_scene

PAGE = REPOSITORY / "docs" / "reference" / "environment.md"
ROW = re.compile(r"^\| `(GEOSHIPS_\w+)` \| `([^`]+)` \| ([^|]+) \|$", re.MULTILINE)


def leaves(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None or (getattr(command, "invoke_without_command", False) and path):
        yield path.strip(), command
    for name, child in (children or {}).items():
        yield from leaves(child, f"{path} {name}")


COMMANDS = dict(leaves(command_tree(app)))


def test_the_table_names_every_variable_with_its_option_and_commands() -> None:
    true: dict[str, tuple[str, list[str]]] = {}
    for path, command in COMMANDS.items():
        for option in command.params:
            if option.envvar:
                spelled = "/".join([max(option.opts, key=len), *option.secondary_opts])
                shown, paths = true.setdefault(option.envvar, (spelled, []))
                assert shown == spelled, "one variable, one option"
                paths.append(path)
    documented = {name: (option, where) for name, option, where in ROW.findall(PAGE.read_text(encoding="utf-8"))}
    assert documented == {
        name: (option, "all" if len(paths) == len(COMMANDS) else ", ".join(paths))
        for name, (option, paths) in true.items()
    }
    assert len(documented) > 15


def test_an_option_comes_before_a_variable_and_that_before_the_file(
    geoships, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship_scene(tmp_path / "scene.tif")
    (tmp_path / "settings.yaml").write_text("views: 8\nstyle: true\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GEOSHIPS_CONFIG", "settings.yaml")

    def views(out: str, *options: str) -> int:
        code, said, _ = geoships("predict", "scene.tif", "--out", out, "--json", *options)
        assert code == 0
        return json.loads(said)["options"]["views"]

    assert views("a.fgb") == 8
    monkeypatch.setenv("GEOSHIPS_VIEWS", "2")
    monkeypatch.setenv("GEOSHIPS_STYLE", "0")
    assert views("b.fgb") == 2
    assert views("c.fgb", "--views", "4") == 4
    assert sorted(path.name for path in tmp_path.glob("*.qml")) == ["a.qml"]


def test_a_wrong_variable_is_wrong_use(geoships, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOSHIPS_ENGINE", "steam")
    code, _, said = geoships("predict", "scene.tif")
    assert code == 2
    assert "steam" in said

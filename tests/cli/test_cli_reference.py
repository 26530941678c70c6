"""The reference of the command line has every command and every option."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from geoships_cli.app import app
from geoships_cli.commands import command_tree
from geoships_cli.failures import ExitCode

SCRIPT = Path(__file__).parents[2] / "scripts" / "write_cli_reference.py"


def cli_reference() -> str:
    spec = importlib.util.spec_from_file_location("write_cli_reference", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = script.cli_reference()
    assert isinstance(text, str)
    return text


def sections() -> dict[str, str]:
    return {title: body for title, _, body in (part.partition("\n") for part in cli_reference().split("\n## "))}


def below(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Each command of a group, and behind it those of its own group."""
    for name, child in getattr(command, "commands", {}).items():
        yield f"{path} {name}", child
        yield from below(child, f"{path} {name}")


def test_every_command_has_a_section_with_its_options() -> None:
    written, command = sections(), command_tree(app)
    every = dict(below(command, "geoships"))
    assert list(written)[1:] == ["geoships", *every]
    for path, child in every.items():
        assert f"](#{path.replace(' ', '-')})" in written[path.rpartition(" ")[0]]
        for parameter in child.params:
            name = f"{parameter.name}" if parameter.param_type_name == "argument" else f"{parameter.opts[0]}"
            assert name in written[path], f"{path} {name}"
            assert parameter.help in written[path]


def test_options_are_grouped_as_in_the_help_and_exit_codes_are_told() -> None:
    written = sections()
    panels = [line.strip("*") for line in written["geoships predict"].splitlines() if line.startswith("**")]
    assert panels == ["Arguments", "Outputs", "Scene", "Model", "Ships", "Speed", "Run"]
    assert "- `--views <1|2|4|8>`: Test-time augmentation" in written["geoships predict"]
    for code in (*ExitCode, 130, 143):
        assert code == ExitCode.SIGNAL or f"| {int(code)} |" in written["# Command line"]

import os
import subprocess
import sys

import pytest
from geoships_cli.app import app
from geoships_cli.commands import COMMANDS, command_tree

TREE = command_tree(app)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_help_of_a_command_says(name: str) -> None:
    first, _, _ = (TREE.commands[name].help or "").partition("\n\n")
    assert COMMANDS[name] == " ".join(first.split())
    assert TREE.commands[name].name == name


def test_the_list_imports_no_command_and_a_command_no_other() -> None:
    code = """
import sys
from geoships_cli.app import app
def run(*arguments):
    try:
        app(arguments)
    except SystemExit as end:
        assert not end.code
run("--help")
assert not {"geoships_cli.options", "geoships_cli.predict", "geoships_cli.serve"} & set(sys.modules)
run("models", "--help")
assert "geoships_cli.info" in sys.modules and "geoships_cli.predict" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def completed(line: str) -> list[str]:
    """What bash offers after a line."""
    words = line.split(" ")
    asked = {"_GEOSHIPS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    code = "import sys; sys.argv[0] = 'geoships'; from geoships_cli.app import main; main()"
    run = subprocess.run([sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True)
    return run.stdout.split()


def test_a_shell_completes_commands_and_options() -> None:
    assert completed("geoships qu") == ["quantize"]
    assert completed("geoships predict --thr") == ["--threshold"]
    assert "chip-masks" in completed("geoships data chip")

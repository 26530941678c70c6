import shlex
import shutil
from pathlib import Path

import pytest
from geoships_cli.app import app
from geoships_cli.commands import command_tree
from invoke import Collection, MockContext, Result, Task
from invoke.loader import FilesystemLoader

PROJECT = Path(__file__).parents[2]
COLLECTION = Collection.from_module(FilesystemLoader(start=str(PROJECT)).load("tasks")[0])
NAMES = sorted(COLLECTION.task_names)


def commands_of(task: Task, **options: object) -> list[list[str]]:
    """The words of every command that a task runs, without running them."""
    context = MockContext(run=Result(), repeat=True)
    task(context, **options)
    return [shlex.split(call.args[0]) for call in context.run.call_args_list]


def test_every_task_is_here() -> None:
    assert NAMES == ["bench", "containers", "demo", "docs", "fuzz", "lint", "test", "train"]


@pytest.mark.parametrize("name", NAMES)
def test_a_task_says_what_it_does(name: str) -> None:
    assert COLLECTION[name].__doc__.strip().endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_what_a_task_runs_is_there(name: str) -> None:
    commands = commands_of(COLLECTION[name])
    assert commands
    for command in commands:
        assert command[:2] == ["uv", "run"]
        words = command[4:] if command[2] == "--group" else command[2:]
        assert shutil.which(words[0]), command
        if words[0] == "python":
            assert (PROJECT / words[1]).is_file(), command
        if words[0] == "geoships":
            assert words[1] in command_tree(app).commands, command


def test_a_task_hands_its_options_on() -> None:
    assert commands_of(COLLECTION["test"], of="tests/project")[0][2:] == ["pytest", "tests/project"]
    assert commands_of(COLLECTION["bench"], only="engines")[0][-2:] == ["--only", "engines"]
    assert commands_of(COLLECTION["containers"], run=True)[0][-1] == "--run"
    assert commands_of(COLLECTION["fuzz"], minutes=2)[0][-2:] == ["--seconds", "120"]
    train = commands_of(COLLECTION["train"], config="my.yaml", out="runs/b")[0]
    assert train[2:] == ["geoships", "train", "--config", "my.yaml", "--out", "runs/b"]


def test_the_configuration_that_training_takes_is_there() -> None:
    words = commands_of(COLLECTION["train"])[0]
    assert (PROJECT / words[words.index("--config") + 1]).is_file()

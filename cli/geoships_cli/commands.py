"""The commands of `geoships` by name, each imported when it is run: all of them take as long as Python's own start."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

# name: what `geoships --help` says, which is the first line of the command's own help. A command is the object of its
# name in the module of its name, but for the modules below.
COMMANDS = {
    "predict": "Find the ships of one scene, or of many with --out-dir; without an output they are listed, too.",
    "merge-runs": "Join the manifests and the ships of several runs, such as the shards of one.",
    "motion": "Tell which ships move, how fast and which way, from the delay between the bands of their scene.",
    "watch": "Watch for new scenes, and send a message for each ship for which a rule holds.",
    "fixed": "Tell structures from ships: what stands still over many passes, what left, and where ships come and go.",
    "passes": "Join passes over one place: arrivals, departures, stays and counts, with the share that was seen.",
    "convert": "Write ships as points, rectangles, CSV, KML, COCO or YOLO, with zones, depths and distances to land.",
    "view": "Write one HTML page with the scene and its ships, which opens in any browser, offline.",
    "evaluate": "Evaluate a bundle on labelled scenes, by the same steps as `geoships predict`.",
    "demo": "Render a harbour with known ships, find them, and show the result.",
    "train": "Train a model on labelled scenes, a classifier of chips, or a verifier; the finished bundle is "
    "OUT/bundle.",
    "crossval": "Train and evaluate a model for each fold; the same command resumes a stopped run.",
    "finish": "Choose the settings of a trained bundle by its cross-validation; add a screen and an int8 variant.",
    "study": "Train and evaluate every cell of a study, and report on it; the same command resumes a stopped study.",
    "verifier": "Add a verifier to a bundle: a classifier that checks every ship that the model finds.",
    "screen": "Add a screen to a bundle, which finds tiles without ships in a few percent of the model's time.",
    "export": "Write a model for other programs, or as a bundle that runs without PyTorch: reflectance in, scores out.",
    "quantize": "Add an int8 variant to a bundle; refused where it finds fewer ships on labelled scenes.",
    "models": "List the installed models.",
    "info": "Describe a model bundle or a scene.",
    "doctor": "Check versions, formats, engines, devices and folders; exit with 1 if something that a run needs is "
    "broken.",
    "worker": "Do the jobs of a service whose folder and store this machine shares.",
    "ais": "Compare ships with AIS, which ships broadcast by radio.",
    "data": "Get scenes and data sets, and turn annotations into masks and training data.",
    "remote": "Let a service compute scenes.",
    "serve": "Run geoships as a service: a map page, an API and workers.",
}
MODULES = {"quantize": "export", "models": "info", "worker": "serve"}


class NotImported(TyperCommand):
    """A command that `geoships --help` lists, and that is imported once it is called."""

    def imported(self) -> Any:
        """Return the command, or the group of commands, itself."""
        name = (self.name or "").replace("-", "_")
        command = getattr(import_module(f"geoships_cli.{MODULES.get(name, name)}"), name)
        if isinstance(command, typer.Typer):
            return get_group(command)
        alone = typer.Typer(add_completion=False)
        alone.command(self.name)(command)
        return get_command(alone)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Return the context of the command itself, which is what is run, completed or described."""
        return self.imported().make_context(info_name, args, parent, **extra)


class Commands(TyperGroup):
    """`geoships`: a group of `COMMANDS`, and of what was added to its app."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        listed = {name: NotImported(name, help=text) for name, text in COMMANDS.items()}
        self.commands = {**listed, **self.commands}


def command_tree(app: typer.Typer) -> Any:
    """Return the command of an app with everything below it imported, as docs and tests look through it."""
    tree: Any = get_command(app)
    tree.commands = {
        name: command.imported() if isinstance(command, NotImported) else command
        for name, command in tree.commands.items()
    }
    return tree

"""Runs the real command in this process: the entry point that the console script calls, with its exit codes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_models import fake_bundle
from geoships_cli.app import main

from geoships.model import bundle as bundles
from geoships.pipeline import batch, scene_run

FAKE = "brightness"  # name of the fake model, which finds what is bright in the red band
FAST = ("--device", "cpu", "--engine", "torch", "--precision", "fp32")
# what a command says of its scene, model and progress
NOTES = re.compile(
    r"(\S.*: [\d.]+ Mpix|(model|bands|reflectance|engine|verifier|sensitivity|plan)\b.*: .*|pixels of .*)"
)
LIMIT = 4_000  # characters of an error or warning, more of which nobody reads


def predict(scene: object, *options: object) -> list[object]:
    """Arguments of a prediction by the fake model."""
    return ["predict", scene, "--out", "out/ships.geojson", "--model", FAKE, *FAST, "--json", *options]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """Lines of errors."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]

    @property
    def warnings(self) -> list[str]:
        """Lines of warnings."""
        return [line for line in self.err.splitlines() if line.startswith("warning: ")]

    @property
    def summary(self) -> dict[str, Any]:
        """The summary of --json."""
        found: dict[str, Any] = json.loads(self.out)
        return found


class Command:
    """The command, in a folder of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capture = monkeypatch, capfd
        load = bundles.load_bundle
        for where in (bundles, batch, scene_run):
            monkeypatch.setattr(where, "load_bundle", lambda name=None: fake_bundle() if name == FAKE else load(name))

    def __call__(self, *arguments: object) -> Ended:
        """Run it; whatever it raises passes through."""
        self._patch.setattr(sys, "argv", ["geoships", *map(str, arguments)])
        self._capture.readouterr()
        with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
            patch.setenv("CPL_LOG", os.devnull)  # as the command does, but for this one run
            warnings.resetwarnings()  # as outside of tests, where no warning is an error
            for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
                warnings.simplefilter("ignore", category)
            try:
                main()
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        return Ended(code, *self._capture.readouterr())


def contents(folder: Path) -> dict[str, str]:
    """Checksum of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def unknown_lines(err: str) -> list[str]:
    """Lines of stderr that are no error, no warning and no note of geoships: of a library, or of a traceback."""
    return [
        line
        for line in err.splitlines()
        if line and not line.startswith(("error: ", "warning: ")) and not NOTES.match(line)
    ]

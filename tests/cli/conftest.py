"""The command line with a fake model."""

import sys
from pathlib import Path

import pytest
from fake_models import fake_bundle
from geoships_cli.app import main

from geoships.model import bundle as bundles
from geoships.model.installed import ModelChoice
from geoships.pipeline import batch, scene_run


@pytest.fixture
def geoships(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the command with a fake model; returns exit code, stdout and stderr."""
    for where in (bundles, batch, scene_run):
        monkeypatch.setattr(where, "load_bundle", lambda _=None: fake_bundle())
    monkeypatch.setattr(scene_run, "choose_model", lambda *_: ModelChoice(Path("fake"), "the only one"))

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["geoships", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run

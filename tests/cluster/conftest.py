"""Scenes, and a run over them with a fake model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_models import fake_bundle

from geoships.cluster.outcomes import Outcome
from geoships.cluster.run import RunOptions, RunResult, run_scenes
from geoships.config import PredictConfig
from geoships.model import bundle as bundles
from geoships.pipeline.batch import plan_outputs

CPU = PredictConfig(model="fake", device="cpu", engine="torch", precision="fp32", style=False)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., RunResult]:
    """Runs the scenes of a folder; returns what became of them."""
    monkeypatch.setattr(bundles, "load_bundle", lambda _=None: fake_bundle())

    def run(
        names: list[str], *, format: str = "geojson", rasters: bool = False, told: list[Outcome] | None = None,  # noqa: A002
        settings: dict[str, object] | None = None, overwrite: bool = False, **options: object,
    ) -> RunResult:  # fmt: skip
        jobs = plan_outputs([tmp_path / name for name in names], tmp_path / "out", format=format, rasters=rasters)
        config = CPU.model_copy(update={"overwrite": overwrite, **(settings or {})})
        on_outcome = told.append if told is not None else lambda _: None
        return run_scenes(jobs, tmp_path / "out", config, RunOptions(**options), on_outcome=on_outcome)  # type: ignore[arg-type]

    return run

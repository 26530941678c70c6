"""Scenes, and a run over them with a fake model."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing import forkserver as forkservers
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest
from fake_models import fake_bundle

from geoships.cluster.outcomes import Outcome
from geoships.cluster.run import RunOptions, RunResult, run_scenes
from geoships.config import PredictConfig
from geoships.model import bundle as bundles
from geoships.pipeline.batch import plan_outputs

TESTS = Path(__file__).parents[1]
IMPORTED = ("cluster_jobs", "geoships.cluster.run", "geoships.pipeline.batch", "geopandas", "pyogrio", "torch._dynamo")
CPU = PredictConfig(model="fake", device="cpu", engine="torch", precision="fp32", style=False)


@pytest.fixture(scope="session")
def forkserver() -> BaseContext:
    """Starts processes that need not import everything again."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(TESTS))  # the server does not know sys.path when it imports
        forkservers.ensure_running()
    return context


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

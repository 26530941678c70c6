"""Fixtures for all tests."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from geoships.model.bundle import load_bundle

if "PYTEST_XDIST_WORKER" in os.environ:  # a core for each process of the tests: more threads wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

TESTS = Path(__file__).parent
REPOSITORY = TESTS.parent
# what the processes of tests need: runs over scenes, commands, trainings, and a watch
IMPORTED = (
    "cluster_jobs", "geoships.cluster.run", "geoships.pipeline.batch", "geopandas", "pyogrio", "torch._dynamo",
    "command_jobs", "training_jobs", "geoships.workflows.study.runs", "watch_jobs", "geoships.places.over_time",
)  # fmt: skip

# Files that take longest, which are begun first: begun last, one would leave the other processes without work.
LONGEST = (
    "fuzz/test_fuzz.py", "service/test_map_page.py", "cluster/test_ray.py", "corpus/test_corpus.py",
    "test_installed_model.py", "project/test_lean.py", "workflows/test_finish.py", "training/segmentation/test_fit.py",
    "faults/test_nth_operation.py", "workflows/test_predict_chips.py", "docs/test_examples.py",
    "docs/test_commands.py", "cli/test_commands.py", "workflows/test_study.py", "workflows/test_view_browser.py",
)  # fmt: skip

collect_ignore = ["qgis_classes.py", "qgis_report.py", "qgis_service.py"]  # run in QGIS's Python


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; each file is one piece of work of a process."""
    ranks = {TESTS / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(LONGEST)))


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps converted models in a cache of the tests, which their processes share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """Puts back who hears the log: a command that a test runs in this process may have changed it."""
    logger = logging.getLogger("geoships")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.fixture(autouse=True)
def engines() -> Iterator[None]:
    """Forgets engines that stay open in this process, so that a test finds none of an earlier one."""
    yield
    opened = sys.modules.get("geoships.model.engines.opened")
    if opened is not None:
        opened.OPEN_ENGINES.clear()


@pytest.fixture(autouse=True)
def bundles() -> Iterator[None]:
    """Puts back what loads bundles: a module that was first imported beside a fake one would keep it for all tests."""
    yield
    for name, module in list(sys.modules.items()):
        if name.startswith("geoships") and "load_bundle" in vars(module):
            module.load_bundle = load_bundle  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def forkserver() -> BaseContext:
    """Starts processes that need not import everything again."""
    from multiprocessing import forkserver as forkservers  # Windows has none

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(TESTS))  # the server does not know sys.path when it imports
        forkservers.ensure_running()
    return context


@pytest.fixture
def children() -> Callable[[], list[BaseProcess]]:
    """Gives this process's children that the test has started; other tests keep processes of their own."""
    before = set(multiprocessing.active_children())
    return lambda: [process for process in multiprocessing.active_children() if process not in before]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real imagery: $GEOSHIPS_SHARED/data, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("GEOSHIPS_SHARED", REPOSITORY.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"no real imagery in {folder}; set GEOSHIPS_SHARED to the folder that holds data/")
    return folder

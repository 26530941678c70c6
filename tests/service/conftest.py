"""Services of tests: their store, and their HTTP side in this process.

With GEOSHIPS_TEST_STORE=postgres all services of this folder have their store in a PostgreSQL that the tests start.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from postgres import INSTALLED, postgres_server
from served import Served

from geoships.service.folders import new_identity
from geoships.service.store.store import Store


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    if not INSTALLED:
        pytest.skip("PostgreSQL's initdb and postgres are not installed (Debian: postgresql)")
    with postgres_server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | Path]:
    """Where a store is that is empty: a file, or a database of its own."""
    if request.param == "sqlite":
        yield tmp_path / "service.sqlite"
        return
    with _new_database(request.getfixturevalue("postgres")) as address:
        yield address


@contextmanager
def _new_database(server: str) -> Iterator[str]:
    """The address of an empty database of a server, which is removed at the end."""
    import psycopg

    name = f"d{new_identity().replace('-', '')}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield server.replace("/postgres?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _store_of_service(request: pytest.FixtureRequest, stack: ExitStack) -> dict[str, Any]:
    """Settings of the store of one service."""
    if os.environ.get("GEOSHIPS_TEST_STORE") != "postgres":
        return {}
    return {"database": stack.enter_context(_new_database(request.getfixturevalue("postgres")))}


@pytest.fixture
def store(place: str | Path) -> Iterator[Store]:
    opened = Store.open(place)
    yield opened
    opened.close()


@pytest.fixture
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Makes services; settings are keywords."""
    with ExitStack() as stack:
        yield lambda **settings: Served(tmp_path, stack, **{**_store_of_service(request, stack), **settings})


@pytest.fixture
def service(served: Callable[..., Served]) -> Served:
    return served()


@pytest.fixture(scope="module")
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    """A service with a job that is done, and the address of the job; for tests that only read."""
    with ExitStack() as stack:
        service = Served(tmp_path_factory.mktemp("service"), stack, **_store_of_service(request, stack))
        assert service.send().status_code == 201
        yield service, f"/jobs/{service.do().id}"

"""Services of tests: their store, and their HTTP side in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

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
    import psycopg

    address, name = request.getfixturevalue("postgres"), f"d{new_identity().replace('-', '')}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield address.replace("/postgres?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(place: str | Path) -> Iterator[Store]:
    opened = Store.open(place)
    yield opened
    opened.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Makes services; settings are keywords."""
    with ExitStack() as stack:
        yield lambda **settings: Served(tmp_path, stack, **settings)


@pytest.fixture
def service(served: Callable[..., Served]) -> Served:
    return served()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    """A service with a job that is done, and the address of the job; for tests that only read."""
    with ExitStack() as stack:
        service = Served(tmp_path_factory.mktemp("service"), stack)
        assert service.send().status_code == 201
        yield service, f"/jobs/{service.do().id}"

"""The database that reads and sorts messages: it spills to disk, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from geoships.errors import GeoshipsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MISSING = "AIS needs more packages: pip install 'geoships[ais]'"
MEMORY = "384MB"


@contextmanager
def database(folder: Path) -> Iterator[DuckDBPyConnection]:
    """Open an empty database.

    Args:
        folder: For what does not fit in memory.

    Yields:
        The connection, with UTC as its time zone.

    Raises:
        GeoshipsError: The package duckdb is not installed.
    """
    try:
        import duckdb
    except ModuleNotFoundError as error:
        raise GeoshipsError(MISSING) from error
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "temp_directory": str(folder),
        "preserve_insertion_order": "false",
        "autoinstall_known_extensions": "false",  # nothing is fetched from elsewhere
    }
    connection = duckdb.connect(config=config)
    try:
        connection.execute("SET TimeZone = 'UTC'")  # of times without a zone
        yield connection
    finally:
        connection.close()


def text(value: str | Path) -> str:
    """A text as SQL.

    >>> text("it's")
    "'it''s'"
    """
    return "'" + str(value).replace("'", "''") + "'"


def name(column: str) -> str:
    """A column's name as SQL.

    >>> print(name("Ship type"), name('a"b'))
    "Ship type" "a""b"
    """
    return '"' + column.replace('"', '""') + '"'

"""Connections to SQLite and PostgreSQL that take the same SQL: parameters are written `:name`, the time `{now}`."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from geoships.errors import GeoshipsError

Row = dict[str, Any]
Values = Mapping[str, Any]

PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")
WAITING = 30.0  # s that a writer waits for another one


class StoreError(GeoshipsError):
    """The store cannot be opened or used."""


class Database(Protocol):
    """What the store needs of a database."""

    locks_rows: bool  # whether rows are locked one by one, or the whole database is

    def transaction(self, *, writes: bool = True) -> Any:
        """A transaction as a context manager, which yields a function `run(sql, values) -> rows`."""

    def lock_schema(self, run: Run) -> None:
        """Let no other process change the tables until the transaction ends."""

    def close(self) -> None:
        """Close all connections."""


class Run(Protocol):
    """Runs one statement."""

    def __call__(self, sql: str, values: Values | None = None) -> list[Row]:
        """Return its rows, by name of the column."""


class SqliteDatabase:
    """A file with a write-ahead log, so that readers never wait for a writer. One connection a thread.

    Args:
        path: The file, which need not exist.

    Raises:
        StoreError: It cannot be opened.
    """

    locks_rows = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._opening = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{path}: the store cannot be opened ({error}); check the folder and its disk") from error

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if found is None:
            found = sqlite3.connect(self._path, timeout=WAITING, isolation_level=None, check_same_thread=False)
            found.row_factory = sqlite3.Row
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                found.execute(f"PRAGMA {pragma}")
            found.create_function("now_seconds", 0, time.time)
            self._own.connection = found
            with self._opening:
                self._opened.append(found)
        return found

    @contextmanager
    def transaction(self, *, writes: bool = True) -> Iterator[Run]:
        """A transaction; one that writes takes its lock at once, so that what it reads stays true."""
        connection = self._connection()

        def run(sql: str, values: Values | None = None) -> list[Row]:
            return [dict(row) for row in connection.execute(sql.replace("{now}", "now_seconds()"), dict(values or {}))]

        connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        try:
            yield run
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def lock_schema(self, run: Run) -> None:
        """Nothing to do: a transaction that writes has locked the file."""

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._opening:
            for connection in self._opened:
                connection.close()
            self._opened.clear()
        self._own = threading.local()


class PostgresDatabase:
    """A PostgreSQL database for services of several machines. One connection a thread, opened again when it broke.

    Args:
        address: ``postgresql://user:password@host/database``, or what libpq takes besides.

    Raises:
        StoreError: psycopg is not installed, or the server does not answer.
    """

    locks_rows = True

    def __init__(self, address: str) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise StoreError("PostgreSQL needs psycopg: pip install 'geoships[serve,postgres]'") from error
        self._psycopg = psycopg
        self._address = address
        self._own = threading.local()
        self._opened: list[Any] = []
        self._opening = threading.Lock()
        self._connection()

    def _connection(self) -> Any:
        found = getattr(self._own, "connection", None)
        if found is not None and not found.closed and not found.broken:
            return found
        from psycopg.rows import dict_row

        try:
            found = self._psycopg.connect(self._address, autocommit=True, row_factory=dict_row, connect_timeout=10)
        except self._psycopg.Error as error:
            raise StoreError(
                f"PostgreSQL does not answer ({_kind(error)}); check its address and that it runs"
            ) from error
        self._own.connection = found
        with self._opening:
            self._opened = [*(each for each in self._opened if not each.closed), found]
        return found

    @contextmanager
    def transaction(self, *, writes: bool = True) -> Iterator[Run]:  # noqa: ARG002 - rows are locked as they are changed
        """A transaction at the level READ COMMITTED."""
        connection = self._connection()

        def run(sql: str, values: Values | None = None) -> list[Row]:
            text = PARAMETER.sub(r"%(\1)s", sql.replace("{now}", "extract(epoch FROM clock_timestamp())::float8"))
            cursor = connection.execute(text, dict(values or {}))
            return list(cursor.fetchall()) if cursor.description else []

        try:
            with connection.transaction():
                yield run
        except self._psycopg.OperationalError as error:
            raise StoreError(f"PostgreSQL does not answer ({_kind(error)})") from error

    def lock_schema(self, run: Run) -> None:
        """Take a lock of the database's own."""
        run("SELECT pg_advisory_xact_lock(7205759)")

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._opening:
            for connection in self._opened:
                connection.close()
            self._opened.clear()
        self._own = threading.local()


def _kind(error: Exception) -> str:
    """What went wrong, without the address and its password."""
    return type(error).__name__


def open_database(place: str | Path) -> SqliteDatabase | PostgresDatabase:
    """The database at an address or in a file.

    Args:
        place: A file, or an address that begins with ``postgresql://``.

    Raises:
        StoreError: It cannot be opened.
    """
    text = str(place)
    if text.startswith(("postgresql://", "postgres://")):
        return PostgresDatabase(text)
    if "://" in text:
        raise StoreError(f"{text.partition('://')[0]}:// is no database that geoships knows; give postgresql://")
    return SqliteDatabase(Path(text))

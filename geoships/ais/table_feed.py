"""Reads AIS messages from tables: CSV and Parquet, of MarineCadastre, the Danish authority, or any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoships.ais.columns import choose_columns
from geoships.ais.database import name, text
from geoships.ais.identity import sql_is_aid, sql_reason
from geoships.ais.messages import LeftOut, MessageCounts
from geoships.ais.wanted import Wanted
from geoships.errors import GeoshipsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DANISH_TIME = "%d/%m/%Y %H:%M:%S"
_NUMBERS = ("sog", "cog", "heading", "length", "width", "bow", "stern")
_MILLISECONDS = 1e11  # numbers of seconds do not grow so large


@dataclass(frozen=True)
class Source:
    """A table as the database sees it.

    Attributes:
        path: The file that the user named, for errors.
        relation: SQL that reads it.
        types: SQL type of each column, by name.
        decimal_comma: Whether numbers may have a comma.
    """

    path: Path
    relation: str
    types: Mapping[str, str]
    decimal_comma: bool = False


def stage_table(
    connection: DuckDBPyConnection,
    source: Source,
    wanted: Wanted,
    out: Path,
    *,
    columns: Mapping[str, str],
    time_format: str | None,
) -> MessageCounts:
    """Write the wanted messages of a table to a Parquet file with the columns of SCHEMA.

    Args:
        connection: The database.
        source: The table.
        wanted: Which messages are wanted.
        out: The file to write.
        columns: Names of columns that the user gives, by kind.
        time_format: How times are written, as for strptime; None for the usual forms.

    Returns:
        The messages of the table, and those left out.

    Raises:
        GeoshipsError: The table lacks a column, or cannot be read.
    """
    chosen = choose_columns(list(source.types), columns, source.path)
    kept = ("mmsi", "t", "lon", "lat", "sog", "cog", "heading", "aid", "name", "length", "width", "bow", "stern")
    values = ", ".join(f"CASE WHEN reason IS NULL THEN {column} END AS {column}" for column in kept)
    messages = f"SELECT *, {_reason(wanted)} AS reason FROM ({_values(source, chosen, time_format)})"
    # The table is read once: what is left out is written as its reason alone, which takes next to no room.
    every = out.with_suffix(".every")
    try:
        connection.execute(f"COPY (SELECT {values}, reason FROM ({messages})) TO {text(every)} (FORMAT parquet)")
        rejected = _rejected(connection)
        read = f"FROM read_parquet({text(every)})"
        rows = connection.execute(f"SELECT reason, count(*) {read} GROUP BY reason").fetchall()
        wanted_rows = f"SELECT {', '.join(kept)} {read} WHERE reason IS NULL"
        connection.execute(f"COPY ({wanted_rows}) TO {text(out)} (FORMAT parquet)")
    except Exception as error:  # the database's own errors have no common base but Exception's
        raise GeoshipsError(f"cannot read AIS from {source.path}: {_first_line(error)}") from error
    every.unlink()
    counts = MessageCounts(read=sum(count for _, count in rows) + rejected)
    counts.left_out.update({LeftOut(reason): count for reason, count in rows if reason is not None})
    if rejected:
        counts.left_out[LeftOut.UNREADABLE] += rejected
    return counts


def _rejected(connection: DuckDBPyConnection) -> int:
    """Rows that did not fit the table, since the last call."""
    tables = {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if "reject_errors" not in tables:
        return 0
    row: Any = connection.execute("SELECT count(DISTINCT line) FROM reject_errors").fetchone()
    connection.execute("DROP TABLE reject_errors")
    connection.execute("DROP TABLE IF EXISTS reject_scans")
    return int(row[0])


def _values(source: Source, chosen: Mapping[str, str], time_format: str | None) -> str:
    """SQL of the table's values in the columns of SCHEMA, and `kind`."""

    def number(kind: str, sql_type: str) -> str:
        if kind not in chosen:
            return f"CAST(NULL AS {sql_type})"
        value = name(chosen[kind])
        if source.types[chosen[kind]] != "VARCHAR":
            return f"TRY_CAST({value} AS {sql_type})"
        value = f"trim({value}, ' \"')"
        return f"TRY_CAST({f'replace({value}, chr(44), chr(46))' if source.decimal_comma else value} AS {sql_type})"

    vessel = f"upper(trim({name(chosen['name'])}, ' \"@'))" if "name" in chosen else "CAST(NULL AS VARCHAR)"
    # A quoted name that holds the delimiter is cut there, and the columns after it are one off.
    whole = f"coalesce({name(chosen['name'])} NOT SIMILAR TO '\"[^\"]*', TRUE)" if "name" in chosen else "TRUE"
    mobile = f"lower({name(chosen['kind'])})" if "kind" in chosen else "CAST(NULL AS VARCHAR)"
    size = {"length", "width", "bow", "stern"}
    values = [f"{number('mmsi', 'BIGINT')} AS number", f"{_seconds(source, chosen, time_format)} AS t"]
    values += [f"{number(kind, 'DOUBLE')} AS {kind}" for kind in ("lon", "lat")]
    values += [
        f"CASE WHEN {whole} THEN {number(kind, 'FLOAT')} END AS {kind}" if kind in size else
        f"{number(kind, 'FLOAT')} AS {kind}" for kind in _NUMBERS
    ]  # fmt: skip
    values += [f"nullif({vessel}, '') AS name", f"{mobile} AS mobile"]
    return (
        f"SELECT *, CAST(number AS UINTEGER) AS mmsi, "
        f"{sql_is_aid('number')} OR coalesce(mobile = 'aton', FALSE) AS aid "
        f"FROM (SELECT * REPLACE (CASE WHEN number BETWEEN 0 AND 4294967295 THEN number END AS number) "
        f"FROM (SELECT {', '.join(values)} FROM {source.relation}))"
    )


def _seconds(source: Source, chosen: Mapping[str, str], time_format: str | None) -> str:
    """SQL of the time in seconds since 1970: times without a zone are UTC."""
    value, kind = name(chosen["time"]), source.types[chosen["time"]]
    if kind.startswith(("TIMESTAMP", "DATE")):
        return f"epoch_us({value}) / 1e6"
    if kind != "VARCHAR":
        number = f"CAST({value} AS DOUBLE)"
        return f"CASE WHEN {number} > {_MILLISECONDS} THEN {number} / 1000 ELSE {number} END"
    value = f"trim({value}, ' \"')"
    if time_format or "kind" in chosen:
        written = f"epoch(try_strptime({value}, {text(time_format or _DANISH_TIME)}))"
        return written if time_format else f"coalesce({written}, epoch(TRY_CAST({value} AS TIMESTAMPTZ)))"
    number = f"TRY_CAST({value} AS DOUBLE)"
    number = f"CASE WHEN {number} > {_MILLISECONDS} THEN {number} / 1000 ELSE {number} END"
    return f"coalesce(epoch(TRY_CAST({value} AS TIMESTAMPTZ)), {number})"


def _reason(wanted: Wanted) -> str:
    """SQL of the first reason to leave a message out; NULL for one that takes part."""
    spans = " OR ".join(f"t BETWEEN {start} AND {end}" for start, end in wanted.spans) or "FALSE"
    cells = ", ".join(map(str, sorted(wanted.cells))) or "-1"
    cell = "CAST(floor(lat + 90) AS INTEGER) * 360 + (CAST(floor(lon + 180) AS INTEGER) % 360)"
    return f"""CASE
        WHEN t IS NULL OR NOT isfinite(t) THEN '{LeftOut.NO_TIME}'
        WHEN mobile = 'base station' THEN '{LeftOut.BASE_STATION}'
        WHEN mobile = 'sar airborne' THEN '{LeftOut.AIRCRAFT}'
        WHEN mobile IN ('search and rescue transponder', 'man overboard device') THEN '{LeftOut.BEACON}'
        {sql_reason("number")}
        WHEN lon IS NULL OR lat IS NULL OR NOT (abs(lon) <= 180 AND abs(lat) <= 90) OR (lon = 0 AND lat = 0)
            THEN '{LeftOut.NO_POSITION}'
        WHEN NOT ({spans}) THEN '{LeftOut.OTHER_TIME}'
        WHEN {cell} NOT IN ({cells}) THEN '{LeftOut.OTHER_PLACE}'
    END"""


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")

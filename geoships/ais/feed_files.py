"""Opens files of AIS messages: what they hold is told by their first bytes, not by their names."""

from __future__ import annotations

import csv
import gzip
import io
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from geoships.ais.columns import choose_columns
from geoships.ais.database import text
from geoships.ais.table_feed import Source
from geoships.errors import GeoshipsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

HEAD = 1 << 16  # bytes that are looked at
MAX_LINE = 1 << 16  # bytes of a line of a table; what is longer is unreadable
SENTENCE = re.compile(rb"![A-Z]{2}VD[MO],")
_COMPRESSION = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_ZIP = b"PK\x03\x04"
_NAMES = (".csv", ".txt", ".nmea", ".nm4", ".ais", ".log", ".parquet", ".geoparquet", ".zip", ".gz", ".zst", ".dat")


def find_feeds(names: Iterable[str | Path]) -> list[Path]:
    """The files of AIS that are named: files, folders, and patterns such as ``ais/*.csv``.

    Raises:
        GeoshipsError: One of them is no file, or there is none at all.
    """
    found: list[Path] = []
    for given in map(Path, names):
        if given.is_file():
            files = [given]
        elif given.is_dir():
            files = sorted(path for path in given.iterdir() if path.is_file() and path.suffix.lower() in _NAMES)
        else:
            anchor = Path(given.anchor or ".")
            files = sorted(path for path in anchor.glob(str(given.relative_to(given.anchor))) if path.is_file())
        if not files:
            raise GeoshipsError(f"there is no file of AIS at {given}; name files, a folder or a pattern in quotes")
        found += files
    if not found:
        raise GeoshipsError("no file of AIS is named")
    return list(dict.fromkeys(found))


def unpacked(path: Path, folder: Path) -> Iterator[Path]:
    """Yield the file, or one after the other the files of a zip archive, which are unpacked into the folder.

    Raises:
        GeoshipsError: The archive is damaged.
    """
    with path.open("rb") as file:
        if file.read(len(_ZIP)) != _ZIP:
            yield path
            return
    try:
        with zipfile.ZipFile(path) as archive:
            for number, member in enumerate(info for info in archive.infolist() if not info.is_dir()):
                out = folder / f"unpacked-{number}{Path(member.filename).suffix}"
                with archive.open(member) as packed, out.open("wb") as plain:
                    shutil.copyfileobj(packed, plain, 1 << 20)
                yield out
                out.unlink(missing_ok=True)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise GeoshipsError(f"cannot unpack {path}: {error}; get it again") from error


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading, unpacked if it is compressed by gzip or Zstandard."""
    compression = _compression(path)
    if compression == "gzip":
        return cast(IO[bytes], gzip.open(path))  # gives what comes before the place where a file is damaged
    return cast(IO[bytes], io.BufferedReader(pa.input_stream(str(path), compression=compression), 1 << 16))


def _compression(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(4)
    return next((kind for magic, kind in _COMPRESSION.items() if start.startswith(magic)), None)


def read_head(path: Path) -> bytes:
    """The first bytes of a file, unpacked; all that can be unpacked of a damaged one.

    Raises:
        GeoshipsError: The file is empty or cannot be read.
    """
    try:
        with open_bytes(path) as file:
            head = file.read(HEAD)
    except (OSError, EOFError, pa.ArrowException) as error:
        raise GeoshipsError(f"cannot read {path}: {error}") from error
    if not head.strip(b"\x00 \r\n\t"):
        raise GeoshipsError(f"{path} is empty: it holds no AIS")
    return head


def is_sentences(head: bytes) -> bool:
    """Whether a file holds NMEA sentences of AIS."""
    return SENTENCE.search(head) is not None


def csv_source(path: Path, head: bytes, folder: Path) -> Source:
    """A CSV file as a table, whose columns are all text.

    Args:
        path: The file, which may be compressed.
        head: Its first bytes, unpacked.
        folder: For a link to the file, where its name would be a pattern to the database.

    Raises:
        GeoshipsError: The file is no table.
    """
    lines = head.decode("utf-8-sig", errors="replace").splitlines()
    line = next((line for line in lines if line.strip()), "")
    delimiter = max(",;\t|", key=line.count)
    header = [column.strip() for column in next(csv.reader([line], delimiter=delimiter), [])]
    if len(header) < 4 or "\x00" in line:
        raise GeoshipsError(f"{path} holds neither AIS sentences nor a table with a header: is it a file of AIS?")
    header = _distinct(header)
    columns = ", ".join(f"{text(column)}: 'VARCHAR'" for column in header)
    quote = '"' if re.search(f'"[^"\n]*{re.escape(delimiter)}[^"\n]*"', "\n".join(lines[1:])) else ""
    compression = _compression(path) or "none"
    # Not strict, and without quotes where no value needs them: a stray quote would swallow the lines after it.
    relation = (
        f"read_csv({text(_plain_name(path, folder))}, columns={{{columns}}}, auto_detect=false, header=true, "
        f"delim={text(delimiter)}, quote={text(quote)}, escape={text(quote)}, compression={text(compression)}, "
        f"max_line_size={MAX_LINE}, strict_mode=false, store_rejects=true, rejects_limit=0)"
    )
    return Source(path, relation, dict.fromkeys(header, "VARCHAR"), decimal_comma=delimiter != ",")


def parquet_source(connection: DuckDBPyConnection, path: Path, folder: Path, columns: dict[str, str]) -> Source:
    """A Parquet file as a table; points of GeoParquet become columns of longitude and latitude where it has none.

    Raises:
        GeoshipsError: The file cannot be read, or lacks columns.
    """
    try:
        schema = pq.read_schema(path)
        chosen = choose_columns(schema.names, columns, path)
        if not {"lon", "lat"} <= set(chosen):
            relation = _with_points(path, chosen["geometry"], folder)
        else:
            relation = f"read_parquet({text(_plain_name(path, folder))})"
        rows = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    except GeoshipsError:
        raise
    except Exception as error:  # pyarrow's, shapely's and the database's
        raise GeoshipsError(f"cannot read AIS from {path}: {str(error).splitlines()[0]}") from error
    return Source(path, relation, {str(row[0]): str(row[1]) for row in rows})


def _with_points(path: Path, geometry: str, folder: Path) -> str:
    """SQL of a copy of the table with lon and lat in place of the points."""
    out = folder / f"points-{len(list(folder.iterdir()))}.parquet"
    with pq.ParquetFile(path) as file:
        writer = None
        for batch in file.iter_batches(batch_size=200_000):
            points = shapely.from_wkb(batch.column(geometry).to_numpy(zero_copy_only=False), on_invalid="ignore")
            table = pa.Table.from_batches([batch]).drop_columns([geometry])
            for column, values in (("lon", shapely.get_x(points)), ("lat", shapely.get_y(points))):
                table = table.append_column(column, pa.array(values))
            writer = writer or pq.ParquetWriter(out, table.schema)
            writer.write_table(table)
        if writer is None:
            raise GeoshipsError(f"{path} is empty: it holds no AIS")
        writer.close()
    return f"(SELECT * REPLACE (nullif(lon, 'NaN'::DOUBLE) AS lon) FROM read_parquet({text(out)}))"


def _plain_name(path: Path, folder: Path) -> Path:
    """The path, or that of a link to it where the path is a pattern to the database."""
    if not set("*?[]{}") & set(str(path)):
        return path
    link = folder / f"link-{len(list(folder.iterdir()))}{path.suffix}"
    link.symlink_to(path.resolve())
    return link


def _distinct(header: list[str]) -> list[str]:
    """Column names that are all different, for a database without case."""
    seen: set[str] = set()
    names = []
    for number, column in enumerate(header):
        unique = column or f"column{number}"
        while unique.lower() in seen:
            unique += "_"
        seen.add(unique.lower())
        names.append(unique)
    return names

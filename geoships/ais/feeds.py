"""Reads feeds of AIS, whatever their form, into one store that is sorted by vessel and time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from geoships.ais.database import text
from geoships.ais.feed_files import csv_source, is_sentences, parquet_source, read_head, unpacked
from geoships.ais.messages import KNOT, SCHEMA, LeftOut, MessageCounts
from geoships.ais.sentence_feed import stage_sentences
from geoships.ais.table_feed import stage_table
from geoships.ais.tracks import Fixes, Floats
from geoships.ais.wanted import Wanted
from geoships.errors import GeoshipsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STEP = 10  # seconds: of a vessel's reports in quick succession one is kept
ROWS = 250_000  # reports that are in memory at one time

# Values that stand for "not available" become null; 0.5 degrees keep two vessels that share a number apart.
_FIXES = f"""
    SELECT DISTINCT ON (mmsi, floor(t / {STEP}), floor(lon * 2), floor(lat * 2)) mmsi, t, lon, lat,
        CASE WHEN sog >= 0 AND sog < 102.2 THEN sog END AS sog,
        CASE WHEN cog >= 0 AND cog < 360 THEN cog END AS cog,
        CASE WHEN heading >= 0 AND heading < 360 THEN heading END AS heading
    FROM {{staged}} WHERE lon IS NOT NULL AND NOT aid
"""
_PARTICULARS = """
    SELECT mmsi, mode(name) AS name, mode(nullif(length, 0)) AS length, mode(nullif(width, 0)) AS width,
        mode(CASE WHEN bow > 0 AND stern > 0 THEN bow END) AS bow,
        mode(CASE WHEN bow > 0 AND stern > 0 THEN stern END) AS stern
    FROM {staged} WHERE NOT aid AND (name IS NOT NULL OR length IS NOT NULL OR bow IS NOT NULL) GROUP BY mmsi
"""
_AIDS = "SELECT mmsi, mode(name) AS name, median(lon) AS lon, median(lat) AS lat FROM {staged} WHERE aid GROUP BY mmsi"


@dataclass
class Feeds:
    """All wanted messages of several feeds.

    Attributes:
        counts: Messages read and left out.
        files: Number of messages that take part, by name of the file.
    """

    connection: DuckDBPyConnection
    folder: Path
    counts: MessageCounts = field(default_factory=MessageCounts)
    files: dict[str, int] = field(default_factory=dict)

    def read(self, path: Path, wanted: Wanted, columns: Mapping[str, str], time_format: str | None) -> None:
        """Read a file: sentences, CSV or Parquet, or an archive of them.

        Args:
            path: The file.
            wanted: Which messages are wanted.
            columns: Names of columns that the user gives, by kind.
            time_format: How a table's times are written, as for strptime; None for the usual forms.

        Raises:
            GeoshipsError: The file cannot be read.
        """
        try:
            for file in unpacked(path, self.folder):
                counts = self._stage(file, wanted, columns, time_format)
                self.counts.add(counts)
                self.files[str(path)] = self.files.get(str(path), 0) + counts.used
        except OSError as error:
            reason = error.strerror or error
            raise GeoshipsError(f"cannot read {path}: {reason}; check it, and the space in {self.folder}") from error

    def _stage(self, file: Path, wanted: Wanted, columns: Mapping[str, str], time_format: str | None) -> MessageCounts:
        out = self.folder / f"messages-{len(self.files)}-{file.name[:40].encode().hex()}.staged"
        head = read_head(file)
        if is_sentences(head):
            return stage_sentences(file, wanted, out)
        source = (
            parquet_source(self.connection, file, self.folder, dict(columns))
            if head.startswith(b"PAR1")
            else csv_source(file, head, self.folder)
        )
        return stage_table(self.connection, source, wanted, out, columns=columns, time_format=time_format)

    def particulars(self) -> pd.DataFrame:
        """Name (text), length, width, bow and stern in metres, by MMSI: what most messages of each vessel say."""
        return self.connection.execute(self._query(_PARTICULARS)).df().set_index("mmsi")

    def aids(self) -> pd.DataFrame:
        """Aids to navigation: mmsi, name, lon, lat."""
        return self.connection.execute(self._query(_AIDS)).df()

    def fixes(self) -> Iterator[Fixes]:
        """Yield position reports of many vessels at a time, sorted by vessel and time; no vessel is divided.

        What repeats another report is counted in `counts`.
        """
        staged = self._query("SELECT count(*) FROM {staged} WHERE lon IS NOT NULL AND NOT aid")
        (total,) = self.connection.execute(staged).fetchone() or (0,)
        out = self.folder / "fixes.sorted"
        order = f"{self._query(_FIXES)} ORDER BY mmsi, t"
        self.connection.execute(f"COPY ({order}) TO {text(out)} (FORMAT parquet, ROW_GROUP_SIZE {ROWS // 2})")
        kept = 0
        for table in _by_vessel(out):
            kept += table.num_rows
            yield _as_fixes(table)
        self.counts.left_out[LeftOut.REPEATED] += total - kept

    def _query(self, query: str) -> str:
        files = ", ".join(text(path) for path in sorted(self.folder.glob("*.staged")))
        return query.format(staged=f"read_parquet([{files}])")


def stage_empty(folder: Path) -> None:
    """Write a file without messages, so that a store whose feeds hold none can be asked like any other."""
    pq.write_table(pa.Table.from_pylist([], SCHEMA), folder / "none.staged")


def _by_vessel(path: Path) -> Iterator[pa.Table]:
    """Yield tables of about ROWS rows, cut between two vessels."""
    held: list[pa.Table] = []
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS // 2):
            held.append(pa.Table.from_batches([batch]))
            if sum(table.num_rows for table in held) < ROWS:
                continue
            table = pa.concat_tables(held)
            mmsi = table.column("mmsi").to_numpy()
            cut = int(np.searchsorted(mmsi, mmsi[-1]))  # the last vessel may go on
            if cut:
                yield table.slice(0, cut)
                table = table.slice(cut)
            held = [table]
    table = pa.concat_tables(held) if held else None
    if table is not None and table.num_rows:
        yield table


def _as_fixes(table: pa.Table) -> Fixes:
    def column(name: str) -> Floats:
        return np.asarray(table.column(name).to_numpy(), np.float64)  # null becomes NaN

    return Fixes(
        table.column("mmsi").to_numpy().astype(np.int64), column("t"), column("lon"), column("lat"),
        column("sog") * KNOT, column("cog"), column("heading"),
    )  # fmt: skip

"""What a run over many scenes has left: its summary, and the list of its failures."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from geoships.cluster.manifest import Manifest
from geoships.cluster.outcomes import Outcome
from geoships.cluster.run import RunResult
from geoships.support.files import atomic_write, output_errors
from geoships.support.remote.address import RemotePath
from geoships.support.remote.objects import delete, write

FAILURES = "failures.csv"
COLUMNS = ("scene", "place", "reason", "attempts", "finished")


def write_failures(out_dir: Path, result: RunResult) -> Path | None:
    """Write the scenes of the manifest that failed, and those that this run refused, as ``failures.csv``.

    The failures of other runs on the same folder, such as other shards, are among them. Without any failure the file
    of an earlier run is removed.

    Args:
        out_dir: Folder of the outputs.
        result: What became of the scenes of this run.

    Returns:
        The file; None where nothing failed.

    Raises:
        OutputError: The file cannot be written.
    """
    rows = {
        record.place: (record.scene, record.place, record.reason or "", str(record.attempts), record.finished)
        for record in Manifest(out_dir).records()
        if record.state == "failed"
    }
    rows |= {
        one.place: (one.scene, one.place, one.reason, "0", "") for one in result.outcomes if one.state == "refused"
    }
    path = out_dir / FAILURES
    if not rows:
        _remove(path)
        return None
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(rows[place] for place in sorted(rows))
    if isinstance(path, RemotePath):
        write(path, text.getvalue().encode())
    else:
        with atomic_write(path) as temporary:
            temporary.write_bytes(text.getvalue().encode())
    return path


def _remove(path: Path) -> None:
    if isinstance(path, RemotePath):
        delete(path)
        return
    with output_errors(path):
        path.unlink(missing_ok=True)


def summary_table(result: RunResult) -> str:
    """One line for each kind of outcome, with numbers of scenes, ships, megapixels and seconds of work."""
    lines = [("", "scenes", "ships", "Mpix", "seconds")]
    for state in ("done", "done before", "failed", "failed before", "refused"):
        found = [one for one in result.outcomes if one.state == state]
        if found:
            lines.append((state, str(len(found)), *_totals(found)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        " ".join(
            [line[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    )


def _totals(outcomes: list[Outcome]) -> tuple[str, str, str]:
    records = [one.record for one in outcomes if one.record is not None]
    return (
        str(sum(record.ships for record in records)),
        f"{sum(record.pixels for record in records) / 1e6:.1f}",
        f"{sum(record.seconds for record in records):.1f}",
    )


def summary_json(result: RunResult) -> dict[str, Any]:
    """The result as plain values for JSON: the summaries of all scenes that are done, and the failures."""
    done = [one for one in result.outcomes if one.record is not None and not one.failed]
    return {
        "scenes": [{**one.record.summary, "state": one.state, "place": one.place} for one in done if one.record],
        "failed": [one.scene for one in result.failed],
        "failures": [
            {"scene": one.scene, "place": one.place, "state": one.state, "reason": one.reason} for one in result.failed
        ],
        "seconds": round(result.seconds, 3),
    }

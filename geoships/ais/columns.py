"""Which column of a table holds what: by names that publishers of AIS use, or as the user says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from geoships.errors import GeoshipsError

# Names of columns without case, spaces and signs. MarineCadastre: BaseDateTime or base_date_time, LAT, VesselName;
# Danish Maritime Authority: # Timestamp, Type of mobile, A to D.
NAMES: dict[str, tuple[str, ...]] = {
    "mmsi": ("mmsi", "mmsinumber", "sourcemmsi", "shipmmsi", "vesselmmsi", "userid"),
    "time": ("basedatetime", "timestamp", "datetime", "datetimeutc", "timestamputc", "time", "timeutc", "msgtime", "t",
             "ts", "epoch", "unixtime", "receivedtime", "dateutc"),
    "lon": ("lon", "longitude", "lng", "long", "x"),
    "lat": ("lat", "latitude", "y"),
    "sog": ("sog", "speed", "speedoverground", "speedknots"),
    "cog": ("cog", "course", "courseoverground"),
    "heading": ("heading", "trueheading", "hdg"),
    "name": ("vesselname", "shipname", "name"),
    "length": ("length", "vessellength", "shiplength", "loa"),
    "width": ("width", "beam", "vesselwidth", "shipwidth"),
    "bow": ("a", "tobow", "dimbow", "dimensiona", "dima"),
    "stern": ("b", "tostern", "dimstern", "dimensionb", "dimb"),
    "kind": ("typeofmobile",),  # only the Danish tables have it, and write times as day/month/year
    "geometry": ("geometry", "geom"),
}  # fmt: skip
REQUIRED = ("mmsi", "time", "lon", "lat")


def parse_columns(texts: Sequence[str]) -> dict[str, str]:
    """Parse ``mmsi=MMSI,time=UTC`` as a mapping of what a column holds to its name.

    Raises:
        GeoshipsError: For a text of another form, and for an unknown kind of column.
    """
    found: dict[str, str] = {}
    for part in (part for line in texts for part in line.split(",") if part.strip()):
        kind, sign, column = (piece.strip() for piece in part.partition("="))
        if not sign or not column or kind not in NAMES:
            known = ", ".join(name for name in NAMES if name != "kind")
            raise GeoshipsError(f"cannot use the column {part!r}: write KIND=NAME, where KIND is one of {known}")
        found[kind] = column
    return found


def choose_columns(header: Sequence[str], given: Mapping[str, str], path: object) -> dict[str, str]:
    """Choose the columns of a table.

    Args:
        header: Names of its columns.
        given: Names that the user gives, by kind.
        path: The file, for errors.

    Returns:
        Name by kind; kinds that the table does not have are left out.

    Raises:
        GeoshipsError: A needed column is not found.
    """
    plain = {re.sub(r"[^a-z0-9]", "", column.lower()): column for column in reversed(header)}
    chosen = {kind: plain[alias] for kind, names in NAMES.items() for alias in reversed(names) if alias in plain}
    if not {"a", "b", "c", "d"} <= set(plain):  # a lone "a" may be anything
        for kind in ("bow", "stern"):
            if chosen.get(kind, "").lower() in ("a", "b"):
                del chosen[kind]
    for kind, column in given.items():
        if column not in header:
            raise GeoshipsError(f"{path} has no column {column!r} ({kind}); it has {', '.join(header)}")
        chosen[kind] = column
    missing = [kind for kind in REQUIRED if kind not in chosen]
    if missing and not ("geometry" in chosen and not {"mmsi", "time"} & set(missing)):
        raise GeoshipsError(
            f"cannot tell which columns of {path} hold {' and '.join(missing)}: give them, "
            f"as in --columns {missing[0]}=NAME; it has {', '.join(header)}"
        )
    return chosen

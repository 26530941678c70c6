"""Writes a day of AIS as a receiver logs it: NMEA sentences with tag blocks, many at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyais import encode_dict

STATIC = 0.08  # share of messages that tell name and size
CLASS_B = 5  # every fifth vessel
_ARMOUR = np.frombuffer(bytes([*range(48, 88), *range(96, 120)]), np.uint8)
_HEX = np.frombuffer(b"0123456789ABCDEF", np.uint8)
# Fields of types 1 and 18 (ITU-R M.1371): name and bits; None: zeros.
_FIELDS = {
    1: (("kind", 6), (None, 2), ("mmsi", 30), (None, 12), ("sog", 10), (None, 1), ("lon", 28), ("lat", 27), ("cog", 12),
        ("heading", 9), (None, 31)),
    18: (("kind", 6), (None, 2), ("mmsi", 30), (None, 8), ("sog", 10), (None, 1), ("lon", 28), ("lat", 27), ("cog", 12),
         ("heading", 9), (None, 35)),
}  # fmt: skip


def write_log(copies: Iterator[pd.DataFrame], path: Path) -> int:
    """Write messages; returns the number of lines.

    Args:
        copies: Tables of mmsi, t, lon, lat, sog, cog, heading, name, length, width.
        path: The file to write.
    """
    rng = np.random.default_rng(0)
    lines = 0
    with path.open("wb") as file:
        for table in copies:
            logged = log_lines(table, rng.random(len(table)) < STATIC)
            lines += len(logged)
            file.write(b"\r\n".join([*logged, b""]))
    return lines


def log_lines(messages: pd.DataFrame, static: NDArray[np.bool_]) -> list[bytes]:
    """The lines of messages; those of `static` tell name and size, in two sentences."""
    kinds = np.where(messages["mmsi"] % CLASS_B, 1, 18)
    found: NDArray[np.object_] = np.empty(len(messages), object)
    for kind in _FIELDS:
        rows = np.flatnonzero((kinds == kind) & ~static)
        found[rows] = _sentences(messages.iloc[rows], kind)
    parts: dict[int, list[str]] = {}
    for row in np.flatnonzero(static).tolist():
        one = messages.iloc[row]
        mmsi = int(one["mmsi"])
        if mmsi not in parts:
            parts[mmsi] = _static(one)
        tags = (_tag(f"g:1-2-{row},s:station,c:{int(one['t'])}"), _tag(f"g:2-2-{row},s:station"))
        found[row] = b"\r\n".join(tag + part.encode() for tag, part in zip(tags, parts[mmsi], strict=True))
    return b"\r\n".join(found).split(b"\r\n") if len(found) else []


def _static(one: pd.Series) -> list[str]:
    length, width = int(one["length"]), int(one["width"])
    return encode_dict({
        "type": 5, "mmsi": f"{int(one['mmsi']):09d}", "shipname": str(one["name"])[:20], "to_bow": length - length // 3,
        "to_stern": length // 3, "to_port": width // 2, "to_starboard": width - width // 2,
    }, seq_id=int(one["mmsi"]) % 10)  # fmt: skip


def _tag(fields: str) -> bytes:
    checksum = np.bitwise_xor.reduce(np.frombuffer(fields.encode(), np.uint8))
    return f"\\{fields}*{checksum:02X}\\".encode()


def _sentences(messages: pd.DataFrame, kind: int) -> list[bytes]:
    values = {
        "kind": np.full(len(messages), kind), "mmsi": messages["mmsi"], "sog": messages["sog"] * 10,
        "lon": messages["lon"] * 600_000, "lat": messages["lat"] * 600_000, "cog": messages["cog"] * 10,
        "heading": messages["heading"],
    }  # fmt: skip
    bits = [_bits(np.zeros(len(messages)) if name is None else values[name], count) for name, count in _FIELDS[kind]]
    six = np.concatenate(bits, axis=1).reshape(len(messages), -1, 6) @ (1 << np.arange(5, -1, -1))
    digits = messages["t"].to_numpy().astype(np.int64)[:, None] // 10 ** np.arange(9, -1, -1) % 10 + 48
    tag = _joined(len(messages), b"s:station,c:", digits.astype(np.uint8))
    sentence = _joined(len(messages), b"AIVDM,1,1,,A,", _ARMOUR[six], b",0")
    lines = _joined(len(messages), b"\\", tag, b"*", _checksum(tag), b"\\!", sentence, b"*", _checksum(sentence))
    return lines.view(f"S{lines.shape[1]}").ravel().tolist()


def _bits(values: object, count: int) -> NDArray[np.int64]:
    number = np.round(np.asarray(values, float)).astype(np.int64)
    return number[:, None] >> np.arange(count - 1, -1, -1) & 1


def _joined(rows: int, *parts: bytes | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rows of characters, from texts that all have and columns of their own."""
    columns = [np.tile(np.frombuffer(part, np.uint8), (rows, 1)) if isinstance(part, bytes) else part for part in parts]
    return np.ascontiguousarray(np.concatenate(columns, axis=1))


def _checksum(text: NDArray[np.uint8]) -> NDArray[np.uint8]:
    sums = np.bitwise_xor.reduce(text, axis=1)
    return _HEX[np.column_stack((sums >> 4, sums & 15))]

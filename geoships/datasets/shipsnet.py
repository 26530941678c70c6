"""The Kaggle set "Ships in Satellite Imagery": chips with names that tell all, their JSON, and whole scenes.

    shipsnet.json        data (a list of 19,200 numbers a chip: 80 x 80 red, then green, then blue), labels,
                         locations (longitude, latitude of the chip's centre), scene_ids
    shipsnet/            the same chips, LABEL__SCENE__LONGITUDE_LATITUDE.png
    scenes/              whole scenes, without a place on Earth

Folders may lie within folders of the same name, as the archive has them.
"""

from __future__ import annotations

import csv
import json
import mmap
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from geoships.datasets.group_split import assign
from geoships.errors import GeoshipsError
from geoships.support.files import atomic_write, output_errors

SIDE = 80  # rows and columns of a chip
PIXEL = 3.0  # metres
NUMBERS = 3 * SIDE * SIDE
JSON = "shipsnet.json"
CHIPS, SCENES = "shipsnet", "scenes"
COLUMNS = ("file", "label", "scene", "lon", "lat", "split")
NAME = re.compile(
    r"(?:.*_)?(?P<label>[01])__(?P<scene>\w+?)__(?P<lon>-?\d+(?:\.\d+)?(?:e-?\d+)?)_(?P<lat>-?\d+(?:\.\d+)?(?:e-?\d+)?)\.png",
    re.I,
)
_KEY = re.compile(rb'\s*(?:,\s*)?"(\w+)"\s*:\s*\[')
_NEXT = re.compile(rb"\s*([,\[\]])\s*")


@dataclass(frozen=True)
class NamedChip:
    """What the name of a chip tells. label: 1 with a ship, else 0. lon, lat: of its centre, in degrees."""

    label: int
    scene: str
    lon: float
    lat: float

    @property
    def file(self) -> str:
        """The chip's name."""
        return f"{self.label}__{self.scene}__{self.lon}_{self.lat}.png"


@dataclass(frozen=True)
class Index:
    """What was written: chips in each part, by label, and what the user should know."""

    path: Path
    chips: int
    scenes: int
    whole_scenes: int
    counts: dict[str, dict[int, int]]
    warnings: tuple[str, ...] = ()


def parse_name(name: str) -> NamedChip | None:
    """What a chip's file name tells; None for other names. Copies of the set put words before the label.

    >>> parse_name("1__20170414_180529_0f28__-122.35_37.75.png")
    NamedChip(label=1, scene='20170414_180529_0f28', lon=-122.35, lat=37.75)
    >>> parse_name("train_05_label_0_0__20161218_180845_0e26__-122.4_37.7.png").label
    0
    """
    found = NAME.fullmatch(PurePath(name).name)
    if found is None or abs(float(found["lon"])) > 180 or abs(float(found["lat"])) > 90:
        return None
    return NamedChip(int(found["label"]), found["scene"], float(found["lon"]), float(found["lat"]))


def prepare(folder: Path, out: Path, *, shares: Mapping[str, float], seed: int = 0, chips: Path | None = None) -> Index:
    """Write an index of the chips of a folder: file, label, scene, lon, lat, split. Scenes stay in one part.

    Where the folder has the JSON and no chips, the chips are written, under their usual names, to `chips` or to
    shipsnet/ in the folder. Where it has both, they are compared. `file` is relative to the index.

    shares: of the parts, as `parse_shares` has them. Raises GeoshipsError where there are no chips, or damaged ones.
    """
    if not folder.is_dir():
        raise GeoshipsError(f"there is no folder {folder}; download the data with: geoships data kaggle --out {folder}")
    found, table = _named_chips(folder), next(iter(sorted(folder.rglob(JSON))), None)
    warnings: list[str] = []
    if not found and table:
        found = _write_chips(table, chips or folder / CHIPS)
    elif found and table:
        warnings += _compare(table, found)
    if not found:
        raise GeoshipsError(f"{folder} holds no {JSON} and no chips named LABEL__SCENE__LONGITUDE_LATITUDE.png")
    scenes = Counter((chip.scene, chip.label) for chip in found.values())
    groups = {name: (scenes[name, 1], scenes[name, 0]) for name in sorted({chip.scene for chip in found.values()})}
    parts = assign(groups, shares, seed=seed)
    if len(groups) < len(shares):
        warnings.append(f"{len(groups)} scenes cannot fill {len(shares)} parts: one or more are empty")
    _write_index(out, found, parts)
    counts = {part: {1: 0, 0: 0} for part in shares}
    for chip in found.values():
        counts[parts[chip.scene]][chip.label] += 1
    whole = sum(1 for path in folder.rglob("*.png") if path.parent.name == SCENES)
    return Index(out, len(found), len(groups), whole, counts, tuple(warnings))


def _named_chips(folder: Path) -> dict[Path, NamedChip]:
    """Chips below a folder by path; the same name in two folders counts once."""
    found: dict[str, tuple[Path, NamedChip]] = {}
    for path in sorted(folder.rglob("*.png")):
        if chip := parse_name(path.name):
            found.setdefault(path.name, (path, chip))
    return dict(found.values())


def _write_index(out: Path, chips: Mapping[Path, NamedChip], parts: Mapping[str, str]) -> None:
    base = out.resolve().parent
    with atomic_write(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for path, chip in chips.items():
            name = Path(os.path.relpath(path.resolve(), base)).as_posix()
            table.writerow((name, chip.label, chip.scene, chip.lon, chip.lat, parts[chip.scene]))


# --- the JSON ---------------------------------------------------------------------------------------------------------


def read_json(path: Path) -> Iterator[tuple[NamedChip, NDArray[np.uint8]]]:
    """Chips of a shipsnet.json, one at a time: what each is, and (rows, columns, 3) red, green, blue.

    The file is larger than its chips by far, so that it is mapped, and never held whole.
    Raises GeoshipsError for a file of another layout.
    """
    try:
        yield from _read_json(path)
    except (ValueError, OSError, TypeError, KeyError) as error:
        raise GeoshipsError(f"{path} is no {JSON} of the Kaggle set: {error}") from error


def _read_json(path: Path) -> Iterator[tuple[NamedChip, NDArray[np.uint8]]]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        places = _arrays(text)
        missing = {"data", "labels", "locations", "scene_ids"} - places.keys()
        if missing:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        labels, locations, scenes = (list(_items(text, places[key])) for key in ("labels", "locations", "scene_ids"))
        if not len(labels) == len(locations) == len(scenes):
            raise ValueError(f"{len(labels)} labels, {len(locations)} locations and {len(scenes)} scene_ids")
        count = 0
        for count, values in enumerate(_items(text, places["data"]), 1):
            if count > len(labels):
                raise ValueError(f"more chips than the {len(labels)} labels")
            lon, lat = locations[count - 1]
            label, scene = int(labels[count - 1]), str(scenes[count - 1])
            chip = parse_name(NamedChip(label, scene, float(lon), float(lat)).file)
            if chip is None:
                raise ValueError(f"chip {count} has label {label}, scene {scene!r}, location {lon}, {lat}")
            yield chip, _picture(values, count)
        if count != len(labels):
            raise ValueError(f"{count} chips and {len(labels)} labels")


def _picture(values: Any, number: int) -> NDArray[np.uint8]:
    if not isinstance(values, list) or len(values) != NUMBERS:
        raise ValueError(f"chip {number} has no {NUMBERS} numbers")
    numbers = np.array(values)
    if numbers.dtype.kind != "i" or numbers.min() < 0 or numbers.max() > 255:
        raise ValueError(f"chip {number} has numbers that are no bytes")
    return np.ascontiguousarray(numbers.astype(np.uint8).reshape(3, SIDE, SIDE).transpose(1, 2, 0))


def _arrays(text: mmap.mmap) -> dict[str, int]:
    """Where the arrays of the outermost object begin, by key."""
    start = re.compile(rb"\s*\{").match(text)
    if start is None:
        raise ValueError("it does not begin with an object")
    found, at = {}, start.end()
    while key := _KEY.match(text, at):
        found[key[1].decode()] = key.end()
        at = _end(text, key.end())
    return found


def _end(text: mmap.mmap, at: int) -> int:
    """The place behind the array that begins at a place, and holds scalars or arrays of scalars."""
    depth = 1
    for mark in re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]]').finditer(text, at):
        depth += {b"[": 1, b"]": -1}.get(mark[0], 0)
        if not depth:
            return mark.end()
    raise ValueError("it is cut off")


def _items(text: mmap.mmap, at: int) -> Iterator[Any]:
    """The items of an array: of scalars all at once, of arrays one by one."""
    first = _NEXT.match(text, at)
    if first is None or first[1] != b"[":
        yield from json.loads(b"[" + text[at : _end(text, at)])
        return
    while (mark := _NEXT.match(text, at)) and mark[1] != b"]":
        if mark[1] == b",":
            at = mark.end()
            continue
        end = text.find(b"]", mark.end()) + 1
        if not end:
            raise ValueError("it is cut off")
        yield json.loads(b"[" + text[mark.end() : end])
        at = end


def _write_chips(table: Path, folder: Path) -> dict[Path, NamedChip]:
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for chip, picture in read_json(table):
        path = folder / chip.file
        with atomic_write(path) as temporary:
            encoded = cv2.imencode(".png", picture[..., ::-1])[1]
            temporary.write_bytes(encoded.tobytes())
        found[path] = chip
    return found


def _compare(table: Path, found: Mapping[Path, NamedChip]) -> Iterator[str]:
    """Say how many chips of the JSON and of the folder differ."""
    named, listed = set(found.values()), {chip for chip, _ in read_json(table)}
    if lone := len(named ^ listed):
        yield f"{lone} chips are only in {table.name} ({len(listed)}) or only among the PNG files ({len(named)})"

"""Reads the Kaggle data set "Ships in Satellite Imagery" and writes an index of its chips.

    shipsnet.json        data (19,200 numbers per chip: 80 x 80 red, then green, then blue), labels, locations
                         (longitude, latitude of the chip's centre), scene_ids
    shipsnet/            the same chips, LABEL__SCENE__LONGITUDE_LATITUDE.png
    scenes/              whole scenes without georeference

Folders can be inside folders of the same name, as in the archive.
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
from geoships.support.overwrite import refuse_overwrites

CHIP_SIZE = 80  # pixels per side
GSD = 3.0  # metres
VALUES = 3 * CHIP_SIZE * CHIP_SIZE  # numbers per chip in the JSON
JSON = "shipsnet.json"
CHIPS, SCENES = "shipsnet", "scenes"
COLUMNS = ("file", "label", "scene", "lon", "lat", "split")
NAME = re.compile(
    r"(?:.*_)?(?P<label>[01])__(?P<scene>\w+?)__(?P<lon>-?\d+(?:\.\d+)?(?:e-?\d+)?)_(?P<lat>-?\d+(?:\.\d+)?(?:e-?\d+)?)\.png",
    re.I,
)
_ARRAY_START = re.compile(rb'\s*(?:,\s*)?"(\w+)"\s*:\s*\[')
_DELIMITER = re.compile(rb"\s*([,\[\]])\s*")


@dataclass(frozen=True)
class NamedChip:
    """The metadata in the file name of a chip.

    Attributes:
        label: 1 with a ship, otherwise 0.
        scene: Name of its scene.
        lon: Longitude of its centre in degrees.
        lat: Latitude of its centre in degrees.
    """

    label: int
    scene: str
    lon: float
    lat: float

    @property
    def file(self) -> str:
        """File name of the chip."""
        return f"{self.label}__{self.scene}__{self.lon}_{self.lat}.png"


@dataclass(frozen=True)
class Index:
    """The result of `prepare`.

    Attributes:
        path: The CSV file.
        chips: Number of chips.
        scenes: Number of scenes that chips were cut from.
        whole_scenes: Number of whole scenes in the folder.
        counts: Number of chips by part and label.
        warnings: Messages for the user.
    """

    path: Path
    chips: int
    scenes: int
    whole_scenes: int
    counts: dict[str, dict[int, int]]
    warnings: tuple[str, ...] = ()


def parse_name(name: str) -> NamedChip | None:
    """Parse the file name of a chip. Copies of the data set put a prefix before the label.

    >>> parse_name("1__20170414_180529_0f28__-122.35_37.75.png")
    NamedChip(label=1, scene='20170414_180529_0f28', lon=-122.35, lat=37.75)
    >>> parse_name("train_05_label_0_0__20161218_180845_0e26__-122.4_37.7.png").label
    0

    Args:
        name: File name, with or without folders.

    Returns:
        The metadata; None if the name has another form.
    """
    match = NAME.fullmatch(PurePath(name).name)
    if match is None or abs(float(match["lon"])) > 180 or abs(float(match["lat"])) > 90:
        return None
    return NamedChip(int(match["label"]), match["scene"], float(match["lon"]), float(match["lat"]))


def prepare(
    folder: Path,
    out: Path,
    *,
    shares: Mapping[str, float],
    seed: int = 0,
    chips: Path | None = None,
    overwrite: bool = False,
) -> Index:
    """Write an index of the chips of a folder as CSV: file, label, scene, lon, lat, split.

    All chips of a scene are in the same part. If the folder has the JSON file only, the chips are written as PNG files
    with their usual names; if it has both, they are compared. Paths in the column `file` are relative to the index.

    Args:
        folder: Folder of the data set.
        out: The CSV file to write.
        shares: Fractions by part; see `parse_shares`.
        seed: Order of scenes with the same numbers of chips.
        chips: Folder for the PNG files; None: shipsnet/ in `folder`.
        overwrite: Replace an existing index, and chips in `chips`.

    Returns:
        Counts by part.

    Raises:
        GeoshipsError: There is no chip, or the JSON file is damaged.
        OutputError: The index exists, or chips that would be written.
    """
    if not folder.is_dir():
        raise GeoshipsError(
            f"the folder {folder} does not exist; download the data with: geoships data kaggle --out {folder}"
        )
    named, table = _find_chips(folder), next(iter(sorted(folder.rglob(JSON))), None)
    warnings: list[str] = []
    refuse_overwrites([out], [*named, *([table] if table else [])], overwrite=overwrite)
    if not named and table:
        refuse_overwrites(_find_chips(chips or folder / CHIPS), overwrite=overwrite)
        named = _write_chips(table, chips or folder / CHIPS)
    elif named and table:
        warnings += _compare(table, named)
    if not named:
        raise GeoshipsError(f"{folder}: expected {JSON} or chips named LABEL__SCENE__LONGITUDE_LATITUDE.png, got none")
    scenes = Counter((chip.scene, chip.label) for chip in named.values())
    groups = {name: (scenes[name, 1], scenes[name, 0]) for name in sorted({chip.scene for chip in named.values()})}
    parts = assign(groups, shares, seed=seed)
    if len(groups) < len(shares):
        warnings.append(f"{len(groups)} scenes cannot fill {len(shares)} parts; one or more are empty")
    _write_index(out, named, parts)
    counts = {part: {1: 0, 0: 0} for part in shares}
    for chip in named.values():
        counts[parts[chip.scene]][chip.label] += 1
    whole = sum(1 for path in folder.rglob("*.png") if path.parent.name == SCENES)
    return Index(out, len(named), len(groups), whole, counts, tuple(warnings))


def _find_chips(folder: Path) -> dict[Path, NamedChip]:
    """Return the chips below a folder by path; a name that occurs in two folders counts once."""
    by_name: dict[str, tuple[Path, NamedChip]] = {}
    for path in sorted(folder.rglob("*.png")):
        if chip := parse_name(path.name):
            by_name.setdefault(path.name, (path, chip))
    return dict(by_name.values())


def _write_index(out: Path, chips: Mapping[Path, NamedChip], parts: Mapping[str, str]) -> None:
    base = out.resolve().parent
    with atomic_write(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for path, chip in chips.items():
            name = Path(os.path.relpath(path.resolve(), base)).as_posix()
            table.writerow((name, chip.label, chip.scene, chip.lon, chip.lat, parts[chip.scene]))


def read_json(path: Path) -> Iterator[tuple[NamedChip, NDArray[np.uint8]]]:
    """Read the chips of a shipsnet.json one by one.

    The file is much larger than the pixels in it, so it is memory-mapped and never loaded as a whole.

    Args:
        path: The JSON file.

    Yields:
        Metadata of a chip, and its pixels (rows, columns, 3) in red, green and blue.

    Raises:
        GeoshipsError: The file has another layout.
    """
    try:
        yield from _read_json(path)
    except (ValueError, OSError, TypeError, KeyError) as error:
        raise GeoshipsError(f"{path}: expected the {JSON} of the Kaggle data set: {error}") from error


def _read_json(path: Path) -> Iterator[tuple[NamedChip, NDArray[np.uint8]]]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        starts = _find_arrays(text)
        missing = {"data", "labels", "locations", "scene_ids"} - starts.keys()
        if missing:
            raise ValueError(f"missing keys {', '.join(sorted(missing))}")
        labels, locations, scenes = (list(_items(text, starts[key])) for key in ("labels", "locations", "scene_ids"))
        if not len(labels) == len(locations) == len(scenes):
            raise ValueError(f"{len(labels)} labels, {len(locations)} locations and {len(scenes)} scene_ids")
        count = 0
        for count, values in enumerate(_items(text, starts["data"]), 1):
            if count > len(labels):
                raise ValueError(f"more chips than the {len(labels)} labels")
            lon, lat = locations[count - 1]
            label, scene = int(labels[count - 1]), str(scenes[count - 1])
            chip = parse_name(NamedChip(label, scene, float(lon), float(lat)).file)
            if chip is None:
                raise ValueError(f"chip {count}: invalid label {label}, scene {scene!r} or location {lon}, {lat}")
            yield chip, _parse_pixels(values, count)
        if count != len(labels):
            raise ValueError(f"{count} chips and {len(labels)} labels")


def _parse_pixels(values: Any, number: int) -> NDArray[np.uint8]:
    if not isinstance(values, list) or len(values) != VALUES:
        raise ValueError(f"chip {number}: expected {VALUES} numbers")
    numbers = np.array(values)
    if numbers.dtype.kind != "i" or numbers.min() < 0 or numbers.max() > 255:
        raise ValueError(f"chip {number}: expected integers from 0 to 255")
    return np.ascontiguousarray(numbers.astype(np.uint8).reshape(3, CHIP_SIZE, CHIP_SIZE).transpose(1, 2, 0))


def _find_arrays(text: mmap.mmap) -> dict[str, int]:
    """Return the positions of the first elements of the root object's arrays, by key."""
    start = re.compile(rb"\s*\{").match(text)
    if start is None:
        raise ValueError("expected a JSON object")
    starts, position = {}, start.end()
    while key := _ARRAY_START.match(text, position):
        starts[key[1].decode()] = key.end()
        position = _array_end(text, key.end())
    return starts


def _array_end(text: mmap.mmap, position: int) -> int:
    """Return the position after an array of scalars or of arrays of scalars, from the position of its first element."""
    depth = 1
    for token in re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]]').finditer(text, position):
        depth += {b"[": 1, b"]": -1}.get(token[0], 0)
        if not depth:
            return token.end()
    raise ValueError("the file is truncated")


def _items(text: mmap.mmap, position: int) -> Iterator[Any]:
    """Yield the elements of an array: scalars are parsed all at once, arrays one by one."""
    first = _DELIMITER.match(text, position)
    if first is None or first[1] != b"[":
        yield from json.loads(b"[" + text[position : _array_end(text, position)])
        return
    while (token := _DELIMITER.match(text, position)) and token[1] != b"]":
        if token[1] == b",":
            position = token.end()
            continue
        end = text.find(b"]", token.end()) + 1
        if not end:
            raise ValueError("the file is truncated")
        yield json.loads(b"[" + text[token.end() : end])
        position = end


def _write_chips(table: Path, folder: Path) -> dict[Path, NamedChip]:
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for chip, rgb in read_json(table):
        path = folder / chip.file
        with atomic_write(path) as temporary:
            encoded = cv2.imencode(".png", rgb[..., ::-1])[1]
            temporary.write_bytes(encoded.tobytes())
        paths[path] = chip
    return paths


def _compare(table: Path, chips: Mapping[Path, NamedChip]) -> Iterator[str]:
    """Yield a warning if the JSON file and the PNG files have different chips."""
    named, listed = set(chips.values()), {chip for chip, _ in read_json(table)}
    if difference := len(named ^ listed):
        yield f"{difference} chips are only in {table.name} ({len(listed)}) or only among the PNG files ({len(named)})"

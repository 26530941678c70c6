"""The ships of a job as features: what a query selects of them, and what people have corrected."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from geoships.service.jobs import Correction, Verdict
from geoships.service.outlines import measures_of
from geoships.service.problems import ProblemError

Feature = dict[str, Any]
Box = tuple[float, float, float, float]
MODELS_OWN = ("score", "class_prob")  # which a model alone can give
TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d))?")


@dataclass(frozen=True)
class Query:
    """What is asked of the ships of a job.

    Attributes:
        box: West, south, east and north in degrees, west greater than east across the antimeridian; None: anywhere.
        interval: First and last time; None at an end: open. None: any time.
        properties: Wanted value by name of the property: a value, or ``LOW/HIGH`` for numbers, ``..`` for an open end.
    """

    box: Box | None = None
    interval: tuple[datetime | None, datetime | None] | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


class Ships:
    """Ships of a job, as GeoJSON features in longitude and latitude.

    Args:
        features: The features. Those of a scene without a place on Earth have no geometry.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = list(features)

    @cached_property
    def _shapes(self) -> list[BaseGeometry | None]:
        return [shapely.geometry.shape(each["geometry"]) if each["geometry"] else None for each in self.features]

    @cached_property
    def _tree(self) -> tuple[shapely.STRtree, list[int]]:
        placed = {index: shape for index, shape in enumerate(self._shapes) if shape is not None}
        return shapely.STRtree(list(placed.values())), list(placed)

    @cached_property
    def properties(self) -> dict[str, str]:
        """Kind of each property: number, integer, boolean or string."""
        kinds: dict[str, str] = {}
        for feature in self.features:
            for name, value in feature["properties"].items():
                if value is not None and kinds.get(name) in (None, "integer"):
                    kinds[name] = _kind(value)
        return kinds

    def select(self, query: Query) -> list[Feature]:
        """The features that a query selects, in their order."""
        chosen = range(len(self.features)) if query.box is None else self._in_box(query.box)
        found = [self.features[index] for index in chosen]
        if query.interval:
            found = [each for each in found if _in_time(each["properties"].get("datetime"), query.interval)]
        for name, wanted in query.properties.items():
            fits = _test(name, wanted, self.properties.get(name))
            found = [each for each in found if fits(each["properties"].get(name)) or _unknown(each, name)]
        return found

    def _in_box(self, box: Box) -> list[int]:
        west, south, east, north = box
        parts = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
        tree, placed = self._tree
        hits: set[int] = set()
        for left, right in parts:
            hits |= {placed[index] for index in tree.query(shapely.box(left, south, right, north), "intersects")}
        return sorted(hits)

    def feature(self, identity: str) -> Feature | None:
        """The feature with an id as text; None if there is none."""
        return next((each for each in self.features if str(each["id"]) == identity), None)


def _unknown(feature: Feature, name: str) -> bool:
    """Whether a ship was drawn, and has no such value: no range leaves it out, since a person has seen it."""
    properties = feature["properties"]
    return properties.get("verdict") == Verdict.drawn.value and name in MODELS_OWN and properties.get(name) is None


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "number" if isinstance(value, float) else "string"


def _test(name: str, wanted: str, kind: str | None) -> Any:
    """A function that tells whether a value is the wanted one.

    Raises:
        ProblemError: 400 for a text that is no value of the property.
    """
    if kind == "boolean":
        if wanted not in ("true", "false"):
            raise ProblemError(400, f"{name}: expected true or false")
        return lambda value: value is (wanted == "true")
    if kind in ("number", "integer"):
        low, slash, high = wanted.partition("/")
        least = _number(name, low, float("-inf"))
        most = _number(name, high, float("inf")) if slash else least
        return lambda value: value is not None and least <= value <= most
    return lambda value: value is not None and str(value) == wanted


def _number(name: str, text: str, default: float) -> float:
    if text in ("", ".."):
        return default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise ProblemError(400, f"{name}: expected a number, or LOW/HIGH with .. for an open end")
    return number


def _in_time(text: str | None, interval: tuple[datetime | None, datetime | None]) -> bool:
    """Whether a ship's time is in an interval; one without a time is in any."""
    if text is None:
        return True
    moment, (first, last) = parse_time(text), interval
    return (first is None or moment >= first) and (last is None or moment <= last)


def parse_time(text: str, *, end: bool = False) -> datetime:
    """A date or time of RFC 3339; a date alone is its first moment, or its last.

    Raises:
        ProblemError: 400 for anything else.
    """
    try:
        if not TIME.fullmatch(text):
            raise ValueError(text)
        moment = datetime.fromisoformat(text.upper())
        if len(text) > 10:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ProblemError(400, "datetime: expected a time such as 2024-06-01T10:00:00Z, or FROM/TO") from None
    moment = moment.replace(hour=23, minute=59, second=59, microsecond=999999) if end else moment
    return moment.replace(tzinfo=UTC)


def parse_interval(text: str) -> tuple[datetime | None, datetime | None]:
    """An interval ``FROM/TO``, of which an end may be ``..`` or empty, or a single time.

    Raises:
        ProblemError: 400 for anything else.
    """
    first, slash, last = text.partition("/")
    if not slash:
        return parse_time(first), parse_time(first, end=True)
    start = None if first in ("", "..") else parse_time(first)
    stop = None if last in ("", "..") else parse_time(last, end=True)
    if (start is None and stop is None) or (start and stop and start > stop):
        raise ProblemError(400, "datetime: the interval is empty, or open at both ends")
    return start, stop


def parse_box(text: str) -> Box:
    """A bounding box of four numbers, or of six with heights, which do not count.

    Raises:
        ProblemError: 400 for anything else.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 6:
        numbers = [*numbers[:2], *numbers[3:5]]
    if len(numbers) != 4 or not all(-1e9 < number < 1e9 for number in numbers) or numbers[1] > numbers[3]:
        raise ProblemError(400, "bbox: expected WEST,SOUTH,EAST,NORTH in degrees")
    return numbers[0], numbers[1], numbers[2], numbers[3]


@lru_cache(maxsize=16)
def _read(path: str, changed: int, placed: bool) -> Ships:
    del changed  # part of the key
    document = json.loads(Path(path).read_text(encoding="utf-8"))
    features = document["features"]
    return Ships(features if placed else [{**each, "geometry": None} for each in features])


def read_features(path: Path, *, placed: bool) -> Ships:
    """The ships in a GeoJSON file; those of the last jobs that were asked for stay in memory.

    Args:
        path: The file.
        placed: Whether the scene has a place on Earth; without one coordinates are pixels, and left out.
    """
    return _read(str(path), path.stat().st_mtime_ns, placed)


def reviewed(ships: Ships, corrections: Sequence[Correction], *, rejected: bool = False) -> Ships:
    """Ships as people have corrected them, with outlines and ships that were drawn.

    Each has the properties ``verdict`` (accepted, drawn, undecided or rejected) and ``note``, and the measures of its
    outline.

    Args:
        ships: The ships as detected.
        corrections: What people said.
        rejected: Whether the rejected ones are among them.
    """
    said = {each.ship: each for each in corrections}
    features = []
    for feature in ships.features:
        correction = said.pop(str(feature["id"]), None)
        if correction and correction.verdict is Verdict.rejected and not rejected:
            continue
        features.append(_corrected(feature, correction))
    names = list(ships.properties)
    for drawn in said.values():
        if drawn.verdict is Verdict.drawn and drawn.geometry:
            empty: dict[str, Any] = {**dict.fromkeys(names), "id": drawn.ship}
            feature = {"type": "Feature", "id": drawn.ship, "properties": empty, "geometry": drawn.geometry}
            features.append(_corrected(feature, drawn))
    return Ships(features)


def _corrected(feature: Feature, correction: Correction | None) -> Feature:
    verdict = correction.verdict.value if correction and correction.verdict else "undecided"
    drawn = correction.geometry if correction else None
    geometry, measures = (drawn, measures_of(drawn)) if drawn else (feature["geometry"], {})
    note = correction.note if correction else ""
    properties = {**feature["properties"], **measures, "verdict": verdict, "note": note}
    return {**feature, "geometry": geometry, "properties": properties}

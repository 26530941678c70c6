"""What the fit and the wake of one ship say: whether it moves, how fast, and which way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from scipy import optimize, stats

from geoships.motion.chip import Floats
from geoships.motion.fit import Fit
from geoships.motion.wake import SHARE, Wake

LEVEL = 0.90  # of the intervals
SIGNIFICANT = 0.99  # probability below which a displacement may be chance
SURE = 0.9  # probability of a direction, from which it is told
SLENDER = 1.5  # length over width, from which a ship has an axis
LEAST_STRENGTH, LEAST_AGREEMENT = 2.0, 0.5
WIDEST = 12.0  # metres per second: a still ship whose speed may be higher is not measured at all
FASTEST = 35.0  # metres per second, of ships


class Motion(StrEnum):
    """What is known of a ship's motion."""

    MOVING = "moving"
    STILL = "still"
    AIRCRAFT = "aircraft"
    UNKNOWN = "not measurable"


@dataclass(frozen=True)
class Answer:
    """The motion of one ship; None: not known.

    Attributes:
        motion: Moving, still, aircraft or not measurable.
        note: Why it is not measurable, or what is doubtful.
        velocity: (east, north) in metres per second; None where the order of the bands is not known.
        covariance: (2, 2), of the velocity.
        speed: Metres per second.
        low: Lower end of the interval of the speed.
        high: Upper end of the interval of the speed.
        shift: Pixels between the first and the last band.
        course: Degrees clockwise from north, 0 to 360.
        sure: Probability that the course does not point the other way.
        source: ``bands``, ``wake`` or ``bands and wake``: what tells it.
    """

    motion: Motion
    note: str | None = None
    velocity: Floats | None = None
    covariance: Floats | None = None
    speed: float | None = None
    low: float | None = None
    high: float | None = None
    shift: float | None = None
    course: float | None = None
    sure: float | None = None
    source: str | None = None


@dataclass(frozen=True)
class Seen:
    """What is known of a ship before it is judged.

    Attributes:
        to_metres: (2, 2), from (column, row) in pixels to (east, north) in metres.
        axis: Unit vector of the ship's axis, (east, north); None where the ship is as wide as long.
        span: Seconds between the first and the last band.
        signed: Whether it is known which band came first.
        registration: (2, 2), covariance of the velocity from the bands' registration, in (pixels per second)^2.
    """

    to_metres: Floats
    axis: Floats | None
    span: float
    signed: bool
    registration: Floats


def unknown(note: str) -> Answer:
    """The answer that motion is not measurable, and why."""
    return Answer(Motion.UNKNOWN, note)


def judge(fit: Fit, wake: Wake | None, seen: Seen, *, aircraft: bool = False) -> Answer:
    """Judge the motion of a ship.

    Args:
        fit: Velocity by the bands.
        wake: Lines at the ends of the axis; None where there is no axis.
        seen: What else is known.
        aircraft: Whether the bands agree at a speed beyond any ship only.
    """
    velocity = seen.to_metres @ fit.velocity
    covariance = seen.to_metres @ (fit.covariance + seen.registration) @ seen.to_metres.T
    if not aircraft and fit.strength < LEAST_STRENGTH:
        return _by_wake(unknown("it hardly stands out from what is around it"), wake, seen)
    if not aircraft and fit.agreement < LEAST_AGREEMENT:
        return _by_wake(unknown("the bands do not show the same"), wake, seen)
    if not np.isfinite(covariance).all():
        return _by_wake(unknown("too small, or without a rim"), wake, seen)
    speed = float(np.hypot(*velocity))
    towards = velocity / max(speed, 1e-9)
    error = float(np.sqrt(towards @ covariance @ towards))
    low, high = speed_interval(speed, error)
    shift = float(np.hypot(*fit.velocity)) * seen.span
    known: dict[str, Any] = {"shift": shift, "low": low, "high": high}
    if seen.signed:
        known |= {"velocity": velocity, "covariance": covariance}
    if aircraft:
        course = _degrees(towards) if seen.signed else None
        return Answer(
            Motion.AIRCRAFT, "its apparent speed is that over the ground and that of its height seen from the moving "
            "satellite", speed=speed, course=course, sure=1.0 if seen.signed else None,
            source="bands" if seen.signed else None, **known,
        )  # fmt: skip
    if velocity @ np.linalg.solve(covariance, velocity) < stats.chi2.ppf(SIGNIFICANT, 2):
        if high > WIDEST:
            return _by_wake(unknown(f"any motion up to {high:.0f} m/s could be chance"), wake, seen)
        return _by_wake(Answer(Motion.STILL, **known), wake, seen)
    return _directed(Answer(Motion.MOVING, speed=speed, **known), velocity, covariance, wake, seen)


def speed_interval(speed: float, error: float, level: float = LEVEL) -> tuple[float, float]:
    """Interval of a speed whose two components have normal errors: a speed measured is never 0 (Rice's distribution).

    Args:
        speed: Measured, in metres per second.
        error: Standard deviation of each component.
        level: Probability that the interval holds the true speed.

    Returns:
        (lowest, highest); the lowest is 0 where the speed may be chance.

    >>> [round(each, 1) for each in speed_interval(10, 1)]
    [8.3, 11.6]
    """
    error = max(error, 1e-6)
    ratio, tail = (speed / error) ** 2, (1 - level) / 2

    def beyond(true: float, probability: float) -> float:
        return (
            float(stats.ncx2.sf(ratio, 2, (true / error) ** 2) if true > 0 else stats.chi2.sf(ratio, 2)) - probability
        )

    def solve(probability: float) -> float:
        if beyond(0, probability) >= 0:
            return 0.0
        return float(optimize.brentq(beyond, 0, speed + 6 * error, args=(probability,)))

    if speed > 20 * error:  # the normal distribution then
        width = float(stats.norm.ppf(1 - tail)) * error
        return speed - width, speed + width
    return solve(tail), max(solve(1 - tail), float(stats.norm.ppf(1 - tail)) * error)


def _directed(answer: Answer, velocity: Floats, covariance: Floats, wake: Wake | None, seen: Seen) -> Answer:
    """The answer with its course: that of the axis, turned as bands and wake say, or else that of the velocity."""
    axis = seen.axis
    if axis is not None and abs(axis @ velocity) < 0.5 * float(np.hypot(*velocity)):
        axis = None  # an outline that is not along the way, such as that of two ships
    along = velocity / float(np.hypot(*velocity)) if axis is None else axis
    trail = wake.ahead if wake is not None and axis is not None else 0
    odds = 0.0
    if seen.signed:
        odds += float(along @ velocity) / float(np.sqrt(along @ covariance @ along))
    by_bands = float(stats.norm.cdf(odds)) if seen.signed else 0.5
    by_wake = {1: SHARE, -1: 1 - SHARE, 0: 0.5}[trail]
    ahead = by_bands * by_wake / max(by_bands * by_wake + (1 - by_bands) * (1 - by_wake), 1e-300)
    return _with_course(answer, along, ahead, seen.signed, trail, (by_bands - 0.5) * trail < 0)


def _by_wake(answer: Answer, wake: Wake | None, seen: Seen) -> Answer:
    """The answer with the course that the wake alone shows."""
    if wake is None or seen.axis is None or not wake.ahead:
        return answer
    return _with_course(answer, seen.axis, SHARE if wake.ahead > 0 else 1 - SHARE, False, wake.ahead, False)


def _with_course(answer: Answer, along: Floats, ahead: float, by_bands: bool, trail: int, odd: bool) -> Answer:
    sure = max(ahead, 1 - ahead)
    if sure < SURE:
        return answer
    source = " and ".join(name for name, told in (("bands", by_bands), ("wake", trail)) if told)
    values = {**vars(answer), "course": _degrees(along if ahead > 0.5 else -along), "sure": sure, "source": source}
    if odd:
        values["note"] = "bands and wake disagree on the direction"
    return Answer(**values)


def _degrees(vector: Floats) -> float:
    return float(np.degrees(np.arctan2(vector[0], vector[1])) % 360)

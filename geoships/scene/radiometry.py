"""From stored numbers to reflectance: one rule for a whole scene, never one per tile."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoships.errors import SceneError

# reflectance = DN * scale + offset
PRESETS: dict[str, tuple[float, float]] = {
    "sentinel-2-l2a": (1e-4, -0.1),  # ESA, processing baseline 04.00 and later (January 2022)
    "sentinel-2-l1c": (1e-4, -0.1),
    "sentinel-2-l2a-legacy": (1e-4, 0.0),  # before baseline 04.00, or with the offset taken out already
    "sentinel-2-l1c-legacy": (1e-4, 0.0),
    "landsat-c2-l2": (2.75e-5, -0.2),  # USGS Collection 2 Level 2
    "planetscope-sr": (1e-4, 0.0),
    "reflectance": (1.0, 0.0),
    "uint16-full-range": (1 / 65535, 0.0),
    "uint8": (1 / 255, 0.0),
}

# Reflectance 1.6 in steps of 1e-4. Clouds and roofs reach 1.0 to 1.3, and hardly one pixel in a thousand lies above
# 1.6, so that a scene with more of them is not in steps of 1e-4. Measured on ten Sentinel-2 harbours that are stored
# as reflectance * 65535: the 99.9th percentile over all bands lies between 26,024 and 55,580.
TEN_THOUSANDTHS_LIMIT = 16_000

# A float scene whose 99.9th percentile lies above this holds DNs, not reflectance.
REFLECTANCE_LIMIT = 2.0

QUANTIFICATION_TAGS = ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE")
OFFSET_TAGS = ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET")
FILE_TAGS = "scale and offset tags of the file"
BASELINE_TAG = "PROCESSING_BASELINE"

Sample = Callable[[], NDArray[np.generic]]


@dataclass(frozen=True)
class Radiometry:
    """How numbers of a scene become reflectance: reflectance = DN * scale + offset.

    scale, offset: one value per chosen band.
    origin: where they come from, for people.
    warning: what to tell the user; None where nothing was guessed.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    origin: str
    warning: str | None = None

    def __post_init__(self) -> None:
        if len(self.scale) != len(self.offset):
            raise SceneError(f"{len(self.scale)} scales and {len(self.offset)} offsets; give one of each per band")
        if not np.isfinite([*self.scale, *self.offset]).all() or 0.0 in self.scale:
            raise SceneError(
                f"scale {self.scale} and offset {self.offset} give no reflectance; check --scale, --offset"
            )

    def apply(self, dn: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return reflectance, float32 (bands, rows, columns), of stored numbers of the same shape."""
        return np.stack([self.apply_band(band, index) for index, band in enumerate(dn)])

    def apply_band(
        self, dn: NDArray[np.generic], index: int, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return reflectance, float32 (rows, columns), of one band's stored numbers; index counts from 0.

        out: array of that shape to put it into, and to return.
        """
        reflectance: NDArray[np.float32] = np.empty(dn.shape, np.float32) if out is None else out
        np.multiply(dn, np.float32(self.scale[index]), out=reflectance, dtype=np.float32, casting="unsafe")
        reflectance += np.float32(self.offset[index])
        return reflectance


def choose_radiometry(
    dtype: str | np.dtype[np.generic],
    scales: Sequence[float],
    offsets: Sequence[float],
    tags: Mapping[str, str],
    *,
    scale: float | None = None,
    offset: float | None = None,
    sensor: str | None = None,
    sample: Sample | None = None,
    stated: str = FILE_TAGS,
) -> Radiometry:
    """Find the rule for a scene.

    dtype: of the stored numbers.
    scales, offsets: of the chosen bands, as the file states them (1 and 0 where it does not).
    tags: metadata of the file.
    scale, offset, sensor: the user's options; sensor is a name in PRESETS.
    sample: gives a few hundred thousand valid numbers from all over the scene; called only where the type alone
        does not tell.

    The first that speaks decides: the options, the preset, the file's own scale and offset, the sensor's metadata,
    and last a rule per type, with a warning. uint16 is taken as ten-thousandths of reflectance, unless more than one
    number in a thousand is above 16,000, which would be a reflectance of 1.6: then as the full range, 1/65535.

    Raises SceneError for an unknown sensor, and for options that contradict each other.
    """
    count = len(scales)
    if scale is not None or offset is not None:
        return _from_options(scale, offset, sensor, count)
    if sensor is not None:
        return _from_preset(sensor, count)
    if any(value != 1.0 for value in scales) or any(value != 0.0 for value in offsets):
        return Radiometry(tuple(map(float, scales)), tuple(map(float, offsets)), stated)
    return _from_metadata(tags, count) or _from_rule(np.dtype(dtype), sample, count)


def _constant(scale: float, offset: float, count: int, origin: str, warning: str | None = None) -> Radiometry:
    return Radiometry((scale,) * count, (offset,) * count, origin, warning)


def _from_options(scale: float | None, offset: float | None, sensor: str | None, count: int) -> Radiometry:
    if sensor is not None:
        raise SceneError("--sensor and --scale say the same thing twice; give one of them")
    if scale is None:
        raise SceneError("--offset without --scale is half a rule; give both (reflectance = DN * scale + offset)")
    return _constant(
        scale, offset or 0.0, count, "option --scale" if offset is None else "options --scale and --offset"
    )


def _from_preset(sensor: str, count: int) -> Radiometry:
    name = sensor.strip().lower()
    if name not in PRESETS:
        raise SceneError(f"--sensor {sensor!r} is not known; choose one of {', '.join(PRESETS)}, or give --scale")
    return _constant(*PRESETS[name], count, f"preset {name}")


def _from_metadata(tags: Mapping[str, str], count: int) -> Radiometry | None:
    """Read a rule from the tags that GDAL and others copy from Sentinel-2 products."""
    upper = {key.upper(): str(value) for key, value in tags.items()}
    quantification = _first_number(upper, QUANTIFICATION_TAGS)
    if quantification is None or quantification <= 0:
        return None
    added = _first_number(upper, OFFSET_TAGS)
    baseline = _baseline(upper.get(BASELINE_TAG, ""))
    if added is not None:
        return _constant(1 / quantification, added / quantification, count, "sensor metadata (quantification, offset)")
    if baseline is not None:
        # Since baseline 04.00 ESA adds 1,000 to the numbers, so that dark pixels do not fall below zero.
        offset = -1000 / quantification if baseline >= 4.0 else 0.0
        return _constant(1 / quantification, offset, count, "sensor metadata (quantification, processing baseline)")
    return _constant(
        1 / quantification,
        0.0,
        count,
        "sensor metadata (quantification)",
        "the metadata name a quantification value and no processing baseline, so no offset is taken off; "
        "for Sentinel-2 since January 2022 give --sensor sentinel-2-l2a",
    )


def _first_number(tags: Mapping[str, str], names: Sequence[str]) -> float | None:
    for name in names:
        match = re.match(r"\s*[-+]?\d+(\.\d*)?([eE][-+]?\d+)?", tags.get(name, ""))
        if match:
            return float(match[0])
    return None


def _baseline(text: str) -> float | None:
    match = re.match(r"\s*[Nn]?(\d{2})\.?(\d{2})\s*$", text)  # 04.00, N0400
    return float(f"{match[1]}.{match[2]}") if match else None


def _from_rule(dtype: np.dtype[np.generic], sample: Sample | None, count: int) -> Radiometry:
    scale, reason = _rule(dtype, sample)
    origin = f"rule for {dtype.name}: {reason}"
    warning = f"the scene does not say how its numbers become reflectance; taken by {origin}; choose with --sensor or "
    return _constant(scale, 0.0, count, origin, warning + "--scale and --offset if not so")


def _rule(dtype: np.dtype[np.generic], sample: Sample | None) -> tuple[float, str]:
    if dtype.kind == "f":
        if _high(sample) > REFLECTANCE_LIMIT:
            return 1e-4, f"numbers above {REFLECTANCE_LIMIT:g}, so DN / 10000"
        return 1.0, "reflectance as it is"
    if dtype == np.uint8:
        return 1 / 255, "DN / 255"
    if dtype == np.uint16 and _high(sample) > TEN_THOUSANDTHS_LIMIT:
        return 1 / 65535, f"numbers above {TEN_THOUSANDTHS_LIMIT}, so DN / 65535"
    return 1e-4, "DN / 10000"


def _high(sample: Sample | None) -> float:
    """Return the 99.9th percentile of the sample's finite numbers; 0 without any."""
    if sample is None:
        return 0.0
    values = np.asarray(sample(), np.float64).ravel()
    values = values[np.isfinite(values)]
    return float(np.percentile(values, 99.9)) if values.size else 0.0

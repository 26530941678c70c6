"""Conversion of stored values (DN) to reflectance: one scale and offset per band for the whole scene."""

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
    "sentinel-2-l2a-legacy": (1e-4, 0.0),  # before baseline 04.00, or with the offset already removed
    "sentinel-2-l1c-legacy": (1e-4, 0.0),
    "sentinel-2-l2a-tci": (0.2 / 255, 0.0),  # true-colour images, see BRIGHTEST in opening/product_radiometry.py
    "sentinel-2-l1c-tci": (0.3558 / 255, 0.0),
    "landsat-c2-l2": (2.75e-5, -0.2),  # USGS Collection 2 Level 2
    "planetscope-sr": (1e-4, 0.0),
    "reflectance": (1.0, 0.0),
    "uint16-full-range": (1 / 65535, 0.0),
    "uint8": (1 / 255, 0.0),
}

# Reflectance 1.6 at a scale of 1e-4. Clouds and roofs reach 1.0 to 1.3, and hardly one pixel in a thousand exceeds
# 1.6, so a scene with more of them is not scaled by 1e-4. Measured on ten Sentinel-2 harbour scenes stored as
# reflectance * 65535: their 99.9th percentile over all bands is between 26,024 and 55,580.
TEN_THOUSANDTHS_LIMIT = 16_000

# A float scene whose 99.9th percentile exceeds this holds DN, not reflectance.
REFLECTANCE_LIMIT = 2.0

QUANTIFICATION_TAGS = ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE")
OFFSET_TAGS = ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET")
FILE_TAGS = "scale and offset tags of the file"
BASELINE_TAG = "PROCESSING_BASELINE"

SIXTEEN_BITS = ("uint16", "int16")

# Surface reflectance of dark water and shadow is within a few thousandths of 0. If the offset of -0.1 is applied
# twice, all water and forest is between -0.1 and -0.05.
MIN_REFLECTANCE = -0.02
MAX_FRACTION = 0.1

ADVICE = "if this is wrong, give --sensor, or --scale and --offset"

ReadValues = Callable[[], NDArray[np.generic]]


@dataclass(frozen=True)
class Radiometry:
    """Conversion of stored values to reflectance: reflectance = DN * scale + offset.

    Attributes:
        scale: One factor per selected band.
        offset: One offset per selected band, in reflectance.
        origin: Source of scale and offset, as text.
        warning: Warning for the user, or None where scale and offset are stated and not assumed.

    Raises:
        SceneError: The numbers of scales and offsets differ, or a value is not finite or a scale is 0.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    origin: str
    warning: str | None = None

    def __post_init__(self) -> None:
        if len(self.scale) != len(self.offset):
            raise SceneError(f"got {len(self.scale)} scales and {len(self.offset)} offsets; give one of each per band")
        if not np.isfinite([*self.scale, *self.offset]).all() or 0.0 in self.scale:
            raise SceneError(
                f"invalid scale {self.scale} or offset {self.offset}: expected finite values and a scale other than 0; "
                "check --scale and --offset"
            )

    def apply(self, dn: NDArray[np.generic]) -> NDArray[np.float32]:
        """Convert all bands to reflectance.

        Args:
            dn: Stored values, shape (bands, rows, columns).

        Returns:
            Reflectance, float32, of the same shape.
        """
        return np.stack([self.apply_band(band, index) for index, band in enumerate(dn)])

    def apply_band(
        self, dn: NDArray[np.generic], index: int, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Convert one band to reflectance.

        Args:
            dn: Stored values of the band, shape (rows, columns).
            index: Position of the band in `scale` and `offset`, from 0.
            out: Array of the same shape to write the result to; None: a new array.

        Returns:
            Reflectance, float32 (rows, columns).
        """
        reflectance: NDArray[np.float32] = np.empty(dn.shape, np.float32) if out is None else out
        with np.errstate(over="ignore", invalid="ignore"):  # numbers that float32 cannot hold are infinite
            np.multiply(dn, np.float32(self.scale[index]), out=reflectance, dtype=np.float32, casting="unsafe")
            reflectance += np.float32(self.offset[index])
        return reflectance


@dataclass(frozen=True)
class ProductScale:
    """Scale and offset that names, folders or sidecar files of a product tell.

    Attributes:
        scale: Reflectance per DN.
        offset: Offset in reflectance.
        origin: Where this was found, as text.
        assumed: Whether it is likely and not stated.
        dtypes: Data types of the values that this is true of.
    """

    scale: float
    offset: float
    origin: str
    assumed: bool = False
    dtypes: tuple[str, ...] = SIXTEEN_BITS


def choose_radiometry(
    dtype: str | np.dtype[np.generic] | Sequence[str],
    scales: Sequence[float],
    offsets: Sequence[float],
    tags: Mapping[str, str],
    *,
    scale: float | None = None,
    offset: float | None = None,
    sensor: str | None = None,
    sample: ReadValues | None = None,
    stated: str = FILE_TAGS,
    product: ProductScale | None = None,
) -> Radiometry:
    """Determine scale and offset of a scene.

    The first of these sources that gives a scale is used: the options, the sensor preset, scale and offset tags of the
    file, Sentinel-2 metadata tags, the names and sidecar files of a product, and last a default per data type, with a
    warning. By default uint16 values are
    reflectance * 10000. If more than one value in a thousand is above 16,000 (a reflectance of 1.6), they are taken as
    reflectance * 65535. Bands of different data types each follow the default of their own, and so do bands without a
    scale beside bands that have one.

    Args:
        dtype: Data type of the stored values: one for all bands, or that of each selected band.
        scales: Scale of each selected band from the file; 1 where the file has none.
        offsets: Offset of each selected band from the file; 0 where the file has none.
        tags: Metadata tags of the file.
        scale: User option: reflectance per DN.
        offset: User option: offset in reflectance; needs `scale`.
        sensor: User option: name of a preset in PRESETS.
        sample: Function that returns a few hundred thousand valid stored values from all parts of the scene, shape
            (bands, n). Called only where the data type alone does not decide.
        stated: Text for `Radiometry.origin` where `scales` and `offsets` are used.
        product: What names, folders and sidecar files tell; used for its own data types only.

    Returns:
        Scale and offset of each selected band.

    Raises:
        SceneError: The sensor is unknown, or the options contradict each other.
    """
    count = len(scales)
    if scale is not None or offset is not None:
        return _from_options(scale, offset, sensor, count)
    if sensor is not None:
        return _from_preset(sensor, count)
    dtypes = [np.dtype(dtype)] * count if isinstance(dtype, (str, np.dtype)) else [np.dtype(name) for name in dtype]
    pairs = [(float(factor), float(added)) for factor, added in zip(scales, offsets, strict=True)]
    if any(pair != (1.0, 0.0) for pair in pairs):
        return _from_file(dtypes, pairs, sample, stated)
    named = product if product and all(dtype.name in product.dtypes for dtype in dtypes) else None
    return _from_metadata(tags, count) or _from_product(named, sample, count) or _from_dtypes(dtypes, sample)


def _constant(scale: float, offset: float, count: int, origin: str, warning: str | None = None) -> Radiometry:
    return Radiometry((scale,) * count, (offset,) * count, origin, warning)


def _from_options(scale: float | None, offset: float | None, sensor: str | None, count: int) -> Radiometry:
    if sensor is not None:
        raise SceneError("--sensor cannot be combined with --scale or --offset; give one of them")
    if scale is None:
        raise SceneError("--offset needs --scale; give both (reflectance = DN * scale + offset)")
    return _constant(
        scale, offset or 0.0, count, "option --scale" if offset is None else "options --scale and --offset"
    )


def _from_preset(sensor: str, count: int) -> Radiometry:
    name = sensor.strip().lower()
    if name not in PRESETS:
        raise SceneError(f"unknown --sensor {sensor!r}; choose one of {', '.join(PRESETS)}, or give --scale")
    return _constant(*PRESETS[name], count, f"preset {name}")


def _from_metadata(tags: Mapping[str, str], count: int) -> Radiometry | None:
    """Scale and offset from the tags that GDAL and other tools copy from Sentinel-2 products."""
    upper = {key.upper(): str(value) for key, value in tags.items()}
    quantification = _first_number(upper, QUANTIFICATION_TAGS)
    if quantification is None or quantification <= 0:
        return None
    added = _first_number(upper, OFFSET_TAGS)
    baseline = _baseline(upper.get(BASELINE_TAG, ""))
    if added is not None:
        return _constant(1 / quantification, added / quantification, count, "sensor metadata (quantification, offset)")
    if baseline is not None:
        offset = offset_of_baseline(baseline, quantification)
        return _constant(1 / quantification, offset, count, "sensor metadata (quantification, processing baseline)")
    return _constant(
        1 / quantification,
        0.0,
        count,
        "sensor metadata (quantification)",
        "the metadata have a quantification value but no processing baseline, so no offset is applied; "
        "for Sentinel-2 since January 2022 give --sensor sentinel-2-l2a",
    )


def _from_product(product: ProductScale | None, sample: ReadValues | None, count: int) -> Radiometry | None:
    """Scale and offset that names tell, unless many values would then be impossibly dark: the offset is off already."""
    if product is None:
        return None
    scale, offset = product.scale, product.offset
    if offset < 0 and _impossible_share(sample, scale, offset) > MAX_FRACTION:
        if product.scale != 1e-4:
            return None  # not Sentinel-2, whose offset other programs remove
        removed = (
            f"by the {product.origin} reflectance is DN * {scale:g} {offset:+g}, and many pixels would become "
            f"negative: the offset is taken as removed already; {ADVICE}"
        )
        return _constant(scale, 0.0, count, f"{product.origin}; the offset is removed already", removed)
    warning = f"scale and offset are assumed: {product.origin}; {ADVICE}" if product.assumed else None
    return _constant(scale, offset, count, f"{product.origin}: DN * {scale:g} {offset:+g}", warning)


def _impossible_share(sample: ReadValues | None, scale: float, offset: float) -> float:
    """Share of values other than 0, the nodata of products, whose reflectance no surface has."""
    values = np.asarray(sample(), np.float64).ravel() if sample else np.zeros(0)
    values = values[values > 0]
    return float((values * scale + offset < MIN_REFLECTANCE).mean()) if values.size else 0.0


def offset_of_baseline(baseline: float, quantification: float) -> float:
    """Offset in reflectance of Sentinel-2 products of a processing baseline.

    Since baseline 04.00 ESA adds 1,000 to all values, so that dark pixels are not negative.

    >>> offset_of_baseline(5.09, 10_000), offset_of_baseline(2.14, 10_000)
    (-0.1, 0.0)
    """
    return -1000 / quantification if baseline >= 4.0 else 0.0


def _first_number(tags: Mapping[str, str], names: Sequence[str]) -> float | None:
    for name in names:
        match = re.match(r"\s*[-+]?\d+(\.\d*)?([eE][-+]?\d+)?", tags.get(name, ""))
        if match:
            return float(match[0])
    return None


def _baseline(text: str) -> float | None:
    match = re.match(r"\s*[Nn]?(\d{2})\.?(\d{2})\s*$", text)  # 04.00, N0400
    return float(f"{match[1]}.{match[2]}") if match else None


def _from_file(
    dtypes: Sequence[np.dtype[np.generic]],
    pairs: Sequence[tuple[float, float]],
    sample: ReadValues | None,
    stated: str,
) -> Radiometry:
    """Scale and offset of the file; bands of numbers without a scale beside bands with one follow their data type."""
    bare = [index for index, pair in enumerate(pairs) if pair == (1.0, 0.0)]
    rules = _dtype_rules(dtypes, bare, sample)
    scales = [rules[index][0] if index in rules else scale for index, (scale, _) in enumerate(pairs)]
    offsets = [added for _, added in pairs]
    assumed = sorted(
        {f"rule for {dtypes[index].name}: {reason}" for index, (scale, reason) in rules.items() if scale != 1}
    )
    if not assumed:
        return Radiometry(tuple(scales), tuple(offsets), stated)
    origin = f"{stated}; of bands without them the {', '.join(assumed)}"
    warning = f"some bands have no scale and offset to reflectance; assumed by the {', '.join(assumed)}; {ADVICE}"
    return Radiometry(tuple(scales), tuple(offsets), origin, warning)


def _from_dtypes(dtypes: Sequence[np.dtype[np.generic]], sample: ReadValues | None) -> Radiometry:
    rules = _dtype_rules(dtypes, range(len(dtypes)), sample)
    texts = dict.fromkeys(f"rule for {dtypes[index].name}: {reason}" for index, (_, reason) in rules.items())
    origin = "; ".join(texts)
    return Radiometry(
        tuple(scale for scale, _ in rules.values()),
        (0.0,) * len(dtypes),
        origin,
        f"the scene has no scale and offset to reflectance; assumed by the {origin}; {ADVICE}",
    )


def _dtype_rules(
    dtypes: Sequence[np.dtype[np.generic]], bands: Sequence[int], sample: ReadValues | None
) -> dict[int, tuple[float, str]]:
    """Scale and reason by position of the band; bands of one data type share a rule."""
    rules: dict[int, tuple[float, str]] = {}
    for dtype in dict.fromkeys(dtypes[index] for index in bands):
        alike = [index for index in bands if dtypes[index] == dtype]
        rule = _dtype_rule(dtype, _of_bands(sample, alike, len(dtypes)))
        rules |= dict.fromkeys(alike, rule)
    return dict(sorted(rules.items()))


def _of_bands(sample: ReadValues | None, bands: Sequence[int], count: int) -> ReadValues | None:
    if sample is None or len(bands) == count:
        return sample
    return lambda: sample()[list(bands)]


def _dtype_rule(dtype: np.dtype[np.generic], sample: ReadValues | None) -> tuple[float, str]:
    if dtype.kind == "f":
        if _high_percentile(sample) > REFLECTANCE_LIMIT:
            return 1e-4, f"numbers above {REFLECTANCE_LIMIT:g}, so DN / 10000"
        return 1.0, "reflectance as it is"
    if dtype == np.uint8:
        return 1 / 255, "DN / 255"
    if dtype == np.uint16 and _high_percentile(sample) > TEN_THOUSANDTHS_LIMIT:
        return 1 / 65535, f"numbers above {TEN_THOUSANDTHS_LIMIT}, so DN / 65535"
    return 1e-4, "DN / 10000"


def _high_percentile(sample: ReadValues | None) -> float:
    """99.9th percentile of the finite values; 0 if there are none."""
    if sample is None:
        return 0.0
    values = np.asarray(sample(), np.float64).ravel()
    values = values[np.isfinite(values)]
    return float(np.percentile(values, 99.9)) if values.size else 0.0

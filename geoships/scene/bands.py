"""Selection of the bands of a scene that a model needs, by name, colour interpretation or band number."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from geoships.errors import SceneError

# Band names of Sentinel-2 MSI, with the common names of the STAC electro-optical extension.
SENTINEL_2 = {
    "1": "coastal",
    "2": "blue",
    "3": "green",
    "4": "red",
    "5": "rededge071",
    "6": "rededge075",
    "7": "rededge078",
    "8": "nir",
    "8a": "nir08",
    "9": "nir09",
    "10": "cirrus",
    "11": "swir16",
    "12": "swir22",
}

# Surface reflectance of Landsat 8 and 9 (OLI), Collection 2.
LANDSAT_OLI = {
    "sr_b1": "coastal",
    "sr_b2": "blue",
    "sr_b3": "green",
    "sr_b4": "red",
    "sr_b5": "nir08",
    "sr_b6": "swir16",
    "sr_b7": "swir22",
}

COMMON_NAMES = frozenset(SENTINEL_2.values()) | {"yellow", "pan", "rededge", "lwir11", "lwir12"}

# Phrases first: 'red edge' is not red, 'near infrared' is one band.
PHRASES = {
    re.compile(r"red[ _-]?edge[ _-]?1\b"): "rededge071",
    re.compile(r"red[ _-]?edge[ _-]?2\b"): "rededge075",
    re.compile(r"red[ _-]?edge[ _-]?3\b"): "rededge078",
    re.compile(r"red[ _-]edge"): "rededge",
    re.compile(r"(narrow nir|nir narrow|nir[ _-]?2)\b"): "nir08",
    re.compile(r"near[ _-]?infra[ _-]?red"): "nir",
    re.compile(r"\bswir[ _-]?1\b"): "swir16",
    re.compile(r"\bswir[ _-]?2\b"): "swir22",
    re.compile(r"coastal[ _-](blue|aerosol)"): "coastal",
}

SENTINEL_TOKEN = re.compile(r"(?:b|band[ _-]?)0?(\d{1,2})(a?)")
NUMBERED = re.compile(r"(?:b|band|layer|channel)?[ _-]?([1-9]\d*)")

# Names of bands that hold 0 where a pixel has no data, and another number where it has.
ALPHA_NAME = re.compile(r"(?:alpha|opacity|data ?mask|valid(?:ity)?(?: ?mask)?)(?: (?:band|channel))?")

# If the scene lacks one of these and has the other, the other is used, with a warning.
SUBSTITUTES = {"nir": "nir08", "nir08": "nir"}


@dataclass(frozen=True)
class BandDescription:
    """Metadata of one band of a file.

    Attributes:
        index: Band number in the file, from 1.
        description: Band description; '' if there is none.
        common_name: Value of the COMMON_NAME tag; '' if there is none.
        band_name: Value of the BAND_NAME tag; '' if there is none.
        color: GDAL colour interpretation in lower case: red, green, blue, gray, alpha, undefined, ...
    """

    index: int
    description: str = ""
    common_name: str = ""
    band_name: str = ""
    color: str = "undefined"

    @property
    def label(self) -> str:
        """Name of the band for messages."""
        return self.description or self.band_name or self.common_name or (self.color if self.has_color else "no name")

    @property
    def has_color(self) -> bool:
        """Whether the colour interpretation is red, green or blue."""
        return self.color in {"red", "green", "blue"}

    @property
    def is_alpha(self) -> bool:
        """Whether the band tells which pixels have data: by its name, or by its colour if no name says otherwise.

        Some programs mark the fourth band of any image as alpha, so a name such as B08 or nir comes first.
        """
        names = [text for text in (self.common_name, self.description, self.band_name) if text]
        if any(ALPHA_NAME.fullmatch(re.sub(r"[ _-]+", " ", text.strip().lower())) for text in names):
            return self.color not in {"red", "green", "blue"}
        return self.color == "alpha" and not any(_common_name(text) for text in names)


@dataclass(frozen=True)
class BandChoice:
    """Selected bands of a scene, in the order of the model.

    Attributes:
        indexes: Band numbers, from 1; one for each of `names`.
        names: Common names of the requested bands that the scene has, in the order of the model.
        summary: Text such as 'blue=1 (B02), green=2 (B03)'.
        warning: Warning for the user; None if nothing was assumed.
        assumed: Whether the bands have no names and were taken in the order of the file.
    """

    indexes: tuple[int, ...]
    names: tuple[str, ...]
    summary: str
    warning: str | None = None
    assumed: bool = False


def describe_bands(dataset: DatasetReader) -> tuple[BandDescription, ...]:
    """Read the metadata of all bands of an open dataset. Raises SceneError where they cannot be read."""
    try:
        return tuple(_describe(dataset, index) for index in dataset.indexes)
    except (CPLE_BaseError, UnicodeDecodeError) as error:
        raise SceneError(
            f"{dataset.name}: the names of its bands cannot be read ({error}); copy the scene again, or convert it"
        ) from error


def _describe(dataset: DatasetReader, index: int) -> BandDescription:
    tags = {key.lower(): str(value) for key, value in dataset.tags(index).items()}
    color: ColorInterp = dataset.colorinterp[index - 1]
    return BandDescription(
        index=index,
        description=(dataset.descriptions[index - 1] or "").strip(),
        common_name=tags.get("common_name", "").strip(),
        band_name=tags.get("band_name", tags.get("bandname", "")).strip(),
        color=color.name.lower(),
    )


def choose_bands(
    requested: Sequence[str],
    described: Sequence[BandDescription],
    override: Sequence[int | str] | None = None,
    optional: Collection[str] = (),
) -> BandChoice:
    """Find the requested bands in a scene.

    Bands are matched by name, then by colour interpretation. If the scene has neither, and as many bands as requested,
    its bands are taken in their order, with a warning. Alpha bands are ignored.

    Args:
        requested: Common names of the STAC electro-optical extension, e.g. ('blue', 'green', 'red', 'nir', 'swir16').
        described: All bands of the scene.
        override: Band numbers (from 1) or names in the order of `requested`, in place of the automatic match. ``-``
            stands for an optional band that the scene lacks.
        optional: Requested bands that the scene may lack.

    Returns:
        The selected bands, in the order of `requested`.

    Raises:
        SceneError: A band is missing, or several bands match.
    """
    if override is not None:
        return _override_choice(requested, described, override, optional)
    bands = [band for band in described if not band.is_alpha]
    names = common_names(bands)
    if not any(names.values()) and not any(band.has_color for band in bands) and _unnamed(bands):
        return _assume_order(requested, bands)
    matches = {name: _find(name, bands, names) for name in requested}
    missing = [name for name, band in matches.items() if band is None and name not in optional]
    if missing or not any(matches.values()):
        missing = missing or list(requested)
        raise SceneError(
            f"the model needs the bands {_join(requested)}, and the scene has no {_join(missing)} "
            f"(its bands: {_band_list(described)}); {_advice(requested)}"
        )
    return _choice({name: band for name, band in matches.items() if band is not None}, requested, names)


def _choice(
    chosen: Mapping[str, BandDescription], requested: Sequence[str], names: Mapping[int, str | None] | None = None
) -> BandChoice:
    absent = [name for name in requested if name not in chosen]
    summary = ", ".join(f"{name}={band.index} ({band.label})" for name, band in chosen.items())
    return BandChoice(
        indexes=tuple(band.index for band in chosen.values()),
        names=tuple(chosen),
        summary=summary + (f"; without {_join(absent)}" if absent else ""),
        warning=_substitution_warning(chosen, names) if names else None,
    )


def common_names(bands: Sequence[BandDescription]) -> dict[int, str | None]:
    """Determine the common name of each band from its tags and description.

    Args:
        bands: The bands.

    Returns:
        Common name by band number; None where it is unknown.

    >>> common_names([BandDescription(1, "B02"), BandDescription(2, "Near infrared (842 nm)"), BandDescription(3)])
    {1: 'blue', 2: 'nir', 3: None}
    """
    if _only_numbered(bands):
        return {band.index: _common_name(band.common_name) for band in bands}
    oli = any(band.description.lower() == "sr_b6" for band in bands)  # Landsat 4 to 7 have no SR_B6
    return {band.index: _name_of(band, oli) for band in bands}


def _name_of(band: BandDescription, oli: bool) -> str | None:
    for text in (band.common_name, band.description, band.band_name):
        name = _common_name(text) or (LANDSAT_OLI.get(text.lower()) if oli else None)
        if name:
            return name
    return None


def _common_name(text: str) -> str | None:
    """The common name in a text; None if there is none or more than one."""
    text = text.strip().lower()
    if text in COMMON_NAMES:
        return text
    for phrase, name in PHRASES.items():
        text = phrase.sub(name, text)
    whole = SENTINEL_TOKEN.fullmatch(text)
    if whole:
        return SENTINEL_2.get("".join(whole.groups()))
    tokens = [token for token in re.split(r"[^a-z0-9]+", text) if token]
    names = {token for token in tokens if token in COMMON_NAMES}
    if not names:
        matches = [SENTINEL_TOKEN.fullmatch(token) for token in tokens]
        names = {SENTINEL_2.get("".join(match.groups()), "") for match in matches if match} - {""}
        names = set() if "sr" in tokens else names  # SR_B4 is red or near infrared, depending on the Landsat sensor
    return names.pop() if len(names) == 1 else None


def _only_numbered(bands: Sequence[BandDescription]) -> bool:
    """Whether descriptions are only numbers ('Band 1', 'Band 2', or B1, B2), whose meaning depends on the sensor."""
    matches = [(NUMBERED.fullmatch(band.description.lower()), band.index) for band in bands]
    return bool(matches) and all(match is not None and int(match[1]) == index for match, index in matches)


def _unnamed(bands: Sequence[BandDescription]) -> bool:
    return _only_numbered(bands) or not any(band.description or band.band_name or band.common_name for band in bands)


def _find(requested: str, bands: Sequence[BandDescription], names: dict[int, str | None]) -> BandDescription | None:
    for name in (requested, SUBSTITUTES.get(requested)):
        named = [band for band in bands if name is not None and names[band.index] == name]
        if len(named) > 1:
            raise SceneError(
                f"the model needs the band {requested}, and bands {_join([str(band.index) for band in named])} of the "
                "scene all have this name; choose one with --bands"
            )
        if named:
            return named[0]
    colored = [band for band in bands if band.color == requested and band.has_color and names[band.index] is None]
    return colored[0] if len(colored) == 1 else None


def _assume_order(requested: Sequence[str], bands: Sequence[BandDescription]) -> BandChoice:
    if len(bands) != len(requested):
        raise SceneError(
            f"the model needs {len(requested)} bands ({_join(requested)}), the scene has {len(bands)} without names; "
            f"{_advice(requested)}"
        )
    return BandChoice(
        indexes=tuple(band.index for band in bands),
        names=tuple(requested),
        summary=", ".join(f"{name}={band.index} (assumed)" for name, band in zip(requested, bands, strict=True)),
        warning=f"the bands have no names; assumed order: {_join(requested)}; if this is wrong, choose with --bands",
        assumed=True,
    )


def _override_choice(
    requested: Sequence[str],
    described: Sequence[BandDescription],
    override: Sequence[int | str],
    optional: Collection[str],
) -> BandChoice:
    if len(override) != len(requested):
        raise SceneError(
            f"--bands: expected {len(requested)} bands in the order {_join(requested)}, got {len(override)}; "
            "give one number or name for each"
        )
    names = common_names(described)
    items = {name: item for name, item in zip(requested, override, strict=True) if name not in optional or item != "-"}
    if not items:
        raise SceneError("--bands leaves out all bands; give at least one")
    return _choice({name: _override_band(item, described, names) for name, item in items.items()}, requested)


def _override_band(
    item: int | str, described: Sequence[BandDescription], names: dict[int, str | None]
) -> BandDescription:
    text = str(item).strip()
    if text.isdecimal():
        matches = [band for band in described if band.index == int(text)]
    else:
        matches = [band for band in described if text.lower() in {band.description.lower(), band.band_name.lower()}]
        matches = matches or [band for band in described if names[band.index] == text.lower()]
        matches = matches or [band for band in described if band.has_color and band.color == text.lower()]
    if len(matches) != 1:
        problem = f"matches bands {_join([str(band.index) for band in matches])}" if matches else "matches no band"
        raise SceneError(f"--bands: {text!r} {problem} of the scene; choose one of {_band_list(described)}")
    return matches[0]


def _substitution_warning(chosen: Mapping[str, BandDescription], names: Mapping[int, str | None]) -> str | None:
    pairs = [
        f"{names[band.index]} (band {band.index}) in place of {name}"
        for name, band in chosen.items()
        if names[band.index] not in {name, None}
    ]
    return f"the scene's {_join(pairs)} is used; if this is wrong, choose with --bands" if pairs else None


def _join(items: Sequence[str]) -> str:
    return ", ".join(items)


def _band_list(described: Sequence[BandDescription]) -> str:
    labels = [f"{band.index}: {band.label}" for band in described[:20]]
    return ", ".join(labels) + (f", and {len(described) - 20} more" if len(described) > 20 else "")


def _advice(requested: Sequence[str]) -> str:
    example = ",".join(str(number) for number in range(1, len(requested) + 1))
    return f"give their numbers or names in this order with --bands, e.g. --bands {example}"

"""Which bands of a scene a model gets, and how that was found out."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

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

# Where a model wants one of these and the scene has the other, they are near enough to be useful, with a warning.
SUBSTITUTES = {"nir": "nir08", "nir08": "nir"}


@dataclass(frozen=True)
class BandDescription:
    """What a file says about one band.

    index: 1-based number in the file.
    description: free text, '' where there is none.
    common_name: of a COMMON_NAME tag, '' where there is none.
    band_name: of a BAND_NAME tag, '' where there is none.
    color: GDAL's colour interpretation in lower case: red, green, blue, gray, alpha, undefined, ...
    """

    index: int
    description: str = ""
    common_name: str = ""
    band_name: str = ""
    color: str = "undefined"

    @property
    def label(self) -> str:
        """How to name the band to a person."""
        return self.description or self.band_name or self.common_name or (self.color if self.has_color else "no name")

    @property
    def has_color(self) -> bool:
        """Whether the colour interpretation names a part of the spectrum."""
        return self.color in {"red", "green", "blue"}


@dataclass(frozen=True)
class BandChoice:
    """The bands that a model gets, in its order.

    indexes: 1-based band numbers; one for each of `names`.
    names: the bands wanted that the scene has, in the model's order.
    how: for people, e.g. 'blue=1 (B02), green=2 (B03)'.
    warning: what to tell the user; None where nothing was guessed.
    assumed: whether the order of the file was taken on trust.
    """

    indexes: tuple[int, ...]
    names: tuple[str, ...]
    how: str
    warning: str | None = None
    assumed: bool = False


def describe_bands(dataset: DatasetReader) -> tuple[BandDescription, ...]:
    """Collect what an open file says about its bands."""
    return tuple(_describe(dataset, index) for index in dataset.indexes)


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
    wanted: Sequence[str],
    described: Sequence[BandDescription],
    override: Sequence[int | str] | None = None,
    optional: Collection[str] = (),
) -> BandChoice:
    """Find the bands that a model wants.

    wanted: common names of the STAC electro-optical extension, e.g. ('blue', 'green', 'red', 'nir', 'swir16').
    described: all bands of the scene.
    override: band numbers (1-based) or names in the order wanted; nothing is guessed then. ``-`` stands for an
        optional band that the scene lacks.
    optional: those of the wanted that the scene may lack.

    Names come first, then colours; without either, a scene with as many bands as wanted is taken in its order,
    with a warning. Bands of transparency never count. Raises SceneError where a band is missing or not certain.
    """
    if override is not None:
        return _chosen_by_user(wanted, described, override, optional)
    bands = [band for band in described if band.color != "alpha"]
    names = common_names(bands)
    if not any(names.values()) and not any(band.has_color for band in bands) and _says_nothing(bands):
        return _assumed(wanted, bands)
    found = {want: _find(want, bands, names) for want in wanted}
    missing = [want for want, band in found.items() if band is None and want not in optional]
    if missing or not any(found.values()):
        missing = missing or list(wanted)
        raise SceneError(
            f"the model wants {_listed(wanted)}, and the scene has no {_listed(missing)} among its bands "
            f"({_listing(described)}); {_advice(wanted)}"
        )
    return _choice({want: band for want, band in found.items() if band is not None}, wanted, names)


def _choice(
    chosen: Mapping[str, BandDescription], wanted: Sequence[str], names: Mapping[int, str | None] | None = None
) -> BandChoice:
    absent = [want for want in wanted if want not in chosen]
    how = ", ".join(f"{want}={band.index} ({band.label})" for want, band in chosen.items())
    return BandChoice(
        indexes=tuple(band.index for band in chosen.values()),
        names=tuple(chosen),
        how=how + (f"; without {_listed(absent)}" if absent else ""),
        warning=_substitution(chosen, names) if names else None,
    )


def common_names(bands: Sequence[BandDescription]) -> dict[int, str | None]:
    """Map the number of each band to its common name by tags and descriptions; None where they do not tell.

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
    """Return the one common name in a text; None where there is none, or more than one."""
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
        names = set() if "sr" in tokens else names  # SR_B4 is red on one Landsat and near infrared on another
    return names.pop() if len(names) == 1 else None


def _only_numbered(bands: Sequence[BandDescription]) -> bool:
    """Whether descriptions only count: 'Band 1', 'Band 2', or B1, B2, which each sensor understands differently."""
    matches = [(NUMBERED.fullmatch(band.description.lower()), band.index) for band in bands]
    return bool(matches) and all(match is not None and int(match[1]) == index for match, index in matches)


def _says_nothing(bands: Sequence[BandDescription]) -> bool:
    return _only_numbered(bands) or not any(band.description or band.band_name or band.common_name for band in bands)


def _find(want: str, bands: Sequence[BandDescription], names: dict[int, str | None]) -> BandDescription | None:
    for name in (want, SUBSTITUTES.get(want)):
        named = [band for band in bands if name is not None and names[band.index] == name]
        if len(named) > 1:
            raise SceneError(
                f"the model wants {want}, and bands {_listed([str(band.index) for band in named])} of the scene "
                "are all called so; choose with --bands"
            )
        if named:
            return named[0]
    colored = [band for band in bands if band.color == want and band.has_color and names[band.index] is None]
    return colored[0] if len(colored) == 1 else None


def _assumed(wanted: Sequence[str], bands: Sequence[BandDescription]) -> BandChoice:
    if len(bands) != len(wanted):
        raise SceneError(
            f"the model wants {len(wanted)} bands ({_listed(wanted)}), and the scene has {len(bands)} without names; "
            f"{_advice(wanted)}"
        )
    return BandChoice(
        indexes=tuple(band.index for band in bands),
        names=tuple(wanted),
        how=", ".join(f"{want}={band.index} (assumed)" for want, band in zip(wanted, bands, strict=True)),
        warning=f"the bands have no names; taken in the order {_listed(wanted)}; choose with --bands if not so",
        assumed=True,
    )


def _chosen_by_user(
    wanted: Sequence[str],
    described: Sequence[BandDescription],
    override: Sequence[int | str],
    optional: Collection[str],
) -> BandChoice:
    if len(override) != len(wanted):
        raise SceneError(
            f"--bands names {len(override)} bands, and the model wants {len(wanted)}, in this order: {_listed(wanted)}"
        )
    names = common_names(described)
    items = {want: item for want, item in zip(wanted, override, strict=True) if want not in optional or item != "-"}
    if not items:
        raise SceneError("--bands leaves out every band; name at least one")
    return _choice({want: _by_user(item, described, names) for want, item in items.items()}, wanted)


def _by_user(item: int | str, described: Sequence[BandDescription], names: dict[int, str | None]) -> BandDescription:
    text = str(item).strip()
    if text.isdecimal():
        found = [band for band in described if band.index == int(text)]
    else:
        found = [band for band in described if text.lower() in {band.description.lower(), band.band_name.lower()}]
        found = found or [band for band in described if names[band.index] == text.lower()]
        found = found or [band for band in described if band.has_color and band.color == text.lower()]
    if len(found) != 1:
        problem = "is not a band" if not found else "is more than one band"
        raise SceneError(f"--bands: {text!r} {problem} of the scene; it has {_listing(described)}")
    return found[0]


def _substitution(chosen: Mapping[str, BandDescription], names: Mapping[int, str | None]) -> str | None:
    pairs = [
        f"{names[band.index]} (band {band.index}) in place of {want}"
        for want, band in chosen.items()
        if names[band.index] not in {want, None}
    ]
    return f"the scene's {_listed(pairs)}; choose with --bands if another band fits better" if pairs else None


def _listed(items: Sequence[str]) -> str:
    return ", ".join(items)


def _listing(described: Sequence[BandDescription]) -> str:
    shown = [f"{band.index}: {band.label}" for band in described[:20]]
    return ", ".join(shown) + (f", and {len(described) - 20} more" if len(described) > 20 else "")


def _advice(wanted: Sequence[str]) -> str:
    example = ",".join(str(number) for number in range(1, len(wanted) + 1))
    return f"give their numbers or names in that order with --bands, e.g. --bands {example}"

"""Whether a scene looks like what it is taken for: its reflectance, its clouds, its data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from geoships.scene.radiometry import MAX_FRACTION, MIN_REFLECTANCE, REFLECTANCE_LIMIT, Radiometry

VISIBLE = ("blue", "green", "red")
# Clouds reflect more than 0.3 in all visible bands and nearly the same in each; bare soil and sand get brighter from
# blue to red by more than this share. Pictures of 8 bits are stretched, so that land is as bright as clouds are.
CLOUD, PICTURE_CLOUD, GREY = 0.3, 0.7, 0.2
MOSTLY = 0.5  # of a scene, from which on clouds or missing data are warned of


def implausible_reflectance(radiometry: Radiometry, stored: NDArray[np.generic], option: str) -> str | None:
    """Warning about scale and offset that a user chose and that cannot be right.

    Args:
        radiometry: Scale and offset.
        stored: Valid stored values from all parts of the scene, shape (bands, n).
        option: Name of the option that chose them.

    Returns:
        The warning, where many values are far over 1 or under 0; None otherwise.
    """
    if not stored.size:
        return None
    reflectance = radiometry.apply(stored)
    over, under = (float(part.mean()) for part in (reflectance > REFLECTANCE_LIMIT, reflectance < MIN_REFLECTANCE))
    if max(over, under) <= MAX_FRACTION:
        return None
    what = (
        f"{over:.0%} of the reflectances are over {REFLECTANCE_LIMIT:g} (up to {reflectance.max():.3g})"
        if over > under
        else f"{under:.0%} of the reflectances are under {MIN_REFLECTANCE:g} (down to {reflectance.min():.3g})"
    )
    return f"by the {radiometry.origin} {what}, which no surface has: leave {option} out, or correct it"


def cloud_like(image: NDArray[np.float32], bands: Sequence[str], *, is_picture: bool) -> NDArray[np.bool_] | None:
    """Pixels of an image that are as bright and grey as clouds.

    Args:
        image: Reflectance, shape (bands, rows, columns) or (bands, n).
        bands: Common names of the bands.
        is_picture: Whether the scene has 8 bits, and its reflectance is only a brightness.

    Returns:
        Mask, shape (rows, columns) or (n); None without two visible bands.
    """
    visible = image[[index for index, name in enumerate(bands) if name in VISIBLE]]
    if len(visible) < 2:
        return None
    darkest, brightest = visible.min(axis=0), visible.max(axis=0)
    white = (darkest > (PICTURE_CLOUD if is_picture else CLOUD)) & (brightest - darkest < GREY * brightest)
    return np.asarray(white)


def cloud_share(image: NDArray[np.float32], bands: Sequence[str], *, is_picture: bool) -> float | None:
    """Share of the pixels of an image that are as bright and grey as clouds; for the arguments see `cloud_like`.

    Returns:
        The share; None without two visible bands, or without pixels.
    """
    white = cloud_like(image, bands, is_picture=is_picture)
    return None if white is None or not white.size else float(white.mean())

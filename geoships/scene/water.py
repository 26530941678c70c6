"""Water pixels of an image, by the NDWI and limits on infrared reflectance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Maximum reflectance of open water: high enough for turbid harbour water, too low for quays and hazy land.
LIMITS = {"nir": 0.10, "nir08": 0.10, "swir16": 0.08, "swir22": 0.08}


def find_water(image: NDArray[np.float32], bands: Sequence[str]) -> NDArray[np.bool_] | None:
    """Find water pixels: NDWI above 0, and infrared reflectance below LIMITS.

    The NDWI is (green - nir) / (green + nir): McFeeters, The use of the Normalized Difference Water Index (NDWI) in
    the delineation of open water features, 1996.

    Args:
        image: Reflectance, shape (bands, rows, columns); NaN in a band that is absent.
        bands: Common name of each band.

    Returns:
        Water mask, shape (rows, columns); None if the green or the near-infrared band is absent.
    """
    values = {name: band for name, band in zip(bands, image, strict=True) if np.isfinite(band[0, 0])}
    nir = values.get("nir", values.get("nir08"))
    if nir is None or "green" not in values:
        return None
    water = values["green"] > nir
    for name, limit in LIMITS.items():
        if name in values:
            water &= values[name] < limit
    return np.asarray(water)

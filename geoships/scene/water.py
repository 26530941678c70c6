"""Where there is water in a crop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Reflectance that plain water stays below: enough for murky harbours, too little for quays and hazy land.
LIMITS = {"nir": 0.10, "nir08": 0.10, "swir16": 0.08, "swir22": 0.08}


def find_water(image: NDArray[np.float32], bands: Sequence[str]) -> NDArray[np.bool_] | None:
    """(rows, columns), whether there is water: darker in infrared than in green, and than LIMITS.

    McFeeters, The use of the Normalized Difference Water Index, 1996: NDWI above 0.

    image: (bands, rows, columns) reflectance, NaN where a band is absent. None where it cannot be told, for want
    of a green or a near-infrared band.
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

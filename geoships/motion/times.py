"""The times of a scene's bands at any place of the scene."""

from __future__ import annotations

import re
from contextlib import ExitStack
from types import TracebackType

import rasterio
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from rasterio.errors import RasterioError

from geoships.errors import SceneError
from geoships.motion.angles import ANGLES, BAND_NAMES, ViewingAngles, read_angles
from geoships.motion.delays import Delays, parse_delays, published_delays
from geoships.motion.settings import MotionSettings
from geoships.scene.opening.raster import gdal_env, open_named
from geoships.scene.opening.sentinel2_product import granule_details, read_granule_metadata

# Names of products, tiles and Items that hold one pass of a satellite; a mosaic has another name.
ONE_PASS = re.compile(
    r"(?<![A-Z0-9])(S2[A-D]_MSIL(1C|2A)_\d{8}T\d{6}|T\d\d[A-Z]{3}_\d{8}T\d{6}|S2[A-D]_\d\d?[A-Z]{3}_\d{8}_)"
)
NO_DELAYS = "the delays between the bands are not known"
TWO_DETECTORS = "it lies where two detectors meet, and it is not known which saw it"


class BandTimes:
    """Times of the bands at places of a scene; used in a ``with`` block.

    Args:
        scene: Name of the scene.
        settings: Where the times come from.

    Attributes:
        source: Where they come from, for people.

    Raises:
        SceneError: The metadata cannot be read, or have no viewing angles.
    """

    def __init__(self, scene: str, settings: MotionSettings) -> None:
        self._stack = ExitStack()
        self._angles: ViewingAngles | None = None
        self._fixed: Delays | None = None
        self._footprints: dict[str, rasterio.DatasetReader] = {}
        if settings.delays is not None:
            self._fixed = parse_delays(settings.delays)
        elif settings.metadata is not None:
            self._angles = read_angles(read_granule_metadata(settings.metadata))
        elif (details := granule_details(scene)) is not None:
            self._angles = read_angles(details.metadata, details.descending)
            for band, name in BAND_NAMES.items():
                if name in details.footprints:
                    self._open(band, details.footprints[name])
        elif ONE_PASS.search(scene.replace("\\", "/").rpartition("/")[2]):
            self._fixed = published_delays()
        self.source = ANGLES if self._angles else self._fixed.source if self._fixed else NO_DELAYS

    def __enter__(self) -> BandTimes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def at(self, x: float, y: float, crs: CRS | None) -> Delays | str:
        """Times at a place of the scene's map, or the reason why they are not known."""
        if self._fixed is not None:
            return self._fixed
        if self._angles is None:
            return NO_DELAYS
        if crs is None:
            return "the scene has no place on Earth"
        if crs != self._angles.crs:
            try:
                x, y = Transformer.from_crs(crs, self._angles.crs, always_xy=True).transform(x, y)
            except CRSError:
                return NO_DELAYS
        return self._angles.delays(x, y, self._detector) or TWO_DETECTORS

    def _open(self, band: str, name: str) -> None:
        source, dataset = open_named(name)
        self._stack.enter_context(gdal_env(source))
        self._footprints[band] = self._stack.enter_context(dataset)

    def _detector(self, band: str, x: float, y: float) -> int | None:
        dataset = self._footprints.get(band)
        if dataset is None:
            return None
        try:
            (values,) = dataset.sample([(x, y)], indexes=1)
        except RasterioError as error:
            raise SceneError(
                f"{dataset.name}: the detectors cannot be read ({error}); copy the product again"
            ) from error
        return int(values[0]) or None

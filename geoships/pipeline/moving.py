"""The motion of the ships of a run, from the delay between the bands of its scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geoships.config import PredictConfig
from geoships.output.ship_filter import DetectedShip
from geoships.pipeline.scene_run import SceneRun
from geoships.scene.bands import common_names
from geoships.scene.opening.open import SceneFile

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

    from geoships.motion.settings import MotionSettings

UNKNOWN_DELAYS = (
    "when the bands saw the ships is not known, so motion is not measurable; for a scene that is no Sentinel-2 product "
    "use geoships motion --delays or --metadata"
)


@dataclass(frozen=True)
class MovingShips:
    """Ships whose motion was measured.

    Attributes:
        kept: The ships, without aircraft where these are dropped.
        table: Their table, with the columns of motion.
        summary: Counts, those of dropped aircraft, too.
        warnings: About the measurement.
    """

    kept: list[DetectedShip]
    table: GeoDataFrame
    summary: dict[str, Any]
    warnings: tuple[str, ...] = ()


def measures_motion(config: PredictConfig) -> bool:
    """Whether a run measures motion: where that is asked for, or aircraft are to be dropped."""
    return config.motion or config.aircraft == "drop"


class ShipMotion:
    """Measures the motion of the ships of a run.

    Args:
        run: The run.
        file: Its scene.

    Raises:
        GeoshipsError: Motion cannot show in the scene: it has no place on Earth, or too few bands.
    """

    def __init__(self, run: SceneRun, file: SceneFile) -> None:
        from geoships.motion.measure import require_measurable  # with SciPy's optimisation and statistics

        self._run, self._file, self._settings = run, file, _settings(run, file)
        require_measurable(file, self._settings)

    def measure(self, kept: Sequence[DetectedShip], table: GeoDataFrame) -> MovingShips:
        """Measure the motion of ships.

        Args:
            kept: The ships.
            table: One row for each.
        """
        from geoships.motion.answer import Motion
        from geoships.motion.measure import measure_in
        from geoships.motion.times import NO_DELAYS

        with self._run.timed("motion"):
            found = measure_in(self._file, table, self._settings)
        ships, left = found.ships, list(kept)
        if self._run.config.aircraft == "drop":
            stays = ships["motion"] != Motion.AIRCRAFT
            ships = ships[stays].reset_index(drop=True).assign(id=range(1, int(stays.sum()) + 1))
            left = [ship for ship, it_stays in zip(kept, stays, strict=True) if it_stays]
        unknown = found.summary["delays"] == NO_DELAYS
        return MovingShips(left, ships, dict(found.summary), (UNKNOWN_DELAYS,) if unknown else ())


def _settings(run: SceneRun, file: SceneFile) -> MotionSettings:
    """How motion is measured: with the bands that the file names, else with those that the user names for the model."""
    from geoships.motion.measure import WANTED
    from geoships.motion.settings import MotionSettings

    named = set(common_names(file.header.bands).values()) & set(WANTED)
    if run.config.bands is None or len(named) > 1:
        return MotionSettings()
    bands = run.scene.bands
    known = dict(zip(bands.names, bands.indexes, strict=True))
    return MotionSettings(bands=[known.get(name, "-") for name in WANTED])

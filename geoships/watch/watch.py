"""Watches for new scenes: each is computed once, its ships are put to the rules, and messages are sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock
import geopandas
import pandas as pd
import shapely

from geoships.cluster.outcomes import Outcome
from geoships.cluster.run import RunOptions, run_scenes
from geoships.config import PredictConfig
from geoships.config.watch import WatchConfig
from geoships.errors import GeoshipsError, OutputError
from geoships.pipeline.batch import FORMATS, SceneJob
from geoships.support.progress import NoProgress, Progress
from geoships.watch.attributes import DAY, read_zones
from geoships.watch.channels import check_channels
from geoships.watch.messages import alarm
from geoships.watch.one_scene import SceneFacts, footprint, look_at
from geoships.watch.outbox import deliver
from geoships.watch.rules import Compiled, compile_rules
from geoships.watch.sources import Named, Source
from geoships.watch.store import FOLDER, Store


@dataclass
class WatchRound:
    """What one look for new scenes did.

    Attributes:
        done: Scenes that were computed and counted.
        failed: Scenes that failed.
        outside: Scenes that do not touch the area.
        alerts: Ships for which a rule holds, with a column `rule`.
        sent: Messages that were sent.
        unsent: Messages that were not taken; they are tried again.
        reason: Why the look itself failed; empty if it did not.
    """

    done: int = 0
    failed: int = 0
    outside: int = 0
    alerts: geopandas.GeoDataFrame = field(default_factory=lambda: _alerts_table([]))
    sent: int = 0
    unsent: int = 0
    reason: str = ""

    def summary(self) -> dict[str, Any]:
        """Counts, as JSON."""
        return {
            "done": self.done, "failed": self.failed, "outside": self.outside, "alerts": len(self.alerts),
            "sent": self.sent, "unsent": self.unsent, "reason": self.reason or None,
        }  # fmt: skip


class Watch:
    """A watch; used in a ``with`` block, and by one process at a time.

    Args:
        source: Where scenes come from.
        area: Polygons to search, a vector file.
        out_dir: Folder of the ships, the pictures, the manifest and the memory of the watch.
        config: Rules and channels.
        predict: Settings of the prediction.
        progress: Told of progress and warnings.

    Raises:
        GeoshipsError: A rule, a channel, the area or the zones are wrong, or another process watches into this folder.
    """

    def __init__(
        self,
        source: Source,
        area: Path,
        out_dir: Path,
        config: WatchConfig,
        predict: PredictConfig | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._source, self._out_dir, self._config = source, out_dir, config
        self._rules: list[Compiled] = compile_rules(config.rules)
        check_channels(config.channels)
        self._zones = read_zones(config)
        self._area = read_area_shape(area)
        self._predict = (predict or PredictConfig()).model_copy(update={"area": area})
        self._progress = progress or NoProgress()
        self._store = Store(out_dir)
        self._lock = filelock.FileLock(out_dir / FOLDER / "watch.lock", timeout=0)

    def __enter__(self) -> Watch:
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise OutputError(f"{self._out_dir}: another process watches into this folder; stop it first") from error
        if lost := self._store.lost_track():
            self._progress.warn(f"{lost} messages may have been sent or not, and are not sent again (at-most-once)")
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()
        self._lock.release()

    def round(self) -> WatchRound:
        """Look for new scenes once, and send messages. A failure becomes an alarm, and ends nothing."""
        found = WatchRound()
        try:
            self._compute(found)
        except GeoshipsError as error:
            found.reason = " ".join(str(error).split())
            self._alarm("failure", [found.reason, _today()], "the watch failed", found.reason)
        self._check_silence()
        self._deliver(found)
        found.unsent = self._store.message_counts().get("waiting", 0)
        self._store.forget(self._store.newest() - self._config.memory_days * DAY)
        return found

    def run(self, every: float, told: Callable[[WatchRound], None] = lambda _: None) -> Iterator[WatchRound]:
        """Look again and again.

        Args:
            every: Seconds from the begin of one look to that of the next.
            told: Called after each look.

        Yields:
            What each look did, for ever.
        """
        while True:
            begun = time.monotonic()
            found = self.round()
            told(found)
            yield found
            time.sleep(max(0.0, every - (time.monotonic() - begun)))

    def counts(self) -> dict[str, Any]:
        """Scenes and messages of all rounds so far, by state."""
        return {"scenes": self._store.counts(), "messages": self._store.message_counts()}

    def _compute(self, found: WatchRound) -> None:
        alerts: list[dict[str, Any]] = []
        for named in map(Named, self._source.scenes()):
            if self._store.state(named.key) in ("done", "outside"):
                continue
            place = self._place(named)
            job = SceneJob(named.scene.scene, out=self._out_dir / f"{place}{FORMATS['geojson']}", place=place)
            if not self._touches(job):
                self._store.settle_scene(named.key, "outside")
                found.outside += 1
                continue
            outcome = self._run(job)
            if outcome.failed:
                self._settle_failure(named, outcome, found)
            else:
                alerts += self._settle_success(named, job)
                found.done += 1
            self._deliver(found)
        found.alerts = _alerts_table(alerts)

    def _deliver(self, found: WatchRound) -> None:
        delivered = deliver(self._store, self._config.channels, self._progress)
        found.sent += delivered.sent
        for reason in delivered.given_up:
            self._progress.warn(reason)

    def _place(self, named: Named) -> str:
        known = self._store.place_of(named.key)
        if known is not None:
            return known
        place = named.other_place() if self._store.place_taken(named.place()) else named.place()
        self._store.add_scene(named.key, place, named.key)
        return place

    def _touches(self, job: SceneJob) -> bool:
        """Whether a scene touches the area; True for one that cannot be opened, whose run says why."""
        shape = footprint(job.scene)
        return shape is None or bool(shapely.intersects(shape, self._area))

    def _run(self, job: SceneJob) -> Outcome:
        options = RunOptions(listed=self._store.listed())
        result = run_scenes([job], self._out_dir, self._predict, options, progress=self._progress)
        return result.outcomes[0]

    def _settle_success(self, named: Named, job: SceneJob) -> list[dict[str, Any]]:
        """Write down a scene, the places of its ships and its messages, all together."""
        facts = look_at(job, named.key, self._rules, self._zones, self._store, self._config)
        with self._store.transaction():
            self._store.settle_scene(
                named.key, "done", ships=len(facts.lonlat), moment=facts.moment, bounds=facts.bounds
            )
            self._store.add_sightings(named.key, facts.lonlat, facts.moment)
            self._store.add_messages(facts.messages)
        self._note(job, facts)
        return facts.alerts

    def _note(self, job: SceneJob, facts: SceneFacts) -> None:
        ships, alerts = len(facts.lonlat), len(facts.alerts)
        self._progress.note(f"{job.place}: {ships} ships, {alerts} alert{'' if alerts == 1 else 's'}")

    def _settle_failure(self, named: Named, outcome: Outcome, found: WatchRound) -> None:
        if self._store.state(named.key) == "failed" and self._store.reason(named.key) == outcome.reason:
            return
        found.failed += 1
        messages = alarm(
            "failure", [named.key, outcome.reason], f"a scene failed: {outcome.scene}", outcome.reason, self._config
        )
        with self._store.transaction():
            self._store.settle_scene(named.key, "failed", reason=outcome.reason)
            self._store.add_messages(messages)
        self._progress.warn(f"{outcome.scene}: {outcome.reason}")

    def _alarm(self, kind: str, parts: list[object], title: str, text: str) -> None:
        with self._store.transaction():
            self._store.add_messages(alarm(kind, parts, title, text, self._config))
        self._progress.warn(f"{title}: {text}")

    def _check_silence(self) -> None:
        """An alarm where no scene came for long: one until the next scene comes."""
        days, last = self._config.silence_days, self._store.last_arrival()
        began = self._store.began()
        since = last if last is not None else began
        if days is None or time.time() - since < days * DAY:
            return
        when = datetime.fromtimestamp(since, UTC)
        messages = alarm(
            "silence", [since], f"no new scene for {days:g} days",
            f"the last one came on {when:%Y-%m-%d %H:%M} UTC" if last else f"none came since {when:%Y-%m-%d %H:%M} UTC",
            self._config,
        )  # fmt: skip
        with self._store.transaction():
            if self._store.add_messages(messages):
                self._progress.warn(messages[0].payload["title"])


def read_area_shape(path: Path) -> shapely.geometry.base.BaseGeometry:
    """The area in longitude and latitude.

    Raises:
        GeoshipsError: The file cannot be read, has no CRS, or no polygon.
    """
    from geoships.scene.layers.vector_file import read_vector

    frame = read_vector(path, "the area")
    if frame.crs is None:
        raise GeoshipsError(f"{path} has no CRS, so the area has no place on Earth")
    shapes = [each for each in frame.geometry.to_crs(4326) if each is not None and shapely.area(each) > 0]
    if not shapes:
        raise GeoshipsError(f"{path} has no polygon of the area to watch")
    return shapely.union_all(shapely.make_valid(shapes))


def _alerts_table(rows: list[dict[str, Any]]) -> geopandas.GeoDataFrame:
    """Ships for which a rule holds, as points in longitude and latitude."""
    table = pd.DataFrame(rows, columns=list(rows[0]) if rows else ["rule", "scene", "lon", "lat"])
    points = geopandas.GeoSeries.from_xy(table["lon"].astype(float), table["lat"].astype(float), crs=4326)
    return geopandas.GeoDataFrame(table, geometry=points)


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"

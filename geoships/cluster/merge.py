"""Many runs as one: their manifests joined, and the ships of all scenes in one layer."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from geoships.cluster.manifest import FOLDER, Manifest
from geoships.cluster.records import SceneRecord
from geoships.errors import OutputError
from geoships.output.antimeridian import cut_at_antimeridian
from geoships.output.read_ships import read_ships
from geoships.pipeline.run_mark import differences
from geoships.support.files import atomic_write
from geoships.support.remote.upload import local_copy

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

COLUMNS = ("scene", "place", "run", "state", "ships", "attempts", "seconds", "finished", "reason")


@dataclass(frozen=True)
class RunScene:
    """A scene of one of several runs.

    Attributes:
        run: Folder of outputs of the run.
        record: What is known of the scene; a scene that no run has begun has a record without attempts.
    """

    run: Path
    record: SceneRecord

    @property
    def state(self) -> str:
        """``done``, ``failed``, ``stopped`` in the middle, or ``missing``."""
        if self.record.state == "running":
            return "stopped" if self.record.attempts else "missing"
        return self.record.state

    @property
    def vector(self) -> Path | None:
        """File of its ships."""
        output = self.record.outputs.get("vector")
        return self.run / output.path if output and self.state == "done" else None


@dataclass(frozen=True)
class MergedRuns:
    """The scenes of several runs, each once.

    Attributes:
        scenes: In the order of their places.
        warnings: What a user should know about the runs.
    """

    scenes: tuple[RunScene, ...]
    warnings: tuple[str, ...] = field(default=())

    def count(self, state: str) -> int:
        """Number of scenes in a state."""
        return sum(one.state == state for one in self.scenes)


def merge_manifests(runs: Sequence[Path]) -> MergedRuns:
    """Join the manifests of runs, such as the shards of one.

    A scene of several runs, told by its name and place or by the content of its files, is taken once: where it is done
    rather than where it failed, of several from the run that is named first.

    Args:
        runs: Folders of outputs.

    Raises:
        OutputError: A folder has no manifest, or a scene is done twice with different settings or models.
    """
    chosen: dict[tuple[str, str], RunScene] = {}
    listed: dict[str, tuple[str, Path]] = {}
    for run in runs:
        manifest = Manifest(run)
        if not manifest.exists:
            raise OutputError(
                f"{run}: is not the folder of outputs of a run (it has no {FOLDER}); give --out-dir of one"
            )
        listed |= {place: (name, run) for place, name in manifest.listed().items() if place not in listed}
        for record in manifest.records():
            one, key = RunScene(run, record), (record.scene, record.place)
            other = chosen.get(key)
            if other is None or _rank(one) < _rank(other):
                chosen[key] = one
            if other is not None and one.state == other.state == "done":
                _check_same(one, other)
    known = {one.record.place for one in chosen.values()}
    for place, (name, run) in listed.items():
        if place not in known:
            chosen[name, place] = RunScene(run, SceneRecord(scene=name, place=place, state="running"))
    scenes = sorted(_without_copies(chosen.values()), key=lambda one: (one.record.place, str(one.run)))
    return MergedRuns(tuple(scenes), tuple(_mixtures(scenes)))


def _without_copies(scenes: Iterable[RunScene]) -> list[RunScene]:
    """Leave out scenes that an earlier run has done under another name, told by the content of their files."""
    runs: dict[tuple[str, ...], Path] = {}
    left = []
    for one in scenes:
        digests = tuple(sorted(file.sha256 for file in one.record.files))
        if one.state == "done" and digests and runs.setdefault(digests, one.run) != one.run:
            continue
        left.append(one)
    return left


def _rank(one: RunScene) -> int:
    return ("done", "failed", "stopped", "missing").index(one.state)


def _check_same(one: RunScene, other: RunScene) -> None:
    found = differences(other.record.settings, one.record.settings)
    if one.record.model != other.record.model:
        found.append("another model")
    if found:
        raise OutputError(
            f"{one.record.scene} is done in {other.run} and in {one.run} with different settings ({'; '.join(found)}); "
            "merge runs with the same settings"
        )


def _mixtures(scenes: Iterable[RunScene]) -> list[str]:
    """Warnings where scenes were computed with different settings or models."""
    done = [one for one in scenes if one.state == "done"]
    found = []
    if done:
        first = done[0].record
        other = next((one for one in done if differences(first.settings, one.record.settings)), None)
        if other is not None:
            what = "; ".join(differences(first.settings, other.record.settings))
            found.append(f"scenes were computed with different settings, such as {other.record.scene}: {what}")
    models = sorted({one.record.model.name + " " + one.record.model.sha256[:8] for one in done if one.record.model})
    if len(models) > 1:
        found.append(f"scenes were computed with different models: {', '.join(models)}")
    return found


def write_table(path: Path, merged: MergedRuns) -> None:
    """Write one row for each scene as CSV, with the columns of COLUMNS.

    Raises:
        OutputError: The file cannot be written.
    """
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for one in merged.scenes:
            record = one.record
            writer.writerow(
                (
                    record.scene, record.place, one.run, one.state, record.ships, record.attempts, record.seconds,
                    record.finished, record.reason or "",
                )
            )  # fmt: skip


def read_all_ships(merged: MergedRuns, crs: str) -> tuple[GeoDataFrame, tuple[str, ...]]:
    """Read the ships of all scenes that are done.

    Args:
        merged: The scenes.
        crs: CRS of the layer, such as ``EPSG:4326``.

    Returns:
        One row a ship with the columns of the scenes' files; `id` runs from 1, `place` tells the scene and `scene_id`
        the number of the ship in it. And warnings: scenes without a place on Earth are left out.

    Raises:
        GeoshipsError: A file is missing or cannot be read.
    """
    import geopandas
    import pandas as pd

    parts, unplaced = [], []
    for one in merged.scenes:
        if one.vector is None:
            continue
        with local_copy(one.vector) as file:
            ships = read_ships(file)
        if ships.crs is None:
            unplaced.append(one.record.scene)
            continue
        ships = _with_geometry(ships).rename(columns={"id": "scene_id"}).to_crs(crs)
        ships.insert(0, "place", one.record.place)
        parts.append(ships)
    warned = (f"left out, because they have no place on Earth: {', '.join(unplaced)}",) if unplaced else ()
    if not parts:
        return geopandas.GeoDataFrame({"id": [], "place": []}, geometry=[], crs=crs), warned
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # on columns that are empty in some scenes
        table = geopandas.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=crs)
    if table.crs.is_geographic:
        table.geometry = [cut_at_antimeridian(outline) for outline in table.geometry]
    table.insert(0, "id", range(1, len(table) + 1))
    return table, warned


def _with_geometry(ships: GeoDataFrame) -> GeoDataFrame:
    """The ships with their outlines in the column `geometry`, whatever the format calls it."""
    return ships if ships.geometry.name == "geometry" else ships.rename_geometry("geometry")

"""Jobs: scenes and the files to write for them. Loads no network, so that a process may only hand jobs out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from geoships.errors import OutputError
from geoships.scene.listing.listed import ListedScene, listed_scene
from geoships.scene.listing.places import places
from geoships.scene.opening.band_files import SceneName
from geoships.support.remote.address import as_path

FORMATS = {"geojson": ".geojson", "gpkg": ".gpkg", "fgb": ".fgb", "parquet": ".parquet"}


@dataclass(frozen=True)
class SceneJob:
    """One scene and the files to write for it.

    Attributes:
        scene: Path, subdataset or address of a raster or a STAC Item, or files band by band.
        out: Vector file of the ships; None: none. The same holds for all other outputs.
        mask: GeoTIFF of the ship mask.
        scores: GeoTIFF of the scores.
        stac: STAC Item of the run (.json).
        preview: PNG image of the scene with its ships.
        project: QGIS project (.qgz) of the scene and its outputs.
        place: Relative path of the outputs of one of many scenes, without an ending.
    """

    scene: SceneName
    out: Path | None = None
    mask: Path | None = None
    scores: Path | None = None
    stac: Path | None = None
    preview: Path | None = None
    project: Path | None = None
    place: str = field(default="", compare=False)

    @property
    def outputs(self) -> dict[str, Path]:
        """The files to write, by kind (vector, mask, scores, preview, project, stac)."""
        kinds = {"vector": self.out, "mask": self.mask, "scores": self.scores, "preview": self.preview}
        kinds |= {"project": self.project, "stac": self.stac}
        return {kind: path for kind, path in kinds.items() if path}


def plan_outputs(
    scenes: Sequence[SceneName | ListedScene],
    out_dir: str | Path,
    *,
    format: str = "geojson",  # noqa: A002 - what the command line calls it, too
    rasters: bool = False,
    previews: bool = False,
    items: bool = False,
) -> list[SceneJob]:
    """Name the outputs of each scene in a folder, after the scene's file name without its ending.

    Scenes of one name keep as many of their folders as tell them apart, see `geoships.scene.listing.places`.

    Args:
        scenes: Scenes, as `geoships.predict` takes them, or as `geoships.scene.listing` found them, with the folders
            that their outputs keep.
        out_dir: Folder of the outputs; it is not created here.
        format: Format of the vector files, a key of `FORMATS`.
        rasters: Write masks (``NAME_mask.tif``) and scores (``NAME_scores.tif``).
        previews: Write previews (``NAME.png``).
        items: Write STAC Items (``NAME_item.json``).

    Returns:
        One job for each scene, in the order of `scenes`.

    Raises:
        OutputError: The format is unknown, or the outputs of several scenes have the same name.
    """
    if format not in FORMATS:
        raise OutputError(f"unknown format {format!r} of vector files; choose one of {', '.join(FORMATS)}")
    listed = [scene if isinstance(scene, ListedScene) else listed_scene(scene) for scene in scenes]
    folder, jobs = as_path(out_dir), []
    for one, place in zip(listed, places(listed), strict=True):
        path = folder / place
        jobs.append(
            SceneJob(
                one.scene,
                path.with_name(f"{path.name}{FORMATS[format]}"),
                path.with_name(f"{path.name}_mask.tif") if rasters else None,
                path.with_name(f"{path.name}_scores.tif") if rasters else None,
                path.with_name(f"{path.name}_item.json") if items else None,
                path.with_name(f"{path.name}.png") if previews else None,
                place=place,
            )
        )
    return jobs

"""Settings of a study: every combination of training methods, losses, optimisers and seeds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from geoships.config.augment import Part
from geoships.config.segmentation import ChipFolder, TrainConfig
from geoships.config.training import Optimiser
from geoships.config.yaml_file import parse_overrides, read_settings

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._]*$")]
EXAMPLE = "configs/study_two_ways.yaml"
FIXED = ("name", "seed", "loss", "optimiser")  # settings of a training that the study sets


class Way(Part):
    """A training method.

    Attributes:
        source: ``chips``, cut once on a grid, or ``scenes``, cropped anew for every step by a geo sampler.
        bands: STAC common names, in the network's order.
    """

    source: Literal["chips", "scenes"]
    bands: Annotated[tuple[str, ...], Field(min_length=1)]


class Judging(Part):
    """The evaluation of every run, on whole scenes.

    Attributes:
        groups: Groups of scenes to evaluate on; no run is trained on them.
        threshold: Minimum score of a ship pixel; None: each model's own, the best on its validation set.
        device: See `PredictConfig`.
        engine: See `PredictConfig`.
        precision: See `PredictConfig`.
        tile_size: See `PredictConfig`.
    """

    groups: Annotated[tuple[str, ...], Field(min_length=1)]
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    device: str = "auto"
    engine: Literal["auto", "torch", "openvino", "onnx"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    tile_size: Annotated[int, Field(ge=64, le=8192)] | None = None


@dataclass(frozen=True)
class StudyRun:
    """One run: a cell of the result table, and a seed."""

    way: str
    loss: str
    optimiser: str
    seed: int

    @property
    def cell(self) -> str:
        """Name of the cell, as patterns of `only` match it."""
        return f"{self.way}/{self.loss}/{self.optimiser}"

    @property
    def name(self) -> str:
        """Name of its folder and of its model."""
        return f"{self.way}-{self.loss}-{self.optimiser}-{self.seed}"


class StudyConfig(Part):
    """Settings of one study.

    Attributes:
        name: Name of the study.
        training: Settings of every run, as for `geoships train`, without those that the study sets (FIXED, data.bands).
        ways: Training methods, by name.
        losses: Losses, by name; a loss is weights by name of its terms, as in a training.
        optimisers: Optimisers, by name.
        seeds: Random seeds; every combination of method, loss and optimiser is run with each.
        judge: The evaluation of every run.
        chip: Pixels per side of the chips that the scenes are cut into; None: `crops.size`.
        only: Patterns of cells to run, such as ``classic/*/adam``; the others are reported as not run. Empty: all.
    """

    name: Name
    training: dict[str, Any]
    ways: Annotated[dict[Name, Way], Field(min_length=1)]
    losses: Annotated[dict[Name, dict[str, float]], Field(min_length=1)]
    optimisers: Annotated[dict[Name, Optimiser], Field(min_length=1)]
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Field(min_length=1)] = (1, 2, 3)
    judge: Judging
    chip: Annotated[int, Field(ge=32, le=8192)] | None = None
    only: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _every_run_is_a_training(self) -> StudyConfig:
        data = self.training.get("data", {})
        taken = [name for name in FIXED if name in self.training]
        taken += [f"data.{name}" for name in ("bands", "chips") if name in data]
        if taken:
            raise ValueError(f"training.{', training.'.join(taken)}: set by the study; remove it")
        for run in self.all_runs():
            try:
                config = self.scene_config(run)
                if self.ways[run.way].source == "chips":
                    self.chip_config(run, Path("parts"))
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, first["loc"]))
                raise ValueError(f"run {run.name}: {where}: {first['msg']}") from error
            validation = config.data.validation
            if not validation.groups and validation.share:
                raise ValueError(
                    "training.data.validation: name `groups`, or set `share: 0`; blocks differ between scenes and chips"
                )
        if unknown := [
            pattern for pattern in self.only if not any(fnmatchcase(r.cell, pattern) for r in self.all_runs())
        ]:
            raise ValueError(f"only: no cell matches {', '.join(unknown)}; write WAY/LOSS/OPTIMISER")
        return self

    def all_runs(self) -> list[StudyRun]:
        """Every run of the full table, seed by seed, so that a study that is stopped early has complete tables."""
        combinations = itertools.product(self.seeds, self.ways, self.losses, self.optimisers)
        return [StudyRun(way, loss, optimiser, seed) for seed, way, loss, optimiser in combinations]

    def runs(self) -> list[StudyRun]:
        """The runs that `only` selects."""
        return [r for r in self.all_runs() if not self.only or any(fnmatchcase(r.cell, name) for name in self.only)]

    def scene_config(self, run: StudyRun) -> TrainConfig:
        """Settings of a run that is trained on scenes; for one on chips, of the scenes to cut into chips.

        Args:
            run: The run.
        """
        data = dict(self.training.get("data", {}))
        bands = self.ways[run.way].bands
        data["bands"] = bands
        data["hold_out"] = [*data.get("hold_out", ()), *self.judge.groups]
        if "optional" in data:
            data["optional"] = [band for band in data["optional"] if band in bands]
        return TrainConfig.model_validate({
            **self.training, "data": data, "name": run.name, "seed": run.seed, "loss": self.losses[run.loss],
            "optimiser": self.optimisers[run.optimiser],
        })  # fmt: skip

    def chip_config(self, run: StudyRun, folder: Path, read_options: dict[str, Any] | None = None) -> TrainConfig:
        """Settings of a run that is trained on chips.

        Args:
            run: The run.
            folder: Folder of the chips.
            read_options: Options of reading the chips, taken from the scenes' entries.
        """
        config = self.scene_config(run)
        data = config.data.model_copy(
            update={
                "root": folder.parent, "chips": ChipFolder(folder=Path(folder.name), **(read_options or {})),
                "scenes": (), "labels": None, "ignore": None,
                "target": config.data.target.model_copy(update={"value": None}),
            }
        )  # fmt: skip
        return TrainConfig.model_validate({**dict(config), "data": data.model_dump()})


def study_config(file: Path, settings: tuple[str, ...] = ()) -> StudyConfig:
    """Read the settings of a study.

    Args:
        file: YAML file.
        settings: Overrides like ``training.run.epochs=3``.

    Raises:
        GeoshipsError: A setting is wrong; the message names each one and its valid values.
    """
    return read_settings(StudyConfig, file, parse_overrides(settings), EXAMPLE)

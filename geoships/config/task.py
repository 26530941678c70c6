"""Which kind of training a YAML file asks for."""

from __future__ import annotations

from pathlib import Path

from geoships.config.classification import EXAMPLE, ChipConfig, chip_config
from geoships.config.segmentation import TrainConfig, train_config
from geoships.config.verification import VerifierConfig, verifier_config
from geoships.config.yaml_file import parse_overrides, read_values
from geoships.errors import GeoshipsError

TASKS = ("segmentation", "classification", "verification")


def task_config(file: Path, settings: tuple[str, ...] = ()) -> TrainConfig | ChipConfig | VerifierConfig:
    """Settings of the training that the key `task` names; a file without that key is about segmentation.

    Raises GeoshipsError that names each wrong setting and what it may be.
    """
    task = read_values(file, parse_overrides(settings), EXAMPLE).get("task", TASKS[0])
    if task not in TASKS:
        raise GeoshipsError(f"wrong setting in {file}, or on the command line: task: {task!r} is none of {TASKS}")
    if task == "verification":
        return verifier_config(file, settings)
    return chip_config(file, settings) if task == "classification" else train_config(file, settings)

"""Settings of a training of any task: segmentation, classification or verification."""

from __future__ import annotations

from pathlib import Path

from geoships.config.classification import EXAMPLE, ChipConfig, chip_config
from geoships.config.segmentation import TrainConfig, train_config
from geoships.config.verification import VerifierConfig, verifier_config
from geoships.config.yaml_file import parse_overrides, read_values
from geoships.errors import GeoshipsError

TASKS = ("segmentation", "classification", "verification")


def task_config(file: Path, settings: tuple[str, ...] = ()) -> TrainConfig | ChipConfig | VerifierConfig:
    """Read the settings of the training task that a file names.

    Args:
        file: YAML file; without the key `task` it is about segmentation.
        settings: Overrides like ``optimiser.rate=3e-4``.

    Raises:
        GeoshipsError: The task is unknown, or a setting is wrong; the message names each one and its valid values.
    """
    task = read_values(file, parse_overrides(settings), EXAMPLE).get("task", TASKS[0])
    if task not in TASKS:
        raise GeoshipsError(
            f"wrong setting in {file} or on the command line: task: expected one of {', '.join(TASKS)}, got {task!r}"
        )
    if task == "verification":
        return verifier_config(file, settings)
    return chip_config(file, settings) if task == "classification" else train_config(file, settings)

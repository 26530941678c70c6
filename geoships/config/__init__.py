"""Settings: pydantic models of the YAML files, one module per command."""

from geoships.config.classification import ChipConfig, chip_config
from geoships.config.label_classes import LabelSettings, label_settings
from geoships.config.predict import PredictConfig, predict_config
from geoships.config.segmentation import TrainConfig, train_config
from geoships.config.task import task_config
from geoships.config.verification import VerifierConfig, verifier_config

__all__ = [
    "ChipConfig",
    "LabelSettings",
    "PredictConfig",
    "TrainConfig",
    "VerifierConfig",
    "chip_config",
    "label_settings",
    "predict_config",
    "task_config",
    "train_config",
    "verifier_config",
]

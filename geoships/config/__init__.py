"""Settings: pydantic models of the YAML files."""

from geoships.config.predict import PredictConfig, predict_config
from geoships.config.train import TrainConfig, train_config

__all__ = ["PredictConfig", "TrainConfig", "predict_config", "train_config"]

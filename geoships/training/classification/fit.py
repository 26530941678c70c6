"""One training of a classifier: settings in, a folder with weights, logs and a model bundle out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from geoships.config.classification import ChipConfig, ClassifierSettings
from geoships.config.verification import VerifierConfig
from geoships.errors import GeoshipsError
from geoships.model.bundle import load_bundle
from geoships.model.card import NOT_STATED, Card
from geoships.model.networks import Architecture, build_classifier, load_body
from geoships.training.augment.radiometry import Recipe
from geoships.training.classification.data import ChipData, ClassifierData
from geoships.training.classification.folds import ChipSet, open_chips
from geoships.training.classification.task import Classification
from geoships.training.encoder import read_weights, rgb_channels
from geoships.training.record import training_record
from geoships.training.run import (
    Monitor,
    Trained,
    kept_weights,
    make_trainer,
    quiet_lightning,
    reproducible,
    validation_figures,
)
from geoships.training.run_folder import run_folder, write_bundle

# Paths say nothing to those who get the model; the bundle's own settings are the card.
NOT_IN_CARD: Any = {"bundle": True, "data": {"root", "labels"}, "network": {"encoder_weights", "start"}}
MONITOR = Monitor("val_loss", "min")
VALIDATION_NOTE = "On the validation chips; where they chose the weights, the figures are somewhat too good."
Data = TypeVar("Data", bound=ClassifierData)


def fit_chips(
    config: ChipConfig,
    out: Path,
    *,
    chips: ChipSet | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Trained:
    """Train a classifier of chips.

    config: settings. out: folder of the run; it gets `config.yaml`, `checkpoints/`, `logs/` and `bundle/`.
    chips: those of the settings, where they are open already. resume: go on from `checkpoints/last.ckpt` where there
    is one; on a CPU the weights become the same as if the run had never stopped. A finished run stays as it is.
    overwrite: delete an earlier run in the folder first; without it and `resume` one is refused.
    Raises GeoshipsError where the folder holds another run, or data or settings do not fit.
    """

    def open_data() -> ChipData:
        return ChipData(config, chips or open_chips(config.data))

    def card(data: ClassifierData, network: nn.Module) -> Card:
        return make_card(config, data.recipe, network)

    return fit_classifier(config, out, open_data, card, resume=resume, overwrite=overwrite, quiet=quiet)


def fit_classifier(
    config: ChipConfig | VerifierConfig,
    out: Path,
    open_data: Callable[[], Data],
    make_card: Callable[[Data, nn.Module], Card],
    *,
    head: float = 1.0,
    resume: bool,
    overwrite: bool,
    quiet: bool,
) -> Trained:
    """Train a classifier of timm on chips of any kind; `fit_chips` tells of the folder and of `resume`.

    open_data: gives the chips. make_card: the card of the trained network, which is in evaluation mode.
    head: factor on the last layer's first weights. timm draws them from -1 to 1 for one class in some networks, which
    makes a new network very sure of what it does not know.
    """
    with run_folder(config, out, resume, overwrite=overwrite) as last:
        if resume and (out / "bundle").is_dir():
            return Trained(out, load_bundle(out / "bundle"), f"{config.run.epochs} epochs", {})
        with quiet_lightning(), reproducible(config.seed):
            data = open_data()
            network = _starting_network(config.network, data.recipe.bands, head)
            task = Classification(network, config.loss, config.optimiser, config.schedule)
            trainer = make_trainer(config.run, out, MONITOR if data.validated else None, seed=config.seed, quiet=quiet)
            trainer.fit(task, datamodule=data, ckpt_path=str(last) if last else None, weights_only=False)
            if trainer.interrupted:
                raise KeyboardInterrupt
            weights, _ = kept_weights(config.run, out)
            network.load_state_dict(weights)
            network.cpu().float().eval()
            figures = validation_figures(task, data.val_dataloader()) if data.validated else {}
        card = make_card(data, network)
        record = training_record(
            figures=figures,
            threshold=card.threshold,
            budget={"epochs": trainer.current_epoch},
            data=data.counts,
            note=VALIDATION_NOTE if data.validated else None,
        )
        write_bundle(out, card.model_copy(update={"metrics": (record,)}), weights)
        return Trained(out, load_bundle(out / "bundle"), f"{trainer.current_epoch} epochs", figures)


def _starting_network(settings: ClassifierSettings, bands: Sequence[str], head: float) -> nn.Module:
    network = build_classifier(Architecture("", settings.encoder, len(bands), options=settings.options))
    if settings.encoder_weights:
        load_body(network, read_weights(settings.encoder_weights), rgb_channels(bands))
    with torch.no_grad():
        network.get_classifier().weight.mul_(head)  # type: ignore[operator]
    if settings.start:
        start = load_bundle(settings.start)
        try:
            network.load_state_dict(start.float_weights())
        except RuntimeError as error:
            raise GeoshipsError(f"network.start: the weights of {settings.start} are of another network") from error
    return network.to(memory_format=torch.channels_last)


def make_card(config: ChipConfig, recipe: Recipe, network: nn.Module) -> Card:
    """The card of a trained classifier of chips."""
    card = classifier_card(config, recipe, network, config.data.size, "one whole vessel in the middle of the chip")
    return Card.model_validate({**card, "geoships:training": config.model_dump(mode="json", exclude=NOT_IN_CARD)})


def classifier_card(
    config: ChipConfig | VerifierConfig, recipe: Recipe, network: nn.Module, size: int, ship: str
) -> dict[str, Any]:
    """What every classifier's card says. size: of a chip in pixels. ship: what the class means."""
    settings, data = config.bundle, config.data
    return {
        "mlm:name": config.name,
        "description": settings.description,
        "license": settings.licence or NOT_STATED,
        "mlm:architecture": config.network.encoder,
        "mlm:tasks": ["classification"],
        "mlm:total_parameters": sum(parameter.numel() for parameter in network.parameters()),
        "mlm:input": [
            {
                "bands": recipe.bands,
                "input": {"shape": (-1, len(recipe.bands), size, size)},
                "value_scaling": [{"mean": m, "stddev": s} for m, s in zip(recipe.mean, recipe.std, strict=True)],
                "pre_processing_function": {"expression": recipe.transform},
            }
        ],
        "mlm:output": [
            {
                "tasks": ["classification"],
                "classification:classes": [{"value": 1, "name": "ship", "description": ship}],
            }
        ],
        "gsd": data.gsd,
        "geoships:gsd_range": data.gsd_range,
        "geoships:threshold": settings.threshold or 0.5,
        "geoships:halo": 0,
        "geoships:step": 1,
        "geoships:network": {
            "decoder": "classifier",
            "encoder": config.network.encoder,
            "options": config.network.options,
        },
        "geoships:training_data": settings.training_data,
    }

"""One training: settings in, a folder with weights, logs and a model bundle out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from geoships.config.segmentation import Target, TrainConfig
from geoships.errors import GeoshipsError
from geoships.model.bundle import load_bundle, save_bundle
from geoships.model.card import Card
from geoships.model.networks import Architecture, build_network, load_encoder
from geoships.scene.tiling.windows import Window
from geoships.training.augment.radiometry import Recipe
from geoships.training.encoder import choose_bands, read_weights, rgb_channels
from geoships.training.run import Monitor, Trained, kept_weights, make_trainer, prepare_folder, quiet_lightning
from geoships.training.segmentation.chip_crops import ChipData
from geoships.training.segmentation.crops import at_size
from geoships.training.segmentation.data import ShipData
from geoships.training.segmentation.halo import measure_halo
from geoships.training.segmentation.losses import WeightedLoss
from geoships.training.segmentation.task import Segmentation
from geoships.training.segmentation.validation_images import ValidationPictures

# Paths say nothing to those who get the model; the bundle's own settings are the card.
NOT_IN_CARD: Any = {
    "bundle": True,
    "data": {"root", "scenes", "chips", "labels", "ignore"},
    "crops": {"hard_examples"},
    "network": {"encoder_weights", "start"},
    "run": {"tracker", "project"},
}
MONITOR = Monitor("val_iou", "max")
HALO_PICTURES = 4
HALO_CUT = 64  # model pixels


def fit(config: TrainConfig, out: Path, *, resume: bool = False, quiet: bool = False) -> Trained:
    """Train a model.

    config: settings. out: folder of the run; it gets `config.yaml`, `checkpoints/`, `logs/` and `bundle/`.
    resume: go on from `checkpoints/last.ckpt` where there is one; on a CPU the weights become the same as if
    the run had never stopped. A finished run stays as it is.
    Raises GeoshipsError where the folder holds another run, or data or settings do not fit.
    """
    last = prepare_folder(config, out, resume)
    if resume and (out / "bundle").is_dir():
        return Trained(out, load_bundle(out / "bundle"), config.run.epochs, {})
    lightning.seed_everything(config.seed, verbose=False)
    torch.use_deterministic_algorithms(True, warn_only=True)
    data = ChipData(config) if config.data.chips else ShipData(config)
    architecture = Architecture(
        config.network.decoder, config.network.encoder, len(config.data.bands), options=config.network.options
    )
    network = _starting_network(architecture, config)
    task = Segmentation(
        network,
        WeightedLoss({str(name): weight for name, weight in config.loss.items()}),
        config.optimiser,
        config.schedule,
    )
    with quiet_lightning():
        monitor = MONITOR if data.validated else None
        pictures = [ValidationPictures(config.run.pictures)] if config.run.pictures and monitor else []
        trainer = make_trainer(config.run, out, monitor, pictures, seed=config.seed, quiet=quiet)
        trainer.fit(task, datamodule=data, ckpt_path=str(last) if last else None, weights_only=False)
    if trainer.interrupted:
        raise KeyboardInterrupt
    weights, checkpoint = kept_weights(config.run, out)
    threshold = float(checkpoint["best_threshold"])
    network.load_state_dict(weights)
    network = network.cpu().float().eval()
    halo = config.bundle.halo
    if halo is None:
        assert isinstance(data, ShipData)  # the settings see to it
        halo = _halo(network, data)
    card = make_card(config, data, network, halo=halo, threshold=config.bundle.threshold or threshold)
    save_bundle(out / "bundle", card, weights)
    figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return Trained(out, load_bundle(out / "bundle"), trainer.current_epoch, figures)


def _starting_network(architecture: Architecture, config: TrainConfig) -> nn.Module:
    network = build_network(architecture)
    settings = config.network
    if settings.encoder_weights:
        load_encoder(network, read_weights(settings.encoder_weights), rgb_channels(config.data.bands))
    if settings.start:
        start, stem = load_bundle(settings.start), next(iter(network.state_dict()))
        try:
            network.load_state_dict(choose_bands(start.float_weights(), stem, start.card.bands, config.data.bands))
        except (RuntimeError, KeyError) as error:
            raise GeoshipsError(f"network.start: the weights of {settings.start} are of another network") from error
    return network.to(memory_format=torch.channels_last)


def _halo(network: nn.Module, data: ShipData) -> int:
    """Measure the halo on pictures of the scenes that were trained on."""
    size = 2 * (HALO_CUT + 256) + 64
    images: list[NDArray[np.float32]] = []
    for scene in data.train_scenes[:HALO_PICTURES]:
        rows, columns = (round(size / scale) for scale in scene.scale)
        whole = scene.scene.window
        window = Window((whole.height - rows) // 2, (whole.width - columns) // 2, rows, columns)
        images.append(data.recipe.apply(at_size(*scene.sample(window), size)[0]))
    return measure_halo(network, images, HALO_CUT)


def make_card(
    config: TrainConfig, data: ShipData | ChipData, network: nn.Module, *, halo: int, threshold: float
) -> Card:
    """The card of a trained network."""
    settings, recipe = config.bundle, data.recipe
    return Card.model_validate(
        {
            "mlm:name": config.name,
            "description": settings.description,
            "license": settings.licence,
            "mlm:architecture": f"{config.network.decoder} over {config.network.encoder}",
            "mlm:total_parameters": sum(parameter.numel() for parameter in network.parameters()),
            "mlm:input": [_card_input(recipe)],
            "mlm:output": [_card_output(config.data.target)],
            "gsd": config.data.gsd,
            "geoships:gsd_range": config.data.gsd_range,
            "geoships:threshold": threshold,
            "geoships:min_peak": settings.min_peak,
            "geoships:views": settings.views,
            "geoships:halo": halo,
            "geoships:step": _step(network),
            "geoships:label_margin": settings.label_margin,
            "geoships:label_value": config.data.target.value,
            "geoships:optional_bands": config.data.optional,
            "geoships:network": {
                "decoder": config.network.decoder,
                "encoder": config.network.encoder,
                "options": config.network.options,
            },
            "geoships:training_data": settings.training_data,
            "geoships:trained_on": data.groups,
            "geoships:training": config.model_dump(mode="json", exclude=NOT_IN_CARD),
        }
    )


def _card_output(target: Target) -> dict[str, Any]:
    described = target.description or ("a vessel" if target.name == "ship" else "")
    known = {"value": 1, "name": target.name, "description": described, "color_hint": target.colour.removeprefix("#")}
    return {"name": f"{target.name} score", "classification:classes": [known]}


def _card_input(recipe: Recipe) -> dict[str, Any]:
    return {
        "bands": recipe.bands,
        "input": {"shape": (-1, len(recipe.bands), -1, -1)},
        "value_scaling": [{"mean": mean, "stddev": std} for mean, std in zip(recipe.mean, recipe.std, strict=True)],
        "pre_processing_function": {"expression": recipe.transform},
    }


def _step(network: nn.Module) -> int:
    """Pixels that the deepest level of an smp network turns into one."""
    return int(network.get_submodule("encoder").output_stride)  # type: ignore[arg-type]

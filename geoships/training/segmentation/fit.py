"""One training: settings in, a folder with weights, logs and a model bundle out."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import nn

from geoships.config.segmentation import Target, TrainConfig
from geoships.errors import GeoshipsError
from geoships.model.bundle import load_bundle, save_bundle
from geoships.model.card import Card
from geoships.model.networks import Architecture, build_network, load_encoder
from geoships.training.augment.radiometry import Recipe
from geoships.training.encoder import choose_bands, read_weights, rgb_channels
from geoships.training.run import Trained, hardware, prepare_folder, quiet_lightning, reproducible
from geoships.training.segmentation.checkpoint import load_checkpoint, remove_unfinished
from geoships.training.segmentation.data import TrainingData, open_data
from geoships.training.segmentation.halo import measure_halo
from geoships.training.segmentation.loop import BEST, Training
from geoships.training.segmentation.progress import ProgressLine
from geoships.training.trackers import make_loggers

# Paths say nothing to those who get the model; the bundle's own settings are the card.
NOT_IN_CARD: Any = {
    "bundle": True,
    "data": {"root", "scenes", "chips", "labels", "ignore"},
    "crops": {"hard_examples", "memory"},
    "network": {"encoder_weights"},
    "start": True,
    "run": {"tracker", "project", "checkpoint_minutes", "log_every", "workers"},
}
HALO_IMAGES = 4
HALO_CUT = 64  # model pixels
LARGEST_HALO = 256  # that is measured


def fit(
    config: TrainConfig, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> Trained:
    """Train a segmentation network.

    Args:
        config: Settings.
        out: Folder of the run; it gets `config.yaml`, `checkpoints/`, `logs/` and `bundle/`.
        resume: Whether to go on from `checkpoints/last.ckpt` where there is one. On a CPU the weights become the same
            bit for bit as those of a run that was never stopped, where the budget is `run.crops`. A finished run is
            left as it is.
        overwrite: Whether to delete an earlier run in the folder first. Without it and `resume` one is refused.
        quiet: Whether to write nothing to standard error.

    Raises:
        GeoshipsError: If the folder holds another run, or data or settings do not fit.
        KeyboardInterrupt: If the process is asked to stop; `resume` goes on from there.
    """
    with quiet_lightning(), reproducible(config.seed):
        fabric = Fabric(**hardware(config.run))
        fabric.launch()  # with several GPUs, the processes of the others begin here
        if fabric.is_global_zero:
            prepare_folder(config, out, resume, overwrite=overwrite)
            remove_unfinished(out / "checkpoints")
        fabric.barrier()
        if resume and (out / "bundle").is_dir():
            return Trained(out, load_bundle(out / "bundle"), _budget(config), {})
        data = open_data(config, out)
        network = starting_network(config)
        loggers = make_loggers(config.run, out)
        training = Training(
            config, network, data,
            fabric=fabric, folder=out / "checkpoints", loggers=loggers, line=ProgressLine(quiet),
        )  # fmt: skip
        if resume:
            training.resume()
        status = "failed"
        try:
            training.train()
            status = "success"
        finally:
            for logger in loggers:
                logger.finalize(status)
    if fabric.is_global_zero:
        _write_bundle(config, training, network, data, out)
    fabric.barrier()
    return Trained(out, load_bundle(out / "bundle"), _amount(training.crops), training.state.figures)


def _amount(crops: int) -> str:
    return f"{crops:,} crops"


def _budget(config: TrainConfig) -> str:
    return f"{config.run.hours:g} hours" if config.run.hours else _amount(config.run.crops)


def _write_bundle(config: TrainConfig, training: Training, network: nn.Module, data: TrainingData, out: Path) -> None:
    """Write the bundle of the weights that are kept."""
    best = out / "checkpoints" / BEST
    kept: dict[str, Any] = {"weights": training.average.weights(), "threshold": training.state.threshold}
    if config.run.keep == "best" and best.exists():
        kept = load_checkpoint(best)
    network.load_state_dict(kept["weights"])
    network = network.cpu().float().eval()
    halo = config.bundle.halo
    if halo is None:
        images = islice(data.plain_images(2 * (HALO_CUT + LARGEST_HALO) + 64), HALO_IMAGES)
        halo = measure_halo(network, images, HALO_CUT)
    card = make_card(config, data, network, halo=halo, threshold=config.bundle.threshold or kept["threshold"])
    save_bundle(out / "bundle", card, network.state_dict())


def starting_network(config: TrainConfig) -> nn.Module:
    """The network with the weights that the training starts from.

    Raises:
        BundleError: If the network cannot be built, or weights cannot be read or do not fit.
        GeoshipsError: If the bundle to start from holds another network.
    """
    settings, bands = config.network, config.data.bands
    network = build_network(Architecture(settings.decoder, settings.encoder, len(bands), options=settings.options))
    if settings.encoder_weights:
        load_encoder(network, read_weights(settings.encoder_weights), rgb_channels(bands))
    if config.start.bundle:
        start, stem = load_bundle(config.start.bundle), next(iter(network.state_dict()))
        try:
            network.load_state_dict(choose_bands(start.float_weights(), stem, start.card.bands, bands))
        except (RuntimeError, KeyError) as error:
            raise GeoshipsError(
                f"start.bundle: {config.start.bundle} holds another network than decoder {settings.decoder} over "
                f"{settings.encoder} with these options"
            ) from error
    return network.to(memory_format=torch.channels_last)


def make_card(config: TrainConfig, data: TrainingData, network: nn.Module, *, halo: int, threshold: float) -> Card:
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

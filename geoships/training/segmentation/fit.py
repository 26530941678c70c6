"""One training: settings in, a folder with weights, logs and a model bundle out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import nn

from geoships.config.segmentation import Data, Target, TrainConfig
from geoships.errors import GeoshipsError
from geoships.model.bundle import load_bundle
from geoships.model.card import NOT_STATED, Card
from geoships.model.networks import Architecture, build_network, load_encoder
from geoships.support.memory import reuse_large_blocks
from geoships.training.augment.radiometry import Recipe
from geoships.training.encoder import choose_bands, read_weights, rgb_channels
from geoships.training.record import training_record
from geoships.training.run import Trained, hardware, quiet_lightning, reproducible
from geoships.training.run_folder import run_folder, write_bundle
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
DEFAULT_THRESHOLD = 0.5
HALO_IMAGES = 4
LAST_LAYER = "segmentation_head."
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
        quiet: Whether to leave out the line of progress. What is assumed or left out is a GeoshipsWarning.

    Raises:
        GeoshipsError: If the folder holds another run, or data or settings do not fit.
        KeyboardInterrupt: If the process is asked to stop; `resume` goes on from there.
    """
    with quiet_lightning(), reproducible(config.seed):
        fabric = Fabric(**hardware(config.run))
        fabric.launch()  # with several GPUs, the processes of the others begin here
        with run_folder(config, out, resume, overwrite=overwrite) if fabric.is_global_zero else nullcontext():
            return _fit(config, out, fabric, resume, quiet)


def _fit(config: TrainConfig, out: Path, fabric: Fabric, resume: bool, quiet: bool) -> Trained:
    if fabric.is_global_zero:
        remove_unfinished(out / "checkpoints")
    fabric.barrier()
    if resume and (out / "bundle").is_dir():
        return Trained(out, load_bundle(out / "bundle"), _budget(config), {})
    if fabric.device.type == "cpu":
        reuse_large_blocks()  # else the kernel zeroes the feature maps of each step anew
    network = starting_network(config)  # before the data, which take longer
    data = open_data(config, out)
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
    best, state = out / "checkpoints" / BEST, training.state
    kept: dict[str, Any] = {
        "weights": training.average.weights(), "thresholds": state.thresholds, "figures": state.figures,
    }  # fmt: skip
    if config.run.keep == "best" and best.exists():
        kept = load_checkpoint(best)
    network.load_state_dict(kept["weights"])
    network = network.cpu().float().eval()
    thresholds = kept.get("thresholds") or [kept.get("threshold", DEFAULT_THRESHOLD)]  # of one class before 0.2
    halo = config.bundle.halo
    if halo is None:
        images = islice(data.plain_images(2 * (HALO_CUT + LARGEST_HALO) + 64), HALO_IMAGES)
        halo = measure_halo(network, images, HALO_CUT, min(thresholds))
    card = make_card(config, data, network, halo=halo, thresholds=thresholds)
    record = training_record(
        figures=kept.get("figures", {"val_iou": state.best}),  # none in a checkpoint of an older version
        threshold=card.threshold,
        budget={"crops": training.crops, "hours": round(state.seconds / 3600, 3)},
        data=data.counts,
        note=_validation_note(config) if data.validation else None,
    )
    write_bundle(out, card.model_copy(update={"metrics": (record,)}), network.state_dict())


def _validation_note(config: TrainConfig) -> str:
    """What the validation figures of a training were computed on."""
    settings = config.data.validation
    if config.data.chips:
        where = "chips of the part validation"
    elif settings.groups:
        where = f"the groups {', '.join(settings.groups)}, which were not trained on"
    else:
        where = f"{settings.share:.0%} of the blocks of the training scenes, which were not trained on"
    chosen = " and the weights" if config.run.keep == "best" else ""
    return f"On {where}; they chose the threshold{chosen}, so that the figures are somewhat too good."


def starting_network(config: TrainConfig) -> nn.Module:
    """The network with the weights that the training starts from.

    Raises:
        BundleError: If the network cannot be built, or weights cannot be read or do not fit.
        GeoshipsError: If the bundle to start from holds another network.
    """
    settings, bands = config.network, config.data.bands
    classes = len(config.data.targets)
    network = build_network(Architecture(settings.decoder, settings.encoder, len(bands), classes, settings.options))
    if settings.encoder_weights:
        load_encoder(network, read_weights(settings.encoder_weights), rgb_channels(bands))
    if config.start.bundle:
        start, stem = load_bundle(config.start.bundle), next(iter(network.state_dict()))
        try:
            weights = choose_bands(start.float_weights(), stem, start.card.bands, bands)
            if len(start.card.classes) != classes:  # the last layer, which has an output a class, starts anew
                last = {name: value for name, value in network.state_dict().items() if name.startswith(LAST_LAYER)}
                weights = {**weights, **last}
            network.load_state_dict(weights)
        except (RuntimeError, KeyError) as error:
            raise GeoshipsError(
                f"start.bundle: {config.start.bundle} holds another network than decoder {settings.decoder} over "
                f"{settings.encoder} with these options"
            ) from error
    return network.to(memory_format=torch.channels_last)


def make_card(
    config: TrainConfig, data: TrainingData, network: nn.Module, *, halo: int, thresholds: Sequence[float]
) -> Card:
    """The card of a trained network. thresholds: the best on the validation data, of each class."""
    settings, recipe = config.bundle, data.recipe
    names = [target.name for target in config.data.classes]
    by_class = {} if settings.threshold else dict(zip(names, thresholds, strict=False))
    threshold = settings.threshold or (DEFAULT_THRESHOLD if names else thresholds[0])
    return Card.model_validate(
        {
            "mlm:name": config.name,
            "description": settings.description,
            "license": settings.licence or NOT_STATED,
            "mlm:architecture": f"{config.network.decoder} over {config.network.encoder}",
            "mlm:total_parameters": sum(parameter.numel() for parameter in network.parameters()),
            "mlm:input": [_card_input(recipe)],
            "mlm:output": [_card_output(config.data)],
            "geoships:activation": config.data.activation if names else "sigmoid",
            "geoships:label_field": config.data.class_field,
            "geoships:class_thresholds": by_class,
            "gsd": config.data.gsd,
            "geoships:gsd_range": config.data.gsd_range,
            "geoships:threshold": threshold,
            "geoships:min_peak": settings.min_peak,
            "geoships:views": settings.views,
            "geoships:halo": halo,
            "geoships:step": _step(network),
            "geoships:label_margin": settings.label_margin,
            "geoships:label_value": None if names else config.data.target.value,
            "geoships:optional_bands": config.data.optional,
            "geoships:network": {
                "decoder": config.network.decoder,
                "encoder": config.network.encoder,
                "options": config.network.options,
            },
            "geoships:training_data": settings.training_data,
            "geoships:trained_on": data.trained_on,
            "geoships:trained_places": data.places,
            "geoships:training": config.model_dump(mode="json", exclude=NOT_IN_CARD),
        }
    )


def _card_output(data: Data) -> dict[str, Any]:
    name = "class score" if data.classes else f"{data.target.name} score"
    values = [target.value or 1 for target in data.classes] or [1]
    classes = [_card_class(target, value) for target, value in zip(data.targets, values, strict=True)]
    return {"name": name, "classification:classes": classes}


def _card_class(target: Target, value: int) -> dict[str, Any]:
    described = target.description or ("a vessel" if target.name == "ship" else "")
    colour = target.colour.removeprefix("#")
    return {"value": value, "name": target.name, "description": described, "color_hint": colour}


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

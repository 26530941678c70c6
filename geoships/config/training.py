"""Settings that every kind of training shares."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from geoships.config.augment import BandDropout, Count, NotNegative, Part, Positive


class Input(Part):
    """Normalisation of reflectance before the network: a function, then (value - mean) / std.

    Attributes:
        transform: ``sqrt`` of reflectance clipped to 0..1, or ``none``.
        mean: One value per band; None: measured on the training scenes.
        std: One value per band; None: measured on the training scenes.
    """

    transform: Literal["none", "sqrt"] = "sqrt"
    mean: tuple[float, ...] | None = None
    std: tuple[Positive, ...] | None = None


class Optimiser(Part):
    """The optimiser.

    Attributes:
        name: ``adam``, ``adamw``, ``lion`` or ``sgd``.
        rate: Highest learning rate.
        weight_decay: Weight decay.
        momentum: Momentum of ``sgd``.
    """

    name: Literal["adam", "adamw", "lion", "sgd"] = "adamw"
    rate: Positive = 1.2e-3
    weight_decay: NotNegative = 1e-2
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9


class Schedule(Part):
    """The learning rate over the training.

    Attributes:
        name: ``cosine`` and ``onecycle`` fall to nearly 0, ``poly`` falls with the power 0.9, ``constant`` stays.
        warmup: Share of the training in which the rate rises from nearly 0.
    """

    name: Literal["onecycle", "cosine", "poly", "constant"] = "cosine"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.06


class EarlyStopping(Part):
    """Stops a training that no longer improves.

    Attributes:
        patience: Validations without improvement before it stops.
        min_delta: Smallest change of the validation figure that counts as an improvement.
    """

    patience: Count = 10
    min_delta: NotNegative = 0.0


def _several(value: object) -> object:
    """One name is a list of one."""
    return (value,) if isinstance(value, str) else value


Tracker = Literal["csv", "tensorboard", "mlflow", "wandb", "clearml"]


class Run(Part):
    """How a training runs, whatever it trains.

    Attributes:
        batch_size: Crops or chips in a step, on each device.
        accumulate: Batches whose gradients are summed before the weights change.
        clip: Largest norm of the gradient; 0: no limit.
        ema: Decay of the exponential moving average of the weights, which is what the bundle gets; 0: no average.
        precision: ``auto`` computes in bfloat16 where the machine has instructions for it.
        device: ``auto`` takes a GPU where there is one.
        devices: Number of GPUs, or ``auto``.
        early_stopping: When to stop before the end; None: never.
        keep: Which weights become the bundle: ``best`` on the validation data, or ``last``.
        pictures: Validation images that go to TensorBoard.
        tracker: Where figures are logged, one or several; ``csv`` always is.
        project: Name that groups runs in a tracker.
    """

    batch_size: Count = 8
    accumulate: Count = 1
    clip: NotNegative = 1.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.995
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    devices: Count | Literal["auto"] = "auto"
    early_stopping: EarlyStopping | None = None
    keep: Literal["best", "last"] = "best"
    pictures: Annotated[int, Field(ge=0, le=64)] = 8
    tracker: Annotated[tuple[Tracker, ...], BeforeValidator(_several)] = ("csv", "tensorboard")
    project: Annotated[str, Field(min_length=1)] = "geoships"


class EpochRun(Run):
    """How the training of a classifier runs, whose data are the same few chips in every epoch.

    Attributes:
        epochs: Passes over the chips.
        workers: Processes that prepare chips beside the training; 0: none.
    """

    epochs: Count = 12
    workers: Annotated[int, Field(ge=0)] = 0


class CropRun(Run):
    """How the training of a segmentation network runs: a budget of crops or of hours.

    Attributes:
        crops: Crops to train on.
        hours: Hours to train for, in place of `crops`; None: `crops` counts. Hours of a resumed run add up.
        validate_every: Crops between two validations.
        checkpoint_minutes: Minutes between two checkpoints; a killed run loses at most so much.
        log_every: Steps between two entries of the log.
        workers: Threads that cut crops beside the training; each computes on one core.
    """

    batch_size: Count = 16
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.998
    crops: Count = 20_000
    hours: Positive | None = None
    validate_every: Count = 2000
    checkpoint_minutes: NotNegative = 5.0
    log_every: Count = 20
    workers: Annotated[int, Field(ge=1, le=64)] = 1


class BundleSettings(Part):
    """What the card of the bundle says beyond what follows from the other settings.

    Attributes:
        description: One sentence for people.
        licence: SPDX identifier, or ``proprietary``; None: the card says that none is stated.
        halo: Context in model pixels that a score needs; None: measured on the trained network.
        threshold: Minimum score of a ship pixel; None: the best on the validation data, else 0.5.
        min_peak: Minimum peak score: what at least one pixel of a ship has to reach.
        views: Views of test-time augmentation; see PredictConfig.
        label_margin: Pixels of `gsd` metres by which labels are longer and wider than hulls: see
            docs/how-to/outputs.md.
        training_data: What the model was trained on, for the card.
    """

    description: str = ""
    licence: Annotated[str, Field(min_length=1)] | None = None
    halo: Annotated[int, Field(ge=0)] | None = None
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    min_peak: Annotated[float, Field(ge=0, lt=1)] = 0.0
    views: Literal[1, 2, 4, 8] = 1
    label_margin: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    training_data: tuple[dict[str, Any], ...] = ()


def check_bands(bands: tuple[str, ...], statistics: Input, dropout: BandDropout | None) -> None:
    """Check the settings that name bands, or give a value for each.

    Args:
        bands: Bands of the model.
        statistics: Normalisation, with one value per band or none.
        dropout: Band dropout, which may name bands of the model only.

    Raises:
        ValueError: If the number of values differs from that of the bands, or a band is not one of the model's.
    """
    for name, values in (("mean", statistics.mean), ("std", statistics.std)):
        if values is not None and len(values) != len(bands):
            raise ValueError(f"input.{name} has {len(values)} values for {len(bands)} bands")
    named = {band for subset in dropout.subsets for band in subset} | set(dropout.keep) if dropout else set()
    if unknown := sorted(named - set(bands)):
        raise ValueError(f"augment.band_dropout names {', '.join(unknown)}, which are not among data.bands")

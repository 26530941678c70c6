"""Makes the inputs of the benchmarks: scenes and the network in several formats; see `cached_inputs`."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
import torch
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.windows import Window
from torch.nn.functional import interpolate

from geoships.datasets.coast import CLEAR_SEA
from geoships.datasets.fleet import GSD
from geoships.datasets.harbour import OFFSET, SCALE, render_harbour, write_harbour
from geoships.model.bundle import Bundle, load_bundle, save_bundle
from geoships.model.card import Card
from geoships.model.engines.scoring import Scoring
from geoships.model.networks import Architecture, build_network
from geoships.training.segmentation.losses import WeightedLoss
from geoships.workflows.export import export
from geoships.workflows.quantize import quantize

BANDS = ("red", "green", "blue")
GAIN = 2.5  # rendered harbours are dark; their reflectance times this is stretched to eight bits
BLOCK = 2048  # pixels per side of the rendered blocks that a scene is composed of
SEEDS = {"scene": (11, 12), "training": (13, 14)}
SEA_NOISE = 0.001  # reflectance
STEPS, BATCH, CROP = 160, 4, 224
GRID = {"crs": "EPSG:32631", "transform": Affine(10, 0, 500_000, 0, -10, 120_000)}

Image = NDArray[np.uint8]
LabelledImages = Sequence[tuple[Image, Image]]  # RGB and mask of ships


def render(seed: int, size: int = BLOCK) -> tuple[Image, Image]:
    """Render a harbour: RGB (3, size, size) in eight bits without nodata, and the mask of its ships (size, size)."""
    harbour = render_harbour(seed, size * 5 // 4)  # the edge of the swath is cut off
    rgb = harbour.reflectance[[2, 1, 0], :size, :size] * (GAIN * 255)
    mask = rasterize(harbour.ships, out_shape=harbour.valid.shape, dtype="uint8")[:size, :size]
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8), mask


def make_scene(path: Path, size: int) -> None:
    """Write a scene of size x size pixels, composed of rotated copies of rendered harbours."""
    blocks = [render(seed)[0] for seed in SEEDS["scene"]]
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint8", count=3, height=size, width=size, **GRID, tiled=True, blockxsize=512,
        blockysize=512, compress="deflate", zlevel=6, predictor=2, photometric="RGB", interleave="pixel",
    ) as dataset:  # fmt: skip
        dataset.descriptions, dataset.scales = BANDS, (1 / 255,) * 3
        for number, (row, column) in enumerate(np.ndindex(-(-size // BLOCK), -(-size // BLOCK))):
            block = np.rot90(blocks[number % 2], number % 4, (1, 2))
            height, width = min(BLOCK, size - row * BLOCK), min(BLOCK, size - column * BLOCK)
            dataset.write(block[:, :height, :width], window=Window(column * BLOCK, row * BLOCK, width, height))


def make_bundle(path: Path) -> None:
    """Train the network and write its bundle with an int8 variant."""
    torch.manual_seed(0)
    images = [render(seed) for seed in SEEDS["training"]]
    network = build_network(Architecture("unet", "resnet18", len(BANDS)))
    card = _card(images, sum(value.numel() for value in network.parameters()))
    _train(network, card, images)
    unquantized, calibration = path.with_name("plain.zip"), path.with_name("calibration.tif")
    save_bundle(unquantized, card, network.state_dict(), half=False)
    size = min(BLOCK, 1024)
    with rasterio.open(
        calibration, "w", driver="GTiff", dtype="uint8", count=3, height=size, width=size, **GRID
    ) as dataset:
        dataset.descriptions, dataset.scales = BANDS, (1 / 255,) * 3
        dataset.write(images[0][0][:, :size, :size])
    quantize(load_bundle(unquantized), path, [calibration], tiles=9, overwrite=True)


def make_weights(path: Path, source: Path) -> None:
    """Write the state dict of a bundle as a PyTorch file."""
    torch.save(load_bundle(source).network().state_dict(), path)


class StoredValues(torch.nn.Module):
    """The installed model for a scene's stored values (n, bands, rows, columns), with scores at the scene's pixel size.

    Tools that people use instead know neither offsets nor the pixel size of a model, so this does both.
    """

    def __init__(self, bundle: Bundle, gsd: float) -> None:
        super().__init__()
        self.scoring, self.factor, self.step = Scoring(bundle), gsd / bundle.card.gsd, bundle.card.step

    def forward(self, stored: torch.Tensor) -> torch.Tensor:
        """Scores (n, rows, columns)."""
        rows, columns = stored.shape[-2:]
        sides = [int(side * self.factor / self.step + 0.5) * self.step for side in (rows, columns)]
        images = interpolate(stored * SCALE + OFFSET, sides, mode="bilinear", align_corners=False)
        scores = self.scoring(images)[:, None]
        return interpolate(scores, (rows, columns), mode="bilinear", align_corners=False)[:, 0]


def make_default_script(path: Path, side: int) -> None:
    """Write the installed model as TorchScript for tiles of `side` x `side` stored pixels of 10 m."""
    example = torch.full((1, 5, side, side), 1500.0)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tiles have one size, and TorchScript is what all tools' environments load
        torch.jit.trace(StoredValues(load_bundle(), GSD).eval(), example, check_trace=False).save(str(path))


def make_default_scene(path: Path, size: int, *, ships: bool) -> None:
    """Write a scene of five bands, all of it with data: a rendered harbour, repeated, or open sea."""
    harbour = render_harbour(SEEDS["scene"][0], BLOCK * 5 // 4)  # the edge of the swath is cut off
    part = harbour.reflectance[:, :BLOCK, :BLOCK]
    if not ships:
        noise = np.random.default_rng(0).normal(0, SEA_NOISE, part.shape)
        part = (CLEAR_SEA[:, None, None] + noise).astype(np.float32)
    repeats = -(-size // BLOCK)
    reflectance = np.tile(part, (1, repeats, repeats))[:, :size, :size]
    write_harbour(replace(harbour, reflectance=reflectance, valid=np.ones((size, size), np.bool_)), path)


def make_onnx(path: Path, source: Path, tile: int, overlap: int) -> None:
    """Write a bundle as ONNX for GeoDeep: with a background channel, and with tile size and overlap in pixels."""
    import onnx

    export(load_bundle(source), path, "onnx", size=tile, background=True, scale=1 / 255)
    model = onnx.load(path)
    for entry in model.metadata_props:
        if entry.key == "tiles_overlap":
            entry.value = str(100 * overlap // tile)  # percent
    onnx.save(model, path)


def make_normalisation(path: Path, source: Path) -> None:
    """Write mean and standard deviation of each band of a bundle as JSON."""
    scaling = load_bundle(source).card.input.value_scaling
    path.write_text(json.dumps({"mean": [band.mean for band in scaling], "std": [band.stddev for band in scaling]}))


def _card(images: LabelledImages, parameters: int) -> Card:
    values = np.stack([rgb for rgb, _ in images]) / 255
    scaling = zip(values.mean((0, 2, 3)).tolist(), values.std((0, 2, 3)).tolist(), strict=True)
    return Card.model_validate(
        {
            "mlm:name": "benchmark-resnet18-unet",
            "license": "MIT",
            "mlm:architecture": "U-Net over ResNet-18",
            "mlm:total_parameters": parameters,
            "mlm:input": [
                {
                    "bands": BANDS,
                    "input": {"shape": (-1, 3, -1, -1)},
                    "value_scaling": [{"mean": mean, "stddev": std} for mean, std in scaling],
                }
            ],
            "mlm:output": [{"classification:classes": [{"value": 1, "name": "ship"}]}],
            "gsd": 10,
            "geoships:gsd_range": (5, 20),
            "geoships:halo": 32,  # with the blending of 32 pixels an overlap of 96
            "geoships:network": {"decoder": "unet", "encoder": "resnet18"},
        }
    )


def _train(network: torch.nn.Module, card: Card, images: LabelledImages) -> None:
    """Train for a few steps on crops, half of them around ships: enough for clear scores of most pixels."""
    rng = np.random.default_rng(0)
    loss = WeightedLoss({"bce": 1.0, "dice": 1.0})
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=STEPS)
    mean, std = (
        torch.tensor([getattr(band, name) for band in card.input.value_scaling])[:, None, None]
        for name in ("mean", "stddev")
    )
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for step in range(STEPS):
        crops, masks = zip(*(_crop(rng, images, ship=number % 2 == 0) for number in range(BATCH)), strict=True)
        batch = (torch.stack(crops) / 255 - mean) / std
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(batch.contiguous(memory_format=torch.channels_last))
        value = loss(logits.float(), torch.stack(masks)[:, None])
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
        if step % 20 == 19:
            print(f"training the network: step {step + 1} of {STEPS}, loss {value.item():.3f}", flush=True)
    network.eval()


def _crop(rng: np.random.Generator, images: LabelledImages, *, ship: bool) -> tuple[torch.Tensor, torch.Tensor]:
    rgb, mask = images[rng.integers(len(images))]
    row, column = rng.integers(0, BLOCK - CROP, 2)
    if ship:
        rows, columns = np.nonzero(mask)
        centre = rng.integers(rows.size)
        row, column = np.clip([rows[centre] - CROP // 2, columns[centre] - CROP // 2], 0, BLOCK - CROP)
    crop = (slice(row, row + CROP), slice(column, column + CROP))
    quarters = int(rng.integers(4))
    image, truth = np.rot90(rgb[:, *crop], quarters, (1, 2)), np.rot90(mask[crop], quarters)
    return torch.from_numpy(image.astype(np.float32)), torch.from_numpy(truth.astype(np.int64))

"""Draw the effect of each augmentation step on a crop of the demonstration scene, before and after.

python scripts/draw_augmentation.py docs/augmentation.png

Each pair of crops shows one step, mostly at the strong end of its default settings. A training on the demonstration's
harbour and on one with another seed would draw these crops; ships are pasted from the second harbour.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import geopandas
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from shapely.affinity import affine_transform

from geoships.config import TrainConfig, augment
from geoships.datasets.harbour import render_harbour, write_harbour
from geoships.output.pictures.overlay import true_colour
from geoships.scene.layers.labels import IGNORED, SHIP
from geoships.scene.quicklook import RGBImage
from geoships.training.segmentation.crop_maker import CropMaker
from geoships.training.segmentation.data import TrainingData, open_data

SHOWN: dict[str, augment.Step] = {
    "scale": augment.Scale(low=0.67, high=0.67),
    "rotate": augment.Rotate(),
    "flip": augment.Flip(p=1),
    "paste_piers": augment.PastePiers(p=1),
    "paste_ships": augment.PasteShips(p=1, mean=4),
    "gain": augment.Gain(p=1, low=0.7, high=0.7),
    "haze": augment.Haze(p=1),
    "offset": augment.Offset(p=1, low=0.03),
    "blur": augment.Blur(p=1, low=1.1),
    "noise": augment.Noise(p=1),
    "gamma": augment.Gamma(low=0.88, high=0.88),
    "band_dropout": augment.BandDropout(p=1, most=3),
}
OUTLINED = (  # steps that change ships, which are outlined
    "scale",
    "rotate",
    "flip",
    "paste_piers",
    "paste_ships",
)
BY_BAND = ("band_dropout",)  # drawn in stripes, one per band
BANDS = ("blue", "green", "red", "nir", "swir16")
PLAIN = {
    "transform": "none",
    "mean": (0,) * len(BANDS),
    "std": (1,) * len(BANDS),
}  # without normalisation, so that crops are reflectance
SEEDS = (7, 8)  # of the demonstration's harbour, and of the donor of ships
CROP_NUMBER = 1320  # a crop with a ship, water and quays
COLUMNS, ZOOM, GAP, LINE = 3, 2, 4, 26  # pairs per row, enlargement, pixels between crops, text height
PAPER, INK, OUTLINE = (255, 255, 255), (30, 34, 40), (255, 225, 40)

Crop = dict[str, NDArray[np.generic]]


def draw(path: Path, harbour: int = 2048, crop: int = 96) -> None:
    """Write the figure. harbour, crop: pixels per side."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        render(folder, harbour)
        data = open_data(settings(folder, {"paste_ships": SHOWN["paste_ships"]}, crop), folder)
        before = cut(data, settings(folder, {}, crop))
        pairs = [(name, before, cut(data, settings(folder, {name: step}, crop))) for name, step in SHOWN.items()]
    side = crop * ZOOM
    width, height = 2 * side + 4 * GAP, side + LINE + GAP
    page = Image.new("RGB", (COLUMNS * width - 3 * GAP, -(-len(pairs) // COLUMNS) * height), PAPER)
    pen = ImageDraw.Draw(page)
    for index, (name, *crops) in enumerate(pairs):
        x, y = index % COLUMNS * width, index // COLUMNS * height
        pen.text((x, y + 3), name, INK, ImageFont.load_default(17))
        for place, shown in enumerate(crops):
            page.paste(picture(name, shown), (x + place * (side + GAP), y + LINE))
    page.save(path, optimize=True)


def render(folder: Path, size: int) -> None:
    """Render the harbours with their labels."""
    for seed in SEEDS:
        harbour = render_harbour(seed, size)
        write_harbour(harbour, folder / f"{seed}.tif")
        ships = [affine_transform(ship, harbour.transform.to_shapely()) for ship in harbour.ships]
        geopandas.GeoDataFrame(geometry=ships, crs=harbour.crs).to_file(folder / f"{seed}.geojson")


def settings(folder: Path, steps: Mapping[str, augment.Step], size: int) -> TrainConfig:
    """Settings of a training on the harbours with some steps alone."""
    return TrainConfig.model_validate(
        {
            "name": "drawn", "input": PLAIN, "crops": {"size": size},
            "data": {
                "root": folder, "scenes": ("*.tif",), "labels": Path(), "bands": BANDS, "validation": {"share": 0}
            },
            "augment": {**dict.fromkeys(augment.Augment.model_fields), **steps},
        }
    )  # fmt: skip


def cut(data: TrainingData, config: TrainConfig) -> Crop:
    """The crop: the same place whatever the steps are."""
    made = CropMaker(data.atlas, data.recipe, config).make([CROP_NUMBER])
    return {name: values[0].numpy() for name, values in made.items()}


def picture(name: str, crop: Crop) -> Image.Image:
    """Return a crop in the way that shows the step best."""
    image, mask = crop["image"], crop["mask"][0]
    if name in BY_BAND:
        return stripes(image)
    colours = enlarged(true_colour(image[[BANDS.index(band) for band in ("red", "green", "blue")]], mask != IGNORED))
    if name in OUTLINED:
        ships = cv2.dilate(enlarged((mask == SHIP).astype(np.uint8)), np.ones((5, 5), np.uint8))
        outlines, _ = cv2.findContours(ships, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(colours, outlines, -1, OUTLINE, 1)
    return Image.fromarray(colours)


def stripes(image: NDArray[np.float32]) -> Image.Image:
    """Return the crop in grey, in stripes of different bands; missing bands are black."""
    grey = np.empty((*image.shape[1:], 3), np.uint8)
    parts = np.array_split(np.arange(len(grey)), len(image))
    for band, rows in zip(image, parts, strict=True):
        grey[rows] = true_colour(np.stack([band] * 3), np.full(band.shape, band.any()))[rows]
    drawn = Image.fromarray(enlarged(grey))
    pen = ImageDraw.Draw(drawn)
    for name, band, rows in zip(BANDS, image, parts, strict=True):
        label = name if band.any() else f"{name} missing"
        pen.text((4, rows[0] * ZOOM + 2), label, OUTLINE, ImageFont.load_default(12), stroke_width=1, stroke_fill=INK)
    return drawn


def enlarged(pixels: RGBImage) -> RGBImage:
    """Enlarge each pixel to ZOOM x ZOOM pixels."""
    return pixels.repeat(ZOOM, 0).repeat(ZOOM, 1)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))

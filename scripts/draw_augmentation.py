"""Draw what each step of augmentation does to a crop of the demonstration's scene, before and after.

python scripts/draw_augmentation.py docs/augmentation.png

Each pair shows one step alone, mostly at the strong end of its default settings. The crops are those that a training
on the demonstration's harbour and one of another seed would draw; ships are pasted from the other.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import geopandas
import numpy as np
from geoships.training.segmentation.crops import Crops, crop_source
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from shapely.affinity import affine_transform

from geoships.config import augment
from geoships.config import segmentation as train
from geoships.datasets.harbour import render_harbour, write_harbour
from geoships.output.pictures.overlay import true_colour
from geoships.scene.layers.labels import IGNORED, SHIP
from geoships.scene.quicklook import RGBImage
from geoships.training.augment.paste_ships import Donors
from geoships.training.augment.radiometry import Recipe
from geoships.training.labelled_scenes import LabelledScene, open_scenes

SHOWN: dict[str, augment.Step] = {
    "scale": augment.Scale(low=0.65, high=0.65),
    "paste_land": augment.PasteLand(p=1),
    "paste_ships": augment.PasteShips(p=1),
    "gain": augment.Gain(low=0.7, high=0.7),
    "haze": augment.Haze(p=1),
    "offset": augment.Offset(),
    "blur": augment.Blur(p=1, low=0.9, high=0.9),
    "noise": augment.Noise(p=1),
    "gamma": augment.Gamma(low=0.88, high=0.88),
    "band_dropout": augment.BandDropout(p=1, most=3),
    "turn": augment.Turn(),
    "flip": augment.Flip(p=1),
}
OUTLINED = ("scale", "paste_land", "paste_ships", "turn", "flip")  # ships are outlined where it matters where they are
BY_BAND = ("band_dropout",)  # drawn in stripes, one for each band
BANDS = ("blue", "green", "red", "nir", "swir16")
PLAIN = Recipe(BANDS, "none", (0,) * len(BANDS), (1,) * len(BANDS))  # crops stay reflectance
SEEDS = (7, 8)  # of the demonstration's harbour, and of the one that ships are pasted from
NUMBER = 425  # of a crop with a ship, water and quays
COLUMNS, ZOOM, GAP, LINE = 3, 2, 4, 26  # pairs in a row, screen pixels of a pixel, between pictures, and of a line
PAPER, INK, OUTLINE = (255, 255, 255), (30, 34, 40), (255, 225, 40)

Crop = dict[str, NDArray[np.generic]]


def draw(path: Path, harbour: int = 2048, crop: int = 96) -> None:
    """Write the picture; harbour, crop: pixels along a side."""
    with TemporaryDirectory() as folder:
        scenes = harbours(Path(folder), harbour)
        before = cut(scenes, {}, crop)
        pairs = [(name, before, cut(scenes, {name: step}, crop)) for name, step in SHOWN.items()]
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


def harbours(folder: Path, size: int) -> list[LabelledScene]:
    """Render the harbours and open them as a training does."""
    for seed in SEEDS:
        harbour = render_harbour(seed, size)
        write_harbour(harbour, folder / f"{seed}.tif")
        ships = [affine_transform(ship, harbour.transform.to_shapely()) for ship in harbour.ships]
        geopandas.GeoDataFrame(geometry=ships, crs=harbour.crs).to_file(folder / f"{seed}.geojson")
    return open_scenes(train.Data(root=folder, scenes=("*.tif",), labels=Path(), bands=BANDS))


def cut(scenes: Sequence[LabelledScene], steps: Mapping[str, augment.Step], size: int) -> Crop:
    """The crop with some steps alone: the same place whatever they are."""
    alone = augment.Augment(**{**dict.fromkeys(augment.Augment.model_fields), **steps})
    sources = [crop_source(scene, train.Crops(size=size), alone) for scene in scenes]
    crops = Crops(sources, Donors(scenes, BANDS), PLAIN, alone, size=size, rim=0, seed=0)
    return {name: values.numpy() for name, values in crops[0, NUMBER].items()}


def picture(name: str, crop: Crop) -> Image.Image:
    """A crop as a step is best seen."""
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
    """The crop in grey, each part of it in another band; black where the band is absent."""
    grey = np.empty((*image.shape[1:], 3), np.uint8)
    parts = np.array_split(np.arange(len(grey)), len(image))
    for band, rows in zip(image, parts, strict=True):
        grey[rows] = true_colour(np.stack([band] * 3), np.full(band.shape, band.any()))[rows]
    drawn = Image.fromarray(enlarged(grey))
    pen = ImageDraw.Draw(drawn)
    for name, band, rows in zip(BANDS, image, parts, strict=True):
        label = name if band.any() else f"{name} absent"
        pen.text((4, rows[0] * ZOOM + 2), label, OUTLINE, ImageFont.load_default(12), stroke_width=1, stroke_fill=INK)
    return drawn


def enlarged(pixels: RGBImage) -> RGBImage:
    """Each pixel as a square of ZOOM pixels."""
    return pixels.repeat(ZOOM, 0).repeat(ZOOM, 1)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))

"""A contact sheet: image chips of the largest missed ships and the most certain false alarms."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import shapely
from PIL import Image, ImageDraw, ImageFont
from shapely.geometry.base import BaseGeometry

from geoships.config import PredictConfig
from geoships.evaluation.evaluate_scene import EvaluatedScene
from geoships.evaluation.figures import IOUS
from geoships.output.pictures.overlay import true_colour
from geoships.pipeline.scene_run import reading
from geoships.scene.quicklook import RGBImage
from geoships.scene.reader import Scene, open_scene
from geoships.scene.tiling.windows import Window, paste

EACH = 12  # chips of missed ships, and as many of false alarms
COLUMNS = 6
SIDE = 192  # image pixels a side of a chip
MIN_SIDE = 40  # minimum scene pixels a side of a chip
MATCH_IOU = min(IOUS)  # a ship that matches at this IoU is neither missed nor a false alarm

_GREEN, _RED, _BACKGROUND, _FOREGROUND = (60, 230, 90), (255, 60, 50), (24, 28, 34), (235, 238, 240)
_LINE = 18  # image pixels of a line of text


@dataclass(frozen=True)
class _Case:
    """A ship to draw: its scene, its outline in pixel coordinates, its caption, and its rank (highest first)."""

    scene: EvaluatedScene
    outline: BaseGeometry
    caption: str
    rank: float


def contact_sheet(scenes: Sequence[EvaluatedScene], bands: Sequence[str], config: PredictConfig) -> bytes | None:
    """Draw the largest missed ships and the false alarms of the highest scores, labels green and predicted ships red.

    Args:
        scenes: The evaluated scenes.
        bands: Common names of the model's bands.
        config: The settings that the scenes were read with.

    Returns:
        A PNG image; None where no ship was missed and none is a false alarm.

    Raises:
        SceneError: For a scene that can no longer be read.
    """
    missed, false = (sorted(cases, key=lambda case: -case.rank)[:EACH] for cases in (_missed(scenes), _false(scenes)))
    titled = (("missed ships, largest first", missed), ("false alarms, highest score first", false))
    sections = [(title, cases) for title, cases in titled if cases]
    if not sections:
        return None
    drawn = _draw_all([case for _, cases in sections for case in cases], bands, config)
    rows = sum(-(-len(cases) // COLUMNS) for _, cases in sections)
    page = Image.new("RGB", (COLUMNS * SIDE, rows * (SIDE + _LINE) + len(sections) * 2 * _LINE), _BACKGROUND)
    pen, font, top = ImageDraw.Draw(page), ImageFont.load_default(12), 0
    for title, cases in sections:
        pen.text(
            (6, top + 8),
            f"{title} (IoU below {MATCH_IOU}); labels green, predicted ships red",
            fill=_FOREGROUND,
            font=font,
        )
        top += 2 * _LINE
        for number, case in enumerate(cases):
            x, y = number % COLUMNS * SIDE, top + number // COLUMNS * (SIDE + _LINE)
            page.paste(Image.fromarray(drawn.pop(0)), (x, y + _LINE))
            pen.text((x + 4, y + 2), case.caption, fill=_FOREGROUND, font=font)
        top += -(-len(cases) // COLUMNS) * (SIDE + _LINE)
    file = io.BytesIO()
    page.save(file, format="PNG")
    return file.getvalue()


def _missed(scenes: Sequence[EvaluatedScene]) -> list[_Case]:
    cases = []
    for scene in scenes:
        for ship in (scene.labels[index] for index in scene.comparison.missed(MATCH_IOU)):
            length = ship.measures.length_m
            caption = f"{scene.files.name}, {ship.polygon.area:.0f} px" + (
                "" if length is None else f", {length:.0f} m"
            )
            area = ship.measures.area_m2
            cases.append(_Case(scene, ship.polygon, caption, ship.polygon.area if area is None else area))
    return cases


def _false(scenes: Sequence[EvaluatedScene]) -> list[_Case]:
    return [
        _Case(scene, ship.polygon, f"{scene.files.name}, score {ship.ship.score:.2f}", ship.ship.score)
        for scene in scenes
        for ship in (scene.found[index] for index in scene.comparison.false_positives(MATCH_IOU))
    ]


def _draw_all(cases: Sequence[_Case], bands: Sequence[str], config: PredictConfig) -> list[RGBImage]:
    """Chips in the order of the cases; each scene is opened once."""
    chips: dict[int, RGBImage] = {}
    for evaluated in {id(case.scene): case.scene for case in cases}.values():
        with open_scene(evaluated.files.scene, bands, reading(config)) as scene:
            for number, case in enumerate(cases):
                if case.scene is evaluated:
                    chips[number] = _draw(scene, case)
    return [chips[number] for number in range(len(cases))]


def _draw(scene: Scene, case: _Case) -> RGBImage:
    window = _around(case.outline)
    zoom = SIDE / window.height
    chip = cv2.resize(_colours(scene, window), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    for polygons, colour in (
        ([ship.polygon for ship in case.scene.labels], _GREEN),
        ([ship.polygon for ship in case.scene.found], _RED),
    ):
        box = shapely.box(window.column, window.row, window.column_end, window.row_end)
        for polygon in (polygon for polygon in polygons if polygon.intersects(box)):
            for part in shapely.get_parts(polygon):
                corners = (shapely.get_coordinates(part.exterior) - (window.column, window.row)) * zoom
                cv2.polylines(chip, [np.round(corners).astype(np.int32)], True, colour, 1, cv2.LINE_AA)
    return np.asarray(chip, np.uint8)


def _around(outline: BaseGeometry) -> Window:
    """A square window around a ship with some context; it may extend beyond the scene's edges."""
    west, north, east, south = outline.bounds
    side = round(max(MIN_SIDE, 2 * (east - west), 2 * (south - north)))
    return Window(round((north + south - side) / 2), round((west + east - side) / 2), side, side)


def _colours(scene: Scene, window: Window) -> RGBImage:
    """True colour where the model reads red, green and blue, otherwise its first band in grey."""
    names = ("red", "green", "blue")
    indexes = [scene.wanted.index(name) if set(names) <= set(scene.wanted) else 0 for name in names]
    inside = window.intersection(scene.window)
    pixels = scene.decode(inside)
    image = np.zeros((*window.shape, 3), np.uint8)
    colours = true_colour(scene.radiometry.apply(pixels.values)[indexes], pixels.valid)
    paste(np.moveaxis(image, 2, 0), window, np.moveaxis(colours, 2, 0), inside)
    return image

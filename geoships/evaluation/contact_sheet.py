"""A contact sheet: cuts of the scenes around the worst misses and the worst false alarms."""

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
from geoships.evaluation.figures import IOUS
from geoships.evaluation.judge_scene import JudgedScene
from geoships.output.pictures.overlay import true_colour
from geoships.pipeline.scene_run import reading
from geoships.scene.quicklook import RGBImage
from geoships.scene.reader import Scene, open_scene
from geoships.scene.tiling.windows import Window, paste

EACH = 12  # misses, and as many false alarms
COLUMNS = 6
SIDE = 192  # screen pixels of a cut
LEAST = 40  # scene pixels of a cut, at least
LOOSEST = min(IOUS)  # a ship that matches at this IoU is neither missed nor false

_GREEN, _RED, _PAPER, _INK = (60, 230, 90), (255, 60, 50), (24, 28, 34), (235, 238, 240)
_LINE = 18  # screen pixels of a line of text


@dataclass(frozen=True)
class _Case:
    """A ship worth looking at: its scene, its outline in pixel coordinates, what to say of it, how bad it is."""

    scene: JudgedScene
    outline: BaseGeometry
    text: str
    weight: float


def contact_sheet(scenes: Sequence[JudgedScene], bands: Sequence[str], config: PredictConfig) -> bytes | None:
    """A PNG picture of the largest missed labels and the highest scored false ships; None where there are none.

    Labels are outlined green and found ships red. bands: of the model. Raises SceneError for scenes that have gone.
    """
    missed, false = (sorted(cases, key=lambda case: -case.weight)[:EACH] for cases in (_missed(scenes), _false(scenes)))
    sections = [(title, cases) for title, cases in (("missed, largest first", missed), ("false", false)) if cases]
    if not sections:
        return None
    drawn = _draw_all([case for _, cases in sections for case in cases], bands, config)
    rows = sum(-(-len(cases) // COLUMNS) for _, cases in sections)
    page = Image.new("RGB", (COLUMNS * SIDE, rows * (SIDE + _LINE) + len(sections) * 2 * _LINE), _PAPER)
    pen, font, top = ImageDraw.Draw(page), ImageFont.load_default(12), 0
    for title, cases in sections:
        pen.text((6, top + 8), f"{title} (IoU below {LOOSEST}); labels green, found ships red", fill=_INK, font=font)
        top += 2 * _LINE
        for number, case in enumerate(cases):
            x, y = number % COLUMNS * SIDE, top + number // COLUMNS * (SIDE + _LINE)
            page.paste(Image.fromarray(drawn.pop(0)), (x, y + _LINE))
            pen.text((x + 4, y + 2), case.text, fill=_INK, font=font)
        top += -(-len(cases) // COLUMNS) * (SIDE + _LINE)
    file = io.BytesIO()
    page.save(file, format="PNG")
    return file.getvalue()


def _missed(scenes: Sequence[JudgedScene]) -> list[_Case]:
    found = []
    for scene in scenes:
        for ship in (scene.labels[index] for index in scene.comparison.missed(LOOSEST)):
            length = ship.measures.length_m
            text = f"{scene.files.name}, {ship.polygon.area:.0f} px" + ("" if length is None else f", {length:.0f} m")
            area = ship.measures.area_m2
            found.append(_Case(scene, ship.polygon, text, ship.polygon.area if area is None else area))
    return found


def _false(scenes: Sequence[JudgedScene]) -> list[_Case]:
    return [
        _Case(scene, kept.polygon, f"{scene.files.name}, score {kept.ship.score:.2f}", kept.ship.score)
        for scene in scenes
        for kept in (scene.found[index] for index in scene.comparison.false_positives(LOOSEST))
    ]


def _draw_all(cases: Sequence[_Case], bands: Sequence[str], config: PredictConfig) -> list[RGBImage]:
    """Cuts in the order of the cases; each scene is opened once."""
    pictures: dict[int, RGBImage] = {}
    for judged in {id(case.scene): case.scene for case in cases}.values():
        with open_scene(judged.files.scene, bands, reading(config)) as scene:
            for number, case in enumerate(cases):
                if case.scene is judged:
                    pictures[number] = _draw(scene, case)
    return [pictures[number] for number in range(len(cases))]


def _draw(scene: Scene, case: _Case) -> RGBImage:
    window = _around(case.outline)
    zoom = SIDE / window.height
    picture = cv2.resize(_colours(scene, window), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    for polygons, colour in (
        ([ship.polygon for ship in case.scene.labels], _GREEN),
        ([kept.polygon for kept in case.scene.found], _RED),
    ):
        box = shapely.box(window.column, window.row, window.column_end, window.row_end)
        for polygon in (polygon for polygon in polygons if polygon.intersects(box)):
            for part in shapely.get_parts(polygon):
                corners = (shapely.get_coordinates(part.exterior) - (window.column, window.row)) * zoom
                cv2.polylines(picture, [np.round(corners).astype(np.int32)], True, colour, 1, cv2.LINE_AA)
    return np.asarray(picture, np.uint8)


def _around(outline: BaseGeometry) -> Window:
    """A square with some water around a ship; it may hang over the scene's edges."""
    west, north, east, south = outline.bounds
    side = round(max(LEAST, 2 * (east - west), 2 * (south - north)))
    return Window(round((north + south - side) / 2), round((west + east - side) / 2), side, side)


def _colours(scene: Scene, window: Window) -> RGBImage:
    """True colours where the model reads red, green and blue, and its first band in grey otherwise."""
    wanted = ("red", "green", "blue")
    picked = [scene.wanted.index(name) if set(wanted) <= set(scene.wanted) else 0 for name in wanted]
    inside = window.intersection(scene.window)
    pixels = scene.decode(inside)
    picture = np.zeros((*window.shape, 3), np.uint8)
    colours = true_colour(scene.radiometry.apply(pixels.values)[picked], pixels.valid)
    paste(np.moveaxis(picture, 2, 0), window, np.moveaxis(colours, 2, 0), inside)
    return picture

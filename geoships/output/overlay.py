"""A picture of a scene with outlines around its ships."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from shapely import STRtree, get_parts
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from geoships.output.atomic import appearing

Picture = NDArray[np.uint8]  # (rows, columns, 3): red, green, blue
Colour = tuple[int, int, int]

WHITEST = 0.3  # reflectance that is drawn white
ZOOM = 4  # of the insets
INSETS = 4  # at most

_COLOURS: dict[str, Colour] = {"found": (255, 225, 40), "false": (255, 60, 50), "missed": (255, 70, 255)}
_PAPER, _INK = (24, 28, 34), (235, 238, 240)


@dataclass(frozen=True)
class _Mark:
    """A ship to outline, in pixel coordinates, and what is known about it: found, false or missed."""

    outline: BaseGeometry
    kind: str


def true_colour(reflectance: NDArray[np.float32], valid: NDArray[np.bool_]) -> Picture:
    """Make a picture, (rows, columns, 3), of reflectance (3, rows, columns) in red, green, blue.

    One stretch for every scene, the square root of reflectance / 0.3, so that pictures compare;
    black where not `valid`, shape (rows, columns).
    """
    shown = np.sqrt(np.clip(np.nan_to_num(reflectance) / WHITEST, 0, 1)) * 255
    return np.where(valid[..., None], np.moveaxis(shown, 0, 2), 0).round().astype(np.uint8)


def draw_overlay(
    path: Path,
    rgb: Picture,
    found: Sequence[BaseGeometry],
    truth: Sequence[BaseGeometry] | None = None,
    title: str = "",
    pixel_metres: float | None = None,
) -> None:
    """Write a PNG picture with ships outlined, and enlarged cuts of some of them at its right side.

    rgb: (rows, columns, 3). found, truth: polygons in pixel coordinates (column, row), counted from
    the upper left corner. With `truth`, a found ship that touches no true one is drawn as false, and
    a true one that none touches as missed. pixel_metres: size of a pixel, for the scale bar.

    The picture lies below a header, at the file's left edge and at its own size. The file appears
    whole or not at all. Raises OutputError when it cannot be written.
    """
    marks = _compare(found, truth)
    side = int(np.clip(rgb.shape[0] // INSETS, 160, 512))
    shown = _worth_showing(marks)[: max(1, rgb.shape[0] // side)]
    page = Image.fromarray(_compose(rgb, marks, shown, side))
    header = _draw_header(page.width, marks, truth is not None, title, pixel_metres)
    sheet = Image.new("RGB", (page.width, header.height + page.height), _PAPER)
    sheet.paste(header, (0, 0))
    sheet.paste(page, (0, header.height))
    _save(sheet, path)


def _compare(found: Sequence[BaseGeometry], truth: Sequence[BaseGeometry] | None) -> list[_Mark]:
    if truth is None:
        return [_Mark(ship, "found") for ship in found]
    pairs = STRtree(list(truth)).query(np.array(found, dtype=object), predicate="intersects")
    matched, met = (set(side.tolist()) for side in pairs)
    return [_Mark(ship, "found" if index in matched else "false") for index, ship in enumerate(found)] + [
        _Mark(ship, "missed") for index, ship in enumerate(truth) if index not in met
    ]


def _worth_showing(marks: Sequence[_Mark]) -> list[_Mark]:
    """Choose a few ships for the insets: the largest missed and false one, and found ones from large to small."""
    by_area = sorted(marks, key=lambda mark: -mark.outline.area)
    chosen = [mark for kind in ("missed", "false") for mark in [m for m in by_area if m.kind == kind][:1]]
    right = [mark for mark in by_area if mark.kind == "found"]
    count = min(INSETS - len(chosen), len(right))
    steps = np.linspace(0, 0.85 * (len(right) - 1), count).round().astype(int)
    return [right[step] for step in steps] + chosen


def _compose(rgb: Picture, marks: Sequence[_Mark], shown: Sequence[_Mark], side: int) -> Picture:
    """Lay out the outlined picture with a column of insets beside it."""
    rows, columns, _ = rgb.shape
    margin = 8
    page = np.full((max(rows, len(shown) * side), columns + (side + margin if shown else 0), 3), _PAPER, np.uint8)
    scene = rgb.copy()
    thickness = max(1, round(rows / 1200))
    for mark in marks:
        _outline(scene, mark, 1.5 + thickness, thickness)
    for index, mark in enumerate(shown):
        cut = _cut(rgb, mark, side // ZOOM)
        inset = _draw_inset(rgb, marks, cut, side)
        cv2.rectangle(scene, cut, (cut[0] + side // ZOOM - 1, cut[1] + side // ZOOM - 1), _INK, 1)
        page[index * side : index * side + side - margin, columns + margin :] = inset[: side - margin]
    page[:rows, :columns] = scene
    return page


def _cut(rgb: Picture, mark: _Mark, extent: int) -> tuple[int, int]:
    """First column and row of a square of `extent` pixels around a ship, within the picture where it fits."""
    centre = mark.outline.centroid
    column, row = round(centre.x - extent / 2), round(centre.y - extent / 2)
    return max(0, min(column, rgb.shape[1] - extent)), max(0, min(row, rgb.shape[0] - extent))


def _draw_inset(rgb: Picture, marks: Sequence[_Mark], cut: tuple[int, int], side: int) -> Picture:
    column, row = cut
    extent = side // ZOOM
    piece = rgb[row : row + extent, column : column + extent]
    large = np.repeat(np.repeat(piece, ZOOM, axis=0), ZOOM, axis=1)
    for mark in marks:
        moved = affine_transform(mark.outline, [ZOOM, 0, 0, ZOOM, -ZOOM * column, -ZOOM * row])
        _outline(large, _Mark(moved, mark.kind), 1.2 * ZOOM, 2)
    inset = np.full((side, side, 3), _PAPER, np.uint8)
    inset[: large.shape[0], : large.shape[1]] = large
    return inset


def _outline(picture: Picture, mark: _Mark, gap: float, thickness: int) -> None:
    """Draw a line around a ship, `gap` pixels outside its hull so that the ship stays visible."""
    for part in get_parts(mark.outline.buffer(gap, quad_segs=4)):
        corners = np.round((np.asarray(part.exterior.coords) - 0.5) * 16).astype(np.int32)
        cv2.polylines(picture, [corners], True, _COLOURS[mark.kind], thickness, cv2.LINE_AA, shift=4)


def _draw_header(
    width: int, marks: Sequence[_Mark], compared: bool, title: str, pixel_metres: float | None
) -> Image.Image:
    """Title and legend, one entry after the other, on as many lines as the width needs."""
    font = ImageFont.load_default(size=int(np.clip(width / 80, 11, 26)))
    line = round(font.getbbox("Ag")[3] * 1.5)
    kinds = ("found", "false", "missed") if compared else ("found",)
    entries: list[tuple[str, Colour | None]] = [(title, None)] if title else []
    entries += [(f"{kind}: {sum(mark.kind == kind for mark in marks)}", _COLOURS[kind]) for kind in kinds]
    entries.append((_scale_text(pixel_metres), None))
    places: list[tuple[int, int]] = []
    x, y = line // 2, line // 4
    for text, _ in entries:
        advance = round(font.getlength(text)) + 2 * line
        if x + advance - line > width and x > line:
            x, y = line // 2, y + line
        places.append((x, y))
        x += advance
    header = Image.new("RGB", (width, y + line + line // 4), _PAPER)
    draw = ImageDraw.Draw(header)
    for (text, colour), (left, top) in zip(entries, places, strict=True):
        if colour is not None:
            draw.rectangle((left, top + line // 6, left + line // 2, top + 2 * line // 3), outline=colour, width=2)
        draw.text((left + (round(0.7 * line) if colour else 0), top), text, fill=_INK, font=font)
    return header


def _scale_text(pixel_metres: float | None) -> str:
    zoomed = f"cuts x {ZOOM}"
    if pixel_metres is None:
        return zoomed
    return f"1 pixel = {pixel_metres:g} m, 100 pixels = {pixel_metres / 10:g} km, {zoomed}"


def _save(sheet: Image.Image, path: Path) -> None:
    with appearing(path) as temporary:
        sheet.save(temporary, format="PNG")

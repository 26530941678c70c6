"""A picture of a scene with outlines around its ships."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from shapely import STRtree, get_parts
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from geoships.scene.quicklook import Picture
from geoships.scene.tiling.windows import Window
from geoships.support.files import atomic_write

Colour = tuple[int, int, int]

WHITEST = 0.3  # reflectance that is drawn white
ZOOM = 4  # of the insets, at most
INSETS = 4  # at most

_COLOURS: dict[str, Colour] = {"found": (255, 225, 40), "false": (255, 60, 50), "missed": (255, 70, 255)}
_MARGIN = 8  # pixels between the scene and the insets
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
    *,
    scale: tuple[float, float] = (1.0, 1.0),
    cut: Callable[[Window, int], Picture] | None = None,
) -> None:
    """Write a PNG picture with ships outlined, and enlarged cuts of some of them at its right side.

    rgb: (rows, columns, 3), the scene or an overview of it. found, truth: polygons in the scene's pixel
    coordinates (column, row), counted from the upper left corner. With `truth`, a found ship that touches
    no true one is drawn as false, and a true one that none touches as missed.
    pixel_metres: size of a pixel of `rgb`, for the scale bars.
    scale: pixels of `rgb` per scene pixel, (across, down).
    cut: gives the scene's own pixels, (rows, columns, 3), in a window inside it, with at most so many along a
    side; None: from `rgb`, which is not an overview then.

    The picture lies below a header, at the file's left edge and at its own size. The file appears
    whole or not at all. Raises OutputError when it cannot be written.
    """
    marks = _compare(found, truth)
    side = int(np.clip(rgb.shape[0] // INSETS, 160, 512))
    sheet_marks = _worth_showing(marks)[: max(1, rgb.shape[0] // side)]
    shape = (max(1, round(rgb.shape[0] / scale[1])), max(1, round(rgb.shape[1] / scale[0])))
    insets = [_Inset.of(mark, shape, side) for mark in sheet_marks]
    metres = None if pixel_metres is None else (pixel_metres * scale[0], pixel_metres * scale[1])
    drawn = [_draw_inset(cut or _from(rgb), marks, inset, side, metres) for inset in insets]
    page = Image.fromarray(_compose(rgb, marks, scale, insets, drawn, side))
    header = _draw_header(page.width, marks, truth is not None, title, pixel_metres)
    sheet = Image.new("RGB", (page.width, header.height + page.height), _PAPER)
    sheet.paste(header, (0, 0))
    sheet.paste(page, (0, header.height))
    _save(sheet, path)


@dataclass(frozen=True)
class _Inset:
    """A square of the scene, in its pixels, and how much it is enlarged."""

    window: Window
    zoom: float

    @classmethod
    def of(cls, mark: _Mark, shape: tuple[int, int], side: int) -> _Inset:
        """Around a ship, within a scene of `shape` where it fits, to be drawn `side` pixels wide."""
        west, north, east, south = mark.outline.bounds
        extent = max(side // ZOOM, math.ceil(1.4 * max(east - west, south - north)))
        column, row = round((west + east - extent) / 2), round((north + south - extent) / 2)
        column, row = max(0, min(column, shape[1] - extent)), max(0, min(row, shape[0] - extent))
        return cls(Window(row, column, extent, extent), side / extent)


def _from(rgb: Picture) -> Callable[[Window, int], Picture]:
    """Cut windows from a picture that has the scene's own pixels."""
    return lambda window, _: rgb[window.row : window.row_end, window.column : window.column_end]


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


def _compose(
    rgb: Picture,
    marks: Sequence[_Mark],
    scale: tuple[float, float],
    insets: Sequence[_Inset],
    drawn: Sequence[Picture],
    side: int,
) -> Picture:
    """Lay out the outlined picture with a column of insets beside it."""
    rows, columns, _ = rgb.shape
    page = np.full((max(rows, len(drawn) * side), columns + (side + _MARGIN if drawn else 0), 3), _PAPER, np.uint8)
    scene = rgb.copy()
    thickness = max(1, round(rows / 1200))
    across, down = scale
    for mark in marks:
        moved = affine_transform(mark.outline, [across, 0, 0, down, 0, 0])
        _outline(scene, _Mark(moved, mark.kind), 1.5 + thickness, thickness)
    for index, (inset, picture) in enumerate(zip(insets, drawn, strict=True)):
        left, top = round(inset.window.column * across), round(inset.window.row * down)
        right, bottom = round(inset.window.column_end * across), round(inset.window.row_end * down)
        cv2.rectangle(scene, (left, top), (right - 1, bottom - 1), _INK, 1)
        page[index * side : index * side + side - _MARGIN, columns + _MARGIN :] = picture[: side - _MARGIN]
    page[:rows, :columns] = scene
    return page


def _draw_inset(
    cut: Callable[[Window, int], Picture],
    marks: Sequence[_Mark],
    inset: _Inset,
    side: int,
    metres: tuple[float, float] | None,
) -> Picture:
    """A square picture of `side` pixels. metres: of a scene pixel, (across, down)."""
    window, zoom = inset.window, inset.zoom
    piece = cut(window, side)
    step = max(1.0, max(piece.shape[0] / side, piece.shape[1] / side))
    # A window that hangs over the scene gives fewer pixels: they keep their size.
    shown = np.full((side, side, 3), _PAPER, np.uint8)
    enlarge = zoom if window.height <= side else 1 / step
    width, height = (max(1, min(side, round(length * enlarge))) for length in (piece.shape[1], piece.shape[0]))
    shown[:height, :width] = cv2.resize(piece, (width, height), interpolation=cv2.INTER_NEAREST)
    for mark in marks:
        moved = affine_transform(mark.outline, [zoom, 0, 0, zoom, -zoom * window.column, -zoom * window.row])
        _outline(shown, _Mark(moved, mark.kind), 1.2 * max(1.0, zoom), 2)
    if metres is None:
        return shown
    page = Image.fromarray(shown)
    font = ImageFont.load_default(size=max(12, side // 24))
    assert isinstance(font, ImageFont.FreeTypeFont)
    _draw_bar(ImageDraw.Draw(page), (10, side - _MARGIN - 2 * round(font.size)), metres[0] / zoom, side // 3, font)
    return np.asarray(page)


def _draw_bar(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], metres: float, longest: int, font: ImageFont.FreeTypeFont
) -> None:
    """A scale bar with its length above it. metres: of a pixel. longest: pixels that it may have."""
    length, text = _bar(metres, longest)
    left, top = place
    bottom = top + round(font.getbbox("Ag")[3] * 1.15)
    draw.text((left, top - 4), text, fill=_INK, font=font, stroke_width=1, stroke_fill=_PAPER)
    draw.rectangle((left - 1, bottom - 1, left + length + 1, bottom + 3), fill=_PAPER)
    draw.rectangle((left, bottom, left + length, bottom + 2), fill=_INK)


def _bar(metres: float, longest: int) -> tuple[int, str]:
    """Pixels of the longest bar of a round length that fits, and its length as text.

    >>> _bar(10.0, 160)
    (100, '1 km')
    """
    most = longest * metres
    power = 10.0 ** math.floor(math.log10(most))
    length = max(step * power for step in (1, 2, 5) if step * power <= most)
    return round(length / metres), f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"


def _outline(picture: Picture, mark: _Mark, gap: float, thickness: int) -> None:
    """Draw a line around a ship, `gap` pixels outside its hull so that the ship stays visible."""
    for part in get_parts(mark.outline.buffer(gap, quad_segs=4)):
        corners = np.round((np.asarray(part.exterior.coords) - 0.5) * 16).astype(np.int32)
        cv2.polylines(picture, [corners], True, _COLOURS[mark.kind], thickness, cv2.LINE_AA, shift=4)


def _draw_header(
    width: int, marks: Sequence[_Mark], compared: bool, title: str, pixel_metres: float | None
) -> Image.Image:
    """Title and legend, one entry after the other, on as many lines as the width needs, and a scale bar."""
    font = ImageFont.load_default(size=int(np.clip(width / 80, 11, 26)))
    assert isinstance(font, ImageFont.FreeTypeFont)
    line = round(font.getbbox("Ag")[3] * 1.5)
    kinds = ("found", "false", "missed") if compared else ("found",)
    entries: list[tuple[str, Colour | None]] = [(title, None)] if title else []
    entries += [(f"{kind}: {sum(mark.kind == kind for mark in marks)}", _COLOURS[kind]) for kind in kinds]
    longest = max(1, min(8 * line, width - line))
    widths = [round(font.getlength(text)) for text, _ in entries]
    places: list[tuple[int, int]] = []
    x, y = line // 2, line // 4
    for taken in [*widths, *([longest] if pixel_metres else [])]:
        advance = taken + 2 * line
        if x + advance - line > width and x > line:
            x, y = line // 2, y + line
        places.append((x, y))
        x += advance
    header = Image.new("RGB", (width, y + line + line // 3), _PAPER)
    draw = ImageDraw.Draw(header)
    for (text, colour), (left, top) in zip(entries, places, strict=False):
        if colour is not None:
            draw.rectangle((left, top + line // 6, left + line // 2, top + 2 * line // 3), outline=colour, width=2)
        draw.text((left + (round(0.7 * line) if colour else 0), top), text, fill=_INK, font=font)
    if pixel_metres:
        _draw_bar(draw, places[-1], pixel_metres, longest, font)
    return header


def _save(sheet: Image.Image, path: Path) -> None:
    with atomic_write(path) as temporary:
        sheet.save(temporary, format="PNG")

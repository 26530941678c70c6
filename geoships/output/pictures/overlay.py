"""Draw a scene with the outlines of its ships and enlarged insets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from shapely import STRtree, get_parts
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from geoships.scene.quicklook import RGBImage
from geoships.scene.tiling.windows import Window
from geoships.support.files import atomic_write

Colour = tuple[int, int, int]

WHITE_REFLECTANCE = 0.3  # reflectance that is drawn white
MAX_ZOOM = 4  # of the insets
MAX_INSETS = 4

_COLOURS: dict[str, Colour] = {"found": (255, 225, 40), "false": (255, 60, 50), "missed": (255, 70, 255)}
_GAP = 8  # pixels between the scene and the insets
_BACKGROUND, _FOREGROUND = (24, 28, 34), (235, 238, 240)


@dataclass(frozen=True)
class Classes:
    """The class of each predicted ship.

    Attributes:
        names: Name of the class of each ship.
        colours: Colour of each class by its name.
    """

    names: Sequence[str]
    colours: Mapping[str, Colour]


@dataclass(frozen=True)
class _Mark:
    """The outline of a ship in pixel coordinates, its kind and colour.

    The kind is found, false (false alarm), missed, or of several classes the name of the class.
    """

    outline: BaseGeometry
    kind: str
    colour: Colour


def true_colour(reflectance: NDArray[np.float32], valid: NDArray[np.bool_]) -> RGBImage:
    """Make a true-colour image of reflectance.

    The stretch is the same for every scene, the square root of reflectance / 0.3, so that images are comparable.

    Args:
        reflectance: Red, green and blue, (3, rows, columns).
        valid: Whether the pixels have data, (rows, columns); the others are black.

    Returns:
        Image, (rows, columns, 3).
    """
    stretched = np.sqrt(np.clip(np.nan_to_num(reflectance) / WHITE_REFLECTANCE, 0, 1)) * 255
    return np.where(valid[..., None], np.moveaxis(stretched, 0, 2), 0).round().astype(np.uint8)


def draw_overlay(
    path: Path,
    rgb: RGBImage,
    ships: Sequence[BaseGeometry],
    truth: Sequence[BaseGeometry] | None = None,
    title: str = "",
    pixel_metres: float | None = None,
    *,
    scale: tuple[float, float] = (1.0, 1.0),
    read_window: Callable[[Window, int], RGBImage] | None = None,
    classes: Classes | None = None,
) -> None:
    """Write a PNG image of a scene with its ships outlined, and enlarged insets of some of them on the right.

    The image of the scene is at the lower left, below a header, and is not resampled. The file appears only when it
    is complete.

    Args:
        path: The PNG file.
        rgb: The scene or an overview of it, (rows, columns, 3).
        ships: Predicted ships, as polygons in the scene's pixel coordinates (column, row).
        truth: Labelled ships, likewise. With them, a predicted ship that intersects no label is drawn as a false
            alarm, and a label that no predicted ship intersects as missed.
        title: Text in the header.
        pixel_metres: Pixel size of `rgb` in metres, for the scale bars; None for no scale bars.
        scale: Pixels of `rgb` per scene pixel, (across, down).
        read_window: Reads a window inside the scene, with at most so many pixels along a side, as an image (rows,
            columns, 3); None to crop from `rgb`, which then has the scene's resolution.
        classes: Instead of `truth`, the class of each predicted ship; None: they are of one class.

    Raises:
        OutputError: Where the file cannot be written.
    """
    marks = _marks(ships, truth) if classes is None else _marks_by_class(ships, classes)
    side = int(np.clip(rgb.shape[0] // MAX_INSETS, 160, 512))
    inset_marks = _choose_insets(marks)[: max(1, rgb.shape[0] // side)]
    shape = (max(1, round(rgb.shape[0] / scale[1])), max(1, round(rgb.shape[1] / scale[0])))
    insets = [_Inset.of(mark, shape, side) for mark in inset_marks]
    metres = None if pixel_metres is None else (pixel_metres * scale[0], pixel_metres * scale[1])
    drawn = [_draw_inset(read_window or _crop_from(rgb), marks, inset, side, metres) for inset in insets]
    page = Image.fromarray(_compose(rgb, marks, scale, insets, drawn, side))
    kinds = _COLOURS if truth is not None else {"found": _COLOURS["found"]}
    header = _draw_header(page.width, marks, kinds if classes is None else classes.colours, title, pixel_metres)
    sheet = Image.new("RGB", (page.width, header.height + page.height), _BACKGROUND)
    sheet.paste(header, (0, 0))
    sheet.paste(page, (0, header.height))
    _save(sheet, path)


@dataclass(frozen=True)
class _Inset:
    """A square window of the scene, and its zoom factor."""

    window: Window
    zoom: float

    @classmethod
    def of(cls, mark: _Mark, shape: tuple[int, int], side: int) -> _Inset:
        """An inset around a ship, inside the scene of `shape` where it fits, drawn `side` pixels wide."""
        west, north, east, south = mark.outline.bounds
        extent = max(side // MAX_ZOOM, math.ceil(1.4 * max(east - west, south - north)))
        column, row = round((west + east - extent) / 2), round((north + south - extent) / 2)
        column, row = max(0, min(column, shape[1] - extent)), max(0, min(row, shape[0] - extent))
        return cls(Window(row, column, extent, extent), side / extent)


def _crop_from(rgb: RGBImage) -> Callable[[Window, int], RGBImage]:
    """Crop windows from an image that has the scene's resolution."""
    return lambda window, _: rgb[window.row : window.row_end, window.column : window.column_end]


def _marks(ships: Sequence[BaseGeometry], truth: Sequence[BaseGeometry] | None) -> list[_Mark]:
    if truth is None:
        return [_mark(ship, "found") for ship in ships]
    pairs = STRtree(list(truth)).query(np.array(ships, dtype=object), predicate="intersects")
    matched_ships, matched_truth = (set(side.tolist()) for side in pairs)
    return [_mark(ship, "found" if index in matched_ships else "false") for index, ship in enumerate(ships)] + [
        _mark(ship, "missed") for index, ship in enumerate(truth) if index not in matched_truth
    ]


def _mark(ship: BaseGeometry, kind: str) -> _Mark:
    return _Mark(ship, kind, _COLOURS[kind])


def _marks_by_class(ships: Sequence[BaseGeometry], classes: Classes) -> list[_Mark]:
    return [_Mark(ship, name, classes.colours[name]) for ship, name in zip(ships, classes.names, strict=True)]


def _choose_insets(marks: Sequence[_Mark]) -> list[_Mark]:
    """Choose the ships of the insets: found ones from large to small, the largest missed and false one."""
    by_area = sorted(marks, key=lambda mark: -mark.outline.area)
    chosen = [mark for kind in ("missed", "false") for mark in [m for m in by_area if m.kind == kind][:1]]
    found = [mark for mark in by_area if mark.kind not in ("missed", "false")]
    count = min(MAX_INSETS - len(chosen), len(found))
    indices = np.linspace(0, 0.85 * (len(found) - 1), count).round().astype(int)
    return [found[index] for index in indices] + chosen


def _compose(
    rgb: RGBImage,
    marks: Sequence[_Mark],
    scale: tuple[float, float],
    insets: Sequence[_Inset],
    drawn: Sequence[RGBImage],
    side: int,
) -> RGBImage:
    """Compose the scene with its outlines and a column of insets on the right."""
    rows, columns, _ = rgb.shape
    page = np.full((max(rows, len(drawn) * side), columns + (side + _GAP if drawn else 0), 3), _BACKGROUND, np.uint8)
    scene = rgb.copy()
    thickness = max(1, round(rows / 1200))
    across, down = scale
    for mark in marks:
        scaled = affine_transform(mark.outline, [across, 0, 0, down, 0, 0])
        _outline(scene, replace(mark, outline=scaled), 1.5 + thickness, thickness)
    for index, (inset, image) in enumerate(zip(insets, drawn, strict=True)):
        left, top = round(inset.window.column * across), round(inset.window.row * down)
        right, bottom = round(inset.window.column_end * across), round(inset.window.row_end * down)
        cv2.rectangle(scene, (left, top), (right - 1, bottom - 1), _FOREGROUND, 1)
        page[index * side : index * side + side - _GAP, columns + _GAP :] = image[: side - _GAP]
    page[:rows, :columns] = scene
    return page


def _draw_inset(
    read_window: Callable[[Window, int], RGBImage],
    marks: Sequence[_Mark],
    inset: _Inset,
    side: int,
    metres: tuple[float, float] | None,
) -> RGBImage:
    """Draw an inset of `side` x `side` pixels. metres: size of a scene pixel, (across, down)."""
    window, zoom = inset.window, inset.zoom
    pixels = read_window(window, side)
    step = max(1.0, max(pixels.shape[0] / side, pixels.shape[1] / side))
    # A window that extends beyond the scene has fewer pixels; they are enlarged by the same factor.
    inset_image = np.full((side, side, 3), _BACKGROUND, np.uint8)
    enlarge = zoom if window.height <= side else 1 / step
    width, height = (max(1, min(side, round(length * enlarge))) for length in (pixels.shape[1], pixels.shape[0]))
    inset_image[:height, :width] = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST)
    for mark in marks:
        scaled = affine_transform(mark.outline, [zoom, 0, 0, zoom, -zoom * window.column, -zoom * window.row])
        _outline(inset_image, replace(mark, outline=scaled), 1.2 * max(1.0, zoom), 2)
    if metres is None:
        return inset_image
    page = Image.fromarray(inset_image)
    font = ImageFont.load_default(size=max(12, side // 24))
    assert isinstance(font, ImageFont.FreeTypeFont)
    _draw_bar(ImageDraw.Draw(page), (10, side - _GAP - 2 * round(font.size)), metres[0] / zoom, side // 3, font)
    return np.asarray(page)


def _draw_bar(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], metres: float, max_length: int, font: ImageFont.FreeTypeFont
) -> None:
    """Draw a scale bar with its length above it. metres: pixel size. max_length: of the bar, in pixels."""
    length, text = _bar(metres, max_length)
    left, top = corner
    bottom = top + round(font.getbbox("Ag")[3] * 1.15)
    draw.text((left, top - 4), text, fill=_FOREGROUND, font=font, stroke_width=1, stroke_fill=_BACKGROUND)
    draw.rectangle((left - 1, bottom - 1, left + length + 1, bottom + 3), fill=_BACKGROUND)
    draw.rectangle((left, bottom, left + length, bottom + 2), fill=_FOREGROUND)


def _bar(metres: float, max_length: int) -> tuple[int, str]:
    """Length in pixels of the longest scale bar of 1, 2 or 5 times a power of ten metres, and its text.

    >>> _bar(10.0, 160)
    (100, '1 km')
    """
    most = max_length * metres
    power = 10.0 ** math.floor(math.log10(most))
    length = max(step * power for step in (1, 2, 5) if step * power <= most)
    return round(length / metres), f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"


def _outline(image: RGBImage, mark: _Mark, gap: float, thickness: int) -> None:
    """Draw a line around a ship, `gap` pixels outside of its outline so that the ship is not covered."""
    for part in get_parts(mark.outline.buffer(gap, quad_segs=4)):
        corners = np.round((np.asarray(part.exterior.coords) - 0.5) * 16).astype(np.int32)
        cv2.polylines(image, [corners], True, mark.colour, thickness, cv2.LINE_AA, shift=4)


def _draw_header(
    width: int, marks: Sequence[_Mark], kinds: Mapping[str, Colour], title: str, pixel_metres: float | None
) -> Image.Image:
    """Draw title, legend and scale bar, wrapped to as many lines as the width needs."""
    font = ImageFont.load_default(size=int(np.clip(width / 80, 11, 26)))
    assert isinstance(font, ImageFont.FreeTypeFont)
    line = round(font.getbbox("Ag")[3] * 1.5)
    entries: list[tuple[str, Colour | None]] = [(title, None)] if title else []
    entries += [(f"{kind}: {sum(mark.kind == kind for mark in marks)}", colour) for kind, colour in kinds.items()]
    longest = max(1, min(8 * line, width - line))
    widths = [round(font.getlength(text)) for text, _ in entries]
    positions: list[tuple[int, int]] = []
    x, y = line // 2, line // 4
    for entry_width in [*widths, *([longest] if pixel_metres else [])]:
        advance = entry_width + 2 * line
        if x + advance - line > width and x > line:
            x, y = line // 2, y + line
        positions.append((x, y))
        x += advance
    header = Image.new("RGB", (width, y + line + line // 3), _BACKGROUND)
    draw = ImageDraw.Draw(header)
    for (text, colour), (left, top) in zip(entries, positions, strict=False):
        if colour is not None:
            draw.rectangle((left, top + line // 6, left + line // 2, top + 2 * line // 3), outline=colour, width=2)
        draw.text((left + (round(0.7 * line) if colour else 0), top), text, fill=_FOREGROUND, font=font)
    if pixel_metres:
        _draw_bar(draw, positions[-1], pixel_metres, longest, font)
    return header


def _save(sheet: Image.Image, path: Path) -> None:
    with atomic_write(path) as temporary:
        sheet.save(temporary, format="PNG")

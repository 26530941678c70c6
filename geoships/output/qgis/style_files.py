"""Write QGIS style files (.qml) beside the outputs, where QGIS loads them automatically."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from geoships.output.classes import SHIPS, Detected
from geoships.output.qgis.styles import MARK, Style, mask_style, score_style, vector_style
from geoships.output.qgis.xml import hexadecimal
from geoships.support.files import atomic_write, output_errors, real_path

STYLES: dict[str, Callable[[Detected], Style]] = {
    "vector": vector_style,
    "mask": mask_style,
    "scores": lambda _: score_style(),
}


@dataclass(frozen=True)
class StylePlan:
    """Which style files to write.

    Attributes:
        files: The kind of output (vector, mask, scores) by path of its `.qml` file.
        warnings: One line for each output without a style file, with the reason.
        object_class: The class that the styles name, or the classes.
    """

    files: Mapping[Path, str]
    warnings: tuple[str, ...] = ()
    object_class: Detected = SHIPS


def plan_styles(outputs: Mapping[str, Path], scene: Path | None, object_class: Detected = SHIPS) -> StylePlan:
    """Choose the `.qml` files of outputs: the output's path with another extension, as QGIS expects.

    Left out, with a warning, are style files that would apply to two files of the same stem, and existing style files
    that geoships has not written.

    Args:
        outputs: Files by kind.
        scene: The scene, where it is a local file.
        object_class: The class that the styles name, or the classes.

    Returns:
        The files to write, and the warnings.
    """
    paths = {kind: path for kind, path in outputs.items() if kind in STYLES}
    stems = [real_path(path).with_suffix("") for path in [*paths.values(), *([scene] if scene else [])]]
    files: dict[Path, str] = {}
    warnings = []
    for kind, path in paths.items():
        style = path.with_suffix(".qml")
        if stems.count(real_path(path).with_suffix("")) > 1:
            warnings.append(f"{path} gets no style: {style.name} would apply to another layer, too; rename one")
        elif _is_foreign(style):
            warnings.append(f"{style} is kept: it was not written by geoships; delete it to get a new style")
        else:
            files[style] = kind
    return StylePlan(files, tuple(warnings), object_class)


@contextmanager
def appearing_styles(plan: StylePlan) -> Iterator[None]:
    """Write the style files; they appear when the with block ends without an error, after the layers written in it.

    Args:
        plan: The files to write.

    Yields:
        Once, when all styles are written under temporary names.

    Raises:
        OutputError: Where one cannot be written.
    """
    with ExitStack() as stack:
        for path, kind in plan.files.items():
            stack.enter_context(atomic_write(path)).write_text(STYLES[kind](plan.object_class).qml(), encoding="utf-8")
        yield


def class_colours(style: Path) -> dict[str, str]:
    """Colour of each class, such as ``#ff6000``, in a style file that draws the categories of the column `class`.

    Args:
        style: A `.qml` file, as geoships writes it or QGIS has saved it; a missing or another one has no colours.
    """
    try:
        root = parse(style).getroot()
    except (OSError, ParseError, DefusedXmlException):
        return {}
    renderer = None if root is None else root.find("renderer-v2[@type='categorizedSymbol'][@attr='class']")
    if renderer is None:
        return {}
    colours = {symbol.get("name"): _line_colour(symbol) for symbol in renderer.iterfind("symbols/symbol")}
    entries = renderer.iterfind("categories/category")
    found = ((entry.get("value"), colours.get(entry.get("symbol"))) for entry in entries)
    return {name: colour for name, colour in found if name and colour}


def _line_colour(symbol: Element) -> str | None:
    """The colour of a symbol's uppermost line, as six hexadecimal digits."""
    lines = [option.get("value") or "" for option in symbol.iterfind("layer/Option/Option[@name='line_color']")]
    channels = lines[-1].split(",")[:3] if lines else []
    if len(channels) < 3 or not all(channel.isdigit() for channel in channels):
        return None
    return hexadecimal((*(min(int(channel), 255) for channel in channels), 255))  # type: ignore[arg-type]


def _is_foreign(style: Path) -> bool:
    """Whether the style file exists and was not written by geoships."""
    with output_errors(style):
        return style.exists() and MARK.encode() not in style.read_bytes()[:1000]

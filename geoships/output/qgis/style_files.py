"""Styles beside the outputs, where QGIS looks for them, and inside a GeoPackage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from geoships.output.classes import SHIPS, FoundClass
from geoships.output.qgis.styles import MARK, Style, mask_style, score_style, ship_style
from geoships.support.files import atomic_write, output_errors

STYLES: dict[str, Callable[[FoundClass], Style]] = {
    "vector": lambda _: ship_style(),
    "mask": mask_style,
    "scores": lambda _: score_style(),
}


@dataclass(frozen=True)
class StylePlan:
    """Which styles to write.

    files: the kind of output (vector, mask, scores) of each `.qml` file.
    warnings: why some output gets none. found: the class that they name.
    """

    files: Mapping[Path, str]
    warnings: tuple[str, ...] = ()
    found: FoundClass = SHIPS


def plan_styles(outputs: Mapping[str, Path], scene: Path | None, found: FoundClass = SHIPS) -> StylePlan:
    """Choose the `.qml` files of outputs; each has the output's name with another extension, as QGIS wants it.

    Left out, with a warning, are names that belong to two rasters or layers at once, of which one would be
    drawn with the other's style; and files that hold somebody's own style.

    outputs: files by kind. scene: the scene, where it is a local file. found: the class.
    """
    paths = {kind: path for kind, path in outputs.items() if kind in STYLES}
    users = [path.resolve().with_suffix("") for path in [*paths.values(), *([scene] if scene else [])]]
    files: dict[Path, str] = {}
    warnings = []
    for kind, path in paths.items():
        style = path.with_suffix(".qml")
        if users.count(path.resolve().with_suffix("")) > 1:
            warnings.append(f"{path} gets no style: {style.name} would serve another raster or layer, too; rename one")
        elif _is_foreign(style):
            warnings.append(f"{style} is kept: it was not written by geoships; delete it for a new style")
        else:
            files[style] = kind
    return StylePlan(files, tuple(warnings), found)


@contextmanager
def appearing_styles(plan: StylePlan) -> Iterator[None]:
    """Write the styles; they get their names when the block ends without an error, after the layers in it.

    Raises OutputError where one cannot be written.
    """
    with ExitStack() as stack:
        for path, kind in plan.files.items():
            stack.enter_context(atomic_write(path)).write_text(STYLES[kind](plan.found).qml(), encoding="utf-8")
        yield


def _is_foreign(style: Path) -> bool:
    """Whether there is a style that geoships has not written."""
    with output_errors(style):
        return style.exists() and MARK.encode() not in style.read_bytes()[:1000]

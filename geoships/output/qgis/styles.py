"""QGIS styles of the output layers, for `.qml` files and projects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.etree.ElementTree import Element

from geoships.output.classes import SHIPS, Detected, ObjectClass
from geoships.output.qgis.xml import VERSION, Colour, comma, document, element, hexadecimal, options
from geoships.scene.display import Display

MARK = "written by geoships, which keeps a style that QGIS has saved here"

# Lower end and colour of each class of ship scores, the same for every scene; from matplotlib's "plasma".
SCORE_CLASSES: tuple[tuple[float, Colour], ...] = (
    (0.0, (177, 42, 144, 255)),
    (0.6, (204, 71, 120, 255)),
    (0.7, (225, 100, 98, 255)),
    (0.8, (248, 149, 64, 255)),
    (0.9, (252, 206, 37, 255)),
)
SCORE_END = 1.0

# Colour ramp of pixel scores, from matplotlib's "viridis" without its yellow, which ships have; transparent at 0.
SCORE_RAMP: tuple[tuple[float, Colour], ...] = (
    (0.0, (68, 1, 84, 0)),
    (0.05, (70, 16, 93, 0)),
    (0.2, (65, 68, 135, 60)),
    (0.4, (49, 104, 142, 90)),
    (0.6, (33, 145, 140, 115)),
    (0.8, (53, 183, 121, 130)),
    (1.0, (109, 205, 89, 140)),
)

LABEL = "round(\"length_m\") || ' m'"  # null, so no label, where the length is not known
LABEL_SCALE = 50_000  # smallest map scale with labels, 1:50,000; at smaller scales they would cover the ships
CASING: Colour = (0, 0, 0, 150)  # a dark casing, so that lines are visible on bright decks and foam
LINE_MM, CASING_MM = 0.4, 0.9

SCENE_GAMMA = 1.5  # brightens dark water and hulls, which the linear stretch leaves nearly black


@dataclass(frozen=True)
class Style:
    """The style of a layer.

    Attributes:
        elements: Child elements of the root of a QML file, and of a layer in a project.
        attributes: XML attributes of the same.
    """

    elements: tuple[Element, ...]
    attributes: tuple[tuple[str, str], ...] = ()

    def qml(self) -> str:
        """Text of a `.qml` file."""
        root = element("qgis", self.elements, version=VERSION, **dict(self.attributes))
        return document(root, MARK)


def ship_style() -> Style:
    """Outlines coloured by score, without fill; labels with the length from 1:50,000 on."""
    return _outline_style(_ship_renderer())


def _outline_style(renderer: Element) -> Style:
    attributes = (("labelsEnabled", "1"), ("simplifyDrawingHints", "1"), ("hasScaleBasedVisibilityFlag", "0"))
    return Style((renderer, _ship_labels(), element("layerGeometryType", "2")), attributes)


def outline_style(colour: Colour) -> Style:
    """Outlines of one colour, without fill or labels."""
    renderer = element(
        "renderer-v2", [element("symbols", [_outline("0", colour)])], type="singleSymbol", symbollevels=0
    )
    return Style((renderer, element("layerGeometryType", "2")), (("hasScaleBasedVisibilityFlag", "0"),))


def vector_style(detected: Detected = SHIPS) -> Style:
    """Outlines without fill and labels, as `ship_style`; several classes have their colours in place of the score's."""
    members = detected.members
    return ship_style() if len(members) == 1 else _outline_style(_class_renderer(members))


def mask_style(detected: Detected = SHIPS) -> Style:
    """Each class in its colour; all other pixels are transparent."""
    entries = [
        element("paletteEntry", value=found.value, color=hexadecimal(found.rgba), alpha=220, label=found.name)
        for found in detected.members
    ]
    renderer = element(
        "rasterrenderer",
        [element("rasterTransparency"), element("colorPalette", entries)],
        type="paletted", band=1, opacity=1, alphaBand=-1, nodataColor="",
    )  # fmt: skip
    return _raster(renderer)


def score_style(band: int = 1) -> Style:
    """A perceptually uniform colour ramp from 0 to 1, transparent near 0. band: of the raster, from 1."""
    items = [
        element("item", value=value, label=f"{value:g}", color=hexadecimal(colour), alpha=colour[3])
        for value, colour in SCORE_RAMP
    ]
    ramp = element(
        "colorrampshader",
        [_gradient(), *items],
        colorRampType="INTERPOLATED", classificationMode=1, clip=0, minimumValue=0, maximumValue=1,
    )  # fmt: skip
    renderer = element(
        "rasterrenderer",
        [element("rasterTransparency"), element("rastershader", [ramp])],
        type="singlebandpseudocolor", band=band, opacity=1, alphaBand=-1, nodataColor="",
        classificationMin=0, classificationMax=1,
    )  # fmt: skip
    return _raster(renderer)


def scene_style(display: Display) -> Style:
    """The scene in colour, or one band in grey, with a linear stretch.

    Args:
        display: Bands to show, and the values of each that are drawn black and white.

    Returns:
        The style of a raster layer.
    """
    transparency = element("rasterTransparency")
    if len(display.bands) == 1:
        stretch = _stretch("contrastEnhancement", display.ranges[0])
        renderer = element(
            "rasterrenderer", [transparency, stretch], type="singlebandgray", grayBand=display.bands[0],
            gradient="BlackToWhite", opacity=1, alphaBand=-1, nodataColor="",
        )  # fmt: skip
    else:
        names = ("red", "green", "blue")
        stretches = [
            _stretch(f"{name}ContrastEnhancement", ends) for name, ends in zip(names, display.ranges, strict=True)
        ]
        bands = {f"{name}Band": band for name, band in zip(names, display.bands, strict=True)}
        renderer = element(
            "rasterrenderer", [transparency, *stretches],
            type="multibandcolor", opacity=1, alphaBand=-1, nodataColor="", **bands,
        )  # fmt: skip
    return _raster(renderer, SCENE_GAMMA)


def _ship_renderer() -> Element:
    ends = [lower for lower, _ in SCORE_CLASSES] + [SCORE_END]
    ranges = [
        element("range", lower=lower, upper=upper, symbol=number, render="true", label=_class_label(lower, upper))
        for number, (lower, upper) in enumerate(pairwise(ends))
    ]
    symbols = [_outline(str(number), colour) for number, (_, colour) in enumerate(SCORE_CLASSES)]
    return element(
        "renderer-v2",
        [
            element("ranges", ranges),
            element("symbols", symbols),
            element("source-symbol", [_outline("0", SCORE_CLASSES[-1][1])]),
        ],
        type="graduatedSymbol", attr="score", graduatedMethod="GraduatedColor",
        symbollevels=0, enableorderby=0, forceraster=0,
    )  # fmt: skip


def _class_renderer(members: Sequence[ObjectClass]) -> Element:
    categories = [
        element("category", value=found.name, label=found.name, symbol=number, render="true", type="string")
        for number, found in enumerate(members)
    ]
    symbols = [_outline(str(number), found.rgba) for number, found in enumerate(members)]
    return element(
        "renderer-v2",
        [
            element("categories", categories),
            element("symbols", symbols),
            element("source-symbol", [_outline("0", members[0].rgba)]),
        ],
        type="categorizedSymbol", attr="class", symbollevels=0, enableorderby=0, forceraster=0,
    )  # fmt: skip


def _class_label(lower: float, upper: float) -> str:
    if lower == 0:
        return f"score below {upper:g}"
    return f"{lower:g} to {upper:g}"


def _outline(name: str, colour: Colour) -> Element:
    lines = [_line(CASING, CASING_MM), _line(colour, LINE_MM)]
    return element("symbol", lines, name=name, type="fill", alpha=1, clip_to_extent=1, force_rhr=0)


def _line(colour: Colour, width: float) -> Element:
    properties = {
        "line_color": comma(colour),
        "line_style": "solid",
        "line_width": width,
        "line_width_unit": "MM",
        "joinstyle": "round",
        "capstyle": "round",
    }
    return element("layer", [options(properties)], class_="SimpleLine", enabled=1, locked=0, pass_=0)


def _ship_labels() -> Element:
    buffer = element(
        "text-buffer", bufferDraw=1, bufferSize=0.7, bufferSizeUnits="MM", bufferColor=comma((0, 0, 0, 200)),
        bufferOpacity=1, bufferNoFill=1, bufferJoinStyle=128, bufferBlendMode=0,
    )  # fmt: skip
    text = element(
        "text-style", [buffer],
        fieldName=LABEL, isExpression=1, fontSize=8, fontSizeUnit="Point", textColor=comma((255, 255, 255, 255)),
        textOpacity=1, namedStyle="", fontWeight=50, blendMode=0, multilineHeight=1, textOrientation="horizontal",
    )  # fmt: skip
    # Placement 8: outside of polygons. polygonPlacementFlags 2: of the visible part of the polygon.
    placement = element(
        "placement", placement=8, dist=0.8, distUnits="MM", priority=5, polygonPlacementFlags=2,
        overlapHandling="PreventOverlap", allowDegraded=0,
    )  # fmt: skip
    # scaleMax: the largest scale denominator. displayAll 0: labels that would overlap are left out.
    rendering = element(
        "rendering", drawLabels=1, displayAll=0, scaleVisibility=1, scaleMin=1, scaleMax=LABEL_SCALE,
        obstacle=1, obstacleFactor=1, obstacleType=1, labelPerPart=0, limitNumLabels=0, minFeatureSize=0,
        fontMinPixelSize=0, fontMaxPixelSize=10000, unplacedVisibility=0, zIndex=0,
    )  # fmt: skip
    return element("labeling", [element("settings", [text, placement, rendering])], type="simple")


def _gradient() -> Element:
    """The score ramp as one element, from which QGIS makes new classes."""
    (_, first), *middle, (_, last) = SCORE_RAMP
    stops = ":".join(f"{value:g};{comma(colour)}" for value, colour in middle)
    properties = {"color1": comma(first), "color2": comma(last), "discrete": 0, "rampType": "gradient", "stops": stops}
    return element("colorramp", [options(properties)], name="[source]", type="gradient")


def _stretch(tag: str, ends: tuple[float, float]) -> Element:
    low, high = ends
    children = [
        element("minValue", repr(low)),
        element("maxValue", repr(high)),
        element("algorithm", "StretchToMinimumMaximum"),
    ]
    return element(tag, children)


def _raster(renderer: Element, gamma: float = 1) -> Style:
    pipe = element(
        "pipe",
        [
            renderer,
            element("brightnesscontrast", brightness=0, contrast=0, gamma=gamma),
            element("huesaturation", saturation=0, grayscaleMode=0, colorizeOn=0, colorizeStrength=100, invertColors=0),
            element("rasterresampler", maxOversampling=2),
        ],
    )
    return Style((pipe, element("blendMode", "0")), (("hasScaleBasedVisibilityFlag", "0"),))

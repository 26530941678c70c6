"""The classes of objects that a model detects: their names and colours in every output."""

from __future__ import annotations

from dataclasses import dataclass

SHIP_COLOUR = (255, 96, 0)

# Colours of several classes that have none of their own, in their order: they differ for colour-blind eyes, too, and
# stand out on dark water (after Okabe and Ito, Color Universal Design, 2008).
PALETTE = ("#ff6000", "#56b4e9", "#f0e442", "#009e73", "#cc79a7", "#0072b2", "#b3b3b3", "#8c564b")


@dataclass(frozen=True)
class ObjectClass:
    """A class of detected objects.

    Attributes:
        name: Human-readable name in the singular, such as ``ship``.
        rgb: Colour in masks; red, green and blue from 0 to 255.
        value: Pixel value in masks.
    """

    name: str = "ship"
    rgb: tuple[int, int, int] = SHIP_COLOUR
    value: int = 1

    @property
    def members(self) -> tuple[ObjectClass, ...]:
        """The class itself, as the only one; see `ObjectClasses`."""
        return (self,)

    @property
    def title(self) -> str:
        """The name with a capital first letter.

        >>> ObjectClass("oil tank").title
        'Oil tank'
        """
        return self.name[:1].upper() + self.name[1:]

    @property
    def layer(self) -> str:
        """The title of a layer of such objects; only the plural of ship is known.

        >>> ObjectClass().layer, ObjectClass("oil tank").layer
        ('Ships', 'Objects of the class oil tank')
        """
        return "Ships" if self.is_ship else f"Objects of the class {self.name}"

    @property
    def is_ship(self) -> bool:
        """Whether these are ships, the class that outputs need not name."""
        return self.name == "ship"

    @property
    def rgba(self) -> tuple[int, int, int, int]:
        """The colour as red, green, blue and opacity, fully opaque."""
        return (*self.rgb, 255)


@dataclass(frozen=True)
class ObjectClasses:
    """Several classes that one model detects; outputs name and draw each of them.

    Attributes:
        members: The classes, in the order of the model's outputs.
    """

    members: tuple[ObjectClass, ...]

    @property
    def name(self) -> str:
        """What objects of any class are called."""
        return "objects"

    @property
    def title(self) -> str:
        """The first word of titles."""
        return "Class"

    @property
    def layer(self) -> str:
        """The title of a layer of objects of all classes."""
        return "Objects"

    @property
    def is_ship(self) -> bool:
        """Whether these are ships alone."""
        return False


Detected = ObjectClass | ObjectClasses  # what a model detects: one class, or several
SHIPS = ObjectClass()


def class_of(name: str, colour_hint: str | None) -> ObjectClass:
    """The class that a model card describes.

    Args:
        name: Human-readable name of the class.
        colour_hint: Six hexadecimal digits, with or without ``#``; SHIP_COLOUR is used for None and for any other text.

    Returns:
        The class with its colour.

    >>> class_of("tank", "00ff80").rgb, class_of("tank", "green").rgb == SHIP_COLOUR
    ((0, 255, 128), True)
    """
    return ObjectClass(name, rgb_of(colour_hint))


def rgb_of(colour: str | None) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of six hexadecimal digits; SHIP_COLOUR for None and for any other text.

    >>> rgb_of("#00ff80")
    (0, 255, 128)
    """
    try:
        red, green, blue = bytes.fromhex((colour or "").removeprefix("#"))
    except ValueError:
        return SHIP_COLOUR
    return red, green, blue

"""The class of objects that a model detects: its name and colour in every output."""

from __future__ import annotations

from dataclasses import dataclass

SHIP_COLOUR = (255, 96, 0)


@dataclass(frozen=True)
class ObjectClass:
    """A class of detected objects.

    Attributes:
        name: Human-readable name in the singular, such as ``ship``.
        rgb: Colour in masks; red, green and blue from 0 to 255.
    """

    name: str = "ship"
    rgb: tuple[int, int, int] = SHIP_COLOUR

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
    try:
        red, green, blue = bytes.fromhex((colour_hint or "").removeprefix("#"))
    except ValueError:
        return ObjectClass(name)
    return ObjectClass(name, (red, green, blue))

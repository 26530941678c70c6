"""The class that a model finds: its name and colour in every output."""

from __future__ import annotations

from dataclasses import dataclass

SHIP_COLOUR = (255, 96, 0)


@dataclass(frozen=True)
class FoundClass:
    """A class of objects, as people call it.

    name: in the singular, such as ``ship``. rgb: its colour in masks, 0 to 255.
    """

    name: str = "ship"
    rgb: tuple[int, int, int] = SHIP_COLOUR

    @property
    def title(self) -> str:
        """Its name at the head of a title.

        >>> FoundClass("oil tank").title
        'Oil tank'
        """
        return self.name[:1].upper() + self.name[1:]

    @property
    def layer(self) -> str:
        """The title of a layer of them; English has a plural that we know for ships only.

        >>> FoundClass().layer, FoundClass("oil tank").layer
        ('Ships', 'Objects of the class oil tank')
        """
        return "Ships" if self.is_ship else f"Objects of the class {self.name}"

    @property
    def is_ship(self) -> bool:
        """Whether these are ships, which most outputs take for granted."""
        return self.name == "ship"

    @property
    def rgba(self) -> tuple[int, int, int, int]:
        """Its colour, without transparency."""
        return (*self.rgb, 255)


SHIPS = FoundClass()


def class_of(name: str, colour_hint: str | None) -> FoundClass:
    """The class of a model card. colour_hint: six hexadecimal digits; None, or what is none: the usual colour.

    >>> class_of("tank", "00ff80").rgb, class_of("tank", "green").rgb == SHIP_COLOUR
    ((0, 255, 128), True)
    """
    try:
        red, green, blue = bytes.fromhex((colour_hint or "").removeprefix("#"))
    except ValueError:
        return FoundClass(name)
    return FoundClass(name, (red, green, blue))

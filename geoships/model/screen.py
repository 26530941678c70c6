"""The screen: the first stages of a model's own encoder tell whether a tile may hold a ship.

Open sea is most of what scenes show. A linear head over the encoder's early maps, and over how they differ from
their surroundings, costs a few percent of the whole network, and its score is compared with a threshold under which
hardly any ship was found on held-out scenes (`geoships screen`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from geoships.errors import BundleError
from geoships.model.bundle import Bundle
from geoships.model.card import Network
from geoships.model.engines.base import Engine
from geoships.scene.tiles import Sample
from geoships.scene.tiling.windows import Window

CONTEXT = 32  # model pixels around what is judged, whose scores do not count
PART = 512 + 2 * CONTEXT  # rows and columns that are looked at together, as those were that set the threshold
AROUND = 15  # cells of the surroundings that a cell is compared with

Span = tuple[int, int]  # first model pixel of an image along one axis, and the one after the last


class ScreenNetwork(nn.Module):
    """Early stages of an encoder with a linear head.

    encoder: maps normalised images to a list of maps, the last of which is used. channels: of that map.
    """

    def __init__(self, encoder: nn.Module, channels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Conv2d(2 * channels, 1, 1)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """(n, 2 * channels, rows, columns) of normalised images: the early maps, and their difference to around."""
        maps = self.encoder(images)[-1]
        around = maps
        for size, pad in (((1, AROUND), (0, AROUND // 2)), ((AROUND, 1), (AROUND // 2, 0))):
            around = functional.avg_pool2d(around, size, 1, pad, count_include_pad=False)
        return torch.cat([maps, maps - around], 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (n, 1, rows, columns), one a cell."""
        logits: torch.Tensor = self.head(self.features(images))
        return logits


class ScreenBundle(Bundle):
    """The screen of a bundle as a model of its own, which every engine runs; its scores are those of cells."""

    def network(self) -> ScreenNetwork:
        """The network in evaluation mode, float32. Raises BundleError where the weights do not fit."""
        from geoships.model.networks import Architecture, build_encoder

        card = self.card
        architecture = Architecture(card.network.decoder, card.network.encoder, len(card.bands))
        encoder = build_encoder(architecture, card.network.options["depth"])
        network = ScreenNetwork(encoder, encoder.out_channels[-1])  # type: ignore[index, arg-type]
        state = network.state_dict()  # an encoder of few stages may have fewer weights than the whole one
        state.update({name: value for name, value in self.float_weights().items() if name in state})
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise BundleError(f"the screen of {self.path} does not fit its model: {error}") from error
        return network.eval()


def screen_of(bundle: Bundle) -> Bundle | None:
    """The screen that a bundle holds; None where it has none."""
    if bundle.card.screen is None or bundle.screen is None:
        return None
    return as_screen(bundle, bundle.card.screen.depth, bundle.screen)


def as_screen(bundle: Bundle, depth: int, head: Mapping[str, torch.Tensor]) -> Bundle:
    """A screen of a bundle's encoder.

    depth: stages of the encoder that are used, each of which halves the picture. head: ``weight`` and ``bias``; random
    where it is empty.
    """
    card = bundle.card
    own = card.model_copy(update={
        "name": f"the screen of {card.name}", "verify": False, "temperature": 1.0, "screen": None,
        "network": Network(decoder="screen", encoder=card.network.encoder, options={"depth": depth}),
    })  # fmt: skip
    encoder = {name: value for name, value in bundle.weights.items() if name.startswith("encoder.")}
    return ScreenBundle(own, {**encoder, **{f"head.{name}": value for name, value in head.items()}}, bundle.path)


def screened(
    samples: Iterable[Sample],
    engine: Engine,
    threshold: float,
    step: int,
    counting: Callable[[Window], tuple[Span, Span]],
    skipped: Callable[[], None],
) -> Iterator[Sample]:
    """Yield samples, and take the images from those that hold no ship.

    engine: of the screen. threshold: score from which on a cell may be a ship. step: tiles are multiples of it.
    counting: rows and columns of a window's image that the tile's scores reach. skipped: is called for each that is
    empty.
    """
    for sample in samples:
        if "image" in sample:
            spans = counting(Window(*sample["window"].tolist()))
            if all(peak < threshold for peak in peaks(engine, sample["image"], spans, step)):
                del sample["image"]
                skipped()
        yield sample


def peaks(engine: Engine, image: torch.Tensor, spans: tuple[Span, Span], step: int) -> Iterator[float]:
    """Greatest scores of the cells that touch the spans of rows and columns, part by part.

    An image (bands, rows, columns) is looked at in parts of one shape, so that the engine holds one small session.
    """
    axes = [list(_parts(span, size, step)) for span, size in zip(spans, image.shape[1:], strict=True)]
    for parts in product(*axes):
        (top, bottom), (left, right) = (part.seen for part in parts)
        scores = engine.collect(engine.submit(image[None, :, top:bottom, left:right].contiguous()))[0]
        cells = tuple(part.cells(count) for part, count in zip(parts, scores.shape, strict=True))
        yield float(np.max(scores[cells], initial=0.0))


@dataclass(frozen=True)
class _Part:
    """Part of an image along one axis. seen: by the network. counting: what it judges."""

    seen: Span
    counting: Span

    def cells(self, count: int) -> slice:
        """The cells that count, of `count` in all."""
        first, last = self.seen
        start, stop = self.counting
        return slice((start - first) * count // (last - first), -(-(stop - first) * count // (last - first)))


def _parts(span: Span, size: int, step: int) -> Iterator[_Part]:
    """Parts of one length, at multiples of the step, which judge a span of an image together.

    >>> [(part.seen, part.counting) for part in _parts((224, 1200), 1600, 32)]
    [((192, 768), (224, 736)), ((704, 1280), (736, 1200))]
    >>> [(part.seen, part.counting) for part in _parts((32, 70), 96, 32)]
    [((0, 96), (32, 70))]
    """
    side = min(PART, size)
    done, end = span
    while done < end:
        first = min(max(0, done - CONTEXT) // step * step, size - side)
        last = first + side
        stop = end if last >= min(size, end + CONTEXT) else last - CONTEXT
        yield _Part((first, last), (done, stop))
        done = stop

"""The screen: the first stages of a model's encoder predict whether a tile may contain a ship.

Most of a scene is open sea. A linear head over the encoder's early feature maps, and over their difference from the
surroundings, costs a few percent of the whole network. A tile is skipped if the screen's score is below a threshold
below which held-out scenes have hardly any ship (`geoships screen`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from geoships.model.bundle import Bundle
from geoships.model.engines.base import Engine
from geoships.model.screen_bundle import build_screen
from geoships.scene.tiles import Sample
from geoships.scene.tiling.windows import Window

CONTEXT = 32  # model pixels around a segment's scored pixels that are computed as context only
SEGMENT = 512 + 2 * CONTEXT  # rows and columns that are computed at a time, as when the threshold was set

Span = tuple[int, int]  # along one axis of an image: first model pixel, and one past the last


def screen_of(bundle: Bundle) -> Bundle | None:
    """The screen of a bundle; None if it has none."""
    if bundle.card.screen is None or bundle.screen is None:
        return None
    return build_screen(bundle, bundle.card.screen.depth, bundle.screen)


def skip_empty_tiles(
    samples: Iterable[Sample],
    engine: Engine,
    threshold: float,
    step: int,
    used_pixels: Callable[[Window], tuple[Span, Span]],
    on_skip: Callable[[], None],
) -> Iterator[Sample]:
    """Remove the images of samples without ships, so that they are not computed.

    Args:
        samples: Samples of tiles as the model expects them, with their ``window``.
        engine: Runs the screen.
        threshold: Minimum score of a cell that may be part of a ship.
        step: Tile sizes are multiples of it, in model pixels.
        used_pixels: Returns the rows and columns of a window's image whose scores are used.
        on_skip: Called for each skipped tile.

    Yields:
        The samples, without ``image`` if the tile is empty.
    """
    for sample in samples:
        if "image" in sample:
            spans = used_pixels(Window(*sample["window"].tolist()))
            if all(peak < threshold for peak in peak_scores(engine, sample["image"], spans, step)):
                del sample["image"]
                on_skip()
        yield sample


def peak_scores(engine: Engine, image: NDArray[np.float32], spans: tuple[Span, Span], step: int) -> Iterator[float]:
    """Maximum screen scores of an image, segment by segment.

    The image is cut into segments of one shape, so that the engine keeps only one small session.

    Args:
        engine: Runs the screen.
        image: Reflectance (bands, rows, columns).
        spans: Rows and columns of the image to score; cells that touch them count.
        step: Segments start at multiples of it, in model pixels.

    Yields:
        The maximum score of each segment.
    """
    axes = [list(_segments(span, size, step)) for span, size in zip(spans, image.shape[1:], strict=True)]
    for segments in product(*axes):
        (top, bottom), (left, right) = (segment.computed for segment in segments)
        scores = engine.collect(engine.submit(np.ascontiguousarray(image[None, :, top:bottom, left:right])))[0]
        cells = tuple(segment.cells(count) for segment, count in zip(segments, scores.shape, strict=True))
        yield float(np.max(scores[cells], initial=0.0))


@dataclass(frozen=True)
class _Segment:
    """Segment of an image along one axis: the pixels that the network computes, and those it scores."""

    computed: Span
    scored: Span

    def cells(self, count: int) -> slice:
        """Cells that touch the scored pixels, if the network gives `count` cells."""
        first, last = self.computed
        start, stop = self.scored
        return slice((start - first) * count // (last - first), -(-(stop - first) * count // (last - first)))


def _segments(span: Span, size: int, step: int) -> Iterator[_Segment]:
    """Segments of one length that start at multiples of the step and together score a span of an image.

    >>> [(segment.computed, segment.scored) for segment in _segments((224, 1200), 1600, 32)]
    [((192, 768), (224, 736)), ((704, 1280), (736, 1200))]
    >>> [(segment.computed, segment.scored) for segment in _segments((32, 70), 96, 32)]
    [((0, 96), (32, 70))]
    """
    side = min(SEGMENT, size)
    done, end = span
    while done < end:
        first = min(max(0, done - CONTEXT) // step * step, size - side)
        last = first + side
        stop = end if last >= min(size, end + CONTEXT) else last - CONTEXT
        yield _Segment((first, last), (done, stop))
        done = stop

"""What a run sees of a scene on its way: how much of it has data, and how much is cloud."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from geoships.output.stitch import RowBand
from geoships.scene.plausible import MOSTLY, cloud_share
from geoships.scene.tiles import Sample

STEP = 8  # every so many rows and columns of a tile are looked at for clouds


@dataclass
class Seen:
    """Counts of pixels.

    Attributes:
        valid: pixels of the scene with data.
        looked_at: pixels of tiles that were judged.
        cloudy: those that look like clouds.

    """

    valid: int = 0
    looked_at: float = 0
    cloudy: float = 0

    def watch(self, samples: Iterable[Sample], bands: Sequence[str], *, is_picture: bool) -> Iterator[Sample]:
        """Pass samples on, and count what looks like clouds in them; see `cloud_share`."""
        for sample in samples:
            if "image" in sample:
                image = sample["image"].numpy()[:, ::STEP, ::STEP]
                share = cloud_share(image, bands, is_picture=is_picture)
                if share is not None:
                    weight = float(sample["valid"].sum())  # pixels without data are filled with their neighbours
                    self.looked_at += weight
                    self.cloudy += weight * share
            yield sample

    def counted(self, rows: Iterable[tuple[RowBand, ...]]) -> Iterator[tuple[RowBand, ...]]:
        """Pass finished rows of all classes on, and count their pixels with data."""
        for bands in rows:
            self.valid += int(bands[0].valid.sum())
            yield bands
            del bands  # the next rows are computed before they come

    def warnings(self, searched: float) -> tuple[str, ...]:
        """Warnings of little data and of many clouds.

        Args:
            searched: pixels of the scene, or of the area that is searched.

        """
        data, clouds = self.valid / max(searched, 1), self.cloudy / max(self.looked_at, 1)
        found = []
        if data < MOSTLY:
            found.append(f"only {data:.1%} of what is searched has data: no ship is found in the rest")
        if clouds > MOSTLY:
            found.append(f"about {clouds:.0%} of the scene looks like clouds, below which no ship is found")
        return tuple(found)

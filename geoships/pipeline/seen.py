"""What a run sees of a scene on its way: how much of it has data, and how much is cloud."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from geoships.output.stitch import RowBand
from geoships.scene.plausible import MOSTLY, cloud_share
from geoships.scene.tiles import Sample

STEP = 8  # every so many rows and columns of a tile are looked at for clouds


@dataclass
class Seen:
    """Counts of pixels.

    Attributes:
        valid: pixels of the scene with data.
        judged: for each tile that was judged its pixels with data, and the share of them that looks like clouds.

    """

    valid: int = 0
    judged: list[tuple[float, float]] = field(default_factory=list)

    def watch(self, samples: Iterable[Sample], bands: Sequence[str], *, is_picture: bool) -> Iterator[Sample]:
        """Pass samples on, and count what looks like clouds in them; see `cloud_share`."""
        for sample in samples:
            if "image" in sample:
                image = sample["image"][:, ::STEP, ::STEP]
                share = cloud_share(image, bands, is_picture=is_picture)
                if share is not None:
                    # pixels without data are filled with their neighbours
                    self.judged.append((float(sample["valid"].sum()), share))
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
        looked_at = sum(pixels for pixels, _ in self.judged)
        cloudy = sum(pixels * share for pixels, share in self.judged)
        data, clouds = self.valid / max(searched, 1), cloudy / max(looked_at, 1)
        found = []
        if data < MOSTLY:
            found.append(f"only {data:.1%} of what is searched has data: no ship is found in the rest")
        if clouds > MOSTLY:
            found.append(f"about {clouds:.0%} of the scene looks like clouds, below which no ship is found")
        return tuple(found)

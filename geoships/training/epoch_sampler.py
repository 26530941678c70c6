"""The order of what an epoch shows, shared among devices."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import Sampler


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields (epoch, number) for each item of an epoch; the devices of one run share them.

    Args:
        count: Items in an epoch.
        rank: Number of this device.
        world: Number of devices.
    """

    def __init__(self, count: int, rank: int = 0, world: int = 1) -> None:
        self._count, self._rank, self._world = count, rank, world
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Move to an epoch; Lightning calls this."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for number in range(self._rank, self._count - self._count % self._world, self._world):
            yield self._epoch, number

    def __len__(self) -> int:
        return self._count // self._world

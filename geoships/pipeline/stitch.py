"""Stitched, georeferenced predictions of any model for any torchgeo dataset and geo sampler."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from torch import nn
from torch.utils.data import DataLoader
from torchgeo.datasets import GeoDataset, IntersectionDataset, UnionDataset

from geoships.errors import GeoshipsError
from geoships.model.engines.device import choose_device, torch_device
from geoships.output.raster import ClassSink, RasterSink, ScoreSink
from geoships.output.stitch import OverlapWeights, RowBand, Stitcher
from geoships.scene.georeference import Georeference
from geoships.scene.tiling.windows import Window
from geoships.scene.torchgeo import SceneDataset
from geoships.support.overwrite import refuse_overwrites

Query = Any  # a torchgeo GeoSlice: two slices in torchgeo 0.10, three in 0.8


def stitch(
    dataset: GeoDataset,
    sampler: Iterable[Query],
    model: nn.Module,
    out: str | Path,
    *,
    output: Literal["auto", "scores", "classes"] = "auto",
    channel: int | None = None,
    transform: Callable[[torch.Tensor], torch.Tensor] | None = None,
    nodata: float | None = None,
    batch_size: int = 4,
    num_workers: int = 0,
    device: str = "auto",
    overwrite: bool = False,
) -> Path:
    """Predict all tiles of a sampler and write one Cloud Optimized GeoTIFF.

    Overlaps are blended with smooth weights that sum to one. Only a few rows of tiles are in memory at a time.

    Args:
        dataset: Any torchgeo dataset whose samples have an ``image`` (bands, rows, columns).
        sampler: Any geo sampler, or any collection of its queries; their order does not matter.
        model: Maps (n, bands, rows, columns) to logits (n, channels, rows, columns); a PyTorch module, or a Lightning
            task such as torchgeo's SemanticSegmentationTask.
        out: Path of the GeoTIFF.
        output: ``scores`` (0 to 1, of one channel), ``classes`` (index of the most likely channel), or ``auto``: scores
            for a model with one channel, classes for a model with more.
        channel: Index of the channel whose scores are written; None: the first, see `output`.
        transform: Applied to each batch of images, for example to normalise it.
        nodata: Pixels with this value in all bands become nodata in the output, as do pixels that are not finite in
            any band; the model sees 0 for numbers that are not finite.
        batch_size: Number of tiles in a batch.
        num_workers: Number of processes that read tiles.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        overwrite: Replace an existing file at `out`; one of the dataset's own files is never replaced.

    Returns:
        The path of the GeoTIFF.

    Raises:
        GeoshipsError: The sampler yields no tiles, or the model's output has the wrong shape.
        DeviceError: There is no such device.
        OutputError: There is a file at `out`, or it cannot be written.
    """
    refuse_overwrites([Path(out)], _files(dataset), overwrite=overwrite)
    where = torch_device(choose_device(device))
    grid = _Grid.of(dataset, list(sampler))
    if output == "scores" and channel is None:
        channel = 0
    predictor = _Predictor(model.to(where).eval(), where, transform, nodata)
    loader: DataLoader[Any] = DataLoader(
        dataset, sampler=grid.queries, batch_size=batch_size, num_workers=num_workers, collate_fn=_collate
    )
    tiles = predictor.predict_tiles(loader, grid.windows)
    first = next(tiles)
    multiple = first.scores.shape[0] > 1
    classes = output == "classes" or (output == "auto" and multiple and channel is None)
    sink: RasterSink = (ClassSink if classes else ScoreSink)(Path(out), grid.georeference)
    with sink:
        for band in _stitch_row_bands(first, tiles, grid, None if classes else (channel or 0)):
            sink.write(band)
    return Path(out)


def _files(dataset: GeoDataset) -> list[Path]:
    """Local files of a dataset, as far as it tells them."""
    if isinstance(dataset, SceneDataset):
        path = dataset.scene.source.path
        return [path] if path else []
    if isinstance(dataset, IntersectionDataset | UnionDataset):
        return [path for part in dataset.datasets for path in _files(part)]
    return [Path(str(name)) for name in getattr(dataset, "files", ())]


@dataclass(frozen=True)
class _Tile:
    """A predicted tile: scores (channels, rows, columns) from 0 to 1, and a validity mask (rows, columns)."""

    window: Window
    scores: NDArray[np.float32]
    valid: NDArray[np.bool_]


@dataclass(frozen=True)
class _Grid:
    """The grid of the output, and the sampler's queries with their windows on it, from top to bottom."""

    georeference: Georeference
    queries: Sequence[Query]
    windows: Sequence[Window]

    @classmethod
    def of(cls, dataset: GeoDataset, queries: Sequence[Query]) -> _Grid:
        if not queries:
            raise GeoshipsError(
                "the sampler yields no tile: torchgeo's grid samplers yield none for rasters smaller than their size; "
                "use a smaller size, or geoships.scene.torchgeo.TileSampler"
            )
        if isinstance(dataset, SceneDataset):
            windows = [dataset.grid.window(query) for query in queries]
            georeference = dataset.scene.georeference
        else:
            georeference, windows = _map_grid(dataset, queries)
        order = sorted(range(len(queries)), key=windows.__getitem__)
        return cls(georeference, [queries[i] for i in order], [windows[i] for i in order])


def _map_grid(dataset: GeoDataset, queries: Sequence[Query]) -> tuple[Georeference, list[Window]]:
    """A north-up grid over all queries, clipped to the dataset's bounds and aligned with its pixels."""
    x_bounds, y_bounds = dataset.bounds[:2]
    x_size, y_size = dataset.res if isinstance(dataset.res, tuple) else (dataset.res, dataset.res)
    windows = []
    for x, y in (query[:2] for query in queries):
        row, row_end = round((y_bounds.stop - y.stop) / y_size), round((y_bounds.stop - y.start) / y_size)
        column, column_end = round((x.start - x_bounds.start) / x_size), round((x.stop - x_bounds.start) / x_size)
        windows.append(Window(row, column, row_end - row, column_end - column))
    top, left = max(0, min(w.row for w in windows)), max(0, min(w.column for w in windows))
    height = min(round((y_bounds.stop - y_bounds.start) / y_size), max(w.row_end for w in windows)) - top
    width = min(round((x_bounds.stop - x_bounds.start) / x_size), max(w.column_end for w in windows)) - left
    transform = Affine(x_size, 0, x_bounds.start + left * x_size, 0, -y_size, y_bounds.stop - top * y_size)
    crs = CRS.from_user_input(dataset.crs) if dataset.crs is not None else None
    shifted = [Window(w.row - top, w.column - left, w.height, w.width) for w in windows]
    return Georeference(height, width, transform, crs), shifted


def _collate(samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Stack the images and validity masks; the rest of a sample does not collate in all versions of torchgeo."""
    return {key: torch.stack([sample[key] for sample in samples]) for key in ("image", "valid") if key in samples[0]}


@dataclass(frozen=True)
class _Predictor:
    model: nn.Module
    device: torch.device
    transform: Callable[[torch.Tensor], torch.Tensor] | None
    nodata: float | None

    @torch.inference_mode()
    def predict_tiles(self, loader: Iterable[dict[str, torch.Tensor]], windows: Sequence[Window]) -> Iterator[_Tile]:
        predicted = 0
        for batch in loader:
            images = batch["image"].to(self.device).float().nan_to_num()
            valid = batch.get("valid", self._valid_mask(batch["image"]))
            scores = self._score(self.transform(images) if self.transform else images)
            for window, tile, mask in zip(windows[predicted:], scores, valid.numpy(), strict=False):
                if tile.shape[1:] != window.shape or mask.shape != window.shape:
                    raise GeoshipsError(
                        f"expected scores of {window.height} x {window.width} pixels, got {tile.shape[1]} x "
                        f"{tile.shape[2]}; the model must keep the size of its input"
                    )
                yield _Tile(window, tile, mask)
            predicted += len(scores)

    def _valid_mask(self, images: torch.Tensor) -> torch.Tensor:
        valid = images.isfinite().all(dim=1)
        return valid if self.nodata is None else valid & ~(images == self.nodata).all(dim=1)

    def _score(self, images: torch.Tensor) -> NDArray[np.float32]:
        logits = self.model(images)
        if not isinstance(logits, torch.Tensor) or logits.ndim != 4:
            raise GeoshipsError("the model must return one tensor of logits (n, channels, rows, columns)")
        scores = logits.float().sigmoid() if logits.shape[1] == 1 else logits.float().softmax(dim=1)
        return np.asarray(scores.cpu().numpy())


def _stitch_row_bands(first: _Tile, rest: Iterator[_Tile], grid: _Grid, channel: int | None) -> Iterator[RowBand]:
    """Stitch the scores of one channel, or the class indexes if `channel` is None."""
    channels = range(len(first.scores)) if channel is None else [channel]
    if channels[-1] >= len(first.scores):
        raise GeoshipsError(f"no channel {channel}: the model has {len(first.scores)} channels, numbered from 0")
    shape = grid.georeference.height, grid.georeference.width
    stitchers = [Stitcher(*shape) for _ in channels]
    weights = OverlapWeights(grid.windows)

    def row_bands_by_channel() -> Iterator[list[Iterator[RowBand]]]:
        for tile in itertools.chain([first], rest):
            weight = weights.of(tile.window)
            yield [
                stitcher.add(tile.window, tile.scores[number], tile.valid, weight)
                for stitcher, number in zip(stitchers, channels, strict=True)
            ]
        yield [stitcher.finish() for stitcher in stitchers]

    for by_channel in row_bands_by_channel():
        for bands in zip(*by_channel, strict=True):
            yield bands[0] if channel is not None else _most_likely_classes(bands)


def _most_likely_classes(bands: Sequence[RowBand]) -> RowBand:
    classes = np.argmax([band.scores for band in bands], axis=0).astype(np.float32)
    return RowBand(bands[0].row, classes, bands[0].valid)

"""The chips of a study: its scenes, cut once, for all runs that are trained on chips."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from geoships.config.segmentation import TrainConfig
from geoships.datasets.annotations.split_scenes import INDEX, Pair, cut_into_parts
from geoships.errors import GeoshipsError
from geoships.output.raster import ClassSink
from geoships.output.stitch import RowBand
from geoships.support.files import output_errors
from geoships.training.labelled_scenes import below, group_of, open_labelled, scene_files

MASKS = "masks"


def cut_chips(config: TrainConfig, folder: Path, size: int) -> dict[str, Any]:
    """Cut the scenes of a training into chips with masks, in the layout of `geoships data split`; returns how to
    read them, as `ChipFolder` takes it.

    config: of the scenes; what it holds out is not cut, and its validation groups become the part `validation`.
    folder: of the chips, beside which the masks go. It appears whole; one that is there already stays as it is.
    Raises GeoshipsError.
    """
    data = config.data
    entries = [entry for entry in scene_files(data) if group_of(entry) not in data.hold_out]
    readings = {(entry.bands, entry.scale, entry.offset, entry.sensor) for entry in entries}
    if len(readings) != 1:
        raise GeoshipsError("scenes that become chips are to be read in one way: bands, scale, offset and sensor alike")
    reading = dict(zip(("bands", "scale", "offset", "sensor"), readings.pop(), strict=True))
    if (folder / INDEX).exists():
        return reading
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with output_errors(partial):
        (partial / MASKS).mkdir(parents=True)
    pairs, parts = [], {}
    for entry in entries:
        if "://" in entry.scene:
            raise GeoshipsError(f"{entry.scene} is no file of this machine; download it to cut chips of it")
        scene = open_labelled(entry, data)
        mask = partial / MASKS / f"{scene.name}.tif"
        values = scene.labels.mask(scene.scene.window)
        with ClassSink(mask, scene.scene.georeference) as sink:
            sink.write(RowBand(0, values.astype(np.float32), np.ones(values.shape, np.bool_)))
        scene.scene.close()
        pairs.append(Pair(below(data.root, entry.scene), mask))
        parts[scene.name] = "validation" if scene.group in data.validation.groups else "train"
    cut_into_parts(pairs, partial, parts, chip=size)
    with output_errors(folder):
        partial.rename(folder)
    return reading

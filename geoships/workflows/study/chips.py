"""Cuts the scenes of a study into chips, once for all runs that are trained on chips."""

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
from geoships.scene.opening.names import is_remote
from geoships.support.files import output_errors
from geoships.training.labelled_scenes import below, group_of, open_labelled, scene_files

MASKS = "masks"


def cut_chips(config: TrainConfig, folder: Path, size: int) -> dict[str, Any]:
    """Cut the scenes of a training into chips with masks, in the layout of `geoships data split`.

    Args:
        config: Settings of the training. Held-out groups are not cut; validation groups become the part `validation`.
        folder: Folder for the chips. It is written atomically; an existing one is kept.
        size: Pixels per side of a chip.

    Returns:
        How to read the chips (bands, scale, offset and sensor), as `ChipFolder` needs it.

    Raises:
        GeoshipsError: Scenes differ in bands, scale, offset or sensor, are not local files or cannot be read.
    """
    data = config.data
    entries = [entry for entry in scene_files(data) if group_of(entry) not in data.hold_out]
    read_settings = {(entry.bands, entry.scale, entry.offset, entry.sensor) for entry in entries}
    if len(read_settings) != 1:
        raise GeoshipsError("scenes for chips must have the same bands, scale, offset and sensor; change data.scenes")
    settings = dict(zip(("bands", "scale", "offset", "sensor"), read_settings.pop(), strict=True))
    if (folder / INDEX).exists():
        return settings
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with output_errors(partial):
        (partial / MASKS).mkdir(parents=True)
    pairs, parts = [], {}
    for entry in entries:
        if is_remote(entry.scene):
            raise GeoshipsError(f"{entry.scene}: expected a local file, got a URL; download it to cut chips from it")
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
    return settings

"""What a STAC Item tells of the outputs of one class or several: their titles and bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from geoships.output.classes import Detected, ObjectClass


def titles(object_class: Detected) -> dict[str, str]:
    """Title of the asset of each kind of output."""
    mask, scores = f"{object_class.title} mask", f"{object_class.title} scores"
    return {
        "vector": object_class.layer,
        "mask": mask,
        "scores": scores,
        "preview": f"{object_class.layer} on the scene",
    }


def band_fields(kind: str, object_class: Detected) -> dict[str, Any]:
    """Fields of the asset of a mask or of scores: data type, nodata and bands; none of other kinds of outputs."""
    if kind not in ("mask", "scores"):
        return {}
    names = [found.name for found in object_class.members]
    if kind == "scores":
        bands: list[dict[str, Any]] = [{"name": f"{name} score"} for name in names]
    elif len(names) == 1:
        bands = [{"name": names[0]}]
    else:
        bands = [{"name": "class", "classification:classes": _classes(object_class.members)}]
    return {"data_type": "uint8", "nodata": 255, "bands": bands}


def _classes(members: Sequence[ObjectClass]) -> list[dict[str, Any]]:
    """The values of a mask of several classes, in terms of STAC's classification extension."""
    background = {"value": 0, "name": "background", "description": "none of the classes"}
    return [
        background,
        *(
            {
                "value": found.value,
                "name": found.name,
                "description": found.name,
                "color_hint": "{:02x}{:02x}{:02x}".format(*found.rgb),
            }
            for found in members
        ),
    ]

"""Writes the same annotations in the format of each tool: a polygon, a box and a mask on one of two tiles."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

TILE_SHAPE = (96, 96)  # (height, width) of a tile
POLYGON = [(10.0, 12.0), (30.0, 12.0), (40.0, 20.0), (10.0, 20.0)]
BOX = (50.0, 30.0, 58.0, 60.0)  # left, top, right, bottom
LEFT, TOP = 70, 8  # of the mask
MASK = np.array([[0, 1, 1, 0], [1, 1, 1, 1], [0, 1, 1, 0]], bool)


def expected_mask() -> NDArray[np.uint8]:
    """The tile's mask from another rasteriser: 1 where a pixel's centre is inside a shape."""
    mask = np.zeros(TILE_SHAPE, np.uint8)
    for row, column in np.ndindex(TILE_SHAPE):
        x, y = column + 0.5, row + 0.5
        in_polygon = cv2.pointPolygonTest(np.array(POLYGON, np.float32), (x, y), measureDist=False) > 0
        mask[row, column] = in_polygon or (BOX[0] < x < BOX[2] and BOX[1] < y < BOX[3])
    mask[TOP : TOP + 3, LEFT : LEFT + 4] |= MASK.astype(np.uint8)
    return mask


def _run_lengths(values: NDArray[np.bool_]) -> list[int]:
    """Lengths of runs of a flat mask, background first."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], values, [False]]).astype(int)))
    return np.diff(np.concatenate([[0], edges, [len(values)]])).tolist()


def _full_mask() -> NDArray[np.bool_]:
    mask = np.zeros(TILE_SHAPE, bool)
    mask[TOP : TOP + 3, LEFT : LEFT + 4] = MASK
    return mask


def cvat(folder: Path, tile: str, empty: str) -> Path:
    height, width = TILE_SHAPE
    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in POLYGON)
    runs = ", ".join(map(str, _run_lengths(MASK.ravel())))
    (folder / "annotations.xml").write_text(
        f"""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><id>7</id></task></meta>
<image id="0" name="{tile}" width="{width}" height="{height}">
<polygon label="ship" source="manual" occluded="0" points="{points}" z_order="0"><attribute name="a">b</attribute>
</polygon>
<box label="Boat" source="manual" occluded="0" xtl="{BOX[0]}" ytl="{BOX[1]}" xbr="{BOX[2]}" ybr="{BOX[3]}" z_order="0"/>
<mask label="ship" source="manual" occluded="0" rle="{runs}" left="{LEFT}" top="{TOP}" width="4" height="3"/>
</image>
<image id="1" name="{empty}" width="{width}" height="{height}"></image>
<image id="2" name="elsewhere/x.png" width="9" height="9"></image>
</annotations>"""
    )
    return folder / "annotations.xml"


def coco(folder: Path, tile: str, empty: str, *, compressed: bool = False) -> Path:
    height, width = TILE_SHAPE
    counts: object = _run_lengths(_full_mask().ravel(order="F"))
    if compressed:
        from pycocotools import mask as coco_mask

        counts = coco_mask.encode(np.asfortranarray(_full_mask().astype(np.uint8)))["counts"].decode()
    box = [BOX[0], BOX[1], BOX[2] - BOX[0], BOX[3] - BOX[1]]
    flat = [value for point in POLYGON for value in point]
    common = {"image_id": 4, "category_id": 2}
    content = {
        "info": {},
        "images": [
            {"id": n, "file_name": name, "height": height, "width": width} for n, name in ((4, tile), (9, empty))
        ],
        "categories": [{"id": 2, "name": "ship", "supercategory": ""}],
        "annotations": [
            {"id": 1, **common, "segmentation": [flat], "bbox": [10, 12, 30, 8], "area": 200, "iscrowd": 0},
            {"id": 2, **common, "segmentation": [], "bbox": box, "iscrowd": 0},
            {"id": 3, **common, "segmentation": {"counts": counts, "size": TILE_SHAPE}, "iscrowd": 1},
        ],
    }
    (folder / "instances.json").write_text(json.dumps(content))
    return folder / "instances.json"


def coco_compressed(folder: Path, tile: str, empty: str) -> Path:
    return coco(folder, tile, empty, compressed=True)


def labelme(folder: Path, tile: str, empty: str) -> Path:
    (folder / "labelme").mkdir()
    mask = base64.b64encode(cv2.imencode(".png", MASK.astype(np.uint8))[1].tobytes()).decode()
    shapes = [
        {"label": "ship", "points": POLYGON, "shape_type": "polygon", "flags": {}, "group_id": None},
        {"label": "ship", "points": [BOX[:2], BOX[2:]], "shape_type": "rectangle"},
        {
            "label": "vessel",
            "points": [(LEFT, TOP), (LEFT + 3, TOP + 2)],
            "shape_type": "mask",
            "mask": mask,
        },
    ]
    for name, image_shapes in ((tile, shapes), (empty, [])):
        content = {"version": "5.5.0", "flags": {}, "shapes": image_shapes, "imagePath": name, "imageData": None}
        content |= {"imageHeight": TILE_SHAPE[0], "imageWidth": TILE_SHAPE[1]}
        (folder / "labelme" / f"{Path(name).stem}.json").write_text(json.dumps(content))
    return folder / "labelme"


def yolo(folder: Path, tile: str, empty: str) -> Path:
    """A polygon and boxes: YOLO has no masks, so boxes stand for its rows."""
    height, width = TILE_SHAPE

    def box(left: float, top: float, right: float, bottom: float) -> str:
        x, y = (left + right) / 2 / width, (top + bottom) / 2 / height
        return f"1 {x:.8f} {y:.8f} {(right - left) / width:.8f} {(bottom - top) / height:.8f}"

    rows = [
        (LEFT + 1, TOP, LEFT + 3, TOP + 3),
        (LEFT, TOP + 1, LEFT + 4, TOP + 2),
    ]
    polygon = "1 " + " ".join(f"{x / width:.8f} {y / height:.8f}" for x, y in POLYGON)
    labels = folder / "labels" / "train"
    labels.mkdir(parents=True)
    (labels / f"{Path(tile).stem}.txt").write_text("\n".join([polygon, box(*BOX), *(box(*row) for row in rows)]) + "\n")
    (labels / f"{Path(empty).stem}.txt").write_text("")
    (folder / "data.yaml").write_text("path: .\nnames:\n  0: buoy\n  1: ship\n")
    return folder / "labels"


Writer = Callable[[Path, str, str], Path]
WRITERS: dict[str, Writer] = {
    "cvat": cvat,
    "coco": coco,
    "coco compressed": coco_compressed,
    "labelme": labelme,
    "yolo": yolo,
}

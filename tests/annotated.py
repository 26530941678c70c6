"""Writes the same annotations as each tool would: a polygon, a box and a mask on one tile, nothing on another."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = (96, 96)  # (height, width) of a tile
POLYGON = [(10.0, 12.0), (30.0, 12.0), (40.0, 20.0), (10.0, 20.0)]
BOX = (50.0, 30.0, 58.0, 60.0)  # left, top, right, bottom
AT = (70, 8)  # (left, top) of the mask
MASK = np.array([[0, 1, 1, 0], [1, 1, 1, 1], [0, 1, 1, 0]], bool)


def expected() -> NDArray[np.uint8]:
    """The tile's mask, by another rasteriser: 1 where a pixel's centre is inside."""
    found = np.zeros(SIZE, np.uint8)
    for row, column in np.ndindex(SIZE):
        x, y = column + 0.5, row + 0.5
        in_polygon = cv2.pointPolygonTest(np.array(POLYGON, np.float32), (x, y), measureDist=False) > 0
        found[row, column] = in_polygon or (BOX[0] < x < BOX[2] and BOX[1] < y < BOX[3])
    found[AT[1] : AT[1] + 3, AT[0] : AT[0] + 4] |= MASK.astype(np.uint8)
    return found


def _runs(values: NDArray[np.bool_]) -> list[int]:
    """Lengths of runs of a flat mask, background first."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], values, [False]]).astype(int)))
    return np.diff(np.concatenate([[0], edges, [len(values)]])).tolist()


def _whole() -> NDArray[np.bool_]:
    whole = np.zeros(SIZE, bool)
    whole[AT[1] : AT[1] + 3, AT[0] : AT[0] + 4] = MASK
    return whole


def cvat(folder: Path, tile: str, empty: str) -> Path:
    height, width = SIZE
    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in POLYGON)
    runs = ", ".join(map(str, _runs(MASK.ravel())))
    (folder / "annotations.xml").write_text(
        f"""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><id>7</id></task></meta>
<image id="0" name="{tile}" width="{width}" height="{height}">
<polygon label="ship" source="manual" occluded="0" points="{points}" z_order="0"><attribute name="a">b</attribute>
</polygon>
<box label="Boat" source="manual" occluded="0" xtl="{BOX[0]}" ytl="{BOX[1]}" xbr="{BOX[2]}" ybr="{BOX[3]}" z_order="0"/>
<mask label="ship" source="manual" occluded="0" rle="{runs}" left="{AT[0]}" top="{AT[1]}" width="4" height="3"/>
</image>
<image id="1" name="{empty}" width="{width}" height="{height}"></image>
<image id="2" name="elsewhere/x.png" width="9" height="9"></image>
</annotations>"""
    )
    return folder / "annotations.xml"


def coco(folder: Path, tile: str, empty: str, *, compressed: bool = False) -> Path:
    height, width = SIZE
    counts: object = _runs(_whole().ravel(order="F"))
    if compressed:
        from pycocotools import mask

        counts = mask.encode(np.asfortranarray(_whole().astype(np.uint8)))["counts"].decode()
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
            {"id": 3, **common, "segmentation": {"counts": counts, "size": SIZE}, "iscrowd": 1},
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
        {"label": "vessel", "points": [AT, (AT[0] + 3, AT[1] + 2)], "shape_type": "mask", "mask": mask},
    ]
    for name, drawn in ((tile, shapes), (empty, [])):
        content = {"version": "5.5.0", "flags": {}, "shapes": drawn, "imagePath": name, "imageData": None}
        content |= {"imageHeight": SIZE[0], "imageWidth": SIZE[1]}
        (folder / "labelme" / f"{Path(name).stem}.json").write_text(json.dumps(content))
    return folder / "labelme"


def yolo(folder: Path, tile: str, empty: str) -> Path:
    """A polygon and boxes: YOLO has no masks, so that its rows are boxes."""
    height, width = SIZE

    def box(left: float, top: float, right: float, bottom: float) -> str:
        x, y = (left + right) / 2 / width, (top + bottom) / 2 / height
        return f"1 {x:.8f} {y:.8f} {(right - left) / width:.8f} {(bottom - top) / height:.8f}"

    rows = [(AT[0] + 1, AT[1], AT[0] + 3, AT[1] + 3), (AT[0], AT[1] + 1, AT[0] + 4, AT[1] + 2)]
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

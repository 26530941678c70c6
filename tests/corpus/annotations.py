"""Cases of annotation files: COCO, CVAT, Labelme, YOLO and vector files as masks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corpus.case import Arguments, Expectation, Fails, Make, Works, cases
from corpus.rasters import COLUMNS, ROWS, raster


def mask(annotations: Path, *options: object) -> Arguments:
    scene = raster(annotations.parent / "scene.tif") if annotations.parent.is_dir() else "scene.tif"
    return ["data", "masks", annotations, "--scene", scene, "--out", "out/mask.tif", "--json", *options]


def written(name: str, text: str | bytes, *options: object) -> Make:
    def make(folder: Path) -> Arguments:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        where = path if "/" not in name else path.parent
        scene = raster(folder / "scene.tif")
        return ["data", "masks", where, "--scene", scene, "--out", "out/mask.tif", "--json", *options]

    return make


def coco(change: Callable[[dict[str, Any]], object] = lambda content: None) -> Make:
    """A COCO file of one ship, changed."""
    content: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "scene.tif", "height": ROWS, "width": COLUMNS}],
        "categories": [{"id": 1, "name": "ship"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[5, 5, 20, 5, 20, 12]], "iscrowd": 0}
        ],
    }
    change(content)
    return written("instances.json", json.dumps(content))


def annotation(**values: object) -> Make:
    return coco(lambda content: content["annotations"][0].update(values))


def cvat(inner: str, *, head: str = "", size: tuple[int, int] = (ROWS, COLUMNS)) -> Make:
    image = f'<image id="0" name="scene.tif" width="{size[1]}" height="{size[0]}">{inner}</image>'
    return written("annotations.xml", f'<?xml version="1.0"?>{head}<annotations>{image}</annotations>')


def labelme(*shapes: dict[str, object], **more: object) -> Make:
    content = {"shapes": shapes, "imagePath": "scene.tif", "imageHeight": ROWS, "imageWidth": COLUMNS, **more}
    return written("labels/scene.json", json.dumps(content))


def yolo(text: str) -> Make:
    return written("labels/scene.txt", text)


TRIANGLE = [[5, 5], [20, 5], [20, 12]]
COCO: dict[str, tuple[Make, Expectation]] = {
    "a polygon": (coco(), Works()),
    "no annotation": (coco(lambda content: content["annotations"].clear()), Works()),
    "no image": (coco(lambda content: content["images"].clear()), Fails("image")),
    "another image": (coco(lambda content: content["images"][0].update(file_name="other.tif", height=7)), Fails("other.tif|images")),
    "another size": (coco(lambda content: content["images"][0].update(height=50)), Fails("50 x")),
    "an unknown category": (annotation(category_id=7), Fails("category_id")),
    "an unknown label": (coco(lambda content: content["categories"][0].update(name="whale")), Fails("whale")),
    "an odd number of coordinates": (annotation(segmentation=[[1, 2, 3]]), Fails("annotations.0")),
    "two points": (annotation(segmentation=[[1, 2, 3, 4]]), Fails("no shape has an area")),
    "outside of the image": (annotation(segmentation=[[900, 900, 950, 900, 950, 950]]), Fails("outside its image")),
    "words as coordinates": (annotation(segmentation=[["a", "b"]]), Fails("COCO")),
    "a mask of another size": (annotation(segmentation={"counts": [4], "size": [2, 2]}), Fails("2 x 2")),
    "a mask of too many pixels": (annotation(segmentation={"counts": [10**12], "size": [ROWS, COLUMNS]}), Fails("mask|pixels")),
    "a mask of negative runs": (annotation(segmentation={"counts": [-5, 10757], "size": [ROWS, COLUMNS]}), Fails("mask|run")),
    "a mask with wrong signs": (annotation(segmentation={"counts": "~~~", "size": [ROWS, COLUMNS]}), Fails("invalid character|mask")),
    "a box": (annotation(segmentation=[], bbox=[5, 5, 20, 10]), Works()),
    "a box of negative size": (annotation(segmentation=[], bbox=[5, 5, -20, 10]), Fails("annotations.0")),
    "neither box nor polygon": (annotation(segmentation=[]), Fails("neither|got")),
    "a turn in words": (annotation(segmentation=[], bbox=[5, 5, 20, 10], attributes={"rotation": "left"}), Fails("annotations.0")),
    "cut short": (written("instances.json", '{"images": [{"id": 1'), Fails("cannot read|JSON")),
    "a list": (written("instances.json", "[1, 2]"), Fails("JSON|expected")),
    "a number": (written("instances.json", "7"), Fails("cannot read|JSON")),
    "nested a thousand times": (written("instances.json", "[" * 100_000), Fails("cannot read|nested")),
    "bytes that are no text": (written("instances.json", b"\xff\xfe\x00{"), Fails("cannot read")),
}  # fmt: skip
CVAT: dict[str, tuple[Make, Expectation]] = {
    "a polygon": (cvat('<polygon label="ship" points="5,5;20,5;20,12"/>'), Works()),
    "a point": (cvat('<points label="ship" points="5,5"/>'), Fails("no shape has an area")),
    "a point beside a polygon": (
        cvat('<points label="ship" points="5,5"/><polygon label="ship" points="5,5;20,5;20,12"/>'), Works(None, "points?")
    ),
    "points that are words": (cvat('<polygon label="ship" points="here;there"/>'), Fails("CVAT")),
    "points that are no numbers": (cvat('<polygon label="ship" points="nan,5;20,5;20,12"/>'), Fails("finite|CVAT|numbers")),
    "no label": (cvat('<polygon points="5,5;20,5;20,12"/>'), Fails("label")),
    "a radius below zero": (cvat('<ellipse label="ship" cx="9" cy="9" rx="-4" ry="4"/>'), Works()),
    "an endless radius": (cvat('<ellipse label="ship" cx="9" cy="9" rx="inf" ry="4"/>'), Fails("not finite")),
    "a mask of too many pixels": (cvat('<mask label="ship" rle="9,99" left="0" top="0" width="3" height="3"/>'), Fails("mask|pixels")),
    "a mask of words": (cvat('<mask label="ship" rle="a" left="0" top="0" width="3" height="3"/>'), Fails("CVAT")),
    "another size": (cvat("", size=(7, 7)), Fails("7 x 7")),
    "entities": (cvat("", head='<!DOCTYPE a [<!ENTITY b "c">]>'), Fails("entities")),
    "a video": (written("annotations.xml", '<annotations><track id="0"/></annotations>'), Fails("video")),
    "no images": (written("annotations.xml", "<annotations/>"), Fails("no image")),
    "other XML": (written("annotations.xml", "<kml/>"), Fails("root element")),
    "cut short": (written("annotations.xml", "<annotations><image"), Fails("CVAT")),
}  # fmt: skip
LABELME: dict[str, tuple[Make, Expectation]] = {
    "a polygon": (labelme({"label": "ship", "points": TRIANGLE, "shape_type": "polygon"}), Works()),
    "a line": (labelme({"label": "ship", "points": TRIANGLE, "shape_type": "line"}), Fails("no shape has an area")),
    "a circle of one point": (labelme({"label": "ship", "points": TRIANGLE[:1], "shape_type": "circle"}), Fails("2 points")),
    "a mask that is no image": (
        labelme({"label": "ship", "points": TRIANGLE[:2], "shape_type": "mask", "mask": "AAAA"}), Fails("PNG")
    ),
    "a mask that is no base64": (
        labelme({"label": "ship", "points": TRIANGLE[:2], "shape_type": "mask", "mask": "!"}), Fails("Labelme|PNG")
    ),
    "an empty mask": (
        labelme({"label": "ship", "points": TRIANGLE[:2], "shape_type": "mask", "mask": "===="}), Fails("Labelme|PNG")
    ),
    "no size": (labelme(imageHeight=None), Fails("imageHeight")),
    "another image": (labelme(imagePath="other.tif", imageHeight=8), Fails("other.tif|images")),
}  # fmt: skip
YOLO: dict[str, tuple[Make, Expectation]] = {
    "a box": (yolo("0 0.5 0.5 0.2 0.1\n"), Works(None, "name")),
    "no ship": (yolo(""), Works(None, "name")),
    "three numbers": (yolo("0 0.5 0.5\n"), Fails("scene.txt")),
    "words": (yolo("ship here\n"), Fails("scene.txt")),
    "a class that is not listed": (yolo("9 0.5 0.5 0.2 0.1\n"), Fails("9")),
    "a class below zero": (yolo("-1 0.5 0.5 0.2 0.1\n"), Fails("-1")),
    "pixels instead of fractions": (yolo("0 50 50 20 10\n"), Fails("fraction|outside|between|scene.txt")),
    "not a number": (yolo("0 nan 0.5 0.2 0.1\n"), Fails("scene.txt")),
    "bytes that are no text": (written("labels/scene.txt", b"\xff\xfe0 0.5"), Fails("scene.txt")),
}
OTHERS: dict[str, tuple[Make, Expectation]] = {
    "a missing file": (lambda folder: mask(folder / "none.json"), Fails("does not exist")),
    "an empty folder": (
        lambda folder: ((folder / "labels").mkdir(), mask(folder / "labels"))[1], Fails("expected a folder")
    ),
    "a text file": (written("labels.txt", "ship"), Fails("cannot read")),
    "classes that are none": (
        lambda folder: (
            (folder / "classes.yaml").write_text("classes: 7"),
            [*coco()(folder), "--classes", folder / "classes.yaml"],
        )[1],
        Fails("classes"),
    ),
    "COCO read as YOLO": (written("instances.json", "{}", "--format", "yolo"), Fails("none of its images")),
    "neither tiles nor a scene": (lambda _: ["data", "masks", "a.json", "--out", "out/m.tif"], Fails("--tiles", code=2)),
}  # fmt: skip

ANNOTATIONS = [
    *cases("COCO", COCO),
    *cases("CVAT", CVAT),
    *cases("Labelme", LABELME),
    *cases("YOLO", YOLO),
    *cases("annotations of other forms", OTHERS),
]

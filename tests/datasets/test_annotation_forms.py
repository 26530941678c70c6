"""Turned boxes, contradictory sizes, shapes without area, and where data sets keep their names."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from scenes import ship_scene

from geoships.datasets.annotations.coco import read_coco
from geoships.datasets.annotations.cvat import read_cvat
from geoships.datasets.annotations.labelme import read_labelme
from geoships.datasets.annotations.shapes import AnnotatedImage
from geoships.datasets.annotations.yolo import read_yolo
from geoships.errors import GeoshipsError, GeoshipsWarning

UPRIGHT = (118.0, 88.0, 138.0, 168.0)  # of a box at 88 118 of 80 x 20 pixels, turned by 90 degrees


def coco(folder: Path, *annotations: dict[str, object]) -> AnnotatedImage:
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 256, "width": 256}],
        "categories": [{"id": 1, "name": "ship"}],
        "annotations": [{"image_id": 1, "category_id": 1, **each} for each in annotations],
    }
    (folder / "c.json").write_text(json.dumps(content))
    return read_coco(folder / "c.json")[0]


def cvat(folder: Path, elements: str) -> AnnotatedImage:
    image = f'<image id="0" name="a.png" width="256" height="256">{elements}</image>'
    (folder / "c.xml").write_text(f"<annotations>{image}</annotations>")
    return read_cvat(folder / "c.xml")[0]


def labelme(folder: Path, *shapes: dict[str, object]) -> AnnotatedImage:
    named = [{"label": "ship", **shape} for shape in shapes]
    content = {"shapes": named, "imagePath": "a.png", "imageHeight": 256, "imageWidth": 256}
    (folder / "a.json").write_text(json.dumps(content))
    return read_labelme(folder / "a.json")[0]


def yolo(folder: Path, text: str) -> AnnotatedImage:
    (folder / "a.txt").write_text(text)
    (folder / "classes.txt").write_text("ship\n")
    return read_yolo(folder, lambda _: (256, 256), [])[0]


CORNERS = [(118, 88), (138, 88), (138, 168), (118, 168)]
TURNED: dict[str, Callable[[Path], AnnotatedImage]] = {
    "coco attributes": lambda f: coco(
        f, {"bbox": [88, 118, 80, 20], "segmentation": [], "attributes": {"rotation": 90.0, "occluded": False}}
    ),
    "coco rotation": lambda f: coco(f, {"bbox": [88, 118, 80, 20], "rotation": 90}),
    "coco segmentation": lambda f: coco(
        f, {"bbox": [0, 0, 9, 9], "segmentation": [np.ravel(CORNERS).tolist()], "attributes": {"rotation": 45}}
    ),
    "cvat": lambda f: cvat(f, '<box label="ship" xtl="88" ytl="118" xbr="168" ybr="138" rotation="90"/>'),
    "labelme": lambda f: labelme(f, {"points": [[88, 118], [168, 138]], "shape_type": "rectangle", "rotation": 90}),
    "labelme corners": lambda f: labelme(f, {"points": CORNERS, "shape_type": "rotation", "direction": 1.57}),
    "yolo": lambda f: yolo(f, "0 " + " ".join(str(value / 256) for value in np.ravel(CORNERS))),
}


@pytest.mark.parametrize("form", TURNED)
def test_turned_boxes_are_turned(form: str, tmp_path: Path) -> None:
    image = TURNED[form](tmp_path)
    assert image.shapes[0].outline.bounds == pytest.approx(UPRIGHT, abs=1e-6)


def test_boxes_turn_clockwise(tmp_path: Path) -> None:
    outline = coco(tmp_path, {"bbox": [88, 118, 80, 20], "attributes": {"rotation": 30}}).shapes[0].outline
    x, y = np.array(outline.exterior.xy)
    right = np.argmax(x)
    assert y[right] > 128  # rows count downwards: the right end goes down
    assert outline.area == pytest.approx(1600)


MASK = base64.b64encode(cv2.imencode(".png", np.ones((10, 20), np.uint8))[1].tobytes()).decode()
CONTRADICTORY: dict[str, Callable[[Path], AnnotatedImage]] = {
    "coco": lambda f: coco(f, {"segmentation": {"size": [128, 128], "counts": [5148, 30, 11206]}}),
    "coco swapped": lambda f: coco(f, {"segmentation": {"size": [128, 512], "counts": [5148, 30, 60358]}}),
    "cvat": lambda f: cvat(f, '<mask label="ship" rle="3, 4" left="0" top="0" width="2" height="2"/>'),
    "labelme": lambda f: labelme(f, {"points": [[0, 0], [39, 19]], "shape_type": "mask", "mask": MASK}),
    "yolo": lambda f: yolo(f, "0 128 128 20 10"),
}


@pytest.mark.parametrize("form", CONTRADICTORY)
def test_sizes_that_contradict_each_other_are_refused(form: str, tmp_path: Path) -> None:
    with pytest.raises(GeoshipsError, match=r"pixels|fractions"):
        CONTRADICTORY[form](tmp_path)


WITHOUT_AREA: dict[str, Callable[[Path], AnnotatedImage]] = {
    "coco": lambda f: coco(f, {"bbox": [9, 9, 5, 5]}, {"segmentation": [[1, 1, 2, 2]]}, {"bbox": [1, 1, 0, 4]}),
    "cvat": lambda f: cvat(
        f,
        '<box label="ship" xtl="8" ytl="8" xbr="16" ybr="13"/><points label="ship" points="1,2"/>'
        '<polyline label="ship" points="1,2;3,4"/>',
    ),
    "labelme": lambda f: labelme(
        f, {"points": CORNERS}, {"points": [[1, 2]], "shape_type": "point"}, {"points": [[1, 2], [3, 4], [1, 2]]}
    ),
    "yolo": lambda f: yolo(f, "0 0.5 0.5 0.1 0.1\n0 0.5 0.5 0 0.1\n0 0.1 0.1 0.2 0.2 0.1 0.1\n"),
}


@pytest.mark.parametrize("form", WITHOUT_AREA)
def test_shapes_without_area_are_left_out_and_counted(form: str, tmp_path: Path) -> None:
    image = WITHOUT_AREA[form](tmp_path)
    assert (len(image.shapes), len(image.left_out)) == (1, 2)


LISTS = {
    "data.yaml": "names:\n  0: buoy\n  1: ship\n",
    "data.yml": "names: [buoy, ship]\n",
    "set.yaml": "path: .\ntrain: images/train\nnames: {0: buoy, 1: ship}\n",
    "classes.txt": "buoy\nship\n",
    "obj.names": "buoy\nship\n",
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("labels", ["", "labels", "labels/train", "train/labels/a"])
def test_names_are_found_above_the_labels(name: str, labels: str, tmp_path: Path) -> None:
    top = tmp_path / "set"
    (top / labels).mkdir(parents=True)
    text = LISTS[name].replace("images/train", labels.replace("labels", "images") or "images")
    (top / name).write_text(text.replace("path: .", "path: ''" if labels else f"path: {top}/.."))
    if name == "set.yaml" and not labels:
        (top / name).write_text(LISTS[name].replace("images/train", "."))
    (top / labels / "a.txt").write_text("1 0.5 0.5 0.2 0.1\n")
    assert read_yolo(top / labels, lambda _: (10, 10), ["wrong", "names"])[0].shapes[0].label == "ship"


def test_a_list_of_names_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("names: {0: buoy, 0: ship}\n")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.1\n")
    with pytest.raises(GeoshipsError, match=r"data\.yaml: expected class names .* 0 given twice") as error:
        read_yolo(tmp_path, lambda _: (10, 10), ["ship"])
    assert "\n" not in str(error.value)


def test_names_that_are_found_nowhere_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "1" / "2" / "3" / "4"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("0 0.5 0.5 0.2 0.1\n")
    with pytest.warns(GeoshipsWarning, match="took 0 for ship"):
        assert read_yolo(folder, lambda _: (10, 10), ["ship"])[0].shapes[0].label == "ship"


def test_masks_tell_in_one_line_what_was_left_out(geoships, tmp_path: Path) -> None:
    ship_scene(tmp_path / "a.tif", shape=(256, 256))
    WITHOUT_AREA["cvat"](tmp_path)
    arguments = ("data", "masks", tmp_path / "c.xml", "--scene", tmp_path / "a.tif", "--out", tmp_path / "m.tif")
    code, _, err = geoships(*arguments)
    assert (code, err.count("\n")) == (0, 1)
    assert "left out 2 of 3 shapes: 1 points, 1 polyline" in err


def test_a_shape_outside_its_image_is_refused(geoships, tmp_path: Path) -> None:
    ship_scene(tmp_path / "a.tif", shape=(256, 256))
    coco(tmp_path, {"bbox": [300, 300, 20, 20]})
    arguments = ("data", "masks", tmp_path / "c.json", "--scene", tmp_path / "a.tif", "--out", tmp_path / "m.tif")
    code, _, err = geoships(*arguments)
    assert (code, err.count("\n")) == (1, 1)
    assert "a ship lies outside its image a.png of 256 x 256 pixels" in err
    assert not (tmp_path / "m.tif").exists()

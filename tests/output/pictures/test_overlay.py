import sys
from pathlib import Path
from subprocess import run

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from shapely import MultiPolygon, Polygon, box

from geoships.errors import OutputError
from geoships.output.pictures.overlay import draw_overlay, true_colour

SCENE = np.full((200, 300, 3), (30, 60, 80), np.uint8)
SHIP, LONELY, ROOF = box(40, 40, 60, 45), box(200, 150, 206, 170), box(100, 100, 110, 120)


def draw(path: Path, found: list[Polygon], truth: list[Polygon] | None = None, title: str = "") -> NDArray[np.uint8]:
    """The scene's part of the picture, (200, 300, 3)."""
    draw_overlay(path, SCENE, found, truth, title, pixel_metres=10)
    page = np.asarray(Image.open(path).convert("RGB"))
    return page[page.shape[0] - 200 :, :300]


def has(picture: NDArray[np.uint8], around: Polygon, colour: tuple[bool, bool, bool]) -> bool:
    """Whether a pixel near the ship is bright in just these of red, green and blue."""
    left, top, right, bottom = (int(v) for v in around.bounds)
    near = picture[top - 5 : bottom + 5, left - 5 : right + 5] > 180
    return bool((near == colour).all(-1).any())


def test_true_colour_is_one_stretch_for_all_scenes() -> None:
    reflectance = np.array([0, 0.075, 0.3, 0.9, 0.3], np.float32) * np.ones((3, 1, 1), np.float32)
    picture = true_colour(reflectance, np.array([[True, True, True, True, False]]))
    assert picture.shape == (1, 5, 3)
    assert picture.dtype == np.uint8
    assert picture[0, :, 0].tolist() == [0, 128, 255, 255, 0]


def test_the_picture_holds_the_scene_and_enlarged_cuts(tmp_path: Path) -> None:
    draw_overlay(tmp_path / "o.png", SCENE, [SHIP])
    with Image.open(tmp_path / "o.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 300 + 100
        assert 200 < picture.height < 300
    assert [file.name for file in tmp_path.iterdir()] == ["o.png"]


def test_outlines_tell_found_false_and_missed(tmp_path: Path) -> None:
    picture = draw(tmp_path / "o.png", [SHIP, ROOF], [SHIP, LONELY], "harbour")
    yellow, red, magenta = (True, True, False), (True, False, False), (True, False, True)
    assert has(picture, SHIP, yellow)
    assert not has(picture, SHIP, red)
    assert has(picture, ROOF, red)
    assert has(picture, LONELY, magenta)
    assert not has(picture, LONELY, yellow)


def test_ships_stay_visible_inside_their_outlines(tmp_path: Path) -> None:
    picture = draw(tmp_path / "o.png", [SHIP])
    assert (picture[40:45, 40:60] == SCENE[40:45, 40:60]).all()


def test_without_truth_every_ship_counts_as_found(tmp_path: Path) -> None:
    picture = draw(tmp_path / "o.png", [SHIP, ROOF])
    assert has(picture, ROOF, (True, True, False))


@pytest.mark.parametrize("found", [[], [MultiPolygon([box(0, 0, 5, 5), box(290, 190, 300, 200)])]])
def test_no_ships_and_ships_at_the_edges(tmp_path: Path, found: list[Polygon]) -> None:
    draw(tmp_path / "o.png", found, [])
    draw(tmp_path / "o.png", found)


@pytest.mark.parametrize("shape", [(12, 9), (1, 1), (700, 30)])
def test_scenes_smaller_than_an_inset(tmp_path: Path, shape: tuple[int, int]) -> None:
    draw_overlay(tmp_path / "o.png", np.zeros((*shape, 3), np.uint8), [box(0, 0, 1, 1)], title="x" * 50)
    with Image.open(tmp_path / "o.png") as picture:
        assert picture.height > shape[0]


def test_a_folder_that_is_missing_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        draw_overlay(tmp_path / "missing" / "o.png", SCENE, [SHIP])


def test_it_does_not_load_torch() -> None:
    code = "import sys, geoships.output.pictures.overlay, geoships.datasets.harbour; sys.exit('torch' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0

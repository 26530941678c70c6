from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import SHIPS, UTM, ship_scene
from shapely import box

from geoships.errors import OutputError
from geoships.output.pictures.preview import check_preview, write_preview
from geoships.scene.quicklook import open_quicklook

YELLOW = np.array([255, 225, 40])


def preview(scene: Path, out: Path, size: int, ships: list) -> np.ndarray:
    with open_quicklook(scene, size=size) as look:
        write_preview(out, look, ships)
    return np.asarray(Image.open(out).convert("RGB"))


def test_outlines_lie_around_the_ships_of_a_scene_that_is_drawn_smaller(tmp_path: Path) -> None:
    ship_scene(tmp_path / "s.tif", (1800, 2000), ships=tuple((10 * r, 10 * c, 10 * h, 10 * w) for r, c, h, w in SHIPS))
    ships = [box(10 * c, 10 * r, 10 * (c + w), 10 * (r + h)) for r, c, h, w in SHIPS]
    page = preview(tmp_path / "s.tif", tmp_path / "p.png", 500, ships)
    scene = page[len(page) - 450 :, :500]
    yellow = (np.abs(scene.astype(int) - YELLOW).sum(-1) < 60).nonzero()
    assert yellow[0].size
    for row, column, height, width in SHIPS:  # the scene is drawn at a quarter of its size
        top, left, bottom, right = (2.5 * v for v in (row, column, row + height, column + width))
        near = (yellow[0] > top - 8) & (yellow[0] < bottom + 8) & (yellow[1] > left - 8) & (yellow[1] < right + 8)
        assert near.any()
        assert (scene[round(top) + 2 : round(bottom) - 2, round(left) + 2 : round(right) - 2] > 200).all()
    assert [file.name for file in tmp_path.glob("*.png")] == ["p.png"]


def test_the_scale_bar_is_in_true_metres(tmp_path: Path) -> None:
    ship_scene(tmp_path / "s.tif", (400, 2000))
    page = preview(tmp_path / "s.tif", tmp_path / "p.png", 1000, [])
    header = page[: len(page) - 200]
    white = (header > 230).all(-1)
    longest = max(len(run) for row in white for run in "".join("x" if v else " " for v in row).split())
    # A pixel of the picture has 20 m, and the longest round length that the header has room for is 2 km.
    assert longest == pytest.approx(2000 / 20, abs=2)


@pytest.mark.parametrize("crs", ["EPSG:32631", None])
def test_no_ships_large_ships_and_ships_at_the_edge(tmp_path: Path, crs: str | None) -> None:
    ship_scene(tmp_path / "s.tif", crs=crs, transform=UTM if crs else None)
    for ships in ([], [box(0, 0, 200, 180)], [box(195, 170, 200, 180), box(0, 0, 2, 2)]):
        assert preview(tmp_path / "s.tif", tmp_path / "p.png", 64, ships).shape[0] > 58


def test_a_preview_is_a_png(tmp_path: Path) -> None:
    for name in ("p.jpg", "missing/p.png"):
        with pytest.raises(OutputError, match="cannot write"):
            check_preview(tmp_path / name)

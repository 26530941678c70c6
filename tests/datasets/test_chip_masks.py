import csv
import json
import sys
from importlib import util
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
import shapely
from fake_models import fake_bundle, fake_classifier
from labelled_chips import make_chip, write_chip
from rasterio.features import rasterize
from shapely.affinity import rotate

from geoships.config import PredictConfig
from geoships.config.classification import ChipFiles
from geoships.datasets.chip_masks import segment_ship
from geoships.datasets.chip_outlines import INSTALLED, pixels_key, read_outlines
from geoships.errors import GeoshipsError
from geoships.workflows import predict_chips as workflow
from geoships.workflows.chip_masks import MARGIN, write_chip_masks

SCRIPT = Path(__file__).parents[2] / "scripts" / "evaluate_chip_masks.py"
SHIPSNET = Path(__file__).parents[3] / "shared" / "data" / "shipsnet" / "images" / "ship"
HEAD = ("chip", "pixels", "kind", "reason", "outline")


def hull(seed: int) -> shapely.Polygon:
    return rotate(shapely.box(12, 35, 68, 45), 40 * seed)


def ship(seed: int, *, hold: bool = False) -> np.ndarray:
    """A red hull on rough water; with a hold, a gap as dark as water behind which the bridge lies."""
    image = np.full((80, 80, 3), (40, 60, 70), np.float64)
    image[rasterize([hull(seed)], (80, 80)) > 0] = (190, 110, 90)
    if hold:
        image[:, 24:30] = (40, 60, 70)
    return np.clip(image + np.random.default_rng(seed).normal(0, 12, image.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("hold", [False, True])
def test_the_ship_in_the_centre_is_segmented(hold: bool) -> None:
    truth = rasterize([hull(1)], (80, 80)) > 0
    mask = segment_ship(ship(1, hold=hold))
    assert (mask & truth).sum() / (mask | truth).sum() > 0.8
    assert np.array_equal(mask, segment_ship(ship(1, hold=hold)))


@pytest.fixture
def chips(tmp_path: Path) -> Path:
    """Four ships, four waters, and outlines: of ships 1 to 3, and of water 1."""
    rows = []
    for number in range(4):
        picture, water = ship(number), make_chip(number, ship=False, size=80)
        write_chip(tmp_path / f"chips/ship/s{number}.png", picture)
        write_chip(tmp_path / f"chips/no-ship/w{number}.png", water)
        if number:
            kind = ("approved", "corrected", "doubtful")[number - 1]
            rows.append((f"s{number}", pixels_key(picture), kind, "", shapely.to_wkt(hull(number))))
        if number == 1:
            rows.append(("w1", pixels_key(water), "vessel", "", ""))
    with (tmp_path / "outlines.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEAD, *rows])
    return tmp_path / "chips"


def test_chips_are_written_as_scenes_with_masks(chips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = write_chip_masks(ChipFiles(root=chips), out, parts=2, corrections=tmp_path / "outlines.csv")
    assert result.sources == {"empty": 3, "vessel": 1, "drawn": 1, "approved": 1, "corrected": 1, "doubtful": 1}
    rows = {row["file"]: row for row in csv.DictReader(result.index.read_text().splitlines())}
    for name, row in rows.items():
        mask = cv2.imread(str(out / row["mask"]), cv2.IMREAD_GRAYSCALE)
        if row["source"] in ("approved", "corrected"):
            assert np.array_equal(mask, rasterize([hull(int(Path(name).stem[1:]))], (80, 80)))
        elif row["source"] != "drawn":
            assert (mask == (0 if row["source"] == "empty" else 255)).all(), name
    found, places = [], []
    for scene in result.scenes:
        with rasterio.open(scene) as file:
            image, gsd = file.read(), file.res[0]
            places.append(file.bounds)
        with rasterio.open(scene.with_name(f"{scene.stem}_mask.tif")) as file:
            mask, nodata = file.read(1), file.nodata
        assert (gsd, nodata, image.shape[1:]) == (3, 255, mask.shape)
        cell = 80 + 2 * MARGIN
        cells = [(row, column) for row in range(0, mask.shape[0], cell) for column in range(0, mask.shape[1], cell)]
        inner = [(slice(row + MARGIN, row + MARGIN + 80), slice(col + MARGIN, col + MARGIN + 80)) for row, col in cells]
        here = {pixels_key(image[:, *place].transpose(1, 2, 0)): mask[place] for place in inner}
        for name, row in rows.items():
            key = pixels_key(cv2.imread(str(chips / name))[..., ::-1])
            if key in here:
                found.append(name)
                assert row["part"] == scene.stem
                assert np.array_equal(here[key], cv2.imread(str(out / row["mask"]), cv2.IMREAD_GRAYSCALE))
        for place in inner:
            mask[place] = 255
        assert (mask == 255).all()  # mirrored margins are unknown
    assert sorted(found) == sorted(name for name, row in rows.items() if row["source"] not in ("vessel", "doubtful"))
    assert rasterio.coords.disjoint_bounds(*places)  # else a model of one part would seem to have seen the other
    with pytest.raises(GeoshipsError, match="already holds parts"):
        write_chip_masks(ChipFiles(root=chips), out, parts=2)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("x", "00", "seen", "", ""), "line 2: expected a kind of"),
        (("x", "00", "corrected", "", ""), "line 2: expected a polygon for corrected, got ''"),
        (("x", "00", "approved", "", "POLYGON 1"), "line 2: expected an outline as WKT"),
    ],
)
def test_invalid_outlines_give_one_line(
    geoships, chips: Path, tmp_path: Path, row: tuple[str, ...], message: str
) -> None:
    with (tmp_path / "wrong.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEAD, row])
    code, _, err = geoships(
        "data", "chip-masks", chips, "--out", tmp_path / "out", "--corrections", tmp_path / "wrong.csv"
    )
    assert (code, err.count("\n")) == (1, 1)
    assert message in err
    assert not (tmp_path / "out").exists()


def test_installed_outlines_are_hulls_of_ships() -> None:
    kinds = [outline.kind for outline in read_outlines().values()]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "approved": 116, "corrected": 20, "doubtful": 2, "vessel": 138,
    }  # fmt: skip
    for outline in read_outlines().values():
        if outline.shape:
            assert outline.shape.is_valid
            assert shapely.box(0, 0, 80, 80).covers(outline.shape) or outline.kind == "approved"
            assert 100 < outline.mask((80, 80)).sum() < 1600


@pytest.mark.skipif(not SHIPSNET.is_dir(), reason="the chips of the Kaggle set are not here")
def test_every_ship_chip_is_known_by_its_pixels() -> None:
    known = read_outlines(INSTALLED)
    for path in SHIPSNET.glob("*.png"):
        assert known[pixels_key(cv2.imread(str(path))[..., ::-1])].kind != "vessel"


def test_outlines_are_evaluated_with_predictions(monkeypatch: pytest.MonkeyPatch, chips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_chip_masks(ChipFiles(root=chips), out, parts=2, corrections=tmp_path / "outlines.csv")
    monkeypatch.setattr(
        workflow, "load_bundle", lambda name: fake_classifier(("red", "green", "blue"), 80) if name == "chips-rgb3m"
        else fake_bundle(bands=("red",), gsd=3.0),
    )  # fmt: skip
    spec = util.spec_from_file_location("evaluate_chip_masks", SCRIPT)
    script = util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, script)  # data classes look up their types there
    spec.loader.exec_module(script)
    rows = script.read_index(out)
    results = script.evaluate("any", rows, chips, out, PredictConfig(device="cpu", views=1))
    assert {chip.file[-6:] for chip in results} == {"s1.png", "s2.png", "w0.png", "w2.png", "w3.png"}
    figures = script.figures(results)
    assert (figures["ships"], figures["found"], figures["empty"], figures["empty_right"]) == (2, 2, 3, 3)
    assert figures["mean_iou"] > 0.97
    assert figures["mean_dice"] == pytest.approx(2 * figures["mean_iou"] / (1 + figures["mean_iou"]), abs=1e-3)
    assert json.dumps(figures)
    assert "2 of 2" in script.markdown_table({"all": figures})

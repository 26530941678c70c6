import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from fake_models import FakeBundle, fake_bundle
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS
from scenes import SHIPS, UTM, ship_scene
from scipy.special import logit
from sklearn.metrics import average_precision_score, f1_score, jaccard_score, precision_score, recall_score
from torch import nn

from geoships import BundleError, GeoshipsError, OutputError, PredictConfig, predict
from geoships.evaluation import evaluate, store_operating_points, store_temperature, write_outcomes, write_report
from geoships.evaluation.evaluate_scene import PEAKS
from geoships.evaluation.evaluation import Evaluation
from geoships.evaluation.figures import totals_by_scene
from geoships.evaluation.land_distance import land_distances
from geoships.evaluation.operating_points import operating_points
from geoships.evaluation.report import html, markdown
from geoships.evaluation.seen import seen_scenes
from geoships.evaluation.size_classes import heading_difference
from geoships.evaluation.tables import by_scene
from geoships.evaluation.temperature import tempered_card
from geoships.metrics.counts import ObjectCounts
from geoships.metrics.intervals import proportion_interval
from geoships.model.bundle import save_bundle
from geoships.model.bundle_files import load_card
from geoships.model.card import OperatingPoint
from geoships.pipeline.predict import score_rows
from geoships.scene.georeference import Georeference
from geoships.scene.place import place_of

CONFIG = PredictConfig(tile_size=128, device="cpu", engine="torch", precision="fp32")
SHAPE = (180, 200)

# (row, column, height, width): the first exact, the second beside what is found (IoU 3 / 7), the third exact,
# none on the fourth ship of the scene, and one where the scene holds none
LABELS = (SHIPS[0], (90, 62, 30, 5), SHIPS[2], (120, 20, 5, 10))
IGNORED = ((55, 140, 15, 25),)
LAND = ((0, 0, 10, 200),)


def boxes(rectangles: tuple[tuple[int, int, int, int], ...]) -> list[shapely.Polygon]:
    return [shapely.box(column, row, column + width, row + height) for row, column, height, width in rectangles]


def write_polygons(path: Path, rectangles: tuple[tuple[int, int, int, int], ...]) -> Path:
    path.parent.mkdir(exist_ok=True)
    placed = [shapely.affinity.affine_transform(box, UTM.to_shapely()) for box in boxes(rectangles)]
    geopandas.GeoDataFrame(geometry=placed, crs="EPSG:32631").to_file(path)
    return path


def graded(path: Path) -> None:
    """A scene whose ships are of different brightness: scores 0.9997, 0.73, 0.9997 and 0.45, and 0.15 at a haze."""
    ship_scene(path)
    with rasterio.open(path, "r+") as scene:
        values = scene.read(1)
        for (row, column, height, width), reflectance in ((SHIPS[1], 0.55), (SHIPS[3], 0.49), ((5, 5, 6, 6), 0.413)):
            values[row : row + height, column : column + width] = reflectance * 1e4
        scene.write(values, 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "scenes").mkdir()
    graded(folder / "scenes" / "a.tif")
    ship_scene(folder / "scenes" / "b.tif")
    write_polygons(folder / "labels" / "a.geojson", LABELS)
    write_polygons(folder / "labels" / "b.gpkg", SHIPS)
    write_polygons(folder / "ignore" / "a.geojson", IGNORED)
    write_polygons(folder / "land.geojson", LAND)
    return folder


@pytest.fixture(scope="module")
def result(data: Path) -> Evaluation:
    model = fake_bundle(**{"geoships:threshold": 0.4})
    return evaluate(
        [data / "scenes"], [data / "labels"], ignore=[data / "ignore"], land=[data / "land.geojson"],
        thresholds=(0.1, 0.5, 0.7, 0.9), config=CONFIG, model=model,
    )  # fmt: skip


def test_the_ships_are_those_of_predict(result: Evaluation) -> None:
    for judged in result.scenes:
        expected = predict(judged.files.scene, config=CONFIG, model=result.model).ships
        found = [shapely.affinity.affine_transform(kept.polygon, UTM.to_shapely()) for kept in judged.found]
        assert len(found) == len(expected) == 4
        assert shapely.equals_exact(found, expected.geometry.to_numpy()).all()
        assert [kept.ship.score for kept in judged.found] == expected.score.tolist()
        assert [kept.measures.length_m for kept in judged.found] == expected.length_m.tolist()


@pytest.mark.parametrize("settings", [{"min_area": 1000.0}, {"simplify": 15.0}, {"threshold": 0.6}])
def test_the_ships_are_those_of_predict_with_its_filters(settings: dict[str, float], data: Path) -> None:
    config = CONFIG.model_copy(update=settings)
    (judged,) = evaluate(
        [data / "scenes/a.tif"], [data / "labels"], thresholds=(), config=config, model=fake_bundle()
    ).scenes
    expected = predict(data / "scenes/a.tif", config=config, model=fake_bundle()).ships
    assert 0 < len(judged.found) == len(expected) <= 3
    assert [kept.measures.area_m2 for kept in judged.found] == expected.area_m2.tolist()


def test_counts_by_hand_with_and_without_the_ignore_layer(result: Evaluation) -> None:
    ships = result.figures["scenes"]["a"]["ships"]
    without = result.figures["scenes"]["a"]["without_ignore"]["ships"]

    def counts(row: dict[str, int]) -> tuple[int, ...]:
        return row["labelled"], row["found"], row["hit"], row["right"]

    assert counts(ships["iou_0.1"]) == counts(ships["iou_0.3"]) == counts(ships["touched"]) == (4, 3, 3, 3)
    assert counts(ships["iou_0.5"]) == (4, 3, 2, 2)
    assert counts(without["iou_0.3"]) == (4, 4, 3, 3)
    assert (ships["iou_0.3"]["precision"], ships["iou_0.3"]["recall"]) == (1, 0.75)
    assert result.figures["scenes"]["b"]["ships"]["iou_0.5"]["f1"] == 1
    assert result.figures["scenes"]["b"]["without_ignore"] is None
    assert counts(result.figures["all"]["ships"]["iou_0.3"]) == (8, 7, 7, 7)


def test_pixels_are_those_of_a_trusted_library(data: Path, result: Evaluation) -> None:
    scores = np.concatenate(
        [band.scores for band in score_rows(data / "scenes/a.tif", config=CONFIG, model=result.model)]
    )
    true, ignored = (rasterio.features.rasterize(boxes(rectangles), SHAPE) > 0 for rectangles in (LABELS, IGNORED))
    known = true | ~ignored
    judged = {name: metric(true[known], scores[known] >= 0.4) for name, metric in {
        "iou": jaccard_score, "dice": f1_score, "precision": precision_score, "recall": recall_score,
    }.items()}  # fmt: skip
    pixels = result.figures["scenes"]["a"]["pixels"]
    assert {name: pixels[name] for name in judged} == pytest.approx(judged, abs=1e-5)
    bare = result.figures["scenes"]["a"]["without_ignore"]["pixels"]
    assert bare["iou"] == pytest.approx(jaccard_score(true.ravel(), scores.ravel() >= 0.4), abs=1e-5)
    alone = evaluate([data / "scenes/a.tif"], [data / "labels"], config=CONFIG, model=result.model).figures
    assert alone["average_precision"]["pixels"] == pytest.approx(
        average_precision_score(true.ravel(), scores.ravel().round(3)),
        abs=1e-5,  # blending leaves noise
    )
    for row in alone["curve"]:
        assert row["pixel_iou"] == pytest.approx(
            jaccard_score(true.ravel(), scores.ravel() >= row["threshold"], zero_division=0), abs=1e-5
        )


def test_the_curve_is_that_of_runs_at_each_threshold(data: Path, result: Evaluation) -> None:
    curve = result.figures["curve"]
    assert [row["threshold"] for row in curve] == [0.1, 0.4, 0.5, 0.7, 0.9]
    assert [row["found"] for row in curve] == [8, 7, 7, 7, 6]
    assert [row["recall"] for row in curve] == [7 / 8, 7 / 8, 7 / 8, 7 / 8, 6 / 8]
    assert result.figures["best_threshold"]["ships_f1"] == {"threshold": 0.4, "value": round(14 / 15, 5)}
    assert result.figures["average_precision"]["ships_iou_0.3"] == 7 / 8
    assert result.figures["scenes"].keys() == {"a", "b"}
    again = evaluate(
        [data / "scenes"], [data / "labels"], ignore=[data / "ignore"], thresholds=(),
        config=CONFIG.model_copy(update={"threshold": 0.9}), model=result.model,
    ).figures  # fmt: skip
    assert again["all"]["ships"]["iou_0.3"]["f1"] == curve[-1]["f1"]
    assert again["all"]["pixels"]["dice"] == curve[-1]["pixel_dice"]


def test_a_scene_runs_through_the_model_once(data: Path) -> None:
    class Counting(FakeBundle):
        networks = 0

        def network(self) -> nn.Module:
            Counting.networks += 1
            return super().network()

    bundle = Counting(**vars(fake_bundle()))
    evaluate([data / "scenes"], [data / "labels"], config=CONFIG, model=bundle)
    assert Counting.networks == 2


def test_scenes_of_several_evaluations_add_up_each_at_its_threshold(data: Path, result: Evaluation) -> None:
    config = CONFIG.model_copy(update={"threshold": 0.9})
    (other,) = evaluate([data / "scenes/a.tif"], [data / "labels"], config=config, model=result.model).scenes
    totals = totals_by_scene([(result.scenes[1], 0.4), (other, 0.9)])
    assert totals["scenes"]["b"] == result.figures["scenes"]["b"]
    assert totals["scenes"]["a"]["ships"]["iou_0.3"]["found"] == 2
    assert totals["all"]["ships"]["iou_0.3"]["found"] == 6
    assert totals["all"]["ships"]["touched"]["labelled"] == 8
    assert by_scene(totals).rows[-1][:1] == ("all",)


def test_lengths_headings_and_land(result: Evaluation) -> None:
    by_length = {row["class"]: row for row in result.figures["by_length_m"]}
    assert list(by_length) == ["< 50", "50-100", ">= 100"]
    assert [row["labelled"] for row in by_length.values()] == [1, 0, 7]  # of 30, 100 and 200 m and more
    assert [row["hit"] for row in by_length.values()] == [1, 0, 6]
    assert [row["found"] for row in by_length.values()] == [1, 0, 6]  # one is ignored
    assert by_length[">= 100"]["recall"] == pytest.approx(6 / 7, abs=1e-5)
    assert by_length["50-100"]["recall"] is by_length["50-100"]["recall_interval"] is None
    assert by_length[">= 100"]["precision"] == 1
    assert by_length[">= 100"]["length_error_m"]["mean_absolute"] == pytest.approx(0, abs=0.2)
    by_land = {row["class"]: row for row in result.figures["by_land_m"]}
    assert [row["labelled"] for row in by_land.values()] == [0, 2, 6]  # the first ships lie 100 m off
    assert [row["found"] for row in by_land.values()] == [0, 2, 5]
    assert by_land[">= 500"]["precision"] == 1
    heading = result.figures["matched_ships"]["heading_error_deg"]
    assert heading["ships"] == 6
    assert heading["mean_absolute"] == pytest.approx(0, abs=0.01)
    assert heading["share_within_10"] == 1


def test_distances_to_land_are_in_metres_of_both_axes() -> None:
    ships, land = boxes(((10, 10, 2, 2), (40, 10, 2, 2), (0, 0, 5, 5))), boxes(((0, 0, 8, 3), (40, 20, 1, 1)))
    assert land_distances(ships, land, (10, 20)) == pytest.approx([np.hypot(7 * 10, 2 * 20), 80, 0])
    assert land_distances(ships, [], (10, 20)) == [np.inf] * 3


@given(st.floats(0, 179.9), st.floats(0, 179.9))
def test_headings_differ_by_90_degrees_at_most_and_both_ways_alike(a: float, b: float) -> None:
    difference = heading_difference(np.array([a]), np.array([b]))[0]
    assert 0 <= difference <= 90
    assert difference == pytest.approx(heading_difference(np.array([b]), np.array([a]))[0], abs=1e-6)
    assert difference == pytest.approx(min(abs(a - b), 180 - abs(a - b)), abs=1e-6)


def test_a_scene_without_place_has_no_lengths_and_a_note(tmp_path: Path) -> None:
    mask = ship_scene(tmp_path / "a.tif", transform=None, crs=None)
    profile = {"driver": "PNG", "height": SHAPE[0], "width": SHAPE[1], "count": 1, "dtype": "uint8"}
    with (
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        rasterio.open(tmp_path / "m.png", "w", **profile) as png,
    ):
        png.write(mask.astype(np.uint8), 1)
    figures = evaluate([tmp_path / "a.tif"], [tmp_path / "m.png"], config=CONFIG, model=fake_bundle()).figures
    assert figures["all"]["ships"]["iou_0.5"]["f1"] == 1
    assert figures["matched_ships"]["length_error_m"] == {
        "ships": 0, "mean_absolute": None, "median_absolute": None, "mean": None,
    }  # fmt: skip
    assert figures["by_land_m"] is None
    assert any("no length" in note for note in figures["notes"])
    assert any("No distance to land" in note for note in figures["notes"])


def test_a_scene_of_water_has_no_calibration(tmp_path: Path) -> None:
    ship_scene(tmp_path / "a.tif", ships=())
    (tmp_path / "a.geojson").write_text('{"type": "FeatureCollection", "features": []}', encoding="utf-8")
    result = evaluate([tmp_path / "a.tif"], [tmp_path], config=CONFIG, model=fake_bundle())
    assert result.figures["calibration"] is None
    assert result.figures["all"]["ships"]["touched"]["labelled"] == 0
    assert result.figures["all"]["pixels"]["iou"] is None
    with pytest.raises(GeoshipsError, match="no temperature"):
        store_temperature(result)
    with pytest.raises(GeoshipsError, match="no labelled ship was found"):
        store_operating_points(result)
    assert write_report(result, tmp_path / "out")["report.md"].read_text().startswith("# fake on 1 labelled scene\n")


@pytest.mark.parametrize("labels", ["polygons", "mask"])
def test_labels_of_another_place_are_an_error(labels: str, tmp_path: Path) -> None:
    ship_scene(tmp_path / "a.tif")
    (tmp_path / "labels").mkdir()
    if labels == "polygons":
        write_polygons(tmp_path / "labels" / "a.geojson", ((500, 500, 5, 5), (520, 500, 5, 5)))
        message = "lies in the scene: give the scene's own labels"
    else:
        ship_scene(tmp_path / "labels" / "a.tif", shape=(90, 100))
        message = "180 x 200 pixels"
    with pytest.raises(GeoshipsError, match=message) as error:
        evaluate([tmp_path / "a.tif"], [tmp_path / "labels"], config=CONFIG, model=fake_bundle())
    assert "\n" not in str(error.value)


def test_figures_have_intervals_beside_them(result: Evaluation) -> None:
    ships, pixels = result.figures["all"]["ships"], result.figures["all"]["pixels"]
    for row, names in ((ships["iou_0.5"], ("precision", "recall", "f1")), (pixels, ("iou", "dice", "recall"))):
        for name in names:
            low, high = row[f"{name}_interval"]
            assert 0 <= low <= row[name] <= high <= 1, name
            assert low < high, name
    assert ships["touched"]["recall_interval"] == pytest.approx(proportion_interval(7, 8), abs=1e-5)
    assert result.figures["scenes"]["a"]["pixels"]["iou_interval"] is None  # four blocks of 1 km
    assert sum(int(units.number.sum()) for units in (scene.blocks.units() for scene in result.scenes)) == 8
    low, high = ships["iou_0.5"]["f1_interval"]
    shown = f"{ships['iou_0.5']['f1']:.2f} ({low:.2f} to {high:.2f})"
    assert shown in markdown(result.figures)
    assert shown in html(result.figures)


def test_the_minimum_peak_curve_is_that_of_runs_at_each_minimum(data: Path, result: Evaluation) -> None:
    curve = {row["min_peak"]: row for row in result.figures["peak_curve"]}
    assert list(curve) == [0, *PEAKS]
    assert (PEAKS[0], PEAKS[-1]) == (0.5, 0.999)
    np.testing.assert_allclose(np.diff(logit(PEAKS)), logit(0.999) / 12, rtol=0.03)
    assert [curve[peak]["found"] for peak in (0, PEAKS[0], PEAKS[2], PEAKS[-1])] == [7, 7, 6, 6]  # one peak is 0.73
    for min_peak in (PEAKS[0], PEAKS[2]):
        config = CONFIG.model_copy(update={"min_peak": min_peak})
        again = evaluate(
            [data / "scenes"], [data / "labels"], ignore=[data / "ignore"], thresholds=(), config=config,
            model=result.model,
        )  # fmt: skip
        ships = again.figures["all"]["ships"]["iou_0.3"]
        assert {name: ships[name] for name in curve[min_peak] if name != "min_peak"} == {
            name: value for name, value in curve[min_peak].items() if name != "min_peak"
        }
        assert again.figures["peak_curve"] == result.figures["peak_curve"][1:]


def test_operating_points_have_the_best_f_score_of_their_sensitivity() -> None:
    peaks = {0.5: ObjectCounts(10, 30, 10, 10), 0.9: ObjectCounts(10, 10, 8, 8), 0.99: ObjectCounts(10, 5, 5, 5)}
    first = SimpleNamespace(peaks=peaks)
    points = operating_points([first], 0.4, 0.5)  # type: ignore[list-item]
    assert {name: point["min_peak"] for name, point in points.items()} == {
        "high": 0.9, "balanced": 0.9, "precise": 0.99,
    }  # fmt: skip
    assert points["precise"]["f"] == pytest.approx(1.25 * 1 * 0.5 / (0.25 * 1 + 0.5))
    many = SimpleNamespace(peaks={**peaks, 0.5: ObjectCounts(10, 14, 10, 10), 0.9: ObjectCounts(10, 9, 8, 8)})
    points = operating_points([many], 0.4, 0.5)  # type: ignore[list-item]
    assert (points["high"]["min_peak"], points["balanced"]["min_peak"]) == (0.5, 0.9)
    assert points["high"] == {
        "threshold": 0.4, "min_peak": 0.5, "beta": 2, "f": pytest.approx(5 / (4 + 1.4)), "precision": 10 / 14,
        "recall": 1,
    }  # fmt: skip
    same = SimpleNamespace(peaks=dict.fromkeys((0.5, 0.7, 0.9), ObjectCounts(4, 4, 4, 4)))
    assert operating_points([same], 0.4, 0.7)["high"]["min_peak"] == 0.7  # type: ignore[list-item]


def test_stored_operating_points_are_what_predict_uses(data: Path, tmp_path: Path, result: Evaluation) -> None:
    model = replace(result.model, path=tmp_path / "model")
    evaluation = replace(result, model=model)
    card = store_operating_points(evaluation)
    assert card == load_card(tmp_path / "model")
    point = card.operating_points["balanced"]
    assert (point.measured_on, point.ships, point.seen, point.min_iou) == (("a", "b"), 8, (), 0.3)
    assert point.recall == 7 / 8
    stored = replace(model, card=card.model_copy(update={"operating_points": {
        "precise": point.model_copy(update={"threshold": 0.6, "min_peak": 0.9}),
    }}))  # fmt: skip
    precise = CONFIG.model_copy(update={"sensitivity": "precise"})
    for settings, threshold, ships in (({}, 0.6, 2), ({"min_peak": 0.1}, 0.6, 3), ({"threshold": 0.4}, 0.4, 2)):
        prediction = predict(data / "scenes/a.tif", config=precise.model_copy(update=settings), model=stored)
        assert (prediction.threshold, len(prediction.ships)) == (threshold, ships)
    judged = evaluate([data / "scenes/a.tif"], [data / "labels"], thresholds=(), config=precise, model=stored)
    assert (judged.threshold, judged.min_peak, len(judged.scenes[0].found)) == (0.6, 0.9, 2)
    with pytest.raises(BundleError, match="no operating point for the sensitivity high") as error:
        predict(data / "scenes/a.tif", config=CONFIG.model_copy(update={"sensitivity": "high"}), model=stored)
    assert "\n" not in str(error.value)


def test_a_stored_temperature_moves_the_operating_points(result: Evaluation) -> None:
    point = OperatingPoint(threshold=0.4, min_peak=0.9)
    card = tempered_card(result.model.card.model_copy(update={"operating_points": {"high": point}}), 2.0)
    moved = card.operating_points["high"]
    assert logit([moved.threshold, moved.min_peak]) == pytest.approx(logit([0.4, 0.9]) / 2)


def test_scenes_that_were_trained_on_are_no_judgement(tmp_path: Path, result: Evaluation) -> None:
    assert (result.figures["seen"], result.figures["warnings"]) == ([], [])
    seen = fake_bundle(**{"geoships:threshold": 0.4, "geoships:trained_on": ["west", "B"]})
    evaluation = Evaluation(replace(seen, path=tmp_path / "model"), result.config, result.scenes)
    figures = evaluation.figures
    assert figures["seen"] == [{"scene": "b", "model": "fake", "trained_as": "B", "by": "name"}]
    (warning,) = figures["warnings"]
    assert warning.startswith("fake was trained on 1 of 2 scenes: b; the figures are not a judgement")
    assert warning not in figures["notes"]
    assert figures["all"] == result.figures["all"]
    assert markdown(figures).startswith(f"# fake on 2 labelled scenes: not a judgement\n\n**Warning: {warning}.**")
    assert f'<p class="warning">Warning: {warning}.</p>' in html(figures)
    with pytest.raises(GeoshipsError, match="the operating points are not stored: fake was trained on 1 of 2"):
        store_operating_points(evaluation)

    allowed = replace(evaluation, allow_seen=True)
    assert (allowed.figures["warnings"], allowed.figures["notes"][0]) == ([], warning)
    assert allowed.figures["seen"] == figures["seen"]
    assert markdown(allowed.figures).startswith("# fake on 2 labelled scenes\n")
    assert store_operating_points(allowed).operating_points["high"].seen == ("b",)


@pytest.mark.parametrize(("place", "seen"), [
    ((2.99, 36.12, 3.01, 36.13), True), ((3.5, 36.1, 3.6, 36.2), False), ((179.0, 36.1, 3.01, 36.2), True),
])  # fmt: skip
def test_a_renamed_scene_is_known_by_its_place(
    place: tuple[float, float, float, float], seen: bool, result: Evaluation
) -> None:
    card = fake_bundle(**{"geoships:trained_places": {"harbour": place}}).card
    found = seen_scenes(result.scenes[:1], [card])
    assert [(entry.scene, entry.trained_as, entry.by) for entry in found] == [("a", "harbour", "place")] * seen


def test_places_cross_the_antimeridian_and_scenes_without_georeference_have_none() -> None:
    west, south, east, north = place_of(Georeference(100, 100, Affine(0.01, 0, 179.5, 0, -0.01, 10), CRS(4326))) or ()
    assert (west, south, east, north) == pytest.approx((179.5, 9, -179.5, 10))
    assert place_of(Georeference(100, 100)) is None


def test_an_area_of_interest_is_refused(data: Path) -> None:
    with pytest.raises(GeoshipsError, match="leave out the area"):
        evaluate([data / "scenes"], [data / "labels"], config=PredictConfig(area=data / "land.geojson"))


def test_a_report_is_three_files_that_need_no_other(result: Evaluation, tmp_path: Path) -> None:
    files = write_report(result, tmp_path / "new" / "report")
    assert {path.name for path in (tmp_path / "new" / "report").iterdir()} == files.keys()
    assert json.loads(files["metrics.json"].read_text()) == result.figures
    page = files["report.html"].read_text()
    assert page.count("data:image/svg+xml;base64,") == 5
    assert page.count("data:image/png;base64,") == 1
    assert 'src="http' not in page
    text = files["report.md"].read_text()
    assert "| a | " in text
    assert "without ignore" in text
    bare = write_report(result, tmp_path / "bare", pictures=False)["report.html"].read_text()
    assert "data:image/png" not in bare
    assert "By distance to land" in bare


def test_each_ship_is_written_with_its_outcome(result: Evaluation, tmp_path: Path) -> None:
    paths = write_outcomes(result, tmp_path / "new" / "ships")
    assert [path.name for path in paths] == ["a.geojson", "b.geojson"]
    ships, exact = (geopandas.read_file(path).to_crs(32631) for path in paths)
    assert list(ships) == [
        "outcome", "score", "area_m2", "length_m", "width_m", "heading_deg", "lon", "lat", "geometry",
    ]  # fmt: skip
    assert ships.outcome.tolist() == ["right", "ignored", "right", "right", "missed"]
    assert ships.score.tolist()[:4] == pytest.approx([0.9997, 0.45, 0.73, 0.9997], abs=0.01)
    assert np.isnan(ships.score[4])
    assert ships.length_m[4] == pytest.approx(100, rel=1e-2)
    lost = shapely.affinity.affine_transform(boxes(LABELS)[3], UTM.to_shapely())
    assert ships.geometry[4].hausdorff_distance(lost) < 0.1
    assert exact.outcome.tolist() == ["right"] * 4
    alone = evaluate([result.scenes[0].files.scene], [result.scenes[0].files.labels], config=CONFIG, model=result.model)
    (path,) = write_outcomes(alone, tmp_path)
    assert geopandas.read_file(path).outcome.tolist() == ["right", "false", "right", "right", "missed"]


def test_a_report_appears_whole_or_not_at_all(result: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"report\.html"):
        write_report(result, tmp_path, pictures=False)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_a_stored_temperature_changes_the_scores_and_not_the_ships(
    name: str, data: Path, tmp_path: Path, result: Evaluation
) -> None:
    save_bundle(tmp_path / name, result.model.card, {})
    model = replace(result.model, path=tmp_path / name)
    judged = Evaluation(model, result.config, result.scenes)
    fitted = result.figures["calibration"]["temperature"]
    card = store_temperature(judged)
    assert card == load_card(tmp_path / name)
    assert card.temperature == fitted != 1
    assert result.figures["calibration"]["after"]["log_loss"] < result.figures["calibration"]["log_loss"]

    before, after = (
        predict(data / "scenes/a.tif", config=CONFIG, model=bundle).ships
        for bundle in (model, replace(model, card=card))
    )
    assert before.geometry.geom_equals(after.geometry).all()
    np.testing.assert_allclose(logit(after.score), logit(before.score) / fitted, rtol=1e-3)

import json
import sys
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from fake_models import LEVEL, FakeBundle, MeanBrightness, fake_bundle, fake_classifier
from geoships_cli.app import main
from scenes import SHIPS, UTM, ship_scene
from scipy.special import expit

from geoships import BundleError, GeoshipsError, PredictConfig, predict
from geoships.evaluation import evaluate, write_report
from geoships.model import bundle as bundles
from geoships.model.networks import Architecture, build_classifier, build_network
from geoships.pipeline import verify

CONFIG = PredictConfig(tile_size=96, min_area=0, device="cpu", engine="torch", precision="fp32", verify=True)


def verified(size: int = 32, **card: object) -> FakeBundle:
    return replace(fake_bundle(), verifier=fake_classifier(size=size, **card))


def score(true: np.ndarray, ship: tuple[int, int, int, int], size: int = 32) -> float:
    """The expected class_prob of a ship: from the mean around its centre, with the scene mirrored at its edges."""
    row, column, height, width = ship
    top, left = round(row + height / 2 - size / 2), round(column + width / 2 - size / 2)
    image = np.pad(np.where(true, 0.9, 0.05), size, mode="reflect")
    return float(expit((image[top + size :, left + size :][:size, :size].mean() - LEVEL) * 40))


def test_ships_below_the_threshold_are_dropped_and_the_rasters_are_not_changed(tmp_path: Path) -> None:
    true = ship_scene(tmp_path / "scene.tif")
    files = {"mask": tmp_path / "m.tif", "scores": tmp_path / "s.tif"}
    result = predict(tmp_path / "scene.tif", config=CONFIG, model=verified(), **files)
    expected = [score(true, ship) for ship in sorted(SHIPS)]
    assert sum(value >= 0.5 for value in expected) == 3
    np.testing.assert_allclose(result.ships.class_prob, [value for value in expected if value >= 0.5], rtol=1e-4)
    assert result.ships.id.tolist() == [1, 2, 3]
    assert result.verifier == result.summary()["verifier"] == "second look"
    with rasterio.open(files["mask"]) as mask:
        np.testing.assert_array_equal(mask.read(1), true)
    low = predict(tmp_path / "scene.tif", config=CONFIG, model=verified(**{"geoships:threshold": 1e-3}))
    np.testing.assert_allclose(low.ships.class_prob, expected, rtol=1e-4)


@pytest.mark.parametrize("kind", ["geojson", "gpkg", "fgb", "parquet"])
@pytest.mark.parametrize("threshold", [0.5, 0.99999])
def test_class_prob_is_written_in_every_format_only_if_a_verifier_ran(
    kind: str, threshold: float, tmp_path: Path
) -> None:
    ship_scene(tmp_path / "scene.tif")

    def read(path: Path) -> geopandas.GeoDataFrame:
        if kind == "parquet":
            return geopandas.read_parquet(path)
        return geopandas.read_file(path, layer=path.stem if kind == "gpkg" else None)

    model, out = verified(**{"geoships:threshold": threshold}), tmp_path / f"ships.{kind}"
    ships = predict(tmp_path / "scene.tif", out=out, config=CONFIG, model=model).ships
    assert len(ships) == (3 if threshold == 0.5 else 0)
    if kind != "geojson" or len(ships):  # GeoJSON has no columns without ships
        back = read(out)
        assert sorted(back.class_prob) == pytest.approx(sorted(ships.class_prob))
        assert back.class_prob.dtype == "float64"
    plain = tmp_path / f"plain.{kind}"
    result = predict(tmp_path / "scene.tif", out=plain, config=CONFIG.model_copy(update={"verify": False}), model=model)
    assert "class_prob" not in result.ships and "class_prob" not in read(plain)
    assert len(result.ships) == 4 and result.verifier is None


def test_the_card_decides_whether_ships_are_verified_by_default(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    config = CONFIG.model_copy(update={"verify": None})
    off = verified()
    on = replace(off, card=off.card.model_copy(update={"verify": True}))
    found = [len(predict(tmp_path / "scene.tif", config=config, model=model).ships) for model in (off, on)]
    assert found == [4, 3]
    with pytest.raises(BundleError, match="fake has no verifier: leave out --verify"):
        predict(tmp_path / "scene.tif", config=CONFIG, model=fake_bundle())


def test_chips_have_the_verifiers_pixel_size(tmp_path: Path) -> None:
    true = ship_scene(tmp_path / "scene.tif")
    coarse = {"gsd": 20, "geoships:gsd_range": (15, 25), "geoships:threshold": 1e-3}
    result = predict(tmp_path / "scene.tif", config=CONFIG, model=verified(16, **coarse))
    np.testing.assert_allclose(result.ships.class_prob, [score(true, ship) for ship in sorted(SHIPS)], rtol=1e-3)


def test_pixels_without_data_are_filled_as_for_tiles(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", nodata_columns=52, ships=((60, 60, 8, 20),))
    true = np.zeros((180, 200), bool)
    true[60:68, 60:80] = True
    (found,) = predict(tmp_path / "scene.tif", config=CONFIG, model=verified(48)).ships.class_prob
    assert found == pytest.approx(score(true, (60, 60, 8, 20), 48), rel=1e-4)


def test_chips_of_south_up_scenes_are_flipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "VIEWS", 1)
    monkeypatch.setattr(MeanBrightness, "forward", lambda _, chips: (chips[:, :1, :16].mean(dim=(2, 3)) - LEVEL) * 40)
    model = verified(**{"geoships:threshold": 1e-3})
    ships = ((40, 50, 8, 20), (30, 50, 4, 4))  # the second is in the upper half of the first one's chip
    ship_scene(tmp_path / "north.tif", ships=ships)
    turned = tuple((180 - row - height, column, height, width) for row, column, height, width in ships)
    ship_scene(tmp_path / "south.tif", ships=turned, transform=UTM @ Affine(1, 0, 0, 0, -1, 180))
    north, south = (
        predict(tmp_path / f"{name}.tif", config=CONFIG, model=model).ships.sort_values("area_m2").class_prob
        for name in ("north", "south")
    )
    np.testing.assert_allclose(north, south, rtol=1e-4)


def test_missing_bands_have_their_neutral_value(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    optional = {"geoships:optional_bands": ("nir",)}
    model = fake_bundle(bands=("red", "nir"), **optional)
    second = fake_classifier(bands=("nir", "red"), mean=0.3, **optional)
    result = predict(tmp_path / "scene.tif", config=CONFIG, model=replace(model, verifier=second))
    assert result.ships.empty  # the neutral value is 0 for the network, whose score is then below one half
    low = replace(second, card=second.card.model_copy(update={"threshold": 1e-3}))
    result = predict(tmp_path / "scene.tif", config=CONFIG, model=replace(model, verifier=low))
    np.testing.assert_allclose(result.ships.class_prob, expit(-LEVEL * 40), rtol=1e-4)


def test_evaluate_counts_verified_ships_and_scores_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true = ship_scene(tmp_path / "scene.tif")
    with rasterio.open(tmp_path / "scene.tif") as scene:
        profile = {**scene.profile, "dtype": "uint8", "nodata": None}
    with rasterio.open(tmp_path / "labels.tif", "w", **profile) as labels:
        labels.write(true.astype("uint8"), 1)
    seen: list[int] = []
    forward = MeanBrightness.forward

    def count(self: MeanBrightness, chips: object) -> object:
        seen.append(len(chips))
        return forward(self, chips)

    monkeypatch.setattr(MeanBrightness, "forward", count)
    config = CONFIG.model_copy(update={"batch_size": 3})
    result = evaluate(
        [tmp_path / "scene.tif"], [tmp_path / "labels.tif"], thresholds=(0.2, 0.5, 0.8), config=config, model=verified()
    )
    assert sum(seen) == verify.VIEWS * len(SHIPS)
    assert max(seen) == 3
    (judged,) = result.scenes
    expected = predict(tmp_path / "scene.tif", config=config, model=verified()).ships
    assert [ship.class_prob for ship in judged.found] == expected.class_prob.tolist()
    assert [counts.predicted for counts in judged.curve] == [3, 3, 3]
    figures = result.figures["all"]["ships"]["iou_0.5"]
    assert (figures["labelled"], figures["hit"], figures["right"]) == (4, 3, 3)
    report = write_report(result, tmp_path / "report", pictures=False)["report.md"].read_text()
    assert "ships verified by second look" in report


def test_the_command_line_turns_verification_on_and_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ship_scene(tmp_path / "scene.tif")
    monkeypatch.setattr("geoships.pipeline.batch.load_bundle", lambda _=None: verified())

    def found(*arguments: str) -> dict[str, object]:
        line = ["predict", str(tmp_path / "scene.tif"), "--model", "m", "--out", str(tmp_path / "s.json"), "--json"]
        monkeypatch.setattr(sys, "argv", ["geoships", *line, "--overwrite", "--device", "cpu", *arguments])
        with pytest.raises(SystemExit):
            main()
        out = capsys.readouterr()
        return {**json.loads(out.out), "said": out.err}

    on, off = found("--verify"), found("--no-verify")
    assert (on["ships"], on["verifier"], off["ships"], off["verifier"]) == (3, "second look", 4, None)
    assert "verifier: second look" in on["said"] and "verifier" not in off["said"]


def test_a_verifier_has_to_fit_its_model() -> None:
    model = fake_bundle()
    assert verified().verifier is not None
    for wrong, message in (
        (fake_bundle(), "fake is not a classifier of chips"),
        (fake_classifier(bands=("red", "nir")), "needs nir, which fake does not read"),
        (fake_classifier(size=-1), "has no chip size"),
    ):
        with pytest.raises(GeoshipsError, match=message):
            replace(model, verifier=wrong)
    with pytest.raises(GeoshipsError, match="finds no ships that second look could verify"):
        replace(fake_classifier(), verifier=fake_classifier())
    with pytest.raises(GeoshipsError, match="requires red, optional for fake"):
        replace(fake_bundle(**{"geoships:optional_bands": ("red",)}), verifier=fake_classifier())
    with pytest.raises(GeoshipsError, match="turns a verifier on, but the bundle has none"):
        fake_bundle(**{"geoships:verify": True})


def test_chips_are_centred_on_the_bounding_box(tmp_path: Path) -> None:
    """A chip depends on the ship's bounding box only, so that two outlines with the same box are scored once."""
    true = ship_scene(tmp_path / "scene.tif", ships=((40, 40, 4, 30), (44, 40, 20, 4)))
    (ship,) = predict(tmp_path / "scene.tif", config=CONFIG, model=verified()).ships.itertuples()
    assert shapely.box(*ship.geometry.bounds).area > 2 * ship.geometry.area
    assert ship.class_prob == pytest.approx(score(true, (40, 40, 24, 30)), rel=1e-4)


def test_the_command_adds_a_verifier_to_a_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"decoder": "unet", "encoder": "tu-mobilenetv3_small_050", "options": {"decoder_channels": [8] * 5}}
    outer = fake_bundle(**{"geoships:network": settings}).card
    inner = fake_classifier(**{"geoships:network": {"decoder": "classifier", "encoder": "resnet10t"}}).card
    unet = build_network(Architecture("unet", settings["encoder"], 1, options=settings["options"]))
    bundles.save_bundle(tmp_path / "model", outer, unet.state_dict())
    bundles.save_bundle(tmp_path / "second", inner, build_classifier(Architecture("", "resnet10t", 1)).state_dict())

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["geoships", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        out = capsys.readouterr()
        return int(end.value.code or 0), out.out + out.err

    parts = tmp_path / "model", tmp_path / "second", "--out", tmp_path / "both.zip"
    assert "by default" in run("verifier", *parts, "--default", "--threshold", 0.3)[1]
    joined = bundles.load_bundle(tmp_path / "both.zip")
    assert joined.card.verify and joined.verifier is not None
    assert joined.verifier.card.threshold == 0.3
    code, text = run("info", tmp_path / "both.zip")
    assert code == 0 and "second look, resnet10t" in text and "on, unless --no-verify" in text
    assert run("verifier", *parts, "--threshold", 2)[0] == 1
    code, text = run("verifier", tmp_path / "second", tmp_path / "second", "--out", tmp_path / "none")
    assert code == 1 and "finds no ships that second look could verify" in text
    assert not (tmp_path / "none").exists()

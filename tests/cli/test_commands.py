import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fake_models import fake_bundle
from scenes import ship_scene
from tiny_network import tiny_bundle

from geoships.config import PredictConfig
from geoships.model import bundle as bundles
from geoships.model.bundle_files import load_card
from geoships.pipeline import batch, scene_run
from geoships.workflows import quantize as quantizing


def test_predict_writes_and_says_what_it_did(geoships, tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    code, out, err = geoships("predict", tmp_path / "scene.tif", "--out", tmp_path / "s.geojson", "--device", "cpu")
    assert code == 0
    assert "4 ships" in out
    assert "model: fake (the only one)" in err
    assert "bands: red=1 (B04)" in err
    assert (tmp_path / "s.geojson").exists()


def test_quiet_is_quiet_and_json_is_one_object(geoships, tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    assert geoships("predict", tmp_path / "scene.tif", "--out", tmp_path / "s.fgb", "--quiet") == (0, "", "")
    code, out, _ = geoships("predict", tmp_path / "scene.tif", "--mask", tmp_path / "m.tif", "--json")
    assert code == 0
    assert json.loads(out)["ships"] == 4


def test_progress_for_programs_is_json_lines_and_reaches_the_end(geoships, tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", (600, 200))
    code, _, err = geoships("predict", tmp_path / "scene.tif", "--out", tmp_path / "s.fgb", "--progress", "json")
    said = [json.loads(line) for line in err.splitlines()]
    assert code == 0
    assert said[0] == {"event": "start", "scene": str(tmp_path / "scene.tif"), "pixels": 120000}
    assert {"event": "note", "text": "model: fake (the only one)"} in said
    done = [one["done"] for one in said if one["event"] == "progress"]
    assert done == sorted(done)
    assert done[-1] == 120000
    code, _, err = geoships("predict", tmp_path / "none.tif", "--out", tmp_path / "s.fgb", "--progress", "json")
    assert (code, err[:7], err.count("\n")) == (1, "error: ", 1)


def test_predict_draws_a_preview_that_view_s_page_goes_with(geoships, tmp_path: Path) -> None:
    ship_scene(tmp_path / "a.tif")
    ships, picture = tmp_path / "s.gpkg", tmp_path / "s.png"
    code, out, _ = geoships("predict", tmp_path / "a.tif", "--out", ships, "--preview", picture, "--json")
    assert code == 0
    assert json.loads(out)["outputs"]["preview"] == str(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    code, out, err = geoships("view", ships, "--scene", tmp_path / "a.tif")
    assert (code, err) == (0, "")
    assert out.startswith("4 ships, 4 with an image")
    assert (tmp_path / "s.html").is_file()
    ship_scene(tmp_path / "b.tif", transform=rasterio.Affine(10, 0, 6e5, 0, -10, 5e6))
    code, out, err = geoships("view", ships, "--scene", tmp_path / "b.tif", "--out", tmp_path / "b.html", "--json")
    assert json.loads(out)["in_scene"] == 0
    assert "4 of 4 ships lie outside" in err
    code, _, _ = geoships("predict", tmp_path / "a.tif", "--out-dir", tmp_path / "many", "--previews", "-q")
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == [".geoships", "a.geojson", "a.png", "a.qml"]


def test_many_scenes_go_on_after_one_that_fails(geoships, tmp_path: Path) -> None:
    for name in ("a", "c"):
        ship_scene(tmp_path / f"{name}.tif")
    (tmp_path / "b.tif").write_text("no raster")
    names = [tmp_path / f"{name}.tif" for name in "abc"]
    code, out, err = geoships("predict", *names, "--out-dir", tmp_path / "out", "--rasters", "--json")
    assert code == 3
    summary = json.loads(out)
    assert [Path(scene["scene"]).stem for scene in summary["scenes"]] == ["a", "c"]
    assert summary["failed"] == [str(tmp_path / "b.tif")]
    assert "1 of 3 scenes failed" in err
    assert "Traceback" not in err
    files = [
        f"{stem}{ending}" for stem in "ac"
        for ending in (".geojson", ".qml", "_mask.qml", "_mask.tif", "_scores.qml", "_scores.tif")
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".geoships", *files, "failures.csv"]


def test_a_folder_of_scenes_runs_once_and_says_what_became_of_each(geoships, tmp_path: Path) -> None:
    for name in ("x/a.tif", "y/a.tif"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        ship_scene(tmp_path / "in" / name)
    (tmp_path / "in" / "bad.tif").write_text("no raster")
    command = ["predict", tmp_path / "in", "--out-dir", tmp_path / "in" / "out"]
    code, out, _ = geoships(*command, "--dry-run")
    assert (code, (tmp_path / "in" / "out").exists(), out.splitlines()[-1][:9]) == (0, False, "3 to run,")
    code, out, _ = geoships("predict", tmp_path / "in" / "x" / "a.tif", "--out", tmp_path / "s.gpkg", "--dry-run")
    assert (code, (tmp_path / "s.gpkg").exists(), f"-> {tmp_path}/s.gpkg" in out) == (0, False, True)
    code, _, err = geoships("predict", tmp_path / "in", "--out", tmp_path / "s.csv", "--dry-run")
    assert (code, "--dry-run" in err) == (2, True)
    code, _, err = geoships(*command, "--progress", "json", "--quiet", "--no-style")
    assert (code, err.count("error: ")) == (3, 2)
    code, out, err = geoships(*command, "--progress", "json")
    events = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert [(one["state"], one["ships"]) for one in events if one["event"] == "scene"] == [
        ("failed before", None), ("done before", 4), ("done before", 4),
    ]  # fmt: skip
    assert (code, [line.split()[:4] for line in out.splitlines()[1:]]) == (
        3, [["done", "before", "2", "8"], ["failed", "before", "1", "0"]]
    )  # fmt: skip
    assert (
        (tmp_path / "in" / "out" / "failures.csv").read_text().splitlines()[1].startswith(f"{tmp_path}/in/bad.tif,bad,")
    )
    assert "1 of 3 scenes failed" in err
    assert "reasons are in" in err
    code, _, err = geoships(*command, "--threshold", "0.7")
    assert (code, err.count("\n")) == (1, 1)
    assert "threshold was not given, and is 0.7 now" in err
    code, out, _ = geoships(*command, "--shard", "2/2", "--dry-run", "--json")
    assert code == 0
    assert len(json.loads(out)["skipped"]) in (1, 2)
    merged = tmp_path / "all.geojson"
    code, out, err = geoships("merge-runs", tmp_path / "in" / "out", "--out", merged)
    assert (code, len(json.loads(merged.read_text())["features"])) == (3, 8)
    assert "1 of 3 scenes are not done (1 failed)" in err


@pytest.fixture
def with_network(geoships, monkeypatch: pytest.MonkeyPatch):
    """As `geoships`, with a model whose small network other programs can take."""
    monkeypatch.setattr(bundles, "load_bundle", lambda _=None: tiny_bundle())
    return geoships


def test_export_writes_and_names_its_files(with_network, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    written = [tmp_path / "m.bin", tmp_path / "m.xml"]
    code, out, err = with_network("export", "any", "--format", "openvino", "--out", tmp_path / "m.xml", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"files": list(map(str, written)), "bytes": sum(p.stat().st_size for p in written)}
    code, out, _ = with_network("export", "any", "--format", "openvino", "--out", tmp_path / "m.xml", "--overwrite")
    assert "openvino" in out
    assert str(tmp_path / "m.xml") in out
    assert with_network("export", "any", "-o", tmp_path / "m.pt2", "--format", "torch-export", "--size", 32, "-q") == (
        0, "", "",
    )  # fmt: skip
    assert (tmp_path / "m.pt2").is_file()


def test_quantize_says_from_how_many_tiles_and_what_was_not_judged(
    with_network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantizing, "_quantize_network", lambda *_: (b"<net/>", b"weights"))
    ship_scene(tmp_path / "scene.tif")
    arguments = ("quantize", "any", "--calibration", tmp_path / "scene.tif", "--bands", "1,1", "--out")
    code, out, err = with_network(*arguments, tmp_path / "text")
    assert code == 0
    assert "calibrated on 1 tiles; not evaluated" in out
    assert "calibration: 1 tiles of 1 scenes" in err
    code, out, _ = with_network(*arguments, tmp_path / "object", "--json")
    assert json.loads(out) == {"bundle": str(tmp_path / "object"), "tiles": 1, "f1": None}
    assert (tmp_path / "object" / "model.json").is_file()


def test_an_int8_variant_that_is_refused_leaves_nothing(
    with_network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Judged:
        def __init__(self, *_: object, config: PredictConfig, **__: object) -> None:
            self.figures = {"all": {"ships": {"touched": {"f1": 0.5 if config.precision == "int8" else 0.8}}}}

    monkeypatch.setattr(quantizing, "_quantize_network", lambda *_: (b"<net/>", b"weights"))
    monkeypatch.setattr(quantizing, "evaluate", Judged)
    for name in ("scene.tif", "other.tif"):
        ship_scene(tmp_path / name)
    judged_on = ("--scenes", tmp_path / "other.tif", "--labels", "other.geojson")
    arguments = ("quantize", "any", "--calibration", tmp_path / "scene.tif", "--bands", "1,1", *judged_on)
    code, out, err = with_network(*arguments, "--out", tmp_path / "out", "-q")
    assert (code, out) == (1, "")
    assert err.startswith("error: int8 lowers F1 of ships from 0.800 to 0.500")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["predict", "none.tif", "--out", "s.geojson"], 1, "none.tif"),
        (["predict", "a.tif"], 1, "a.tif: no such file"),
        (["predict", "a.tif", "b.tif", "--out", "s.geojson"], 2, "--out-dir"),
        (["predict", "none", "--out", "s.gpkg", "--jobs", "2"], 2, "--out-dir"),
        (["predict", "none", "--out", "s.gpkg", "--no-resume"], 2, "--out-dir"),
        (["predict", "a.tif", "--out-dir", "o", "--shard", "0/4"], 2, "add 1"),
        (["predict", "*.none", "--out-dir", "o"], 1, "no file matches"),
        (["predict", "a.tif", "--out-dir", "o", "--format", "shp"], 2, "geojson"),
        (["predict", "a.tif", "--out", "s.geojson", "--threshold", "2"], 1, "threshold"),
        (["predict", "a.tif", "--out", "s.geojson", "--precision", "int3"], 2, "precision"),
        (["predict", "a.tif", "--preview", "s.jpg"], 1, ".png"),
        (["view", "s.geojson", "--scene", "a.tif"], 1, "s.geojson"),
        (["view", "s.geojson"], 2, "--scene"),
        (["evaluate", "b", "--scenes", "a.tif", "--labels", "none", "--out", "o"], 1, "none"),
        (["evaluate", "b", "--scenes", "a.tif", "--labels", ".", "--out", "o"], 1, "no labels for a in ."),
        (["evaluate", "b", "--scenes", "a.tif", "--labels", "."], 2, "--out"),
        (["evaluate", "b", "--labels", ".", "--out", "o"], 2, "--scenes"),
        (
            ["evaluate", "sentinel2-5band", "--scenes", "a", "--labels", ".", "--out", "o", "--store-temperature"],
            1,
            "copy its folder",
        ),
        (["export", "b"], 2, "--out"),
        (["export", "b", "--out", "m.onnx", "--format", "tflite"], 2, "openvino"),
        (["export", "b", "--out", "m.onnx", "--scale", "0"], 2, "greater than 0"),
        (["export", "b", "--out", "m.xml"], 1, ".onnx"),
        (["quantize", "b", "--out", "o"], 2, "--calibration"),
        (["quantize", "b", "--out", "o", "--calibration", "a.tif", "--scenes", "b.tif"], 2, "--labels"),
        (["quantize", "b", "--out", "o", "--calibration", "none.tif"], 1, "none.tif"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_mistakes_are_one_clear_line(geoships, arguments, code, message, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = geoships(*arguments)
    assert result[0] == code
    assert message in result[2]
    assert "Traceback" not in result[2]
    assert code == 2 or result[2].startswith("error: ")
    assert code == 2 or result[2].count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_info_describes_a_scene(geoships, tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    code, out, _ = geoships("info", tmp_path / "scene.tif")
    assert code == 0
    assert "200 columns x 180 rows" in out
    assert "1: B04, uint16, red, reflectance = value * 0.0001 + 0" in out
    code, out, _ = geoships("info", tmp_path / "scene.tif", "--json")
    facts = json.loads(out)
    assert (facts["kind"], facts["format"], facts["rows"], facts["columns"]) == ("scene", "GTiff", 180, 200)
    assert facts["bands"] == [
        {
            "number": 1,
            "name": "B04",
            "common_name": "red",
            "dtype": "uint16",
            "scale": 1e-4,
            "offset": 0.0,
            "nodata": None,
        }
    ]
    assert (facts["crs"]["epsg"], facts["transform"]) == (32631, [10, 0, 500000, 0, -10, 4000000])
    assert facts["pixel_size_m"] == pytest.approx([10, 10], rel=0.01)
    assert facts["centre"] == pytest.approx([3.011, 36.137], abs=0.01)
    assert (facts["block"], facts["overviews"], facts["ground_control_points"]) == ([64, 64], [], 0)


def test_info_of_a_bundle_is_its_card_and_what_it_holds(with_network, tmp_path: Path) -> None:
    bundle = tiny_bundle()
    bundles.save_bundle(tmp_path / "b", bundle.card, bundle.weights)
    code, out, _ = with_network("info", tmp_path / "b", "--json")
    facts = json.loads(out)
    assert (code, facts["kind"], facts["name"]) == (0, "bundle", bundle.card.name)
    assert facts["card"] == json.loads(bundle.card.to_json())
    assert (facts["int8"], facts["screen"], facts["verifier"]) == (False, False, None)
    assert len(facts["fingerprint"]) == 64
    assert bundle.card.name in with_network("info", tmp_path / "b")[1]


def test_models_lists_what_is_installed(geoships) -> None:
    code, out, _ = geoships("models")
    assert code == 0
    assert "sentinel2-5band (default)" in out
    assert json.loads(geoships("models", "--json")[1])["sentinel2-5band"]["mlm:framework"] == "pytorch"


def test_bands_are_taken_as_the_user_says(geoships, tmp_path: Path) -> None:
    with rasterio.open(
        tmp_path / "two.tif", "w", driver="GTiff", height=32, width=32, count=2, dtype="float32",
        crs="EPSG:32631", transform=rasterio.Affine(10, 0, 5e5, 0, -10, 4e6),
    ) as dataset:  # fmt: skip
        dataset.write(np.stack([np.zeros((32, 32)), np.ones((32, 32))]).astype("float32"))
    code, out, _ = geoships("predict", tmp_path / "two.tif", "--out", tmp_path / "s.json", "--bands", "2", "--json")
    assert code == 0
    assert json.loads(out)["ships"] == 1


def test_evaluate_prints_a_table_or_one_object(geoships, tmp_path: Path) -> None:
    (tmp_path / "scenes").mkdir()
    mask = ship_scene(tmp_path / "scenes" / "a.tif")
    with rasterio.open(tmp_path / "scenes" / "a.tif") as scene:
        profile = {**scene.profile, "dtype": "uint8", "nodata": None}
    with rasterio.open(tmp_path / "scenes" / "a_mask.tif", "w", **profile) as labels:
        labels.write(mask.astype("uint8"), 1)
    where = ["--scenes", tmp_path / "scenes", "--labels", tmp_path / "scenes", "--device", "cpu"]
    code, out, err = geoships(
        "evaluate", "b", *where, "--out", tmp_path / "one" / "two", "--no-pictures", "--ships", tmp_path / "ships"
    )
    assert code == 0
    header, scene_row, total, *_ = out.splitlines()
    assert header.split()[:4] == ["scene", "ships", "found", "recall@0.3"]
    perfect = ["1.00", "(0.51", "to", "1.00)"]  # Wilson interval of 4 of 4
    assert scene_row.split() == ["a", "4", "4", *perfect, *perfect, "1.00", "(0.68", "to", "1.00)", "1.000"]
    assert total.split()[0] == "all"
    assert "a.tif" in err
    assert {path.name for path in (tmp_path / "one" / "two").iterdir()} == {"metrics.json", "report.md", "report.html"}
    assert (tmp_path / "ships" / "a.geojson").read_text().count('"outcome":"right"') == 4
    code, out, err = geoships(
        "evaluate", "b", *where, "--out", tmp_path / "one", "--json", "--quiet", "--threshold", "0.6"
    )
    summary = json.loads(out)
    assert (code, err, summary["threshold"]) == (0, "", 0.6)
    assert summary["all"]["ships"]["iou_0.5"]["f1"] == 1
    assert Path(summary["outputs"]["report.html"]).is_file()
    assert geoships("evaluate", "b", *where, "--out", tmp_path / "scenes" / "a.tif")[0] == 1


def test_evaluate_says_that_the_model_was_trained_on_a_scene(
    geoships, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship_scene(tmp_path / "a.tif")
    (tmp_path / "ships").mkdir()
    assert geoships("predict", tmp_path / "a.tif", "--out", tmp_path / "ships" / "a.geojson", "--quiet")[0] == 0
    seen = replace(fake_bundle(**{"geoships:trained_on": ("a",)}), path=tmp_path / "copy")
    monkeypatch.setattr(bundles, "load_bundle", lambda _=None: seen)
    command = "evaluate", tmp_path / "copy", "--scenes", tmp_path / "a.tif", "--labels", tmp_path / "ships"
    command = *command, "--device", "cpu", "--no-pictures", "--out", tmp_path / "report", "--overwrite"
    code, out, err = geoships(*command)
    assert code == 0
    assert out.startswith("not a judgement: ")
    assert err.splitlines()[-1].startswith("warning: fake was trained on 1 of 1 scene: a; the figures are not")
    code, out, _ = geoships(*command, "--json")
    assert len(json.loads(out)["warnings"]) == 1
    assert geoships(*command, "--store-operating-points")[0] == 1
    assert not (tmp_path / "copy").exists()
    code, out, err = geoships(*command, "--allow-seen", "--store-operating-points", "--store-temperature")
    assert (code, out.startswith("scene"), "warning: fake was trained" in err) == (0, True, False)
    card = load_card(tmp_path / "copy")
    assert set(card.operating_points) == {"high", "balanced", "precise"}
    assert card.temperature != 1
    point = card.operating_points["balanced"]
    assert point.threshold == card.threshold  # both were moved by the temperature
    assert "balanced: threshold 0.5, minimum peak" in out


def test_sensitivity_needs_a_model_with_operating_points(geoships, tmp_path: Path, monkeypatch) -> None:
    ship_scene(tmp_path / "a.tif")
    command = "predict", tmp_path / "a.tif", "--out", tmp_path / "s.geojson", "--overwrite", "--device", "cpu"
    command = *command, "--sensitivity"
    code, _, err = geoships(*command, "high")
    assert (code, err.count("\n")) == (1, 1)
    assert "fake has no operating point for the sensitivity high" in err
    point = {"threshold": 0.7, "min_peak": 0.9, "precision": 0.75, "recall": 0.5, "measured_on": ["x", "y"]}
    pointed = fake_bundle(**{"geoships:operating_points": {"high": point}})
    monkeypatch.setattr(batch, "load_bundle", lambda _=None: pointed)
    monkeypatch.setattr(scene_run, "load_bundle", lambda _=None: pointed)
    code, out, err = geoships(*command, "high", "--json", "--min-peak", "0.2")
    assert (code, json.loads(out)["threshold"]) == (0, 0.7)
    expected = "sensitivity high: threshold 0.7, minimum peak 0.2 (precision 0.75, recall 0.50 on x, y)"
    assert expected not in err  # the minimum peak was given, so that these figures do not hold
    assert "sensitivity high: threshold 0.7, minimum peak 0.2" in err
    assert "minimum peak 0.9 (precision 0.75, recall 0.50 on x, y)" in geoships(*command, "high")[2]
    assert geoships(*command, "often")[0] == 2


def test_verbose_tells_the_plan_and_what_was_skipped(geoships, tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", nodata_columns=120)
    options = ("--tile-size", 64, "--overlap", 48, "--device", "cpu", "--engine", "torch", "--precision", "fp32", "-v")
    code, out, err = geoships("predict", tmp_path / "scene.tif", "--mask", tmp_path / "m.tif", "--json", *options)
    assert code == 0
    plan, skipped = (line for line in err.splitlines() if "tiles" in line)
    assert "halo 8" in plan
    assert "PyTorch, fp32, cpu; no screen" in plan
    tiles = json.loads(out)["tiles"]
    assert tiles["no_data"] > 0
    assert skipped.startswith(f"{tiles['computed']} of {tiles['planned']} tiles computed; skipped: {tiles['no_data']}")

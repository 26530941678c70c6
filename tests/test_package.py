import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from scenes import ship_scene

import geoships


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after running some code."""
    script = f"{code}\nimport sys\nprint(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(result.stdout.split("\n")[-2].split())


HEAVY = {
    "torch",
    "rasterio",
    "torchgeo",
    "geopandas",
    "numpy",
    "segmentation_models_pytorch",
    "cv2",
    "pyproj",
    "pandas",
    "scipy",
    "sklearn",
    "matplotlib",
}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_by("import geoships; geoships.__version__") & HEAVY


def test_help_loads_nothing_heavy() -> None:
    code = """
from geoships_cli.app import app
from geoships_cli.commands import command_tree
def show(command, *path):
    try:
        app([*path, "--help"])
    except SystemExit as end:
        assert not end.code
    for name, child in getattr(command, "commands", {}).items():
        show(child, *path, name)
show(command_tree(app))
"""
    assert not loaded_by(code) & HEAVY


def test_a_run_with_openvino_loads_nothing_that_builds_networks(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", bands=("B04", "B08"))
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from tiny_network import tiny_bundle
from geoships import PredictConfig, predict
from geoships_cli.app import app
predict({str(tmp_path / "scene.tif")!r}, out={str(tmp_path / "s.gpkg")!r}, mask={str(tmp_path / "m.tif")!r},
        model=tiny_bundle(), config=PredictConfig(engine="openvino", device="cpu", tile_size=96))
"""
    loaded = loaded_by(code)
    assert "openvino" in loaded
    assert not loaded & {"lightning", "torchgeo", "segmentation_models_pytorch", "timm", "torchvision"}


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_a_run_with_an_installed_model_loads_no_pytorch(engine: str, tmp_path: Path) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(engine, engine))
    ship_scene(tmp_path / "scene.tif", bands=("B02", "B03", "B04", "B08", "B11"))
    code = f"""
from geoships import PredictConfig, predict
from geoships_cli.app import app
predict({str(tmp_path / "scene.tif")!r}, out={str(tmp_path / "s.geojson")!r}, config=PredictConfig(engine={engine!r}))
"""
    loaded = loaded_by(code)
    assert "geopandas" in loaded
    if not Path("/dev/nvidiactl").exists():  # with a GPU PyTorch is asked whether it can use it
        assert not loaded & {"torch", "torchgeo", "torchvision", "lightning", "timm"}


def test_the_pipeline_loads_no_tables_before_it_writes_them() -> None:
    assert not loaded_by("import geoships.pipeline.predict") & {"torch", "geopandas", "pandas", "scipy", "matplotlib"}


def test_the_public_names_are_these() -> None:
    assert sorted(geoships.__all__) == [
        "AisMatch",
        "BatchResult",
        "Bundle",
        "BundleError",
        "Client",
        "DeviceError",
        "FixedPlaces",
        "FixedSettings",
        "FolderSource",
        "GeoshipsError",
        "Join",
        "MatchSettings",
        "MeasuredMotion",
        "MotionSettings",
        "OutputError",
        "OverTime",
        "PredictConfig",
        "Prediction",
        "Scene",
        "SceneDataset",
        "SceneError",
        "SceneFailure",
        "SceneJob",
        "ScoredPrediction",
        "Selection",
        "StacSource",
        "TilePlan",
        "TileSampler",
        "Watch",
        "WatchConfig",
        "WatchRound",
        "Window",
        "__version__",
        "band_files",
        "classify",
        "find_fixed",
        "load_bundle",
        "match_ais",
        "measure_motion",
        "open_scene",
        "passes_over_time",
        "plan_axis",
        "plan_outputs",
        "predict",
        "predict_many",
        "select_ships",
        "ship_tracks",
        "stitch",
        "write_as",
    ]
    assert set(geoships.__all__) <= set(dir(geoships))
    for name in geoships.__all__:
        assert getattr(geoships, name)


def test_no_public_name_is_hidden_by_a_module() -> None:
    for name in ("pipeline.predict", "pipeline.stitch", "model.classify", "scene.opening.band_files", "ais.match"):
        importlib.import_module(f"geoships.{name}")
    for name in ("predict", "stitch", "classify", "band_files", "match_ais"):
        assert callable(getattr(geoships, name))

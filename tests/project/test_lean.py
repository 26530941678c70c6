"""The installation for inference: its list of packages, what is trimmed, and one that is made and run."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from scenes import ship_scene

from geoships.support.lean import LEFT_OUT
from geoships.workflows.demo import run_demo

PROJECT = Path(__file__).parents[2]
LEAN = PROJECT / "requirements" / "lean.txt"
LIMIT = 700e6  # bytes
NEVER_CALLED = {"networkx", "imageio", "tifffile", "openvino-telemetry"}  # by what geoships takes of their users
UNDECLARED = {"six"}  # only kaggle takes it of what pyproject.toml names


def requirements(texts: list[str]) -> dict[str, Requirement]:
    found = [Requirement(text) for text in texts]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


@pytest.fixture(scope="module")
def listed() -> dict[str, Requirement]:
    return requirements([line for line in LEAN.read_text().splitlines() if line and not line.startswith("#")])


def test_the_list_is_that_of_pyproject_without_what_is_left_out(listed: dict[str, Requirement]) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    needed = requirements(project["dependencies"])
    extras = project["optional-dependencies"]
    left_out = set(LEFT_OUT.values()) - {"torchvision"} | UNDECLARED  # the first comes with torchgeo
    assert needed.keys() - left_out <= listed.keys()
    assert left_out <= needed.keys()
    assert not set(LEFT_OUT.values()) & listed.keys()
    for name, wanted in (needed | requirements(extras["view"])).items():
        if name not in left_out:
            assert listed[name].specifier == wanted.specifier, name
    comment = LEAN.read_text().partition("\n\n")[0].replace("\n# ", " ")
    assert all(name in comment for name in left_out), "the list says what it leaves out"


def test_the_list_of_the_service_is_that_of_its_extras() -> None:
    lines = (PROJECT / "requirements" / "lean-serve.txt").read_text().splitlines()
    listed = requirements([line for line in lines if line and not line.startswith("#")])
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = requirements([*extras["serve"], *extras["postgres"]])
    for name in ("pyarrow", "pyogrio"):  # with them come the formats of ships that a job hands over
        needed[name] = requirements(project["dependencies"])[name]
    assert {name: str(wanted) for name, wanted in listed.items()} == {name: str(each) for name, each in needed.items()}


@pytest.fixture(scope="module")
def trimming() -> ModuleType:
    spec = importlib.util.spec_from_file_location("trim_environment", PROJECT / "scripts" / "trim_environment.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_only_what_no_run_takes_is_removed(trimming: ModuleType, tmp_path: Path) -> None:
    kept = [
        "openvino/libs/libopenvino_intel_cpu_plugin.so", "openvino/libs/libopenvino_onnx_frontend.so.2641",
        "openvino/libs/libopenvino_ir_frontend.so.2641", "skimage/__init__.pyi", "skimage/data/__init__.py",
        "pandas/core/api.py",
    ]  # fmt: skip
    gone = [
        "openvino/libs/libopenvino_intel_gpu_plugin.so", "openvino/libs/libopenvino_pytorch_frontend.so.2641",
        "openvino/include/a.hpp", "skimage/data/astronaut.png", "pandas/tests/test_api.py", "scipy/io/tests/data/a.mat",
        "numpy/_core/include/a.h", "numpy/_core/lib/a.a", "cv2/typing.pyi", "pyarrow/libarrow_flight.so.2600",
        "cv2/data/haarcascade_eye.xml",
    ]  # fmt: skip
    for name in (*kept, *gone):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    trimming.trim(tmp_path)
    assert [name for name in (*kept, *gone) if (tmp_path / name).exists()] == kept
    assert trimming.size(tmp_path) == len(kept)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the list and with geoships as a wheel, trimmed."""
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed, which makes the environment")
    folder = tmp_path_factory.mktemp("lean")
    made = folder / "environment"

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=PROJECT, capture_output=True, text=True)

    run("uv", "venv", "--quiet", "--python", sys.executable, str(made))
    install = ("uv", "pip", "install", "--quiet", "--python", str(made), "--no-deps")
    done = run(*install, "--requirement", str(LEAN))
    if done.returncode:
        pytest.skip(f"the packages of requirements/lean.txt cannot be had: {done.stderr.strip().splitlines()[-1]}")
    built = run("uv", "build", "--quiet", "--wheel", "--out-dir", str(folder))
    assert not built.returncode, built.stderr
    installed = run(*install, *map(str, folder.glob("*.whl")))
    assert not installed.returncode, installed.stderr
    trimmed = run(sys.executable, "scripts/trim_environment.py", str(made))
    assert not trimmed.returncode, trimmed.stderr
    return made


def in_environment(environment: Path, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    # compiled once for all processes, and outside, as the environment is measured
    variables |= {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPYCACHEPREFIX": str(environment.parent / "compiled")}
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [str(environment / "bin" / words[0]), *words[1:]]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)


@pytest.mark.environment
def test_a_lean_installation_has_no_pytorch_and_finds_the_same_ships(
    environment: Path, trimming: ModuleType, tmp_path: Path
) -> None:
    assert trimming.size(environment) < LIMIT
    for module in ("torch", "torchgeo", "torchvision", "timm", "segmentation_models_pytorch"):
        done = in_environment(environment, "python", "-c", f"import {module}", folder=tmp_path)
        assert f"No module named '{module}'" in done.stderr
    done = in_environment(environment, "geoships", "demo", "--size", "1024", "--out-dir", "lean", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    run_demo(tmp_path / "full", size=1024)
    found, expected = (json.loads((tmp_path / name / "ships.geojson").read_text()) for name in ("lean", "full"))
    assert len(found["features"]) > 5
    assert found["features"] == expected["features"]


@pytest.mark.environment
def test_what_a_lean_installation_has_no_package_for_is_one_line(environment: Path, tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif", bands=("B02", "B03", "B04", "B08", "B11"))
    for words, text in {
        ("predict", "scene.tif", "--out", "ships.gpkg"): "pip install pyogrio, or write .geojson",
        ("predict", "scene.tif", "--out", "ships.geojson", "--engine", "torch"): "this needs torch",
        ("predict", "scene.tif", "--out", "ships.geojson", "--device", "cuda"): "PyTorch is not installed",
        ("export", "sentinel2-5band", "--out", "x.onnx"): "this needs torch",
    }.items():
        done = in_environment(environment, "geoships", *words, folder=tmp_path)
        assert done.returncode == 1, (words, done.stderr)
        assert done.stderr.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in done.stderr
        assert text in done.stderr
    assert in_environment(environment, "geoships", "doctor", folder=tmp_path).returncode == 0
    assert in_environment(environment, "geoships", "info", "sentinel2-5band", folder=tmp_path).returncode == 0


@pytest.mark.environment
def test_the_list_is_complete(environment: Path, tmp_path: Path, listed: dict[str, Requirement]) -> None:
    code = """
import json
from importlib.metadata import distributions
from packaging.requirements import Requirement
texts = [text for found in distributions() if found.name != "geoships" for text in found.requires or []]
wanted = [Requirement(text) for text in texts]
print(json.dumps([each.name for each in wanted if each.marker is None or each.marker.evaluate()]))
"""
    done = in_environment(environment, "python", "-c", code, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    needed = {canonicalize_name(name) for name in json.loads(done.stdout)}
    assert needed - NEVER_CALLED - set(LEFT_OUT.values()) <= listed.keys()

"""The modules of the QGIS plugin that work without QGIS; scripts/accept_qgis_plugin.py tests all of it in QGIS."""

import doctest
import os
import sys
import time
from pathlib import Path

import pytest
from geoships_cli.app import app
from geoships_cli.commands import command_tree
from geoships_qgis import command as command_module
from geoships_qgis.command import MASK, SCORES, VECTOR, Request, scene_name, split_options
from geoships_qgis.environment import clean_environment
from geoships_qgis.executable import ExecutableError, find_executable
from geoships_qgis.messages import Messages, Note, Progress, Warned
from geoships_qgis.process import run
from geoships_qgis.staging import Staging, StagingError

posix = pytest.mark.skipif(os.name == "nt", reason="uses a shell script or process groups of POSIX")


def test_the_command_line_has_the_options_of_the_request() -> None:
    request = Request(
        "-odd name.tif",
        model="sentinel2-5band",
        threshold=0.4,
        min_area=0.0,
        area=Path("a b.gpkg"),
        bands=" 1,2 ",
        trust_vrt=True,
        extra="--views 4",
    )
    arguments = request.arguments({VECTOR: Path("s.gpkg"), MASK: Path("m.tif")})
    assert arguments == [
        "predict", "--out=s.gpkg", "--mask=m.tif", "--model=sentinel2-5band", "--threshold=0.4", "--min-area=0.0",
        "--area=a b.gpkg", "--bands=1,2", "--trust-vrt", "--views", "4", "--json", "--progress=json",
        "--", "-odd name.tif",
    ]  # fmt: skip
    command = command_tree(app).commands["predict"]
    parsed = command.make_context("predict", arguments[1:]).params
    assert parsed["scenes"] == ["-odd name.tif"]
    assert (parsed["out"], parsed["area"], parsed["views"]) == (Path("s.gpkg"), Path("a b.gpkg"), 4)
    assert parsed["progress"] == "json"


def test_a_server_gets_the_options_that_it_knows() -> None:
    request = Request("a.tif", threshold=0.4, area=Path("b.gpkg"), server="https://ships.example.org")
    arguments = request.arguments({VECTOR: Path("s.gpkg"), SCORES: Path("p.tif")})
    assert arguments[:2] == ["remote", "predict"]
    command = command_tree(app).commands["remote"].commands["predict"]
    parsed = command.make_context("predict", arguments[2:]).params
    assert (parsed["scene"], parsed["server"]) == (["a.tif"], "https://ships.example.org")
    assert (parsed["out"], parsed["scores"], parsed["area"]) == (Path("s.gpkg"), Path("p.tif"), Path("b.gpkg"))


def test_the_doctests_of_the_command_line_pass() -> None:
    results = doctest.testmod(command_module)
    assert (results.failed, results.attempted) == (0, 4)


def test_unset_options_are_left_out() -> None:
    assert Request("a.tif").arguments({VECTOR: Path("s.fgb")}) == [
        "predict", "--out=s.fgb", "--json", "--progress=json", "--", "a.tif",
    ]  # fmt: skip


def test_options_keep_the_backslashes_of_windows() -> None:
    assert split_options(r"--config 'C:\my files\a.yaml' -q") == ["--config", r"C:\my files\a.yaml", "-q"]
    with pytest.raises(ValueError, match="quot"):
        split_options("--config 'a")


@pytest.mark.parametrize("extra", ["--views 4 --out-dir x", "-o a.gpkg", "--mask=m.tif"])
def test_further_options_cannot_name_outputs(extra: str) -> None:
    with pytest.raises(ValueError, match="in their own fields"):
        Request("a.tif", extra=extra).arguments({VECTOR: Path("s.gpkg")})


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/data/a.tif", "/data/a.tif"),
        ("/data/a.tif|option:NUM_THREADS=2", "/data/a.tif"),
        ("/vsicurl/https://a.b/c.tif", "https://a.b/c.tif"),
        ("/vsis3/bucket/a.tif", "s3://bucket/a.tif"),
        ('NETCDF:"a.nc":var', 'NETCDF:"a.nc":var'),
    ],
)
def test_a_layer_source_becomes_a_scene(source: str, name: str) -> None:
    assert scene_name(source) == name


def test_variables_of_qgis_are_removed() -> None:
    root, own, other = (str(Path(os.sep, name)) for name in ("osgeo", "bin", "osgeo-other"))
    path = os.pathsep.join([str(Path(root, "bin")), own, root, other])
    qgis = {
        "PYTHONHOME": "x", "PYTHONPATH": "x", "GDAL_DATA": "x", "GDAL_DRIVER_PATH": "x", "PROJ_LIB": "x",
        "PROJ_DATA": "x", "LD_LIBRARY_PATH": "x", "DYLD_LIBRARY_PATH": "x", "QT_PLUGIN_PATH": "x", "VIRTUAL_ENV": "x",
        "QGIS_PREFIX_PATH": "x", "OSGEO4W_ROOT": root, "O4W_QT_PREFIX": "x", "VSI_CACHE": "TRUE",
    }  # fmt: skip
    users = {"HOME": "/home/a", "HTTPS_PROXY": "p", "GDAL_HTTP_PROXY": "p", "AWS_REGION": "r", "OMP_NUM_THREADS": "1"}
    clean = clean_environment({**qgis, **users, "PATH": path})
    assert clean.items() >= users.items()
    assert not clean.keys() & qgis.keys()
    assert clean["PATH"].split(os.pathsep) == [own, other]
    assert clean_environment({"PATH": path})["PATH"] == path
    assert clean_environment({"TMPDIR": "/a"}, Path("b"))["TMPDIR"] == "b"


@posix
def test_the_executable_is_configured_or_searched_for(tmp_path: Path) -> None:
    def make_executable(*parts: str) -> Path:
        path = tmp_path.joinpath(*parts)
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path

    nothing = {"PATH": str(tmp_path / "none")}
    with pytest.raises(ExecutableError, match="uv tool install geoships"):
        find_executable("", nothing, tmp_path)
    with pytest.raises(ExecutableError, match="not an executable file"):
        find_executable(str(tmp_path / "none"), nothing, tmp_path)
    pipx = make_executable(".local", "share", "pipx", "venvs", "geoships", "bin", "geoships")
    assert find_executable("", nothing, tmp_path) == pipx
    uv = make_executable("tools", "geoships")
    assert find_executable("", {**nothing, "UV_TOOL_BIN_DIR": str(uv.parent)}, tmp_path) == uv
    on_path = make_executable("bin", "geoships")
    assert find_executable("", {"PATH": str(on_path.parent)}, tmp_path) == on_path
    assert find_executable(f'"{pipx}"', {"PATH": str(on_path.parent)}, tmp_path) == pipx


def test_lines_of_geoships_are_parsed() -> None:
    messages = Messages()
    assert messages.read('{"event": "start", "scene": "a.tif", "pixels": 2500000}\n') == Note("a.tif: 2.5 Mpix")
    assert messages.read('{"event": "progress", "done": 5, "pixels": 20}') == Progress(25.0)
    assert messages.read('{"event": "note", "text": "bands: all"}') == Note("bands: all")
    assert messages.read('{"event": "warning", "text": "no CRS"}') == Warned("no CRS")
    assert messages.read("something else") is None
    assert messages.read("{not json") is None
    assert messages.error(3) == "geoships failed with exit code 3: {not json"
    assert messages.error(-9).startswith("geoships was killed by signal 9")
    messages.read("error: a.tif: no raster\n")
    assert messages.error(1) == "a.tif: no raster"


def test_usage_errors_are_shown_without_their_frame() -> None:
    messages = Messages()
    for line in (
        "Usage: geoships predict [OPTIONS] SCENES...",
        "Try 'geoships predict -h' for help.",
        "╭─ Error ─────────────────────╮",
        "│ No such option: --nonsense  │",
        "╰─────────────────────────────╯",
    ):
        messages.read(line)
    assert messages.error(2) == "No such option: --nonsense"
    messages.read("│ No such option: --progress │")
    assert "older than the plugin" in messages.error(2)


SCRIPT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("out", flush=True)
print(child.pid, file=sys.stderr, flush=True)
if {wait}:
    time.sleep(60)
print("\\u00e9", file=sys.stderr, flush=True)
child.kill()
sys.exit(3)
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUTF8": "1"}


def test_output_and_exit_code_of_a_process_are_returned() -> None:
    lines: list[str] = []
    command = [sys.executable, "-c", SCRIPT.format(wait=False)]
    result = run(command, environment(), on_line=lines.append, cancelled=lambda: False)
    assert (result.code, result.output, result.cancelled) == (3, "out\n", False)
    assert lines[1:] == ["é\n"]


@posix
@pytest.mark.parametrize("ignores_sigterm", [False, True])
def test_a_cancelled_process_ends_with_its_children(ignores_sigterm: bool) -> None:
    lines: list[str] = []
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if ignores_sigterm else ""
    command = [sys.executable, "-c", ignore + SCRIPT.format(wait=True)]
    result = run(command, environment(), on_line=lines.append, cancelled=lambda: bool(lines))
    assert result.cancelled
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and alive(int(lines[0])):  # init removes a killed child after a moment
        time.sleep(0.05)
    assert not alive(int(lines[0]))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def test_an_error_of_on_line_stops_the_process() -> None:
    def fail(line: str) -> None:
        raise RuntimeError(line)

    started = time.monotonic()
    with pytest.raises(RuntimeError):
        run([sys.executable, "-c", SCRIPT.format(wait=True)], environment(), on_line=fail, cancelled=lambda: False)
    assert time.monotonic() - started < 30


def test_all_outputs_are_written_or_none(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    outputs = {VECTOR: tmp_path / "s.gpkg", MASK: tmp_path / "other" / "m.tif"}
    outputs[VECTOR].write_text("old")
    (tmp_path / "s.gpkg-wal").write_text("of the old one")
    before = sorted(tmp_path.rglob("*"))

    def write(staging: Staging, *, publish: bool) -> None:
        with staging.open() as places:
            assert [place.name for place in places.values()] == ["s.gpkg", "m.tif"]
            for place in places.values():
                place.write_text("new")
            places[VECTOR].with_suffix(".qml").write_text("style")
            assert outputs[VECTOR].read_text() == "old"
            if publish:
                staging.publish()

    write(Staging(outputs), publish=False)
    assert sorted(tmp_path.rglob("*")) == before
    write(Staging(outputs), publish=True)
    assert {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == {
        "s.gpkg": "new", "s.qml": "style", "m.tif": "new",
    }  # fmt: skip


def test_an_existing_style_is_kept_and_the_scene_gets_none(tmp_path: Path) -> None:
    (tmp_path / "s.qml").write_text("of the user")
    staging = Staging({VECTOR: tmp_path / "s.gpkg", MASK: tmp_path / "scene.tiff"}, scene=tmp_path / "scene.tif")
    with staging.open() as places:
        assert places[VECTOR].with_suffix(".qml").read_text() == "of the user"
        places[MASK].with_suffix(".qml").write_text("of the mask")
        staging.publish()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"s.qml": "of the user"}


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StagingError, match="does not exist"), Staging({VECTOR: tmp_path / "no" / "s.gpkg"}).open():
        pass
    assert not list(tmp_path.iterdir())

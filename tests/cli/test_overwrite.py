"""Every command refuses an output that exists, unless `--overwrite` is given, and never writes over what it reads."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from geoships_cli.app import app
from geoships_cli.commands import command_tree
from scenes import ship_scene

from geoships.errors import OutputError
from geoships.model.bundle_files import refuse_bundle

# `watch` and the service go on in a folder of their own
SERVICES = {"serve keys add", "serve keys list", "serve keys remove", "watch", "worker"}
WITHOUT_OUTPUTS = {"models", "info", "doctor", "data upload", *SERVICES}


def leaves(command: Any, path: str = "") -> dict[str, Any]:
    found = {}
    for name, child in command.commands.items():
        whole = f"{path} {name}".strip()
        found |= leaves(child, whole) if hasattr(child, "commands") else {whole: child}
    return found


def test_every_command_that_writes_has_the_option() -> None:
    commands = leaves(command_tree(app))
    without = {name for name, command in commands.items() if not any("--overwrite" in o.opts for o in command.params)}
    assert without == WITHOUT_OUTPUTS


CHIPS = yaml.safe_dump({"name": "x", "task": "classification", "data": {"root": "chips"}})


@pytest.mark.parametrize(
    ("arguments", "existing"),
    [
        (["predict", "a.tif", "--out", "s.geojson"], "s.geojson"),
        (["predict", "a.tif", "--out-dir", "found", "--rasters"], "found/a_mask.tif"),
        (["predict", "a.tif", "--out-dir", "found"], "found/a.geojson"),
        (["predict", "chips", "--out", "c.csv"], "c.csv"),
        (["view", "s.geojson", "--scene", "a.tif"], "s.html"),
        (["evaluate", "b", "--scenes", "a.tif", "--labels", "labels", "--out", "o"], "o/report.md"),
        (["evaluate", "b", "--scenes", "a.tif", "--labels", "labels", "--out", "o", "--ships", "p"], "p/a.geojson"),
        (["demo", "--out-dir", "other"], "other/mask.tif"),
        (["train", "--config", "chips.yaml", "--out", "run"], "run/config.yaml"),
        (["train", "--config", "chips.yaml", "--out", "run"], "run/bundle/model.json"),
        (["crossval", "--config", "chips.yaml", "--out", "run"], "run/crossval.json"),
        (["screen", "b", "--scenes", "a.tif", "--labels", "labels", "--out", "o"], "o/model.json"),
        (["screen", "b", "--scenes", "a.tif", "--labels", "labels", "--out", "o.zip"], "o.zip"),
        (["quantize", "b", "--calibration", "a.tif", "--out", "o"], "o/int8/model.xml"),
        (["verifier", "b", "b", "--out", "o"], "o/verifier/model.json"),
        (["export", "b", "--out", "m.onnx"], "m.onnx"),
        (["export", "b", "--out", "m.xml", "--format", "openvino"], "m.bin"),
        (["data", "sentinel2", "--bbox", "8", "44", "9", "45", "--out", "s.tif"], "s.tif"),
        (["data", "prepare", "chips", "--out", "i.csv"], "i.csv"),
        (["data", "label-tiles", "a.tif", "--out", "tiles"], "tiles/tiles.json"),
        (["data", "label-tiles", "a.tif", "--out", "tiles"], "tiles/a_0_0.png"),
        (["data", "masks", "s.geojson", "--scene", "a.tif", "--out", "m.tif"], "m.tif"),
        (["data", "split", "a.tif", "--masks", "labels", "--out", "o"], "o/chips.csv"),
        (["data", "chip-masks", "chips", "--out", "o"], "o/part-1.tif"),
    ],
)  # fmt: skip
def test_what_exists_is_refused_with_one_line(geoships, arguments, existing, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    ship_scene(Path("a.tif"))
    Path("labels").mkdir()
    Path("labels/a.tif").write_bytes(Path("a.tif").read_bytes())
    Path("chips").mkdir()
    Path("chips/1__20170101__3.0_4.0.png").write_bytes(b"no image")
    Path("chips.yaml").write_text(CHIPS)
    Path("s.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    place = Path(existing)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("mine")
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    code, out, err = geoships(*arguments)
    assert (code, out, err.count("\n")) == (1, "", 1), err
    assert err.startswith("error: ")
    assert "--overwrite" in err
    assert any(f"{each} " in err for each in (place, place.parent, place.parent.parent))
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_a_second_run_with_overwrite_replaces_the_first(geoships, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    ship_scene(Path("a.tif"))
    command = ("predict", "a.tif", "--out", "s.geojson", "--device", "cpu", "--quiet")
    other = (*command, "--min-area", "400")
    assert [geoships(*command)[0], geoships(*other)[0], geoships(*other, "--overwrite")[0]] == [0, 1, 0]
    Path("settings.yaml").write_text("overwrite: true\n")
    assert geoships(*command, "--config", "settings.yaml")[0] == 0
    view = ("view", "s.geojson", "--scene", "a.tif")
    assert [geoships(*view)[0], geoships(*view)[0], geoships(*view, "--overwrite")[0]] == [0, 1, 0]
    assert geoships("view", "s.geojson", "--scene", "a.tif", "--out", "s.html", "--overwrite")[0] == 0


def test_labels_and_scenes_are_not_replaced_by_what_is_made_of_them(geoships, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    ship_scene(Path("a.tif"))
    Path("labels").mkdir()
    Path("labels/a.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    Path("s.yaml").write_text("{}")
    Path("run").mkdir()
    Path("run/config.yaml").write_text(CHIPS)
    Path("s.geojson").symlink_to("s.yaml")
    for arguments in (
        ["evaluate", "b", "--scenes", "a.tif", "--labels", "labels", "--out", "o", "--ships", "labels"],
        ["data", "masks", "labels/a.geojson", "--scene", "a.tif", "--out", "a.tif"],
        ["predict", "a.tif", "--out", "s.geojson", "--config", "s.yaml"],
        ["predict", "a.tif", "--out", "labels/a.geojson", "--area", "labels/a.geojson"],
        ["train", "--config", "run/config.yaml", "--out", "run"],
    ):
        code, _, err = geoships(*arguments, "--overwrite")
        assert (code, err.count("\n")) == (1, 1), err
        assert "is the input" in err
    assert not Path("o").exists()


def test_a_bundle_is_not_written_over_itself_or_into_itself(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for out in ("b", "b/verifier", "x/../b"):
        with pytest.raises(OutputError, match="is the input"):
            refuse_bundle(tmp_path / out, [tmp_path / "b"], overwrite=True)
    refuse_bundle(tmp_path / "new", [tmp_path / "b"], overwrite=False)

import json
from pathlib import Path

from damaged_files import zero
from scenes import ship_scene


def test_the_command_says_what_was_left_out_and_exits_with_3(geoships, tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    zero(tmp_path / "scene.tif", (1, 1))
    command = ("predict", tmp_path / "scene.tif", "--mask", tmp_path / "m.tif", "--device", "cpu")
    code, _, err = geoships(*command)
    assert (code, "the window at row" in err) == (1, True)
    code, out, err = geoships(*command, "--on-error", "skip", "--json")
    assert code == 3
    assert [each["row"] for each in json.loads(out)["unread"]] == [64]
    assert "warning: not read, and without data in all outputs: row 64, column 64, 64 x 64 pixels" in err
    assert "error: " in err.splitlines()[-1]
    assert "read in part, without row 64, column 64" in err.splitlines()[-1]

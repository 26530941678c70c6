import json
import sys
from pathlib import Path

import pytest
from geoships_cli.app import main

from geoships.workflows.doctor import examine, geodata, machine, packages
from geoships.workflows.doctor.finding import Diagnosis, Finding


def by_name(findings) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_this_machine_is_fit_to_run_and_says_what_it_has(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["geoships", "doctor", "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    summary = json.loads(capsys.readouterr().out)
    broken = [finding for finding in summary["findings"] if finding["state"] == "broken"]
    assert (end.value.code, summary["ok"], broken) == (0, True, [])
    names = {finding["name"] for finding in summary["findings"]}
    assert {"geoships", "torch", "GDAL of rasterio", "driver GTiff", "a run takes", "CPU", "memory", "cache"} <= names
    assert all(finding["advice"] for finding in summary["findings"] if finding["state"] == "broken")


def test_something_broken_is_told_with_advice_and_code_1(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Diagnosis([Finding("a", "one", "1"), Finding("a", "two", "gone", "broken", "mend it")])
    monkeypatch.setattr(examine, "diagnose", lambda: found)
    monkeypatch.setattr(sys, "argv", ["geoships", "doctor"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "a:",
        "ok      one  1",
        "BROKEN  two  gone",
        "-> mend it",
        "",
        "broken: two; see the lines with BROKEN",
    ]


def test_a_package_that_cannot_be_imported_or_is_too_old_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "NEEDED", {"no_such_module": "no-such", "numpy": "numpy"})
    monkeypatch.setattr(packages, "version", lambda _: "0.1")
    found = by_name(packages.check_packages())
    assert (found["no-such"].state, found["numpy"].state) == ("broken", "broken")
    assert "pip install 'numpy>=" in found["numpy"].advice


def test_a_missing_driver_is_broken_if_a_run_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Env:
        def __enter__(self) -> "Env":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def drivers(self) -> dict[str, str]:
            return {"GTiff": "", "VRT": ""}

    monkeypatch.setattr(geodata, "gdal_env", Env)
    monkeypatch.setattr("pyogrio.list_drivers", lambda: {"GeoJSON": "rw", "GPKG": "r", "KML": "r"})
    found = by_name(geodata.check_geodata())
    states = {name: found[f"driver {name}"].state for name in ("GTiff", "COG", "JP2OpenJPEG", "GPKG", "KML", "GeoJSON")}
    assert states == {
        "GTiff": "ok", "COG": "broken", "JP2OpenJPEG": "note", "GPKG": "broken", "KML": "ok", "GeoJSON": "ok"
    }  # fmt: skip


def test_variables_of_another_installation_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GDAL_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("GDAL_DRIVER_PATH", str(tmp_path))
    found = by_name(geodata.check_geodata())
    assert (found["GDAL_DATA"].state, found["GDAL_DRIVER_PATH"].state) == ("broken", "note")


def test_folders_that_cannot_be_written_to_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    assert by_name(machine.check_memory())["TMPDIR"].state == "broken"
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(machine, "cache_folder", lambda: Path("/proc/geoships"))
    found = by_name(machine.check_memory())
    assert (found["TMPDIR"].state, found["cache"].state) == ("ok", "note")
    assert "XDG_CACHE_HOME" in found["cache"].advice
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1})())
    assert by_name(machine.check_memory())["this folder"].state == "note"


def test_an_engine_or_a_check_that_fails_is_a_finding_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such library\nand more")

    monkeypatch.setattr(machine, "choose_engine", fail)
    monkeypatch.setattr(machine, "check_devices", fail)
    found = by_name(examine.diagnose().findings)
    assert (found["a run takes"].state, found["a run takes"].value) == ("broken", "no such library")
    assert found["devices"].value == "the check failed: no such library"
    assert "memory" in found

"""A file is written completely or not at all."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from pyogrio.errors import DataSourceError

from geoships.errors import OutputError
from geoships.support.files import atomic_write, noted_files, remove_temporaries, write_text
from geoships.support.temporaries import owned_temporaries


def test_the_file_gets_its_name_at_the_end(tmp_path):
    path = tmp_path / "a.gpkg"
    path.write_text("old")
    with atomic_write(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".gpkg"
        assert temporary.name.startswith(".")
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_sidecars_of_the_old_file_are_deleted(tmp_path):
    path = tmp_path / "a.tif"
    for name in ("a.tif", "a.tif.aux.xml", "a.tif.ovr", "a.qml"):
        (tmp_path / name).write_text("old")
    with atomic_write(path) as temporary:
        temporary.write_text("new")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.qml", "a.tif"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_leaves_nothing_after_an_error(tmp_path, error):
    with pytest.raises(error), atomic_write(tmp_path / "a.gpkg") as temporary:
        for ending in ("", "-journal", ".aux.xml", ".ovr"):
            Path(f"{temporary}{ending}").write_text("half")
        raise error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "message"), [(OSError(28, "No space"), "disk is full"), (DataSourceError("bad\nworse"), "bad;")]
)
def test_errors_of_libraries_become_output_errors(tmp_path, error, message):
    with pytest.raises(OutputError, match=message) as caught, atomic_write(tmp_path / "a.gpkg"):
        raise error
    assert "\n" not in str(caught.value)


def test_paths_that_cannot_be_written(tmp_path):
    (tmp_path / "folder.tif").mkdir()
    for path, message in [
        (tmp_path / "missing" / "a.tif", "does not exist; create it"),
        (tmp_path / "folder.tif", "is a folder"),
        (Path("/proc/a.tif"), "choose another"),
    ]:
        with pytest.raises(OutputError, match=message), atomic_write(path):
            pytest.fail("the block must not run")


def test_a_small_text_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, "old")
    write_text(path, "new")
    assert (path.read_text(), list(tmp_path.iterdir())) == ("new", [path])
    with pytest.raises(OutputError, match="no file can be created in this folder"):
        write_text(tmp_path / "none" / "a.json", "new")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert (path.read_text(), list(tmp_path.iterdir())) == ("new", [path])


def test_what_an_owner_left_is_removed_and_nothing_else(tmp_path):
    with owned_temporaries("one"), atomic_write(tmp_path / "a.txt") as left:
        left.write_text("a")
        (tmp_path / "copy").write_text("a")
        beside = tmp_path / f"{left.name}.aux.xml"
        beside.touch()
        (tmp_path / ".geoships-two-1.txt").touch()
        remove_temporaries(tmp_path, "two")
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([left.name, beside.name, "copy"])
        remove_temporaries(tmp_path, "one")
        assert [path.name for path in tmp_path.iterdir()] == ["copy"]
        left.write_text("b")
    assert (tmp_path / "a.txt").read_text() == "b"


def test_writing_files_imports_no_library_of_rasters_or_tables() -> None:
    code = "import sys, geoships.support.files; print({'rasterio', 'pyogrio', 'numpy'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_what_is_written_is_noted_as_it_was_written(tmp_path):
    path, other = tmp_path / "a.gpkg", tmp_path / "b.gpkg"
    with noted_files() as noted, atomic_write(path) as temporary:
        temporary.write_text("ours")
    path.write_text("another's")
    with atomic_write(other) as temporary:
        temporary.write_text("not noted")
    assert {known: print_["sha256"] for known, print_ in noted.items()} == {path: hashlib.sha256(b"ours").hexdigest()}
    assert noted[path]["path"] == str(path)

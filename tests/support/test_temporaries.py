"""What killed processes leave beside outputs is removed by the next, and nothing that may still be written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from geoships.support import temporaries
from geoships.support.files import atomic_write, atomic_writes, write_text
from geoships.support.temporaries import temporary_path

WRITER = """
import sys, time
from pathlib import Path
from geoships.support.files import atomic_write
with atomic_write(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    Path(f"{temporary}-journal").write_text("half")
    temporary.with_name(f"{temporary.stem}-rows.tif").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _each_test_is_a_run():
    temporaries._tidy_once.cache_clear()
    yield
    temporaries._tidy_once.cache_clear()


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def start_writer(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("write", [lambda path: write_text(path, "new"), lambda path: write_with(path)])
def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_there(tmp_path, write):
    process = start_writer(tmp_path / "a.gpkg")
    try:
        write(tmp_path / "b.txt")
        assert len(hidden(tmp_path)) == 3, "it is still being written"
    finally:
        stop(process)
    assert len(hidden(tmp_path)) == 3
    temporaries._tidy_once.cache_clear()  # as in another process
    write(tmp_path / "b.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def write_with(path: Path) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text("new")


def test_what_a_killed_process_left_is_removed_before_it_is_reaped(tmp_path):
    process = start_writer(tmp_path / "a.gpkg")
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and its number is still taken
    write_text(tmp_path / "b.txt", "new")
    process.communicate()
    assert hidden(tmp_path) == []


def test_what_may_belong_to_a_living_process_stays(tmp_path, monkeypatch):
    own = temporary_path(tmp_path, ".tif")
    with monkeypatch.context() as patch:
        patch.setattr(temporaries, "_machine", lambda: "0" * 12)
        elsewhere = temporary_path(tmp_path, ".tif")
    names = [own.name, elsewhere.name, ".geoships-0123456789ab.gpkg", ".geoships-notes.txt", ".gitignore"]
    for name in names:
        (tmp_path / name).touch()
    temporaries.remove_left(tmp_path)
    assert hidden(tmp_path) == sorted(names)


def test_a_number_that_was_given_to_another_process_does_not_count(tmp_path):
    process, begun = os.getpid(), temporaries._begun(os.getpid())
    names = [f".geoships-{temporaries._machine()}-{process}-{begun + change}-{'0' * 12}" for change in (0, 1)]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "part.parquet").touch()
    temporaries.remove_left(tmp_path)
    assert hidden(tmp_path) == names[:1]


def test_an_earlier_output_that_was_moved_aside_stays(tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from geoships.support.files import atomic_writes
folder = Path({str(tmp_path)!r})
def killed(self, target):
    os.kill(os.getpid(), signal.SIGKILL)
with atomic_writes([folder / "a.txt"]) as temporaries:
    temporaries[0].write_text("new")
    Path.replace = killed
"""
    (tmp_path / "a.txt").write_text("old")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "a.txt").exists()
    with atomic_writes([tmp_path / "b.txt"]) as written:
        written[0].write_text("new")
    (left,) = hidden(tmp_path)
    assert (tmp_path / left).read_text() == "old"

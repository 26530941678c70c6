"""Runs over many small scenes that are killed at random and begun again, against one quiet run.

uv run python benchmarks/killed_runs.py                    # 200 scenes, 20 of them bad, 5 kills
uv run python benchmarks/killed_runs.py --scenes 20 --bad 2 --kills 2

Checks that both runs have the same ships and pixels, that each bad scene has its reason, that the exit code is 3, and
that no scene was computed again after it was done.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rasterio

from geoships.cluster.manifest import Manifest
from geoships.datasets.harbour import render_harbour, write_harbour
from geoships.output.read_ships import read_ships

PARTIAL = 3  # exit code where some scenes failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=200, help="number of scenes")
    parser.add_argument("--bad", type=int, default=20, help="how many of them cannot be read")
    parser.add_argument("--kills", type=int, default=5, help="how often the run is killed")
    parser.add_argument("--size", type=int, default=256, help="pixels along a side")
    parser.add_argument("--jobs", type=int, default=2, help="processes of the killed run; the quiet one has one")
    parser.add_argument("--seed", type=int, default=1, help="of the scenes and the moments")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="geoships-") as name:
        folder = Path(name)
        make_scenes(folder / "scenes", arguments)
        print(f"{arguments.scenes} scenes of {arguments.size} x {arguments.size}, {arguments.bad} bad")
        started = time.monotonic()
        quiet = run(folder, "quiet")
        code, seconds = quiet.wait(), time.monotonic() - started
        print(f"one quiet run: exit code {code} after {seconds:.0f} s")
        kills = run_killed(folder, arguments, seconds)
        check(folder, arguments, kills, code)


def make_scenes(folder: Path, arguments: argparse.Namespace) -> None:
    """Write rendered harbours in two folders with the same names, and files that are no scenes."""
    draw = random.Random(arguments.seed)  # noqa: S311 (not for secrets)
    bad = set(draw.sample(range(arguments.scenes), arguments.bad))
    kinds = [render_harbour(seed=seed, size=arguments.size) for seed in range(8)]
    for number in range(arguments.scenes):
        path = folder / f"{'even' if number % 2 == 0 else 'odd'}" / f"{number // 2:04}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number not in bad:
            write_harbour(kinds[number % len(kinds)], path)
        elif number % 3 == 0:
            path.write_text("no raster")
        else:  # a file that was not copied to its end
            write_harbour(kinds[0], path)
            os.truncate(path, path.stat().st_size // 2)


def run(folder: Path, out: str, *options: str) -> subprocess.Popen[bytes]:
    """Begin a run in a session of its own."""
    command = [
        Path(sys.executable).with_name("geoships"), "predict", folder / "scenes", "--out-dir", folder / out,
        "--rasters", "--device", "cpu", "--quiet", *options,
    ]  # fmt: skip
    with (folder / f"{out}.log").open("ab") as log:
        return subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, start_new_session=True)


def run_killed(folder: Path, arguments: argparse.Namespace, seconds: float) -> int:
    """Kill a run at random moments, each after some more scenes were done, and let the last one end; the kills."""
    draw, kills = random.Random(arguments.seed + 1), 0  # noqa: S311 (not for secrets)
    finished: dict[str, str] = {}
    while True:
        process = run(folder, "killed", "--jobs", str(arguments.jobs))
        if kills == arguments.kills:
            code = process.wait()
            print(f"the last of {kills + 1} runs: exit code {code}")
            assert code == PARTIAL, code
            return kills
        goal = len(done(folder)) + draw.uniform(0.2, 1) * arguments.scenes / (arguments.kills + 1)
        while process.poll() is None and len(done(folder)) < goal:
            time.sleep(0.05)
        time.sleep(draw.uniform(0, min(1.0, seconds / arguments.scenes)))
        if process.poll() is None and draw.random() < 0.5:
            os.killpg(process.pid, signal.SIGKILL)  # all processes at once, as a power failure does
        else:
            process.kill()  # the parent alone
        process.wait()
        kills += 1
        now = done(folder)
        again = [place for place, when in finished.items() if now.get(place) != when]
        assert not again, f"computed again after they were done: {again}"
        finished = now
        print(f"killed after {len(finished)} scenes were done")


def done(folder: Path) -> dict[str, str]:
    """When each scene that is done was."""
    records = Manifest(folder / "killed").records()
    return {record.place: record.finished for record in records if record.state == "done"}


def check(folder: Path, arguments: argparse.Namespace, kills: int, code: int) -> None:
    records = list(Manifest(folder / "killed").records())
    states = [record.state for record in records]
    results, reasons = states.count("done"), sum(bool(record.reason) for record in records)
    attempts = sum(record.attempts for record in records)
    rest = [path for path in (folder / "killed").rglob(".geoships-*") if path.is_file()]
    same = contents(folder / "quiet") == contents(folder / "killed")
    print(f"{results} results, {reasons} reasons, {attempts} attempts, {len(rest)} files left over")
    print(f"the same ships and pixels as the quiet run: {'yes' if same else 'NO'}")
    assert same
    assert (code, results, reasons) == (PARTIAL, arguments.scenes - arguments.bad, arguments.bad)
    assert attempts <= arguments.scenes + kills * arguments.jobs
    assert not rest, rest


def contents(out: Path) -> dict[str, str]:
    """Digests of what matters in outputs: geometry and attributes of ships, and pixels of rasters."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.suffix == ".geojson":
            ships = read_ships(path)
            text = ships.drop(columns="geometry").to_csv().encode() + b"".join(ships.geometry.to_wkb())
        elif path.suffix == ".tif":
            with rasterio.open(path) as dataset:
                text = dataset.read().tobytes()
        else:
            continue
        found[path.relative_to(out).as_posix()] = hashlib.sha256(text).hexdigest()
    return found


if __name__ == "__main__":
    main()

"""Startup time of bare Python, `geoships --help`, and `geoships predict` of one scene, to its first tile and in all.

    uv run python benchmarks/startup_time.py SCENE [--engine openvino]

Medians of complete processes that run in turn, and the processor time of each, which other programs on the machine
change less. A first round compiles modules and converts the model; it does not count.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from timed_process import environment

FIRST_TILE = "the first tile is done"  # of the log that --verbose prints


@dataclass(frozen=True)
class Run:
    """Seconds of a process. tile: up to its first tile; None: it has none. cpu: of the processor, in all."""

    total: float
    tile: float | None
    cpu: float


def timed(command: list[str]) -> Run:
    started, tile = time.perf_counter(), None
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(), text=True)
    assert process.stderr
    for line in process.stderr:
        if FIRST_TILE in line:
            tile = time.perf_counter() - started
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}: failed")
    return Run(time.perf_counter() - started, tile, usage.ru_utime + usage.ru_stime)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--engine", default="auto")
    options = parser.parse_args()
    geoships = str(Path(sys.executable).with_name("geoships"))
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "ships.geojson")
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "geoships --help": [geoships, "--help"],
            "python -c 'import geoships.pipeline.predict'": [sys.executable, "-c", "import geoships.pipeline.predict"],
            f"geoships predict {options.scene.name} --views 1 --engine {options.engine}": [
                geoships, "predict", str(options.scene), "--out", out, "--overwrite", "--views", "1", "--verbose",
                "--engine", options.engine,
            ],
        }  # fmt: skip
        rounds = [{name: timed(command) for name, command in commands.items()} for _ in range(1 + options.repeat)]
    print("| command | s to the first tile | s in all | s of the processor |\n| --- | --- | --- | --- |")
    for name in commands:
        runs = [times[name] for times in rounds[1:]]
        tiles = [run.tile for run in runs if run.tile is not None]
        tile = f"{median(tiles):.2f}" if tiles else ""
        print(
            f"| `{name}` | {tile} | {median(run.total for run in runs):.2f} | {median(run.cpu for run in runs):.2f} |"
        )


if __name__ == "__main__":
    main()

"""Startup time of bare Python, `geoships --help`, and `geoships predict` on a small scene.

    uv run python benchmarks/startup_time.py SCENE

Medians of complete processes that run in turn. A first round compiles modules and converts the model; it does not
count.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from timed_process import environment


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    geoships = str(Path(sys.executable).with_name("geoships"))
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "ships.geojson")
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "geoships --help": [geoships, "--help"],
            "python -c 'import geoships.pipeline.predict'": [sys.executable, "-c", "import geoships.pipeline.predict"],
            f"geoships predict {options.scene.name} --views 1": [
                geoships, "predict", str(options.scene), "--out", out, "--overwrite", "--views", "1",
            ],
        }  # fmt: skip
        rounds = [{name: seconds(command) for name, command in commands.items()} for _ in range(1 + options.repeat)]
    bare = median(times["python -c pass"] for times in rounds[1:])
    for name in commands:
        total = median(times[name] for times in rounds[1:])
        print(f"{name}: {total:.2f} s, {total - bare:.2f} s more than bare Python, {total / bare:.1f} times as long")


if __name__ == "__main__":
    main()

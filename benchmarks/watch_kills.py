"""Kills a watch at random moments, and begins it again: does each scene count once, and is each alert sent once?

uv run python benchmarks/watch_kills.py                   # 100 scenes, ten kills
uv run python benchmarks/watch_kills.py --scenes 20 --kills 3
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from scenes import ship_scene
from watch_jobs import make, webhook

from geoships.cluster.manifest import Manifest
from geoships.watch.store import Store

TESTS = Path(__file__).parents[1] / "tests"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 (not for secrets)
    with tempfile.TemporaryDirectory(prefix="geoships-") as name, webhook() as hook:
        folder = Path(name)
        make(folder, hook.url)
        for number in range(options.scenes):
            ship_scene(folder / "scenes" / f"{number:04}.tif", (64, 64), ships=((10, 10, 4, 20), (40, 20, 4, 20)))
        command = [sys.executable, "-c", f"import watch_jobs; watch_jobs.look({name!r})"]
        environment = {**os.environ, "PYTHONPATH": str(TESTS)}
        for number in range(options.kills + 1):
            process = subprocess.Popen(command, env=environment)
            goal = (number + chance.random()) * 2 * options.scenes / (options.kills + 1)
            while number < options.kills and process.poll() is None and len(hook.bodies) < goal:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.2))
            if number < options.kills:
                process.send_signal(signal.SIGKILL)
            process.wait()
            print(f"{'killed' if number < options.kills else 'ended'} after {len(hook.bodies)} messages")
        store = Store(folder / "out")
        attempts = [record.attempts for record in Manifest(folder / "out").records()]
        print(f"scenes: {store.counts()}, begun {sum(attempts)} times; messages: {store.message_counts()}")
        print(f"received: {len(hook.keys)} different messages, {sum(hook.keys.values())} in all")
        store.close()


if __name__ == "__main__":
    main()

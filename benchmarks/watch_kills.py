"""Kills a watch, and the joining of its passes, at random moments, and begins them again.

Does each scene count once, and is each alert sent once?

uv run python benchmarks/watch_kills.py                   # 100 scenes, ten kills of each command
uv run python benchmarks/watch_kills.py --scenes 20 --kills 3
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from scenes import ship_scene
from watch_jobs import Webhook, make, webhook

from geoships.cluster.manifest import Manifest
from geoships.watch.store import Store

TESTS = Path(__file__).parents[1] / "tests"
SHIPS = 2  # of each scene
FIRST = datetime.fromisoformat("2023-01-01T10:54:21")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=100)
    parser.add_argument("--kills", type=int, default=10, help="of each of the two commands")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 (not for secrets)
    with tempfile.TemporaryDirectory(prefix="geoships-") as name:
        folder = Path(name)
        kill_watch(folder, options.scenes, options.kills, chance)
        kill_passes(folder, options.kills, chance)


def kill_watch(folder: Path, scenes: int, kills: int, chance: random.Random) -> None:
    """Watch a folder of scenes, killed after random numbers of messages."""
    with webhook() as hook:
        make(folder, hook.url)
        for number in range(scenes):
            day = FIRST + timedelta(days=number)
            ship_scene(
                folder / "scenes" / f"S2A_MSIL2A_{day:%Y%m%dT%H%M%S}_{number}.tif", (64, 64), ships=ships(number)
            )
        command = [sys.executable, "-c", f"import watch_jobs; watch_jobs.look({str(folder)!r})"]
        for number in range(kills):
            goal = (number + chance.random()) * SHIPS * scenes / (kills + 1)
            killed = kill_at(command, lambda goal=goal: len(hook.bodies) >= goal, chance.uniform(0, 0.2))
            print(f"watch {'killed' if killed else 'ended'} after {len(hook.bodies)} messages")
        run(command)
        report_watch(folder / "out", hook, scenes)


def report_watch(out: Path, hook: Webhook, scenes: int) -> None:
    """Print how often each scene counts, and how often each alert came."""
    store = Store(out)
    records = list(Manifest(out).records())
    once = len({record.scene for record in records}) == len(records) == scenes
    print(f"scenes: {store.counts()}, {'each counted once' if once else 'NOT each counted once'}; ", end="")
    print(f"begun {sum(record.attempts for record in records)} times for {scenes} scenes")
    kinds = Counter(body["type"] for body in {body["key"]: body for body in hook.bodies}.values())
    print(f"alerts by key: {len(hook.keys)} ({dict(kinds)}), noted as {store.message_counts()}")
    repeats = {key: count for key, count in hook.keys.items() if count > 1}
    print(f"received in all: {sum(hook.keys.values())}; repeats of a key: {len(repeats)}", end="")
    print(f" ({', '.join(f'{key} {count} times' for key, count in repeats.items())})" if repeats else "")
    store.close()


def ships(number: int) -> tuple[tuple[int, int, int, int], ...]:
    """Ships of one scene, which lie elsewhere than in the one before."""
    return ((2 + 5 * (number % 5), 10, 4, 20), (36 + 5 * (number % 4), 30, 4, 20))


def kill_passes(folder: Path, kills: int, chance: random.Random) -> None:
    """Join the passes of the scenes, killed at random moments."""
    out = folder / "over-time"
    command = [sys.executable, "-c", "from geoships_cli.app import main; main()", "passes", str(folder / "out")]
    command += ["--out", str(out), "--overwrite", "--quiet"]
    begun = time.monotonic()
    run(command)
    whole = time.monotonic() - begun
    tables = set(out.iterdir())
    real = late = 0
    while real < kills:  # those that come after the end do not count
        end = time.monotonic() + chance.uniform(0, whole)
        if not kill_at(command, lambda end=end: time.monotonic() >= end, 0):
            late += 1
            continue
        real += 1
        rows = pd.read_csv(out / "passes.csv")
        left = len(set(out.iterdir()) - tables)
        print(f"passes killed: {len(rows)} passes, {rows['ships'].sum()} ships; files left over: {left}")
    print(f"passes: {real} kills of a living process, a whole run takes {whole:.1f} s; {late} more came after the end")
    run(command)
    passes, ships = pd.read_csv(out / "passes.csv"), pd.read_parquet(out / "ships.parquet", columns=["scene"])
    left = [path.name for path in set(out.iterdir()) - tables]
    print(f"passes: {len(passes)}, ships: {len(ships)} in {ships['scene'].nunique()} scenes; left over: {left}")


def kill_at(command: list[str], ripe: Callable[[], bool], later: float) -> bool:
    """Run a command, and kill it `later` seconds after it is ripe; returns whether it still ran."""
    process = subprocess.Popen(command, env=environment())
    while process.poll() is None and not ripe():
        time.sleep(0.001)
    time.sleep(later)
    running = process.poll() is None
    process.kill()
    process.wait()
    return running


def run(command: list[str]) -> None:
    """Run a command to its end."""
    subprocess.run(command, env=environment(), check=True)


def environment() -> dict[str, str]:
    """This environment, in which the modules of the tests are found."""
    return {**os.environ, "PYTHONPATH": str(TESTS)}


if __name__ == "__main__":
    main()

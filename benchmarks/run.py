"""geoships beside the pure forward pass of its engines, a script with torchgeo, and other tools.

    uv run python benchmarks/run.py                        # all parts, three times each
    uv run python benchmarks/run.py --only engines,torchgeo --repeat 5 --write
    uv run python benchmarks/run.py --tables --write       # only from what was measured before
    python benchmarks/run.py --gpu                         # on CUDA, with torch, numpy, rasterio and smp alone

Scenes are rendered and the network, a ResNet-18 U-Net, is trained for a few steps on first use. Each job is a process
of its own; the jobs of all parts take turns, so that what else the machine does slows all of them. Results are
kept after every run, and a later call goes on where one ended; `--fresh` forgets those of the chosen parts. Other tools
are installed in environments of their own below the cache folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs import Job

Results = dict[str, list[dict[str, object]]]  # runs by a job's key

HERE = Path(__file__).parent
PACKAGES = (
    "geoships",
    "torch",
    "openvino",
    "onnxruntime",
    "torchgeo",
    "segmentation-models-pytorch",
    "rasterio",
    "numpy",
)
PARTS = ("engines", "torchgeo", "peers", "settings", "memory", "large")
METHOD = (
    "Medians of processes that took turns. Scene to files: read, compute, blend, mask and scores as Cloud Optimized "
    "GeoTIFFs, polygons, GeoJSON; imports and the loading of the model are left out where a tool lets them be told "
    "apart, and are always in the whole process. The forward pass is the engine alone on the scene's own pixels, in "
    "tiles of 512 without overlap. Other tools work in tiles of 512 that overlap by 128, geoships as it chooses. "
    "geoships alone has run on a corner of the scene before its clock starts, so that late imports do not count. "
    "Pixels are compared with geoships in float32, an engine's with its own. More in docs/reference/benchmarks.md."
)
PATIENCE = 10  # times as long as it should take, after which a job is ended
RESULTS = HERE / "RESULTS.md"
PICTURE = HERE.parent / "docs" / "benchmarks.png"


def main() -> None:
    options = _options()
    if options.gpu:
        import gpu

        gpu.main(options.cache, options.size, options.repeat)
        return
    import jobs
    from tables import draw, tables, with_section

    print(f"scenes, network and results are in {options.cache}", flush=True)
    wanted = list(jobs.jobs(options.only, options.cache, options.size, options.large))
    if options.tables:
        results = _load(options.cache)
    else:
        if options.fresh:
            forgotten = {job.key for job in wanted}
            kept = {key: runs for key, runs in _load(options.cache).items() if key not in forgotten}
            _save(options.cache, kept)
        results = _measure(wanted, options.cache, options.repeat)
    commands = {part: _command(part, _runs(part, wanted, results), options) for part in PARTS}
    heading = f"## {_processor()}, {os.cpu_count()} cores"
    section = f"{_versions()}\n\n{tables(wanted, results, options.cache / 'out', commands)}"
    print(f"\n{heading}\n\n{section}")
    if options.write:
        others = "".join(RESULTS.read_text().partition("\n## ")[1:]) if RESULTS.exists() else ""
        RESULTS.write_text(with_section(f"# Benchmarks\n\n{METHOD}\n{others}", heading, section))
        print(f"written: {RESULTS}")
    if options.draw:
        title = f"{options.size:,} x {options.size:,} RGB, ResNet-18 U-Net, {_processor()}"
        draw(PICTURE, wanted, results, options.cache / "out", title)
        print(f"written: {PICTURE}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, of {','.join(PARTS)}")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each job, whose median counts")
    parser.add_argument("--size", type=int, default=4096, help="pixels along a side of the scene")
    parser.add_argument("--large", type=int, default=10_240, help="the same of the large scene")
    parser.add_argument("--cache", type=Path, default=_cache(), help="folder of scenes, network, tools and results")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results of these parts")
    parser.add_argument("--tables", action="store_true", help="measure nothing")
    parser.add_argument("--write", action="store_true", help=f"write these parts as its section of {RESULTS.name}")
    parser.add_argument("--draw", action="store_true", help=f"draw {PICTURE.name}")
    parser.add_argument("--gpu", action="store_true", help="on CUDA, without other tools")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; choose of {', '.join(PARTS)}")
    options.cache = options.cache.expanduser().resolve()
    return options


def _measure(wanted: Sequence[Job], cache: Path, repeat: int) -> Results:
    """Run every job so often, in turns; keeps results after each."""
    from timed import timed

    again = {job.key for job in wanted}  # those of them that failed are tried once more
    results = {
        key: [run for run in runs if key not in again or "error" not in run] for key, runs in _load(cache).items()
    }
    todo = [
        job for number in range(repeat) for job in wanted if not job.fault and len(results.get(job.key, ())) <= number
    ]
    left = sum(_expected(job, results) for job in todo)
    print(f"{len(todo)} runs, about {left / 60:.0f} minutes where nothing else runs", flush=True)
    for number, job in enumerate(todo, 1):
        if _failed(results.get(job.key, ())):
            continue
        folder = cache / "out" / job.key
        folder.mkdir(parents=True, exist_ok=True)
        command = (*job.command, "--out", folder) if job.kind == "scene" else job.command
        expected = _expected(job, results)
        found = timed(command, limit=60 + PATIENCE * expected, folder=cache)
        results.setdefault(job.key, []).append({**found, "when": time.strftime("%Y-%m-%d %H:%M:%S")})
        _save(cache, results)
        left -= expected
        said = found.get("error") or f"{found['work']:.1f} s of work, {found['seconds']:.1f} s in all"
        print(
            f"{number:3} of {len(todo)}: {job.title}, {job.size}: {said}; {max(0, left) / 60:.0f} min left", flush=True
        )
    return results


def _runs(part: str, wanted: Sequence[Job], results: Results) -> int:
    """How often the jobs of a part ran."""
    return max((len(results.get(job.key, ())) for job in wanted if job.part == part), default=0)


def _expected(job: Job, results: Results) -> float:
    """Seconds that a job took before, or should take."""
    known = [float(run["seconds"]) for run in results.get(job.key, ()) if "seconds" in run]  # type: ignore[arg-type]
    return max(known) if known else job.seconds


def _failed(runs: Sequence[dict[str, object]]) -> bool:
    return any("error" in run for run in runs)


def _load(cache: Path) -> Results:
    path = cache / "results.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _save(cache: Path, results: Results) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    partial = cache / "results.json.partial"
    partial.write_text(json.dumps(results, indent=1))
    partial.replace(cache / "results.json")


def _command(part: str, runs: int, options: argparse.Namespace) -> str:
    size = f" --large {options.large}" if part == "large" else f" --size {options.size}"
    return f"uv run python benchmarks/run.py --only {part} --repeat {runs}{'' if part == 'memory' else size}"


def _versions() -> str:
    packages = ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name)))
    return f"{platform.system()}, Python {platform.python_version()}; {packages}."


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(reversed([tuple(map(str.strip, line.split(":", 1))) for line in lines if ":" in line]))
    known = {"avx512_bf16": "AVX-512 bf16", "amx_bf16": "AMX bf16", "avx512_vnni": "VNNI"}
    able = [title for flag, title in known.items() if flag in facts.get("flags", "").split()]
    return " with ".join(filter(None, (facts.get("model name", platform.machine()), ", ".join(able))))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cache() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "geoships-benchmarks"


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted; a later call goes on from here")
    except subprocess.SubprocessError as error:
        sys.exit(str(error))

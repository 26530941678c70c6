"""Speed and memory of geoships, of its engines' forward pass, of a script with torchgeo, and of other tools.

    uv run python benchmarks/run.py                        # all parts, three runs of each job
    uv run python benchmarks/run.py --only engines,torchgeo --repeat 5 --write
    uv run python benchmarks/run.py --tables --write       # tables of earlier results only
    python benchmarks/run.py --gpu                         # on CUDA, needs only torch, numpy, rasterio and smp

On first use scenes are rendered, and the network, a ResNet-18 U-Net, is trained for a few steps. Each job is a separate
process; the jobs of all parts run in turn, so that other load on the machine slows all of them. Results are saved after
every run, and a later call continues from them; `--fresh` deletes those of the chosen parts. Other tools are installed
in virtual environments in the cache folder.
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
    from benchmark_jobs import Job

Results = dict[str, list[dict[str, object]]]  # results of the runs, by the job's key

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
PARTS = ("engines", "torchgeo", "peers", "settings", "memory", "large", "default")
METHOD = (
    "Medians of processes that took turns. Scene to files: read, compute, blend, mask and scores as Cloud Optimized "
    "GeoTIFFs, polygons, GeoJSON; imports and the loading of the model are left out where a tool lets them be told "
    "apart, and are always in the whole process. The forward pass is the engine alone on the scene's own pixels, in "
    "tiles of 512 without overlap. Other tools work in tiles of 512 that overlap by 128, geoships as it chooses. "
    "geoships alone has run on a corner of the scene before its clock starts, so that late imports do not count. "
    "Pixels are compared with geoships in float32, an engine's with its own. More in docs/reference/benchmarks.md."
)
TIMEOUT_FACTOR = 10  # a job is killed after this many times its expected duration
RESULTS = HERE / "RESULTS.md"
HISTORY = HERE / "history.csv"
CHART = HERE.parent / "docs" / "benchmarks.png"


def main() -> None:
    options = _options()
    if options.gpu:
        import gpu

        gpu.main(options.cache, options.size, options.repeat)
        return
    import benchmark_jobs
    from history import remember
    from result_tables import draw, tables, with_section

    print(f"cache folder of scenes, network and results: {options.cache}", flush=True)
    jobs = list(benchmark_jobs.list_jobs(options.only, options.cache, options.size, options.large))
    if options.tables:
        results = _load(options.cache)
    else:
        if options.fresh:
            deleted = {job.key for job in jobs}
            _save(options.cache, {key: runs for key, runs in _load(options.cache).items() if key not in deleted})
        results = _measure(jobs, options.cache, options.repeat)
    commands = {part: _command(part, _runs(part, jobs, results), options) for part in PARTS}
    heading = f"## {_cpu_name()}, {os.cpu_count()} cores"
    section = f"{_versions()}\n\n{tables(jobs, results, options.cache / 'out', commands)}"
    print(f"\n{heading}\n\n{section}")
    if options.write:
        others = "".join(RESULTS.read_text().partition("\n## ")[1:]) if RESULTS.exists() else ""
        RESULTS.write_text(with_section(f"# Benchmarks\n\n{METHOD}\n{others}", heading, section))
        print(f"written: {RESULTS}")
        for text in remember(HISTORY, _speeds(jobs, results, options.cache)):
            print(f"slower than before: {text}")
    if options.draw:
        title = f"{options.size:,} x {options.size:,} RGB, ResNet-18 U-Net, {_cpu_name()}"
        draw(CHART, jobs, results, options.cache / "out", title)
        print(f"written: {CHART}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts to run, comma-separated: {','.join(PARTS)}")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each job; the median counts")
    parser.add_argument("--size", type=int, default=4096, help="pixels per side of the scene")
    parser.add_argument("--large", type=int, default=10_240, help="pixels per side of the large scene")
    parser.add_argument(
        "--cache", type=Path, default=_cache(), help="cache folder of scenes, network, tools and results"
    )
    parser.add_argument("--fresh", action="store_true", help="delete earlier results of these parts")
    parser.add_argument("--tables", action="store_true", help="only make tables of earlier results")
    parser.add_argument(
        "--write", action="store_true", help=f"write these parts to this machine's section of {RESULTS.name}"
    )
    parser.add_argument("--draw", action="store_true", help=f"draw {CHART.name}")
    parser.add_argument("--gpu", action="store_true", help="measure on CUDA, without other tools")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    options.cache = options.cache.expanduser().resolve()
    return options


def _measure(jobs: Sequence[Job], cache: Path, repeat: int) -> Results:
    """Run every job `repeat` times, in turn, and save the results after each run."""
    from timed_process import run_timed

    retried = {job.key for job in jobs}  # their failed runs are repeated
    results = {
        key: [run for run in runs if key not in retried or "error" not in run] for key, runs in _load(cache).items()
    }
    todo = [
        job for number in range(repeat) for job in jobs if not job.fault and len(results.get(job.key, ())) <= number
    ]
    left = sum(_expected(job, results) for job in todo)
    print(f"{len(todo)} runs, about {left / 60:.0f} minutes on an idle machine", flush=True)
    for number, job in enumerate(todo, 1):
        if _failed(results.get(job.key, ())):
            continue
        folder = cache / "out" / job.key
        folder.mkdir(parents=True, exist_ok=True)
        command = (*job.command, "--out", folder) if job.kind == "scene" else job.command
        expected = _expected(job, results)
        result = run_timed(command, limit=60 + TIMEOUT_FACTOR * expected, folder=cache)
        results.setdefault(job.key, []).append({**result, "when": time.strftime("%Y-%m-%d %H:%M:%S")})
        _save(cache, results)
        left -= expected
        message = result.get("error") or f"{result['work']:.1f} s of work, {result['seconds']:.1f} s in all"
        print(
            f"{number:3} of {len(todo)}: {job.title}, {job.size}: {message}; {max(0, left) / 60:.0f} min left",
            flush=True,
        )
    return results


def _speeds(jobs: Sequence[Job], results: Results, cache: Path) -> list[dict[str, str]]:
    """The jobs' speeds as rows of the history."""
    from result_tables import Figures

    figures, day = Figures(results, cache / "out"), time.strftime("%Y-%m-%d")
    fixed = {"date": day, "version": str(_version("geoships")), "cpu": f"{_cpu_name()}, {os.cpu_count()} cores"}
    found = ((job, figures.speed(job)) for job in jobs if job.kind != "memory")
    return [{**fixed, "job": job.key, "mpix_per_second": f"{speed:.3f}"} for job, speed in found if speed is not None]


def _runs(part: str, jobs: Sequence[Job], results: Results) -> int:
    """Number of runs of a part's jobs."""
    return max((len(results.get(job.key, ())) for job in jobs if job.part == part), default=0)


def _expected(job: Job, results: Results) -> float:
    """Expected seconds of a job, from earlier runs if there are any."""
    earlier = [float(run["seconds"]) for run in results.get(job.key, ()) if "seconds" in run]  # type: ignore[arg-type]
    return max(earlier) if earlier else job.seconds


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
    size += f" --large {options.large}" if part == "default" else ""
    return f"uv run python benchmarks/run.py --only {part} --repeat {runs}{'' if part == 'memory' else size}"


def _versions() -> str:
    packages = ", ".join(f"{name} {number}" for name in PACKAGES if (number := _version(name)))
    return f"{platform.system()}, Python {platform.python_version()}; {packages}."


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(reversed([tuple(map(str.strip, line.split(":", 1))) for line in lines if ":" in line]))
    features = {"avx512_bf16": "AVX-512 bf16", "amx_bf16": "AMX bf16", "avx512_vnni": "VNNI"}
    flags = facts.get("flags", "").split()
    supported = [title for flag, title in features.items() if flag in flags]
    if "avx2" in flags and "avx512f" not in flags:
        supported.append("AVX2")
    return " with ".join(filter(None, (facts.get("model name", platform.machine()), ", ".join(supported))))


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
        sys.exit("interrupted; a later call continues from here")
    except subprocess.SubprocessError as error:
        sys.exit(str(error))

"""Results of the benchmarks as Markdown tables and as a chart."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import rasterio
from benchmark_jobs import Job

Run = Mapping[str, object]
Results = Mapping[str, Sequence[Run]]
NONE = "-"
TITLES = {
    "engines": "Engines",
    "torchgeo": "A script with torchgeo",
    "peers": "Other tools",
    "settings": "OpenVINO in bf16, by tiles at a time and their greatest size",
    "memory": "Memory",
    "large": "A large scene",
    "default": "The installed model",
}


class Figures:
    """Medians over the runs of each job.

    Args:
        results: Results of the runs, by the job's key.
        out: Folder of the outputs, in folders by the job's key.
    """

    def __init__(self, results: Results, out: Path) -> None:
        self.results, self.out = results, out

    def median(self, key: str, name: str) -> float | None:
        """Median of a value over a job's runs; None if no run reported it."""
        values = [float(run[name]) for run in self.results.get(key, ()) if name in run]  # type: ignore[arg-type]
        return statistics.median(values) if values else None

    def fault(self, job: Job) -> str:
        """Why a job has no results."""
        errors = [str(run["error"]) for run in self.results.get(job.key, ()) if "error" in run]
        return job.fault or (errors[-1].rpartition(" | ")[2] if errors else "not run")

    def work(self, key: str, size: int) -> float | None:
        """Seconds from scene to files, or of the forward pass, scaled to all pixels of the scene."""
        seconds, pixels = self.median(key, "work"), self.median(key, "pixels")
        return seconds * size**2 / pixels if seconds and pixels else seconds

    def speed(self, job: Job) -> float | None:
        """Megapixels of the scene per second."""
        seconds = self.work(job.key, job.size)
        return job.size**2 / 1e6 / seconds if seconds else None

    def ratio(self, key: str, other: str, size: int) -> float | None:
        """Ratio of the first job's time to the other's."""
        first, second = self.work(key, size), self.work(other, size)
        return first / second if first and second else None

    def times(self, key: str, other: str, size: int) -> str:
        """Ratio of two jobs' medians; in brackets the smallest and largest ratio if they ran in turn."""
        first, second = ([run for run in self.results.get(name, ()) if "work" in run] for name in (key, other))
        turns = zip(first, second, strict=True) if len(first) == len(second) > 1 else ()
        ratios = [Figures({key: [one], other: [two]}, self.out).ratio(key, other, size) or 0 for one, two in turns]
        spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else ""
        return _number(self.ratio(key, other, size)) + spread

    def flips(self, job: Job) -> float | None:
        """Mask pixels per 10,000 that differ from the job in float32 that it is compared with."""
        paths = [self.out / key / "mask.tif" for key in (job.key, job.exact)]
        if not job.exact or not all(path.exists() for path in paths):
            return None
        masks = []
        for path in paths:
            with rasterio.open(path) as dataset:
                masks.append(dataset.read(1) == 1)
        return float((masks[0] != masks[1]).mean() * 1e4) if masks[0].shape == masks[1].shape else None


def tables(jobs: Sequence[Job], results: Results, out: Path, commands: Mapping[str, str]) -> str:
    """All tables of some jobs, each below the command that made it; none for a part that was not run."""
    figures = Figures(results, out)
    makers: dict[str, Callable[[list[Job], Figures], str]] = {
        "engines": _engines, "large": _engines, "settings": _engines, "torchgeo": _others, "peers": _others,
        "memory": _memory, "default": _installed,
    }  # fmt: skip
    texts = []
    for part in dict.fromkeys(job.part for job in jobs):
        own = [job for job in jobs if job.part == part]
        if not any(results.get(job.key) or job.fault for job in own):
            continue
        scene = "" if part in ("memory", "default") else f", {own[0].size:,} x {own[0].size:,} RGB"
        texts.append(f"### {TITLES[part]}{scene}\n\n`{commands[part]}`\n\n{makers[part](own, figures)}")
    return "\n\n".join(texts)


def with_section(text: str, heading: str, section: str) -> str:
    """A Markdown text with the section below a second-level heading replaced, or added at the end."""
    first, *others = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    new = f"{heading}\n\n{section}\n\n"
    if not any(other.startswith(f"{heading}\n") for other in others):
        others.append(new)
    parts = (first, *(new if other.startswith(f"{heading}\n") else other for other in others))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _engines(jobs: list[Job], figures: Figures) -> str:
    head = ("engine", "forward pass Mpix/s", "scene to files Mpix/s", "times the forward pass", "of 10,000 pixels flip",
            "ships", "memory GiB", "whole process s")  # fmt: skip
    rows, by_key = [], {job.key: job for job in jobs}
    for job in jobs:
        if job.kind != "scene":
            continue
        own = by_key.get(job.key.replace("scene", "forward", 1))
        if figures.speed(job) is None:
            rows.append((job.title.removeprefix("geoships, "), NONE, figures.fault(job)))
            continue
        rows.append((
            job.title.removeprefix("geoships, "), _number(own and figures.speed(own)), _number(figures.speed(job)),
            figures.times(job.key, job.forward, job.size), _number(figures.flips(job)),
            _number(figures.median(job.key, "ships"), 0), _gib(figures.median(job.key, "memory")),
            _number(figures.median(job.key, "seconds"), 1),
        ))  # fmt: skip
    return _table(head, rows)


def _others(jobs: list[Job], figures: Figures) -> str:
    head = ("tool", "Mpix/s", "geoships in fp32 is so many times as fast", "in bf16", "in int8",
            "of 10,000 pixels otherwise", "ships", "memory GiB", "whole process s")  # fmt: skip
    rows: list[Sequence[str]] = []
    for job in jobs:
        if figures.speed(job) is None:
            rows.append((job.title, NONE, figures.fault(job)))
            continue
        times = [
            figures.times(job.key, f"scene-openvino-{precision}-{job.size}", job.size)
            for precision in ("fp32", "bf16", "int8")
        ]
        rows.append((
            job.title, _number(figures.speed(job)), *times, _number(figures.flips(job)),
            _number(figures.median(job.key, "ships"), 0), _gib(figures.median(job.key, "memory")),
            _number(figures.median(job.key, "seconds"), 1),
        ))  # fmt: skip
    return _table(head, rows)


def _installed(jobs: list[Job], figures: Figures) -> str:
    head = ("scene, tool", "pixels per side", "Mpix/s", "geoships is so many times as fast",
            "of 10,000 pixels otherwise", "ships", "memory GiB", "installation", "whole process s")  # fmt: skip
    rows: list[Sequence[str]] = []
    for job in jobs:
        if figures.speed(job) is None:
            rows.append((job.title, f"{job.size:,}", NONE, figures.fault(job)))
            continue
        rows.append((
            job.title, f"{job.size:,}", _number(figures.speed(job)),
            figures.times(job.key, job.exact, job.size) if job.exact else NONE, _number(figures.flips(job)),
            _number(figures.median(job.key, "ships"), 0), _gib(figures.median(job.key, "memory")), job.install or NONE,
            _number(figures.median(job.key, "seconds"), 1),
        ))  # fmt: skip
    return _table(head, rows)


def _memory(jobs: list[Job], figures: Figures) -> str:
    rows = [
        (job.title, *(_gib(figures.median(job.key, name)) for name in ("before", "peak", "more")))
        if figures.median(job.key, "peak")
        else (job.title, NONE, figures.fault(job))
        for job in jobs
    ]
    return _table(("scene", "GiB with the model loaded", "GiB at the peak", "GiB more"), rows)


def draw(path: Path, jobs: Iterable[Job], results: Results, out: Path, title: str) -> None:
    """Draw a bar chart of all tools: megapixels per second, from scene to files."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figures = Figures(results, out)
    drawn = [
        job
        for job in jobs
        if job.kind == "scene" and job.part in ("engines", "torchgeo", "peers") and figures.speed(job)
    ]
    drawn.sort(key=lambda job: figures.speed(job) or 0)
    speeds = [figures.speed(job) or 0 for job in drawn]
    colours = ["#1f6f8b" if job.title.startswith("geoships") else "#b0b7bc" for job in drawn]
    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.36 * len(drawn)), layout="constrained")
    bars = axes.barh([job.title for job in drawn], speeds, color=colours)
    axes.bar_label(bars, [f"{speed:.2f}" for speed in speeds], padding=4)
    axes.set_xlabel("Mpix/s from scene to files")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([*row, *[""] * (len(head) - len(row))] for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _number(value: float | None, digits: int = 2) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _gib(value: float | None) -> str:
    return NONE if value is None else f"{value / 2**30:.2f}"

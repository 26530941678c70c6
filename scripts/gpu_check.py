"""Check a GPU in one call: ships as on the CPU, speed and where the time goes, a minute of training, memory.

    uv run python scripts/gpu_check.py
    uv run python scripts/gpu_check.py crop1.tif crop2.tif crop3.tif --out gpu-check.md

Without scenes, three rendered harbours are used. Without a GPU all of it runs on the CPU, and the report says so. It
takes at most about 6 minutes, and exits with 1 if the ships differ by more than the tolerance.

Of geoships it takes what `predict` and `train` take: PyTorch, and of requirements/lean.txt all but OpenVINO; for the
training also segmentation-models-pytorch, timm, lightning and pyogrio. The share of the peak is that of what a large
product of matrices reaches on the same device in the same precision.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import torch
from numpy.typing import NDArray
from shapely.affinity import affine_transform
from torch.utils.flop_counter import FlopCounterMode

from geoships import PredictConfig, ScoredPrediction, load_bundle, predict
from geoships.config.segmentation import TrainConfig
from geoships.datasets.harbour import render_harbour, write_harbour
from geoships.errors import GeoshipsError
from geoships.metrics.comparison import compare
from geoships.model.bundle import Bundle
from geoships.model.engines.base import Engine, Scores, run
from geoships.model.engines.choose import Precision
from geoships.model.engines.device import Device, choose_device, has_fast_bf16, torch_device
from geoships.model.engines.scoring import Scoring
from geoships.model.engines.sessions import has_openvino
from geoships.model.inputs import prepare_samples
from geoships.output.stitch import Stitcher
from geoships.pipeline.scene_run import SceneRun, open_run
from geoships.scene.streaming import stream_tiles
from geoships.scene.tiles import Sample
from geoships.scene.tiling.resample import resample
from geoships.scene.tiling.windows import Window

SEEDS = (7, 8, 9)  # of the rendered harbours
TILE = 1024  # largest tile of the comparison, so that all devices cut a scene into the same tiles
IOU = 0.9  # of two outlines of the same ship
# Largest difference of 9 of 10 pixels of ships, and least share of ships with the same outline. In fp32 a GPU
# multiplies in TensorFloat-32, whose numbers have 10 bits after the point; those of bfloat16 have 7.
TOLERANCES = {"fp32": (0.02, 0.99), "bf16": (0.1, 0.95)}


@dataclass(frozen=True)
class Compared:
    """A scene as two engines see it.

    scene, engine: what was compared. pixels: of ships in either. difference: that 9 of 10 of them stay below.
    turned: pixels on the other side of the threshold. expected, found: ships. same: found with an IoU of 0.9 or more.
    """

    scene: str
    engine: str
    pixels: int
    difference: float
    turned: int
    expected: int
    found: int
    same: int
    agrees: bool

    def row(self) -> tuple[object, ...]:
        """Its row of the table."""
        return (
            self.scene, self.engine, f"{self.pixels:,}", f"{self.difference:.4f}", self.turned,
            f"{self.same} of {self.expected}", self.found, "yes" if self.agrees else "NO",
        )  # fmt: skip


@dataclass(frozen=True)
class Speeds:
    """What an engine reaches on one scene.

    precision: of the network. stages: megapixels of the scene a second of each stage alone. together: of all of them,
    overlapped. reached, peak: operations a second of the network, and of a large product of matrices.
    memory: GiB at the peak.
    """

    precision: str
    stages: dict[str, float]
    together: float
    reached: float
    peak: float
    memory: float

    def row(self) -> tuple[object, ...]:
        """Its row of the table."""
        speeds = (f"{speed:.1f}" for speed in (*self.stages.values(), self.together))
        share, tera = f"{self.reached / self.peak:.0%}", f"{self.reached / 1e12:.2f} of {self.peak / 1e12:.2f}"
        return self.precision, *speeds, tera, share, f"{self.memory:.2f}"


def main() -> None:
    options = _options()
    started = time.monotonic()
    lines: list[str] = []

    def say(text: str = "") -> None:
        lines.append(text)
        print(text, flush=True)

    device, bundle = choose_device(options.device), load_bundle(options.model)
    for text in _heading(device):
        say(text)
    with tempfile.TemporaryDirectory() as folder:
        scenes = options.scenes or list(_rendered(Path(folder), options.size))
        compared = [found for scene in scenes for found in _compare(scene, bundle, device)]
        say("\n## The same ships as PyTorch in float32 on the CPU\n")
        head = ("scene", "engine", "pixels of ships", "90 % below", "change sides", "ships", "found", "agrees")
        for text in _table(head, [found.row() for found in compared]):
            say(text)
        say("\n## Speed\n")
        for text in _speed_table(scenes[0], bundle, device, options.seconds):
            say(text)
        if options.train_seconds:
            say("\n## Training\n")
            say(_train(Path(folder), device, options.train_seconds, options.size))
    say(f"\n{time.monotonic() - started:.0f} s in all.")
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")
    if not all(found.agrees for found in compared):
        sys.exit("the ships differ by more than the tolerance: see the rows with NO")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="*", type=Path, help="scenes of a few megapixels; default: rendered harbours")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--model", help="name or path of a bundle")
    parser.add_argument("--size", type=int, default=1024, help="pixels per side of a rendered harbour")
    parser.add_argument("--seconds", type=float, default=3.0, help="for which each stage is repeated")
    parser.add_argument("--train-seconds", type=float, default=60.0, help="of training; 0: none")
    parser.add_argument("--out", type=Path, help="Markdown file of the report")
    return parser.parse_args()


def _heading(device: Device) -> Iterator[str]:
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(torch_device(device))
        name = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    else:
        name = "NO GPU FOUND: all of this ran on the CPU, with the same code"
    yield f"# GPU check: {name}\n"
    yield (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"CUDA {torch.version.cuda if device.type == 'cuda' else 'not used'}."
    )


def _rendered(folder: Path, size: int) -> Iterator[Path]:
    for seed in SEEDS:
        path = folder / f"harbour-{seed}.tif"
        write_harbour(render_harbour(seed, size), path)
        yield path


def _precisions(device: Device) -> list[Precision]:
    return ["fp32", "bf16"] if has_fast_bf16(device) else ["fp32"]


def _compare(scene: Path, bundle: Bundle, device: Device) -> Iterator[Compared]:
    """Compare the scores and ships of a scene with those of PyTorch in float32 on the CPU."""

    def result(**engine: str) -> ScoredPrediction[NDArray[np.float32], NDArray[np.uint8]]:
        config = PredictConfig.model_validate(
            {"tile_size": TILE, "views": 1, "verify": False, "screen": False, **engine}
        )
        return predict(scene, config=config, model=bundle, return_scores="array")

    expected = result(device="cpu", engine="torch", precision="fp32")
    precisions = _precisions(device)
    engines = [("torch", precision) for precision in precisions]
    if device.type == "cpu" and has_openvino():  # the first engine was compared with itself
        engines = [*engines[1:], *(("openvino", precision) for precision in precisions)]
    for name, precision in engines:
        found = result(device=str(device), engine=name, precision=precision)
        yield _compared(f"{name}, {precision}, {device}", precision, expected, found)


def _compared(
    engine: str,
    precision: str,
    expected: ScoredPrediction[NDArray[np.float32], NDArray[np.uint8]],
    found: ScoredPrediction[NDArray[np.float32], NDArray[np.uint8]],
) -> Compared:
    one, other = (np.nan_to_num(run.scores) for run in (expected, found))
    ships = np.maximum(one, other) >= expected.threshold
    difference = float(np.quantile(np.abs(one - other)[ships], 0.9)) if ships.any() else 0.0
    outlines = [list(run.ships.geometry) for run in (found, expected)]
    same = compare(outlines[0], outlines[1]).one_to_one(IOU).matched_labels
    most, least = TOLERANCES[precision]
    enough = same >= least * max(map(len, outlines))
    return Compared(
        Path(expected.scene).name, engine, int(ships.sum()), difference,
        int(((one >= expected.threshold) != (other >= expected.threshold)).sum()),
        len(outlines[1]), len(outlines[0]), same, difference <= most and enough,
    )  # fmt: skip


def _speed_table(scene: Path, bundle: Bundle, device: Device, seconds: float) -> Iterator[str]:
    found = [_speeds(scene, bundle, device, precision, seconds) for precision in _precisions(device)]
    yield f"Megapixels of the scene a second, of {scene.name} from memory; each stage alone, then all, overlapped.\n"
    head = ("precision", *found[0].stages, "all", "TFLOP/s in compute", "share of the peak", "memory, GiB")
    yield from _table(head, [each.row() for each in found])


def _speeds(scene: Path, bundle: Bundle, device: Device, precision: Precision, seconds: float) -> Speeds:
    """Time the stages of a scene whose tiles are in memory."""
    config = PredictConfig(device=str(device), engine="torch", precision=precision, views=1, verify=False)
    with open_run(scene, config=config, model=bundle) as opened:
        samples = list(_samples(opened))
        engine = opened.engine.open(bundle, batch_size=opened.plan.batch_size)
        _reset_memory(device)
        stages = _stages(opened, samples, precision, seconds)
        together = _rate(opened, lambda: _all(opened, engine, samples), seconds)
    operations = _operations(bundle, samples[0]["image"]) * sum(sample["image"][0].size for sample in samples)
    reached = operations * stages["compute"] / (_scene_pixels(opened) / 1e6)
    return Speeds(precision, stages, together, reached, _peak(device, precision, seconds), _memory(device))


def _samples(opened: SceneRun) -> Iterator[Sample]:
    """All tiles of a scene with data, as the network takes them."""
    plan, scene = opened.plan, opened.scene
    with closing(stream_tiles(scene, plan.tiles, plan.ratios)) as stream:
        yield from prepare_samples(stream, opened.bundle.card, scene.wanted, south_up=plan.south_up)


def _stages(opened: SceneRun, samples: Sequence[Sample], precision: Precision, seconds: float) -> dict[str, float]:
    """Megapixels of the scene per second of each stage alone."""
    device, size = opened.engine.device, opened.plan.batch_size
    where = torch_device(device)
    network = Scoring(opened.bundle).to(where).to(memory_format=torch.channels_last)
    images = [
        torch.from_numpy(np.stack([sample["image"] for sample in samples[start : start + size]]))
        for start in range(0, len(samples), size)
    ]
    pinned = [batch.pin_memory() if device.type == "cuda" else batch for batch in images]

    def upload() -> list[torch.Tensor]:
        return [batch.to(where, non_blocking=True, copy=True) for batch in pinned]

    @torch.inference_mode()
    def compute() -> list[torch.Tensor]:
        with torch.autocast(where.type, torch.bfloat16, enabled=precision == "bf16"):
            return [network(batch.contiguous(memory_format=torch.channels_last)) for batch in uploaded]

    def download() -> list[Scores]:
        return [batch.cpu().clone().numpy() for batch in scored]

    def blend() -> None:
        _blend(opened, zip(samples, (scores for batch in downloaded for scores in batch), strict=True))

    uploaded = upload()
    scored = compute()
    downloaded = download()
    jobs: dict[str, Callable[[], object]] = {
        "upload": upload, "compute": compute, "download": download, "blend": blend,
    }  # fmt: skip
    return {name: _rate(opened, job, seconds) for name, job in jobs.items()}


def _all(opened: SceneRun, engine: Engine, samples: Sequence[Sample]) -> None:
    _blend(opened, run(engine, (dict(sample) for sample in samples)))


def _blend(opened: SceneRun, scored: Iterable[tuple[Sample, Scores]]) -> None:
    """Bring scores to the scene's pixels, and blend the tiles."""
    plan, stitcher = opened.plan, Stitcher(*opened.scene.window.shape)
    for sample, scores in scored:
        window = Window(*sample["window"].tolist())
        down, across = plan.tiles.weights(plan.tile_at(window))
        for _ in stitcher.add(window, resample(scores, window.shape), sample["valid"], down[:, None] * across):
            pass
    for _ in stitcher.finish():
        pass


def _rate(opened: SceneRun, job: Callable[[], object], seconds: float) -> float:
    """Megapixels of the scene per second of a job, which is repeated for some seconds after a first time."""
    job()
    _wait(opened.engine.device)
    started, times = time.perf_counter(), 0
    while not times or time.perf_counter() - started < seconds:
        job()
        _wait(opened.engine.device)
        times += 1
    return times * _scene_pixels(opened) / 1e6 / (time.perf_counter() - started)


def _scene_pixels(opened: SceneRun) -> int:
    return opened.georeference.height * opened.georeference.width


def _wait(device: Device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(torch_device(device))


def _operations(bundle: Bundle, image: NDArray[np.float32]) -> float:
    """Floating-point operations of the network per pixel of its input; a multiplication and an addition are two."""
    side = 4 * bundle.card.step
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        bundle.network()(torch.zeros(1, len(image), side, side))
    return float(counter.get_total_flops()) / side**2


def _peak(device: Device, precision: Precision, seconds: float) -> float:
    """Floating-point operations per second of a product of matrices, as the network's convolutions compute it."""
    side = 8192 if device.type == "cuda" else 1024
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    one, other = (torch.randn(side, side, device=torch_device(device), dtype=kind) for _ in range(2))
    times, started = -3, time.perf_counter()
    while times < 1 or time.perf_counter() - started < min(seconds, 1):
        if not times:
            _wait(device)
            started = time.perf_counter()
        torch.matmul(one, other)
        times += 1
        if times % 8 == 0:
            _wait(device)
    _wait(device)
    elapsed = time.perf_counter() - started
    torch.backends.cuda.matmul.allow_tf32 = before
    return 2 * side**3 * times / elapsed


def _reset_memory(device: Device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(torch_device(device))


def _memory(device: Device) -> float:
    """GiB at the peak: of the GPU since the last reset, or of this process since its start."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(torch_device(device)) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _train(folder: Path, device: Device, seconds: float, size: int) -> str:
    """Train on two rendered harbours from random weights, and say how fast that was."""
    from geoships.training.segmentation.fit import fit  # its packages are not needed for the rest

    for name, seed in (("east", SEEDS[0]), ("west", SEEDS[1])):
        harbour = render_harbour(seed, size)
        write_harbour(harbour, folder / f"{name}.tif")
        placed = [affine_transform(ship, harbour.transform.to_shapely()) for ship in harbour.ships]
        geopandas.GeoDataFrame(geometry=placed, crs=harbour.crs).to_file(folder / f"{name}.geojson")
    settings = {
        "name": "gpu-check",
        "data": {
            "root": folder, "scenes": ["east.tif", "west.tif"], "labels": ".",
            "bands": ["blue", "green", "red", "nir", "swir16"], "validation": {"share": 0.2, "block": 128},
        },
        "crops": {"size": 192},
        "run": {
            "hours": seconds / 3600, "device": device.type, "devices": 1, "tracker": "csv", "pictures": 0,
            "validate_every": 10**9, "batch_size": 16,
        },
        "bundle": {"halo": 160},
    }  # fmt: skip
    _reset_memory(device)
    started = time.monotonic()
    trained = fit(TrainConfig.model_validate(settings), folder / "run", quiet=True)
    crops = int(trained.amount.split()[0].replace(",", ""))
    return (
        f"{crops:,} crops of 192 x 192 in {seconds:.0f} s, {crops / seconds:.1f} a second "
        f"({time.monotonic() - started:.0f} s with loading and writing); IoU of pixels on held-out blocks "
        f"{trained.validation.get('val_iou', float('nan')):.2f}; {_memory(device):.2f} GiB at the peak."
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(map(str, row))} |"


if __name__ == "__main__":
    try:
        main()
    except GeoshipsError as error:
        sys.exit(str(error))

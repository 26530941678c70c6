"""What is timed: one process each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import material
from peers import PEERS, environment

HERE = Path(__file__).parent
ENGINES = (
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("torch", "fp32"),
    ("torch", "bf16"),
    ("onnx", "fp32"),
)
STREAMS, TILES = (1, 2), (512, 768, 1024)

# Seconds a megapixel on two cores of an AMD EPYC with AVX-512, to tell how long a part will take.
RATES = {"fp32": 1.2, "bf16": 0.5, "int8": 0.4, "plain": 3.0}


@dataclass(frozen=True)
class Job:
    """A process to time.

    key: what results are kept under. title: in tables. part: of the benchmarks. size: of the scene in pixels.
    kind: ``forward`` (pure forward pass), ``scene`` (scene to files) or ``memory``. rate: seconds a megapixel, roughly.
    command: less the folder for its files. fault: why it cannot run.
    forward, exact: keys of the forward pass, and of the run in float32, that it is compared with.
    """

    key: str
    title: str
    part: str
    size: int
    kind: str
    rate: float
    command: tuple[str | Path, ...] = ()
    fault: str = ""
    forward: str = ""
    exact: str = ""

    @property
    def seconds(self) -> float:
        """How long it takes, roughly."""
        return 8 + self.rate * self.size**2 / 1e6


def jobs(parts: list[str], cache: Path, size: int, large: int) -> Iterator[Job]:
    """All jobs of some parts. Makes what they run on; peers are installed."""
    makers: dict[str, Callable[[], Iterator[Job]]] = {
        "engines": lambda: _engines(cache, size, ENGINES),
        "torchgeo": lambda: _torchgeo(cache, size),
        "peers": lambda: _peers(cache, size),
        "settings": lambda: _settings(cache, size),
        "memory": _memory,
        "large": lambda: _engines(cache, large, ENGINES[:3], "large"),
    }
    if "engines" not in parts and {"torchgeo", "peers", "settings"} & set(parts):
        yield from _engines(cache, size, ENGINES[:3])  # what the others are compared with
    for part in parts:
        yield from makers[part]()


def _engines(cache: Path, size: int, engines: Sequence[tuple[str, str]], part: str = "engines") -> Iterator[Job]:
    for engine, precision in engines:
        yield from _pair(part, cache, size, engine, precision)


def _pair(part: str, cache: Path, size: int, engine: str, precision: str) -> Iterator[Job]:
    """The pure forward pass of an engine, and geoships on it."""
    name, rate = f"{engine}-{precision}-{size}", RATES[precision]
    what = ("--scene", material.scene_path(cache, size), "--bundle", material.bundle_path(cache))
    choice = ("--engine", engine, "--precision", precision)
    title = f"{engine} {precision}"
    yield Job(
        f"forward-{name}", f"forward pass, {title}", part, size, "forward", rate,
        (sys.executable, HERE / "forward.py", *what, *choice, "--tile", str(material.TILE)),
    )  # fmt: skip
    yield Job(
        f"scene-{name}", f"geoships, {title}", part, size, "scene", rate * 1.7,
        (sys.executable, HERE / "geoships_scene.py", *what, *choice),
        forward=f"forward-{name}", exact=f"scene-{engine}-fp32-{size}",
    )  # fmt: skip


def _torchgeo(cache: Path, size: int) -> Iterator[Job]:
    yield Job(
        f"torchgeo-{size}", "script with torchgeo", "torchgeo", size, "scene", RATES["plain"],
        (
            sys.executable, HERE / "torchgeo_script.py", "--scene", material.scene_path(cache, size),
            "--weights", material.weights_path(cache), "--recipe", material.recipe_path(cache),
            "--tile", str(material.TILE), "--overlap", str(material.OVERLAP),
        ),
        exact=f"scene-openvino-fp32-{size}",
    )  # fmt: skip


def _peers(cache: Path, size: int) -> Iterator[Job]:
    for peer in PEERS:
        found = environment(peer, cache)
        inputs = [part for option, path in peer.inputs(cache).items() for part in (option, path)]
        yield Job(
            f"{peer.name}-{size}", f"{peer.name} {found.get('version', '')}".strip(), "peers", size, "scene",
            RATES["plain"],
            (found.get("python", ""), HERE / peer.script, "--scene", material.scene_path(cache, size), *inputs),
            fault=found.get("error", ""), exact=f"scene-openvino-fp32-{size}",
        )  # fmt: skip


def _settings(cache: Path, size: int) -> Iterator[Job]:
    """OpenVINO in bfloat16 by tiles that are computed at a time, and by their size."""
    scene, bundle = material.scene_path(cache, size), material.bundle_path(cache)
    for streams in STREAMS:
        for tile in TILES:
            what = ("--scene", scene, "--bundle", bundle, "--engine", "openvino", "--precision", "bf16")
            more = ("--tile", str(tile), "--streams", str(streams))
            title = f"{streams} at a time, tiles of {tile}"
            yield Job(
                f"settings-forward-{streams}-{tile}-{size}", f"forward pass, {title}", "settings", size, "forward",
                RATES["bf16"], (sys.executable, HERE / "forward.py", *what, *more),
            )  # fmt: skip
            yield Job(
                f"settings-scene-{streams}-{tile}-{size}", f"geoships, {title}", "settings", size, "scene",
                RATES["bf16"] * 2, (sys.executable, HERE / "geoships_scene.py", *what, *more),
                forward=f"forward-openvino-bf16-{size}", exact=f"scene-openvino-fp32-{size}",
            )  # fmt: skip


def _memory() -> Iterator[Job]:
    for size, dense in ((10_240, 1.0), (40_000, 0.05)):
        yield Job(
            f"memory-{size}", f"five bands, {size:,} x {size:,}, {dense:.0%} with data", "memory", size, "memory",
            RATES["bf16"] * 4 * dense, (sys.executable, HERE / "memory.py", str(size), "--dense", str(dense)),
        )  # fmt: skip

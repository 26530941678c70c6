"""The jobs of the benchmarks: one process each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cached_inputs
from peers import PEERS, environment, weights_and_normalisation

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

# Seconds per megapixel on two cores of an AMD EPYC with AVX-512, to estimate how long a job takes.
RATES = {"fp32": 1.2, "bf16": 0.5, "int8": 0.4, "plain": 3.0}


@dataclass(frozen=True)
class Job:
    """A process to time.

    Attributes:
        key: Key of its results.
        title: Name in tables.
        part: Part of the benchmarks.
        size: Pixels per side of the scene.
        kind: ``forward`` (forward pass alone), ``scene`` (scene to files) or ``memory``.
        rate: Rough seconds per megapixel.
        command: The command without the folder of its outputs.
        fault: Why it cannot run; empty: it can.
        forward: Key of the forward pass that it is compared with.
        exact: Key of the run in float32, or of geoships with the installed model, that it is compared with.
        install: Size of its environment.
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
    install: str = ""

    @property
    def seconds(self) -> float:
        """Rough duration in seconds."""
        return 8 + self.rate * self.size**2 / 1e6


def list_jobs(parts: list[str], cache: Path, size: int, large: int) -> Iterator[Job]:
    """All jobs of some parts of the benchmarks. Makes their inputs and installs the other tools."""
    makers: dict[str, Callable[[], Iterator[Job]]] = {
        "engines": lambda: _engines(cache, size, ENGINES),
        "torchgeo": lambda: _torchgeo(cache, size),
        "peers": lambda: _peers(cache, size),
        "settings": lambda: _settings(cache, size),
        "memory": _memory,
        "default": lambda: _default(cache, size, large),
        "large": lambda: _engines(cache, large, ENGINES[:3], "large"),
    }
    if "engines" not in parts and {"torchgeo", "peers", "settings"} & set(parts):
        yield from _engines(cache, size, ENGINES[:3])  # the other parts are compared with these
    for part in parts:
        yield from makers[part]()


def _engines(cache: Path, size: int, engines: Sequence[tuple[str, str]], part: str = "engines") -> Iterator[Job]:
    for engine, precision in engines:
        yield from _engine_jobs(part, cache, size, engine, precision)


def _engine_jobs(part: str, cache: Path, size: int, engine: str, precision: str) -> Iterator[Job]:
    """Jobs of an engine: the forward pass alone, and geoships from scene to files."""
    name, rate = f"{engine}-{precision}-{size}", RATES[precision]
    inputs = ("--scene", cached_inputs.scene_path(cache, size), "--bundle", cached_inputs.bundle_path(cache))
    choice = ("--engine", engine, "--precision", precision)
    title = f"{engine} {precision}"
    yield Job(
        f"forward-{name}", f"forward pass, {title}", part, size, "forward", rate,
        (sys.executable, HERE / "forward_pass.py", *inputs, *choice, "--tile", str(cached_inputs.TILE)),
    )  # fmt: skip
    yield Job(
        f"scene-{name}", f"geoships, {title}", part, size, "scene", rate * 1.7,
        (sys.executable, HERE / "geoships_scene.py", *inputs, *choice),
        forward=f"forward-{name}", exact=f"scene-{engine}-fp32-{size}",
    )  # fmt: skip


def _torchgeo(cache: Path, size: int) -> Iterator[Job]:
    yield Job(
        f"torchgeo-{size}", "script with torchgeo", "torchgeo", size, "scene", RATES["plain"],
        (
            sys.executable, HERE / "torchgeo_script.py", "--scene", cached_inputs.scene_path(cache, size),
            "--weights", cached_inputs.weights_path(cache), "--recipe", cached_inputs.normalisation_path(cache),
            "--tile", str(cached_inputs.TILE), "--overlap", str(cached_inputs.OVERLAP),
        ),
        exact=f"scene-openvino-fp32-{size}",
    )  # fmt: skip


def _peers(cache: Path, size: int) -> Iterator[Job]:
    for peer in PEERS:
        installed = environment(peer, cache)
        scene = cached_inputs.scene_path(cache, size)
        inputs = [part for option, path in peer.inputs(cache).items() for part in (option, path)]
        yield Job(
            f"{peer.name}-{size}", f"{peer.name} {installed.get('version', '')}".strip(), "peers", size, "scene",
            RATES["plain"],
            (installed.get("python", ""), HERE / peer.script, "--scene", scene, *inputs),
            fault=installed.get("error", ""), exact=f"scene-openvino-fp32-{size}",
        )  # fmt: skip


def _default(cache: Path, size: int, large: int) -> Iterator[Job]:
    """Jobs of the installed model: a harbour and open sea by all tools, and a large harbour by geoships alone."""
    script = cached_inputs.default_script_path(cache)
    inputs = ("--weights", script, "--recipe", script)  # a TorchScript needs no recipe
    tools = [("script with torchgeo", sys.executable, "torchgeo_script.py", "", "")]
    for peer in PEERS:
        if peer.inputs is not weights_and_normalisation:
            continue  # GeoDeep takes ONNX of eight-bit values only
        found = environment(peer, cache)
        title = f"{peer.name} {found.get('version', '')}".strip()
        tools.append((title, found.get("python", ""), peer.script, found.get("error", ""), found.get("size", "")))
    for kind, side in (("harbour", size), ("sea", size), ("harbour", large)):
        scene = ("--scene", cached_inputs.default_scene_path(cache, kind, side))
        own = f"default-{kind}-geoships-{side}"
        title = f"{kind}, geoships, auto"
        yield Job(own, title, "default", side, "scene", 0.7, (sys.executable, HERE / "geoships_scene.py", *scene))
        for name, python, file, fault, install in tools if side == size else ():
            yield Job(
                f"default-{kind}-{file}-{side}", f"{kind}, {name}", "default", side, "scene", RATES["plain"] * 3,
                (python, HERE / file, *scene, *inputs), fault=fault, exact=own, install=install,
            )  # fmt: skip


def _settings(cache: Path, size: int) -> Iterator[Job]:
    """Jobs of OpenVINO in bfloat16 with several numbers of parallel tiles and tile sizes."""
    scene, bundle = cached_inputs.scene_path(cache, size), cached_inputs.bundle_path(cache)
    for streams in STREAMS:
        for tile in TILES:
            inputs = ("--scene", scene, "--bundle", bundle, "--engine", "openvino", "--precision", "bf16")
            settings = ("--tile", str(tile), "--streams", str(streams))
            title = f"{streams} at a time, tiles of {tile}"
            yield Job(
                f"settings-forward-{streams}-{tile}-{size}", f"forward pass, {title}", "settings", size, "forward",
                RATES["bf16"], (sys.executable, HERE / "forward_pass.py", *inputs, *settings),
            )  # fmt: skip
            yield Job(
                f"settings-scene-{streams}-{tile}-{size}", f"geoships, {title}", "settings", size, "scene",
                RATES["bf16"] * 2, (sys.executable, HERE / "geoships_scene.py", *inputs, *settings),
                forward=f"forward-openvino-bf16-{size}", exact=f"scene-openvino-fp32-{size}",
            )  # fmt: skip


def _memory() -> Iterator[Job]:
    for size, dense in ((10_240, 1.0), (40_000, 0.05)):
        yield Job(
            f"memory-{size}", f"five bands, {size:,} x {size:,}, {dense:.0%} with data", "memory", size, "memory",
            RATES["bf16"] * 4 * dense, (sys.executable, HERE / "memory.py", str(size), "--dense", str(dense)),
        )  # fmt: skip

"""Other tools, each in an environment of its own below the cache folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import material

LIMIT = 1800  # seconds that an installation may take


@dataclass(frozen=True)
class Peer:
    """A tool. package: what is installed. script: what runs it. inputs: options of the script with their files."""

    name: str
    package: str
    script: str
    inputs: Callable[[Path], dict[str, Path]]


def _plain(cache: Path) -> dict[str, Path]:
    return {"--weights": material.weights_path(cache), "--recipe": material.recipe_path(cache)}


PEERS = (
    Peer("geodeep", "geodeep", "geodeep_script.py", lambda cache: {"--onnx": material.onnx_path(cache)}),
    Peer("geoai", "geoai-py", "geoai_script.py", _plain),
    Peer("terratorch", "terratorch", "terratorch_script.py", _plain),
)


def environment(peer: Peer, cache: Path) -> dict[str, str]:
    """The peer's ``python`` and ``version``, installed where it is not yet; ``error`` where it cannot be."""
    folder = cache / "peers" / peer.name
    note = folder / "installed.json"
    if note.exists():
        return dict(json.loads(note.read_text()))
    print(f"installing {peer.package} ...", flush=True)
    python = folder / "bin" / "python"
    needed = [peer.package, "rasterio"]
    if peer.name != "geodeep":
        needed += ["segmentation-models-pytorch", "geopandas"]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _run(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
        _run(["uv", "pip", "install", "--quiet", "--python", str(python), *needed])
        query = f"import importlib.metadata as m; print(m.version({peer.package!r}))"
        found = {"python": str(python), "version": _run([str(python), "-c", query]).strip()}
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()
        return {"error": f"does not install: {said[-1] if said else error}"}
    note.write_text(json.dumps(found))
    return found


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT).stdout

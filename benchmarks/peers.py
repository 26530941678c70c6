"""Other tools, each installed in a separate virtual environment in the cache folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cached_inputs

LIMIT = 1800  # maximum seconds of an installation


@dataclass(frozen=True)
class Peer:
    """Another tool.

    Attributes:
        name: Name of the tool.
        package: Package to install.
        script: Script in this folder that runs it.
        inputs: Returns the script's options with their files, for a cache folder.
    """

    name: str
    package: str
    script: str
    inputs: Callable[[Path], dict[str, Path]]


def weights_and_normalisation(cache: Path) -> dict[str, Path]:
    """Options of a script that takes a state dict and the normalisation of its input."""
    return {"--weights": cached_inputs.weights_path(cache), "--recipe": cached_inputs.normalisation_path(cache)}


PEERS = (
    Peer("geodeep", "geodeep", "geodeep_script.py", lambda cache: {"--onnx": cached_inputs.onnx_path(cache)}),
    Peer("geoai", "geoai-py", "geoai_script.py", weights_and_normalisation),
    Peer("terratorch", "terratorch", "terratorch_script.py", weights_and_normalisation),
    Peer("raster-vision", "rastervision-pytorch-learner", "rastervision_script.py", weights_and_normalisation),
)


def environment(peer: Peer, cache: Path) -> dict[str, str]:
    """The tool's ``python``, ``version`` and ``size``, installed now if necessary; ``error`` if it cannot be."""
    folder = cache / "peers" / peer.name
    record = folder / "installed.json"
    if record.exists():
        return dict(json.loads(record.read_text()))
    print(f"installing {peer.package} ...", flush=True)
    python = folder / "bin" / "python"
    packages = [peer.package, "rasterio"]
    if peer.name != "geodeep":
        packages += ["segmentation-models-pytorch", "geopandas"]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _run(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
        _run(["uv", "pip", "install", "--quiet", "--python", str(python), *packages])
        query = f"import importlib.metadata as m; print(m.version({peer.package!r}))"
        taken = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        version = _run([str(python), "-c", query]).strip()
        installed = {"python": str(python), "version": version, "size": f"{taken / 1e9:.1f} GB"}
    except (OSError, subprocess.SubprocessError) as error:
        message = str(getattr(error, "stderr", "") or error).strip().splitlines()
        return {"error": f"does not install: {message[-1] if message else error}"}
    record.write_text(json.dumps(installed))
    return installed


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT).stdout

"""Versions of geoships and of the packages that it uses."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from geoships.support.lean import LEFT_OUT
from geoships.support.versions import own_version
from geoships.workflows.doctor.finding import Finding

NEEDED = {  # by the name under which it is imported
    "torch": "torch", "torchgeo": "torchgeo", "rasterio": "rasterio", "rio_cogeo": "rio-cogeo", "pyproj": "pyproj",
    "shapely": "shapely", "geopandas": "geopandas", "pyogrio": "pyogrio", "pyarrow": "pyarrow", "numpy": "numpy",
    "scipy": "scipy", "cv2": "opencv-python-headless", "h5py": "h5py", "safetensors": "safetensors",
    "segmentation_models_pytorch": "segmentation-models-pytorch", "timm": "timm", "pydantic": "pydantic",
}  # fmt: skip


def check_packages() -> Iterator[Finding]:
    """The versions of Python, geoships and the packages that it needs; one that cannot be imported is broken."""
    topic = "versions"
    yield Finding(topic, "geoships", own_version())
    yield Finding(topic, "Python", f"{platform.python_version()}, {platform.platform()}")
    for module, package in NEEDED.items():
        yield _package(topic, module, package)


def _package(topic: str, module: str, package: str) -> Finding:
    try:
        import_module(module)
        found = version(package)
    except PackageNotFoundError:
        found = "without a version"  # as built by a system's package manager under another name
    except ModuleNotFoundError as error:
        if error.name == module and module in LEFT_OUT and not _installed("torch"):
            return Finding(topic, package, "left out, as in an installation for inference", "note")
        return _broken(topic, package, error)
    except Exception as error:  # a library that is not found raises OSError, a mismatch of NumPy whatever it likes
        return _broken(topic, package, error)
    wanted = _wanted().get(package)
    if wanted and found[0].isdigit() and not wanted.specifier.contains(found, prereleases=True):
        advice = f"geoships needs {package}{wanted.specifier}: pip install '{package}{wanted.specifier}'"
        return Finding(topic, package, found, "broken", advice)
    return Finding(topic, package, found)


def _broken(topic: str, package: str, error: Exception) -> Finding:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    advice = f"install it again: pip install --force-reinstall {package}"
    return Finding(topic, package, f"cannot be imported: {reason}", "broken", advice)


def _wanted() -> dict[str, Requirement]:
    try:
        texts = requires("geoships") or []
    except PackageNotFoundError:
        return {}
    parsed = [Requirement(text) for text in texts if "extra ==" not in text]
    return {requirement.name: requirement for requirement in parsed}


def check_extras() -> Iterator[Finding]:
    """Optional extras of geoships that are not installed."""
    try:
        texts = requires("geoships") or []
    except PackageNotFoundError:
        return
    extras: dict[str, list[str]] = {}
    for text in texts:
        if found := re.search(r"""extra == ["']([\w-]+)["']""", text):
            extras.setdefault(found[1], []).append(Requirement(text).name)
    for extra, packages in sorted(extras.items()):
        missing = [package for package in packages if not _installed(package)]
        if missing:
            yield Finding(
                "extras",
                extra,
                f"without {', '.join(missing)}",
                "note",
                f"where wanted: pip install 'geoships[{extra}]'",
            )
        else:
            yield Finding("extras", extra, "installed")


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True

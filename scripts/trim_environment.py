"""Removes from an environment what no run of geoships on a CPU takes: tests, headers, OpenVINO's other plugins,
AVIF pictures, and Arrow's clients for Flight and S3.

    python scripts/trim_environment.py ENVIRONMENT

Prints the size before and after. An environment that others share, or that computes on a GPU of Intel, is not for this.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

# patterns of paths below site-packages
UNUSED = (
    "*/tests",
    "*/*/tests",
    "*/*/*/tests",
    "openvino/include",
    "openvino/libs/cache.json",
    "openvino/libs/libopenvino_*_frontend.so*",
    "openvino/libs/libopenvino_intel_gpu_plugin.so",
    "openvino/libs/libopenvino_intel_npu_plugin.so",
    "openvino/frontend/*/*.so",
    "PIL/_avif.*.so",
    "pillow.libs/libavif-*.so*",
    "cv2/data/*.xml",
    "rasterio/_example.*.so",
    "pyarrow/_flight*",
    "pyarrow/_s3fs*",
    "pyarrow/include",
    "pyarrow/libarrow_flight.so*",
    "pyarrow/libarrow_s3.so*",
    "pyarrow/src",
    "**/*.a",
    "**/*.h",
    "**/*.pxd",
    "**/*.pyx",
    *(
        f"{package}/**/*.pyi" for package in ("cv2", "numpy", "openvino", "pandas", "scipy")
    ),  # scikit-image reads its own
    *(f"skimage/data/*.{kind}" for kind in ("gif", "jpg", "npy", "npz", "png", "tif", "xml")),
)
KEPT = ("_onnx_frontend", "_ir_frontend", "frontend/onnx")  # parts of paths that stay: what reads ONNX and IR


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())


def unused(packages: Path) -> Iterator[Path]:
    """What may go, below a site-packages folder."""
    for pattern in UNUSED:
        for path in packages.glob(pattern):
            name = path.relative_to(packages).as_posix()
            if not any(part in name for part in KEPT):
                yield path


def trim(packages: Path) -> None:
    for path in list(unused(packages)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", type=Path)
    environment = parser.parse_args().environment
    found = [*environment.glob("lib/python3*/site-packages"), *environment.glob("Lib/site-packages")]
    if not found:
        parser.error(f"{environment} is no virtual environment: it has no site-packages")
    before = size(environment)
    for packages in found:
        trim(packages)
    print(f"{environment}: {before / 1e6:.0f} MB -> {size(environment) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()

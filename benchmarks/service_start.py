"""Time from `geoships serve` to its page, with compiled modules and without, as after a fresh installation.

uv run python benchmarks/service_start.py
uv run python benchmarks/service_start.py --repeat 1
"""

from __future__ import annotations

import argparse
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
from timed_process import environment

LIMIT = 15.0  # s until the page is there
FILES = ("/", "/page/main.js", "/page/vendor/maplibre-gl.mjs", "/settings", "/jobs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    measure("a first run, which compiles what it loads", options.repeat, fresh=True)
    measure("a later run", options.repeat, fresh=False)


def measure(name: str, repeat: int, *, fresh: bool) -> None:
    """Print medians of several starts."""
    runs = [start(fresh=fresh) for _ in range(repeat)]
    seconds, used = (statistics.median(values) for values in zip(*runs, strict=True))
    print(f"{name}: the page after {seconds:.1f} s, of which the process computed {used:.1f} s")
    if seconds > LIMIT:
        raise SystemExit(f"more than {LIMIT:.0f} s")


def start(*, fresh: bool) -> tuple[float, float]:
    """Seconds until the page and what it loads first are there, and processor time of the process until then."""
    with tempfile.TemporaryDirectory(prefix="geoships-") as name, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        command = [str(Path(sys.executable).with_name("geoships")), "serve", "--port", str(port), "--data-dir", name]
        variables = environment() | ({"PYTHONPYCACHEPREFIX": f"{name}/compiled"} if fresh else {})
        started = time.perf_counter()
        process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for path in FILES:
                wait_for(f"http://127.0.0.1:{port}{path}", process)
            seconds = time.perf_counter() - started
            times = psutil.Process(process.pid).cpu_times()
            return seconds, times.user + times.system
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    """Ask for a document until it is there."""
    request = urllib.request.Request(address, headers={"Accept": "text/html, */*"})  # noqa: S310 (http alone)
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 (http alone)
                answer.read()
                return
        except OSError:
            if process.poll() is not None:
                raise SystemExit("the service has ended") from None
            time.sleep(0.02)


if __name__ == "__main__":
    main()

"""A service as a process of its own, for a browser: `geoships serve` with a worker and the installed model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

COMMAND = str(Path(sys.executable).with_name("geoships"))


@contextmanager
def page_server(folder: Path, *options: str) -> Iterator[str]:
    """Runs a service until the test is done; gives its address."""
    log = folder / "log"
    command = [COMMAND, "serve", "--port", "0", "--data-dir", str(folder / "data"), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process,
    ):
        try:
            assert process.stdout
            said = (re.search(r"http://[^;\s]+", line) for line in process.stdout)
            address = next((found[0] for found in said if found), "")
            assert address, log.read_text()
            yield address
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def finished(address: str, job: str, seconds: float = 120) -> dict[str, object]:
    """The status of a job once it has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status: dict[str, object] = httpx.get(f"{address}/jobs/{job}").json()
        if status["status"] in ("successful", "failed", "dismissed"):
            return status
        time.sleep(0.3)
    pytest.fail(f"the job has not ended: {status}")

"""A service of tests as processes of its own, which can be killed and started again on the same port."""

from __future__ import annotations

import json
import random
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent


class Running:
    """A service as processes of its own, which can be killed and started again on the same port."""

    def __init__(self, folder: Path, workers: int, work: str = "act", **settings: Any) -> None:
        self.folder, self.workers, self.work = folder, workers, work
        self.settings = {"lease": 2.0, "limits": {"free": 0, "requests": 0, "uploads": 0}, **settings}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        arguments = [str(self.folder), str(self.port), str(self.workers), self.work, json.dumps(self.settings)]
        with (self.folder.parent / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(TESTS / "service_jobs.py"), *arguments],
                stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.strip() == self.address, (self.folder.parent / "log").read_text()

    def kill(self, number: int = signal.SIGKILL) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def kill_a_worker(self) -> None:
        """Kill a worker or what it has begun, if there is one."""
        assert self.process is not None
        import psutil

        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.process.pid).children(recursive=True)
            found = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
            if found:
                random.choice(found).kill()

    def talk(self, sent: bytes, more: float = 0.2) -> bytes:
        """What the service answers to bytes. more: seconds to wait for what follows a whole answer."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(sent)
            found = b""
            with suppress(TimeoutError, ConnectionError):
                while chunk := connection.recv(65536):
                    found += chunk
                    connection.settimeout(more if _is_whole(found) else 5)
            return found


def _is_whole(answer: bytes) -> bool:
    """Whether an answer has its head, and as many bytes of a body as that says."""
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    return bool(end) and length is not None and len(body) >= int(length[1])

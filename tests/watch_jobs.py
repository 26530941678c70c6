"""A watch for other processes, and a webhook that counts; the model is a fake one."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cluster_jobs import CPU, use_fake_model

from geoships.config.watch import watch_config
from geoships.watch.sources import FolderSource
from geoships.watch.watch import Watch, WatchRound


class Webhook:
    """What a server was sent. keys: how often each key came. answer: status of the next answers."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.keys: Counter[str] = Counter()
        self.answer, self.url = 204, ""

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Bodies of one kind, each key once, as a receiver that knows keys counts them."""
        return list({body["key"]: body for body in self.bodies if body["type"] == kind}.values())


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A server on this machine."""
    seen = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            text = self.rfile.read(size)
            if len(text) < size:  # the sender died
                return
            body = json.loads(text)
            if seen.answer < 300:
                assert self.headers["Idempotency-Key"] == body["key"]
                seen.bodies.append(body)
                seen.keys[body["key"]] += 1
            self.send_response(seen.answer)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    seen.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def watch(folder: Path, settings: dict[str, object] | None = None) -> Watch:
    """A watch of ``scenes`` into ``out``, with ``rules.yaml`` and ``area.geojson``, all in one folder."""
    config = watch_config(folder / "rules.yaml", settings)
    source = FolderSource(folder / "scenes", folder / "out", config.settle_seconds)
    return Watch(source, folder / "area.geojson", folder / "out", config, CPU)


def look(folder: str) -> None:
    """Look once, in a process of its own."""
    use_fake_model()
    with watch(Path(folder)) as watching:
        found: WatchRound = watching.round()
    assert not found.reason, found.reason


def make(folder: Path, url: str, **settings: object) -> None:
    """Write the area and the rules: ships over 150 m, and ships that are new."""
    import geopandas
    import shapely
    import yaml

    (folder / "scenes").mkdir(exist_ok=True)
    area = shapely.box(490_000, 3_980_000, 520_000, 4_010_000)
    geopandas.GeoDataFrame(geometry=[area], crs="EPSG:32631").to_file(folder / "area.geojson")
    rules = [{"name": "long", "when": "length_m > 150"}, {"name": "new", "when": "new"}]
    values = {"rules": rules, "channels": {"desk": {"webhook": url}}, "settle_seconds": 0, **settings}
    (folder / "rules.yaml").write_text(yaml.safe_dump(values))

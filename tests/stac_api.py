"""A STAC API in a thread, which serves one collection, its Items and their files from a folder."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import shapely

CORE = "https://api.stacspec.org/v1.0.0/core"
SEARCH = "https://api.stacspec.org/v1.0.0/item-search"
QUERY = "https://api.stacspec.org/v1.0.0/item-search#query"


class Api:
    """The content of the server. items: by id, without links. seen: bodies and queries of all searches."""

    def __init__(self, folder: Path, *, post: bool = True, query: bool = True) -> None:
        self.folder, self.post, self.query = folder, post, query
        self.items: dict[str, dict[str, Any]] = {}
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.requests: list[str] = []
        self.url = ""

    @property
    def root(self) -> dict[str, Any]:
        links = [{"rel": "self", "href": self.url}, {"rel": "root", "href": self.url}]
        methods = ("GET", "POST") if self.post else ("GET",)
        search = {"rel": "search", "href": f"{self.url}/search", "type": "application/geo+json"}
        links += [{**search, "method": method} for method in methods]
        return {
            "type": "Catalog", "stac_version": "1.0.0", "id": "local", "description": "for tests", "links": links,
            "conformsTo": [CORE, SEARCH, *([QUERY] if self.query else [])],
        }  # fmt: skip

    def item(self, name: str) -> dict[str, Any]:
        address = f"{self.url}/collections/s2/items/{name}"
        return {**self.items[name], "links": [{"rel": "self", "href": address}], "collection": "s2"}

    def search(self, method: str, wanted: dict[str, Any]) -> dict[str, Any]:
        self.seen.append((method, wanted))
        box = shapely.box(*wanted["bbox"])
        most = wanted.get("query", {}).get("eo:cloud_cover", {}).get("lte", 100)
        found = [
            self.item(name)
            for name, item in self.items.items()
            if shapely.geometry.shape(item["geometry"]).intersects(box) and item["properties"]["eo:cloud_cover"] <= most
        ]
        return {"type": "FeatureCollection", "features": found, "links": []}


class Handler(BaseHTTPRequestHandler):
    """Responses of an Api; files are served with Range requests."""

    api: Api

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        parts = address.path.strip("/").split("/")
        self.api.requests.append(address.path)
        if parts == [""]:
            self.answer(self.api.root)
        elif parts == ["search"]:
            query = {key: values[0] for key, values in parse_qs(address.query).items()}
            self.answer(self.api.search("GET", query | {"bbox": [float(v) for v in query["bbox"].split(",")]}))
        elif parts[:3] == ["collections", "s2", "items"] and parts[3] in self.api.items:
            self.answer(self.api.item(parts[3]))
        else:
            self.file(self.api.folder / parts[-1])

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(self.api.search("POST", body) if self.api.post else None)

    def answer(self, content: dict[str, Any] | None) -> None:
        body = json.dumps(content).encode()
        self.send_response(405 if content is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def file(self, path: Path) -> None:
        if not path.is_file():
            self.send_error(404)
            return
        content, wanted = path.read_bytes(), self.headers.get("Range", "")
        first, last = 0, len(content) - 1
        if wanted.startswith("bytes="):
            start, _, stop = wanted[len("bytes=") :].partition("-")
            first, last = int(start), min(int(stop or last), last)
        self.send_response(206 if wanted else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[first : last + 1])


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    handler = type("ApiHandler", (Handler,), {"api": api})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        api.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving_files(folder: Path) -> Iterator[str]:
    """Yield the URL of a file server in its own process.

    It answers, too, where GDAL waits for it with Python's lock in hand, as rasterio does when it reprojects.
    """
    with subprocess.Popen([sys.executable, __file__, folder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    with serving(Api(Path(sys.argv[1]))) as files:
        sys.stdout.write(f"{files.url}\n")
        sys.stdout.flush()
        threading.Event().wait()

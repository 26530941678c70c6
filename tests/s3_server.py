"""A small S3 server for tests: it checks signatures and conditions, and can misbehave."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

import pytest

from geoships.support.remote.objects import forget_stores

KEY, SECRET, TOKEN, REGION = "AKIATESTKEY", "very+secret/key", "session+token", "eu-west-1"
BUCKET = "bucket"
CODES = {
    "400": "InvalidRequest", "403": "AccessDenied", "404": "NoSuchKey", "416": "InvalidRange", "429": "TooManyRequests",
    "500": "InternalError", "503": "SlowDown",
}  # fmt: skip


class S3Server(ThreadingHTTPServer):
    """Objects of one bucket in memory.

    Attributes:
        objects: Content by key.
        mode: How requests misbehave: an HTTP status, ``drop``, ``delay``, ``truncate`` or ``no-ranges``.
        bad: How many more requests misbehave.
        methods: Which do.
        conditions: Whether ``If-None-Match`` and ``If-Match`` are obeyed; False: refused with 501, as old servers do.
        asked: Method, key and status of each request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.mode, self.bad, self.methods, self.conditions = "", 0, {"GET"}, True
        self.asked: list[tuple[str, str, int]] = []
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        """What AWS_ENDPOINT_URL takes."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that break."""


class _Handler(BaseHTTPRequestHandler):
    server: S3Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet, so that none waits for the acknowledgement of another
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        self.query = dict(parse_qsl(url.query, keep_blank_values=True))
        _, bucket, *rest = unquote(url.path).split("/", 2)
        self.key = rest[0] if rest else ""
        if not self._is_signed(url.path, url.query):
            self._refuse(403, "SignatureDoesNotMatch")
        elif bucket != BUCKET:
            self._refuse(404, "NoSuchBucket")
        elif self._misbehaves():
            return
        else:
            getattr(self, f"_{self.command.lower()}")(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 (as http.server names them)

    # --- what it does wrong -----------------------------------------------------------------------------------------

    def _misbehaves(self) -> bool:
        """Whether the request has been answered wrongly, and all is done; some faults concern the content alone."""
        server = self.server
        with server.lock:
            self.bad = server.bad > 0 and self.command in server.methods
            server.bad -= self.bad
        if self.bad and server.mode.isdigit():
            self._refuse(int(server.mode), CODES[server.mode])
            return True
        if self.bad and server.mode == "delay":
            time.sleep(3)
        if self.bad and server.mode == "drop" and self.command != "GET":
            self.close_connection = True
            return True
        return False

    # --- what S3 does -----------------------------------------------------------------------------------------------

    def _get(self, _: bytes, *, body: bool = True) -> None:
        if not self.key or "list-type" in self.query:
            self._list()
            return
        content = self.server.objects.get(self.key)
        if content is None:
            self._refuse(404, "NoSuchKey")
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        mode = self.server.mode if self.bad else ""
        headers = {"ETag": _e_tag(content), "Last-Modified": "Mon, 30 Nov 2026 00:00:00 GMT", "Accept-Ranges": "bytes"}
        if found and mode != "no-ranges":
            start = int(found[1])
            end = min(int(found[2] or len(content)), len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            content = content[start : end + 1]
        sent = content if body else b""
        if mode in ("drop", "truncate"):
            sent = sent[: len(sent) // 2]
            self.close_connection = True
        self._answer(206 if found and mode != "no-ranges" else 200, sent, headers, length=len(content))

    def _head(self, body: bytes) -> None:
        self._get(body, body=False)

    def _put(self, body: bytes) -> None:
        if "partNumber" in self.query:
            self.server.parts[self.query["uploadId"]][int(self.query["partNumber"])] = body
            self._answer(200, b"", {"ETag": _e_tag(body)})
            return
        with self.server.lock:
            there = self.server.objects.get(self.key)
            none_match, match = self.headers.get("If-None-Match"), self.headers.get("If-Match")
            if (none_match or match) and not self.server.conditions:
                self._refuse(501, "NotImplemented")
                return
            if (none_match and there is not None) or (match and (there is None or match != _e_tag(there))):
                self._refuse(412, "PreconditionFailed")
                return
            self.server.objects[self.key] = body
        self._answer(200, b"", {"ETag": _e_tag(body)})

    def _post(self, body: bytes) -> None:
        if "uploads" in self.query:
            upload = f"upload{len(self.server.parts)}"
            self.server.parts[upload] = {}
            text = f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            self._answer(200, text.encode())
        elif "uploadId" in self.query:
            parts = self.server.parts.pop(self.query["uploadId"])
            self.server.objects[self.key] = content = b"".join(parts[number] for number in sorted(parts))
            text = f"<CompleteMultipartUploadResult><ETag>{_e_tag(content)}</ETag></CompleteMultipartUploadResult>"
            self._answer(200, text.encode())
        else:  # several keys at once
            keys = re.findall(rb"<Key>(.*?)</Key>", body)
            for key in keys:
                self.server.objects.pop(unescape(key.decode()), None)
            found = b"".join(b"<Deleted><Key>%s</Key></Deleted>" % key for key in keys)
            self._answer(200, b"<DeleteResult>%s</DeleteResult>" % found)

    def _delete(self, _: bytes) -> None:
        self.server.objects.pop(self.key, None)
        self._answer(204, b"")

    def _list(self) -> None:
        prefix = self.query.get("prefix", "")
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-30T00:00:00.000Z</LastModified>"
            f"<ETag>{_e_tag(content)}</ETag><Size>{len(content)}</Size></Contents>"
            for key, content in sorted(self.server.objects.items())
            if key.startswith(prefix)
        )
        text = f"<ListBucketResult><Prefix>{escape(prefix)}</Prefix><IsTruncated>false</IsTruncated>{found}"
        self._answer(200, f"{text}</ListBucketResult>".encode())

    def _refuse(self, status: int, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        self._answer(status, b"" if self.command == "HEAD" else body)

    def _answer(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        self.server.asked.append((self.command, self.key, status))
        self.send_response(status)
        for name, value in {"Content-Type": "application/xml", **(headers or {})}.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    # --- who may ----------------------------------------------------------------------------------------------------

    def _is_signed(self, path: str, query: str) -> bool:
        """Whether the request is signed by the key, after Amazon's Signature Version 4."""
        pattern = (
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/s3/aws4_request, *"
            r"SignedHeaders=([^,]+), *Signature=(\w+)"
        )
        found = re.fullmatch(pattern, self.headers.get("Authorization", ""))
        if not found or found[1] != KEY or self.headers.get("x-amz-security-token") != TOKEN:
            return False
        names = found[4].split(";")
        pairs = sorted((quote(key, safe="~"), quote(value, safe="~")) for key, value in parse_qsl(query, True))
        request = "\n".join(
            [
                self.command, path, "&".join(f"{key}={value}" for key, value in pairs),
                *(f"{name}:{' '.join((self.headers.get(name) or '').split())}" for name in names), "", found[4],
                self.headers.get("x-amz-content-sha256", ""),
            ]
        )  # fmt: skip
        digest = hashlib.sha256(request.encode()).hexdigest()
        scope = f"{found[2]}/{found[3]}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{self.headers.get('x-amz-date')}\n{scope}\n{digest}"
        key = f"AWS4{SECRET}".encode()
        for part in (found[2], found[3], "s3", "aws4_request", text):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return hmac.compare_digest(key.hex(), found[5])


def _e_tag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


@contextmanager
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Run the server, and let GDAL and obstore use it with its key."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN, "AWS_REGION": REGION,
        "GDAL_HTTP_RETRY_DELAY": "0.05", "GDAL_HTTP_LOW_SPEED_TIME": "1", "GDAL_HTTP_TIMEOUT": "5", "VSI_CACHE": "NO",
        "CPL_VSIL_CURL_CACHE_SIZE": "0",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with S3Server() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.address)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        forget_stores()
        yield server
        server.shutdown()
        thread.join()
        forget_stores()

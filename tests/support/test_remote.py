"""Addresses, how stores are reached, and a server that takes files by PUT."""

from __future__ import annotations

import pickle
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from geoships.errors import OutputError
from geoships.support.remote import settings
from geoships.support.remote.address import RemotePath, as_path
from geoships.support.remote.objects import ExistsError, delete, exists, forget_stores, read, write


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing of the machine counts, and nothing is remembered."""
    import os

    for name in os.environ:
        if name.startswith(("AWS_", "AZURE_", "GS_", "GOOGLE_", "GDAL_HTTP_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    forget_stores()
    yield
    forget_stores()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s3://bucket/a b/c.tif", "s3://bucket/a b/c.tif"),
        (Path("s3://bucket/a.tif"), "s3://bucket/a.tif"),
        ("S3://bucket/run/", "s3://bucket/run"),
        ("az://container/a.tif", "az://container/a.tif"),
        ("https://host:8080/a.tif", "https://host:8080/a.tif"),
    ],
)
def test_addresses_are_paths_of_their_own(name: str | Path, text: str) -> None:
    found = as_path(name)
    assert isinstance(found, RemotePath)
    assert str(found) == text
    assert pickle.loads(pickle.dumps(found)) == found
    assert str(pickle.loads(pickle.dumps(found))) == text
    assert str((found.parent / "x").with_suffix(".qml")).startswith(text.rpartition("/")[0])


@pytest.mark.parametrize("name", ["out/a.tif", "/tmp/s3/a.tif", "s3", "C:/a.tif", "x.s3://b/a", "-"])
def test_other_names_are_local(name: str) -> None:
    assert not isinstance(as_path(name), RemotePath)


@pytest.mark.parametrize(
    ("stated", "endpoint", "gdal"),
    [
        ({}, None, {}),
        (
            {"AWS_ENDPOINT_URL": "http://host:9000/"},
            "http://host:9000",
            {"AWS_S3_ENDPOINT": "host:9000", "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE"},
        ),
        (
            {"AWS_ENDPOINT_URL": "http://other", "AWS_ENDPOINT_URL_S3": "https://host", "AWS_VIRTUAL_HOSTING": "TRUE"},
            "https://host",
            {"AWS_S3_ENDPOINT": "host", "AWS_HTTPS": "YES"},
        ),
        (
            {"AWS_S3_ENDPOINT": "host:1", "AWS_HTTPS": "NO"},
            "http://host:1",
            {"AWS_S3_ENDPOINT": "host:1", "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE"},
        ),
    ],
)
def test_one_statement_of_a_server_serves_reading_and_writing(
    stated: dict[str, str], endpoint: str | None, gdal: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stated.items():
        monkeypatch.setenv(name, value)
    assert settings.s3_endpoint() == endpoint
    assert settings.s3_settings().get("endpoint") == endpoint
    assert settings.gdal_s3_options() == gdal


def test_a_profile_without_keys_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[profile sso]\nsso_session = x\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_PROFILE", "sso")
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(OutputError, match="AWS profile sso holds no keys; pip install boto3"):
        settings.s3_settings()


def test_settings_of_azure_and_google(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match="AZURE_STORAGE_ACCOUNT"):
        settings.az_settings()
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "one")
    assert settings.az_settings()["account_name"] == "one"
    monkeypatch.setenv("AZURE_NO_SIGN_REQUEST", "YES")
    assert settings.az_settings()["skip_signature"] is True
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT")
    monkeypatch.delenv("AZURE_NO_SIGN_REQUEST")
    text = "DefaultEndpointsProtocol=http;AccountName=two;AccountKey=aGk==;BlobEndpoint=http://host/two;"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    found = settings.az_settings()
    assert (found["account_name"], found["account_key"], found["endpoint"]) == ("two", "aGk==", "http://host/two")
    assert "skip_signature" not in settings.gs_settings()
    monkeypatch.setenv("GS_NO_SIGN_REQUEST", "YES")
    assert settings.gs_settings()["skip_signature"] is True


class Files(BaseHTTPRequestHandler):
    """Takes files by PUT from one user."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes]

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, content = 200, b""
        if self.headers.get("Authorization") != f"Basic {b64encode(b'me:hush').decode()}":
            status = 401
        elif self.command == "PUT":
            self.files[self.path], status = body, 201
        elif self.command == "DELETE":
            status = 204 if self.files.pop(self.path, None) is not None else 404
        elif self.path in self.files:
            content = self.files[self.path]
        else:
            status = 404
        self.send_response(status)
        self.send_header("Last-Modified", "Mon, 30 Nov 2026 00:00:00 GMT")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_DELETE = _serve  # noqa: N815 (as http.server names them)


@pytest.fixture
def server() -> Iterator[str]:
    Files.files = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{found.server_address[1]}"
        found.shutdown()
        thread.join()


def test_a_server_takes_files_by_put(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_path(f"{server}/run/a.geojson")
    assert isinstance(path, RemotePath)
    with pytest.raises(OutputError, match="refuses access; check GDAL_HTTP_USERPWD") as error:
        write(path, b"1", new=True)
    assert "hush" not in str(error.value)
    forget_stores()
    monkeypatch.setenv("GDAL_HTTP_USERPWD", "me:hush")
    assert not exists(path)
    write(path, b"1", new=True)
    assert exists(path)
    with pytest.raises(ExistsError, match="exists already"):
        write(path, b"2", new=True)
    write(path, b"3")
    found = read(path)
    assert found is not None
    assert found.content == b"3"
    delete(path)
    delete(path)
    assert not Files.files


def test_no_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setattr("geoships.support.remote.objects.RETRIES", {"max_retries": 0})
    with pytest.raises(OutputError, match="no answer from the store") as error:
        exists(RemotePath("s3://bucket/a.tif"))
    assert "hush" not in str(error.value)

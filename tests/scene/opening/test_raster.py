from __future__ import annotations

import os
import threading
import warnings
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.shutil import copy

from geoships.errors import SceneError
from geoships.scene.opening.raster import Source, gdal_env, open_dataset, resolve

RGB = np.arange(3 * 8 * 6, dtype=np.uint8).reshape(3, 8, 6)


def read(source: Source) -> np.ndarray:
    with gdal_env(source), open_dataset(source) as dataset:
        return dataset.read()


def write_quietly(write, *args, **kwargs) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return write(*args, **kwargs)


def drivers() -> set[str]:
    with rasterio.Env() as env:
        return set(env.drivers())


# --- local files ---


def test_geotiff(write):
    path = write("a.tif", RGB)
    source = resolve(path)
    assert source == Source(str(path), str(path), "GTiff", path, False)
    np.testing.assert_array_equal(read(source), RGB)


def test_a_relative_path_and_a_file_url_lead_to_the_same_file(write, monkeypatch):
    path = write("a b.tif", RGB)
    monkeypatch.chdir(path.parent)
    assert resolve("a b.tif").gdal_name == str(path)
    assert resolve(path.as_uri()).gdal_name == str(path)


def test_each_call_opens_a_handle_of_its_own(write):
    source = resolve(write("a.tif", RGB))
    with open_dataset(source) as first, open_dataset(source) as second:
        assert first is not second
    with ThreadPoolExecutor(4) as pool:
        for values in pool.map(lambda _: read(source), range(8)):
            np.testing.assert_array_equal(values, RGB)


@pytest.mark.parametrize(
    ("driver", "name"), [("PNG", "a.png"), ("BMP", "a.bmp"), ("HFA", "a.img"), ("ENVI", "a.bin"), ("COG", "a.tif")]
)
def test_formats_without_loss(write, driver, name):
    path = write_quietly(write, name, RGB, driver=driver)
    np.testing.assert_array_equal(read(resolve(path)), RGB)


@pytest.mark.parametrize(
    ("driver", "name"), [("JPEG", "a.jpg"), ("JP2OpenJPEG", "a.jp2"), ("WEBP", "a.webp"), ("GIF", "a.gif")]
)
def test_other_formats(write, driver, name):
    if driver not in drivers():
        pytest.skip(f"this GDAL has no {driver} driver")
    values = RGB[:1] if driver == "GIF" else RGB
    path = write_quietly(write, name, values, driver=driver)
    assert resolve(path).driver == driver


def test_a_png_without_world_file_opens_without_a_warning(write):
    path = write_quietly(write, "a.png", RGB, driver="PNG")
    with open_dataset(resolve(path)) as dataset:
        assert dataset.transform.is_identity


def test_a_png_with_world_file_has_its_transform(write):
    path = write_quietly(write, "a.png", RGB, driver="PNG")
    path.with_suffix(".pgw").write_text("10\n0\n0\n-10\n500005\n4099995\n")
    with open_dataset(resolve(path)) as dataset:
        assert dataset.transform[:6] == (10, 0, 500000, 0, -10, 4100000)


def test_sidecars_of_a_tiff_work(write):
    path = write("a.tif", np.ones((1, 64, 64), np.uint8))
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2])
    assert path.with_suffix(".tif.ovr").exists()
    with open_dataset(resolve(path)) as dataset:
        assert dataset.overviews(1) == [2]


def test_a_member_of_a_zip_archive(write, tmp_path):
    path = write("a.tif", RGB)
    archive = tmp_path / "scenes.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(path, "deep/a.tif")
    for name in (f"zip://{archive}!deep/a.tif", f"/vsizip/{archive}/deep/a.tif", f"/vsizip/{{{archive}}}/deep/a.tif"):
        source = resolve(name)
        assert source.path == archive
        np.testing.assert_array_equal(read(source), RGB)


# --- containers ---


def test_netcdf_subdatasets(write):
    if "netCDF" not in drivers():
        pytest.skip("this GDAL has no netCDF driver")
    values = np.stack([np.full((4, 5), 3, np.int16), np.full((4, 5), 7, np.int16)])
    path = write("a.tif", values).with_suffix(".nc")
    copy(path.with_suffix(".tif"), path, driver="netCDF")  # GDAL writes each band as a variable
    with pytest.raises(SceneError, match=r"several rasters; choose one, e\.g\. NETCDF:"):
        resolve(path)
    for name in (f'NETCDF:"{path}":Band2', f"netcdf:{path}:Band2"):
        source = resolve(name)
        assert source.path == path
        assert source.gdal_name == f'NETCDF:"{path}":Band2'
        assert (read(source) == 7).all()


def test_a_subdataset_of_a_missing_file(tmp_path):
    with pytest.raises(SceneError, match="no such file"):
        resolve(f'NETCDF:"{tmp_path / "none.nc"}":a')


# --- refused, missing, damaged ---


@pytest.mark.parametrize(
    "name",
    [
        '<VRTDataset rasterXSize="1" rasterYSize="1"></VRTDataset>',
        "WMS:http://example.com",
        "MEM:::DATAPOINTER=1,PIXELS=1,LINES=1",
        "vrt:///etc/passwd",
        "DERIVED_SUBDATASET:AMPLITUDE:a.tif",
        "GTI:a.gpkg",
        "STACIT:a.json",
        "ftp://example.com/a.tif",
        "PG:dbname=a",
        "SENTINEL2_L1C:a.xml:10m:EPSG_32633",
        'NETCDF:"vrt://a.tif":b',
    ],
)
def test_connection_strings_are_refused(name):
    with pytest.raises(SceneError, match="connection strings are not accepted"):
        resolve(name)


@pytest.mark.parametrize(
    "name",
    ["/vsicurl/http://localhost/a.tif", "/vsicurl?url=http://localhost/a", "/vsimem/a.tif", "/vsistdin/", "//vsimem/a"],
)
def test_virtual_file_names_are_refused(name):
    with pytest.raises(SceneError):
        resolve(name)


@pytest.mark.parametrize("name", ["zip://none.zip!a.tif", "/vsizip//vsicurl/http://localhost/a.zip/a.tif", "zip://"])
def test_archives_must_be_local(name):
    with pytest.raises(SceneError, match="no local archive"):
        resolve(name)


def test_a_file_whose_name_looks_like_a_connection_string_is_a_file(write, tmp_path, monkeypatch):
    write("WMS:a.tif", RGB)
    monkeypatch.chdir(tmp_path)
    assert resolve("WMS:a.tif").driver == "GTiff"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"hello, sea", "is not a raster"),
        (b'{"type": "FeatureCollection", "features": []}', "JSON file .*, not a raster"),
        (b"SQLite format 3\0" + bytes(100), "GeoPackage"),
        (b"<GDAL_WMS><Service name='TMS'></Service></GDAL_WMS>", "is not a raster"),
        (b"<GDAL_WMTS></GDAL_WMTS>", "is not a raster"),
    ],
)
def test_files_that_are_not_rasters(tmp_path, content, message):
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(SceneError, match=message) as caught:
        resolve(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(SceneError, match="no such file"):
        resolve(tmp_path / "none.tif")
    with pytest.raises(SceneError, match="no such file"):
        resolve((tmp_path / "none.tif").as_uri())
    with pytest.raises(SceneError, match="is a folder"):
        resolve(tmp_path)
    with pytest.raises(SceneError, match="name of the scene is empty"):
        resolve("")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SceneError, match="not a regular file"):
        resolve(tmp_path / "pipe")


@pytest.mark.parametrize("kept", [60, 2000])
def test_a_truncated_tiff(write, kept):
    path = write("a.tif", np.ones((1, 64, 64), np.uint8))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(SceneError, match="truncated"):
        resolve(path)


def test_complex_values_are_refused(write):
    path = write("a.tif", np.ones((1, 4, 4), np.complex64))
    with pytest.raises(SceneError, match="complex"):
        resolve(path)


@pytest.mark.parametrize("suffix", [".ovr", ".msk", ".OVR"])
def test_a_sidecar_that_points_elsewhere_is_refused(write, suffix):
    path = write("a.tif", RGB)
    Path(f"{path}{suffix}").write_text('<VRTDataset rasterXSize="6" rasterYSize="8"></VRTDataset>')
    with pytest.raises(SceneError, match="overview or mask"):
        resolve(path)


def test_metadata_that_name_an_overview_file_are_refused(write):
    path = write("a.tif", RGB)
    Path(f"{path}.aux.xml").write_text(
        '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/etc/a.vrt</MDI></Metadata></PAMDataset>'
    )
    with pytest.raises(SceneError, match=r"remove its \.aux\.xml"):
        resolve(path)


# --- settings ---


def test_python_in_vrts_is_disabled_and_the_users_settings_are_kept(monkeypatch):
    monkeypatch.setenv("GDAL_VRT_ENABLE_PYTHON", "YES")
    monkeypatch.setenv("GDAL_CACHEMAX", "256")
    with gdal_env():
        options = rasterio.env.getenv()
    assert options["GDAL_VRT_ENABLE_PYTHON"] in {"NO", False}
    assert "GDAL_CACHEMAX" not in options
    assert "AWS_NO_SIGN_REQUEST" not in options


# --- over HTTP ---


class RangeHandler(SimpleHTTPRequestHandler):
    """Serves files with Range requests, and refuses what is called secret."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.respond(body=True)

    def do_HEAD(self):
        self.respond(body=False)

    def respond(self, body: bool):
        path = Path(self.translate_path(self.path))
        if "secret" in path.name or not path.is_file():
            self.send_error(403 if "secret" in path.name else 404)
            return
        content = path.read_bytes()
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes="):
            start, _, stop = wanted[len("bytes=") :].partition("-")
            last = min(int(stop or len(content) - 1), len(content) - 1)
            part = content[int(start) : last + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
        else:
            part = content
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if body:
            self.wfile.write(part)


@pytest.fixture
def server(tmp_path) -> Iterator[str]:
    class Handler(RangeHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=str(tmp_path), **kwargs)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


def test_a_cog_over_http(write, server):
    values = np.random.default_rng(0).integers(0, 255, (3, 600, 700), np.uint8)
    write_quietly(write, "a.tif", values, driver="COG", blocksize=256)
    source = resolve(f"{server}/a.tif?token=1")
    assert source.is_remote
    assert source.path is None
    np.testing.assert_array_equal(read(source), values)


def test_a_missing_and_a_forbidden_file_over_http(write, server):
    write("secret.tif", RGB)
    with pytest.raises(SceneError, match="404"):
        resolve(f"{server}/none.tif")
    with pytest.raises(SceneError, match="refuses access") as caught:
        resolve(f"{server}/secret.tif?signature=hush")
    assert "hush" not in str(caught.value)


def test_digits_of_a_url_are_not_a_status_code(tmp_path, server):
    (tmp_path / "a401-404.tif").write_text("hello, sea")
    with pytest.raises(SceneError, match="is not a raster"):
        resolve(f"{server}/a401-404.tif")


def test_no_vrt_over_http(tmp_path, server):
    for name in ("a.vrt", "a.tif"):
        (tmp_path / name).write_text('<VRTDataset rasterXSize="6" rasterYSize="8"></VRTDataset>')
    with pytest.raises(SceneError, match="VRT on a server"):
        resolve(f"{server}/a.vrt")
    with pytest.raises(SceneError, match="is not a raster"):
        resolve(f"{server}/a.tif")


def test_an_unreachable_server():
    with pytest.raises(SceneError, match="cannot be read from the server"):
        resolve("http://127.0.0.1:9/a.tif")

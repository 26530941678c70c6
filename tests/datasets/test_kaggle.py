import io
import json
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from kaggle_server import KaggleServer, kaggle_server, original_archive, original_chips

from geoships.config.classification import ChipFiles
from geoships.datasets.archive import unpack
from geoships.datasets.chip_files import find_chips
from geoships.datasets.group_split import assign
from geoships.datasets.kaggle import download
from geoships.datasets.shipsnet import read_json
from geoships.errors import GeoshipsError

CONFIGS = Path(__file__).parents[2] / "configs"
SLUG = "rhammell/ships-in-satellite-imagery"


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hides the user's credentials, and removes the delay between attempts."""
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "home"))
    from kaggle.api import kaggle_api_extended as client

    monkeypatch.setattr(client.KaggleApi, "config", str(tmp_path / "home" / "kaggle.json"))
    monkeypatch.setattr(client.time, "sleep", lambda _: None)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleServer]:
    from kagglesdk import kaggle_env

    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    with kaggle_server(original_archive()) as server:
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.address)
        yield server


def test_a_data_set_is_downloaded_once_and_unpacked(server: KaggleServer, tmp_path: Path) -> None:
    first = download(SLUG, tmp_path / "raw", quiet=True)
    assert server.requests == [
        (
            "/v1/datasets.DatasetApiService/DownloadDataset",
            {"ownerSlug": "rhammell", "datasetSlug": "ships-in-satellite-imagery"},
        )
    ]
    assert first.downloaded
    assert (tmp_path / "raw/shipsnet.json").is_file()
    assert len(list((tmp_path / "raw/shipsnet/shipsnet").iterdir())) == 12
    assert not list((tmp_path / "raw").glob("*.zip"))
    again = download(SLUG, tmp_path / "raw", quiet=True)
    assert not again.downloaded
    assert (again.sha256, again.files) == (first.sha256, first.files)
    assert len(server.requests) == 1


def test_an_interrupted_download_is_resumed(server: KaggleServer, tmp_path: Path) -> None:
    server.interruptions = 7  # more than the client's retries
    with pytest.raises(GeoshipsError, match="cannot download"):
        download(SLUG, tmp_path, quiet=True)
    received = (tmp_path / "ships-in-satellite-imagery.zip").stat().st_size
    assert 0 < received < len(server.content)
    server.interruptions, server.ranges[:] = 0, []
    download(SLUG, tmp_path, quiet=True)
    assert server.ranges == [None, f"bytes={received}-"]  # the first request only gets the headers
    assert (tmp_path / "shipsnet.json").is_file()


def test_a_damaged_archive_is_deleted(server: KaggleServer, tmp_path: Path) -> None:
    server.content = server.content[:-1] + b"?"
    with pytest.raises(GeoshipsError, match="damaged in transfer"):
        download(SLUG, tmp_path, quiet=True)
    assert not list(tmp_path.glob("*.zip"))


@pytest.mark.parametrize(
    ("slug", "message"),
    [("rhammell/nothing", r"no such data set \(404\)"), ("nothing", "expected OWNER/NAME")],
)
@pytest.mark.usefixtures("server")
def test_an_unknown_data_set_gives_one_line(tmp_path: Path, slug: str, message: str) -> None:
    with pytest.raises(GeoshipsError, match=message):
        download(slug, tmp_path, quiet=True)


def test_without_credentials_one_line_says_where_to_put_them(geoships, tmp_path: Path) -> None:
    code, out, err = geoships("data", "kaggle", "--out", tmp_path / "raw")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "KAGGLE_API_TOKEN" in err


@pytest.mark.usefixtures("server")
def test_invalid_credentials_give_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KAGGLE_KEY", "wrong")
    with pytest.raises(GeoshipsError, match="KAGGLE_API_TOKEN"):
        download(SLUG, tmp_path, quiet=True)


def make_zip(path: Path, name: str, *, mode: int = 0o644, content: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        zipped.writestr(member, content)
    return path


@pytest.mark.parametrize(
    ("name", "mode"),
    [("../out", 0o644), ("/etc/out", 0o644), ("a/../../out", 0o644), ("c:out", 0o644), ("a", stat.S_IFLNK | 0o777)],
)
def test_archives_with_paths_outside_the_folder_are_refused(tmp_path: Path, name: str, mode: int) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(GeoshipsError, match="refused"):
        unpack(make_zip(tmp_path / "a.zip", name, mode=mode), tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.zip", "folder"]


def test_large_damaged_and_conflicting_archives_leave_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    archive = make_zip(tmp_path / "a.zip", "a/zeros", content=bytes(10_000))
    with pytest.raises(GeoshipsError, match="expected at most"):
        unpack(archive, folder, max_bytes=9_999)
    damaged = bytearray(make_zip(tmp_path / "b.zip", "a/b", content=bytes(range(256))).read_bytes())
    damaged[60] ^= 255
    (tmp_path / "b.zip").write_bytes(damaged)
    with pytest.raises(GeoshipsError, match="is damaged"):
        unpack(tmp_path / "b.zip", folder)
    assert not list(folder.iterdir())
    assert unpack(archive, folder) == ["a/zeros"]
    with pytest.raises(GeoshipsError, match="already has a"):
        unpack(archive, folder)
    assert unpack(archive, folder, replace=True) == ["a/zeros"]


def unpack_data_set(folder: Path, **parts: bool) -> Path:
    with zipfile.ZipFile(io.BytesIO(original_archive(**parts))) as zipped:
        zipped.extractall(folder)
    return folder


@pytest.mark.parametrize("pictures", [True, False])
def test_the_index_splits_by_scene_and_feeds_training(geoships, tmp_path: Path, pictures: bool) -> None:
    raw = unpack_data_set(tmp_path / "raw", pictures=pictures)
    index = tmp_path / "lists" / "index.csv"
    index.parent.mkdir()
    _, out, err = geoships("data", "prepare", raw, "--out", index, "--shares", "50,25,25", "--json")
    facts = json.loads(out)
    assert (facts["chips"], facts["scenes"], facts["whole_scenes"], err) == (12, 4, 1, "")
    assert facts["parts"] == {
        "train": {"ship": 2, "no-ship": 4},
        "validation": {"ship": 1, "no-ship": 2},
        "test": {"ship": 1, "no-ship": 2},
    }
    rows = [line.split(",") for line in index.read_text().splitlines()]
    assert rows[0] == ["file", "label", "scene", "lon", "lat", "split"]
    assert len({(row[2], row[5]) for row in rows[1:]}) == 4
    chips = find_chips(ChipFiles(root=raw, labels=index))
    assert {(chip.path.name, chip.label, chip.scene) for chip in chips} == {
        (name, label, scene) for name, label, scene, *_ in original_chips()
    }
    for name, *_, rgb in original_chips():
        path = next(chip.path for chip in chips if chip.path.name == name)
        assert np.array_equal(cv2.imread(str(path))[..., ::-1], rgb)


def test_different_chips_in_json_and_png_give_a_warning(geoships, tmp_path: Path) -> None:
    raw = unpack_data_set(tmp_path)
    next((raw / "shipsnet/shipsnet").iterdir()).unlink()
    _, _, err = geoships("data", "prepare", raw, "--out", tmp_path / "i.csv")
    assert "warning: 1 chips are only in shipsnet.json (12)" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "expected a JSON object"),
        ('{"data": [[1, 2', "truncated"),
        ('{"data": [[1, 2]], "labels": [1], "locations": [[1, 2]]}', "missing keys scene_ids"),
        ('{"data": [[1, 2]], "labels": [1], "locations": [[1, 2]], "scene_ids": ["a"]}', "expected 19200 numbers"),
        ('{"data": [], "labels": [1], "locations": [[1, 2]], "scene_ids": ["a"]}', "0 chips and 1 labels"),
        ('{"data": [], "labels": [1, 0], "locations": [[1, 2]], "scene_ids": ["a"]}', "2 labels, 1 locations"),
    ],
)
def test_json_of_another_layout_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "shipsnet.json").write_text(text)
    with pytest.raises(GeoshipsError, match=message):
        list(read_json(tmp_path / "shipsnet.json"))


def test_parts_get_their_fractions_and_none_is_empty() -> None:
    groups = {str(number): (1 + number % 3, 2) for number in range(20)}
    parts = assign(groups, {"train": 0.7, "validation": 0.15, "test": 0.15})
    counts = {part: sum(found == part for found in parts.values()) for part in ("train", "validation", "test")}
    assert counts["train"] in (13, 14, 15)
    assert min(counts.values()) >= 2
    assert set(
        assign({"a": (9,), "b": (1,), "c": (1,)}, {"train": 0.9, "validation": 0.05, "test": 0.05}).values()
    ) == {
        "train",
        "validation",
        "test",
    }


FAST = ("run.batch_size=4", "run.precision=fp32", "run.device=cpu", "network.encoder_weights=null")
CLASSIFIER = ("network.encoder=resnet10t", "run.epochs=1")
SEGMENTER = (
    'data.scenes=["part-*.tif"]', "data.labels=.", "data.hold_out=[part-2]", "crops.size=64", "run.crops=8",
    "network.options={encoder_depth: 3, decoder_channels: [24, 16, 8]}", "bundle.halo=16", "bundle.views=1",
    "run.pictures=0",
)  # fmt: skip


@pytest.mark.usefixtures("server")
def test_the_five_commands_lead_from_kaggle_to_outlines(
    geoships: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    raw, index, parts, runs = (tmp_path / name for name in ("raw", "index.csv", "rgb3m", "runs"))

    def run(*arguments: object) -> str:
        code, out, err = geoships(*arguments, "--quiet")
        assert code == 0, err
        return out

    def train(name: str, *settings: object) -> None:
        given = [word for setting in (*FAST, *settings) for word in ("--set", setting)]
        run("train", "--config", CONFIGS / f"{name}.yaml", "--out", runs / name, *given)

    run("data", "kaggle", "--out", raw)
    run("data", "prepare", raw, "--out", index)
    run("data", "chip-masks", raw, "--labels", index, "--out", parts, "--parts", 2)
    train("chips-rgb3m", f"data.root={raw}", f"data.labels={index}", *CLASSIFIER)
    train("optical-rgb3m", f"data.root={parts}", *SEGMENTER)
    model, classifier = (runs / name / "bundle" for name in ("optical-rgb3m", "chips-rgb3m"))
    labelled = ("--scenes", parts / "part-2.tif", "--labels", parts / "part-2_mask.tif")
    run("evaluate", model, *labelled, "--out", tmp_path / "evaluation", "--no-pictures")
    metrics = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    assert set(metrics["scenes"]) == {"part-2"}
    run("predict", raw / "shipsnet", "--model", classifier, "--out", tmp_path / "ships.csv")
    run("predict", raw / "shipsnet", "--model", model, "--out", tmp_path / "outlines.geojson")
    features = json.loads((tmp_path / "outlines.geojson").read_text())["features"]
    assert len(features) == len((tmp_path / "ships.csv").read_text().splitlines()) - 1 == 12
    assert all(chip["properties"]["shapes"] is not None for chip in features)

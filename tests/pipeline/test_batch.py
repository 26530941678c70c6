"""Many scenes at once: planned outputs, failures, and which scenes run beside others."""

import threading
from pathlib import Path

import pytest
from fake_models import fake_bundle
from scenes import ship_scene

from geoships.config import PredictConfig
from geoships.errors import DeviceError, GeoshipsError, OutputError, SceneError
from geoships.model.bundle import save_bundle
from geoships.pipeline import batch
from geoships.pipeline.batch import SceneJob, is_small, plan_outputs, predict_many
from geoships.scene.opening.band_files import BandFile, BandFiles


class Recorder:
    """Progress that notes what it is told, and in which thread."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.pixels = 0

    def start(self, name: str, pixels: int) -> None:  # noqa: ARG002
        self.started.append(Path(name).name)

    def advance(self, pixels: int) -> None:
        self.pixels += pixels

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def detail(self, text: str) -> None:
        pass


CPU = PredictConfig(model="fake", device="cpu", engine="torch", precision="fp32", style=False)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Models are fake ones; returns the names of those that were loaded."""
    names: list[object] = []

    def load(name: object) -> object:
        names.append(name)
        return fake_bundle()

    monkeypatch.setattr(batch, "load_bundle", load)
    return names


def test_outputs_are_named_after_the_scenes() -> None:
    scenes = ["in/a.tif", Path("in/b.jp2"), "https://host/c.tif?key=1", BandFiles("d", (BandFile("red", "r.tif"),))]
    plain = plan_outputs(scenes, "out")
    assert [job.out for job in plain] == [Path(f"out/{stem}.geojson") for stem in "abcd"]
    assert plain[0] == SceneJob("in/a.tif", Path("out/a.geojson"))
    assert plan_outputs(["a.tif"], Path("out"), format="parquet", rasters=True, previews=True, items=True) == [
        SceneJob(
            "a.tif", Path("out/a.parquet"), Path("out/a_mask.tif"), Path("out/a_scores.tif"), Path("out/a_item.json"),
            Path("out/a.png"),
        )
    ]  # fmt: skip


def test_scenes_of_one_name_keep_their_folders() -> None:
    jobs = plan_outputs(["x/a.tif", "b.tif", "y/a.jp2"], "out", rasters=True)
    assert [job.place for job in jobs] == ["x/a", "b", "y/a"]
    assert (jobs[0].out, jobs[2].mask) == (Path("out/x/a.geojson"), Path("out/y/a_mask.tif"))


def test_unknown_formats_are_refused() -> None:
    with pytest.raises(OutputError, match=r"'shp'.* choose one of geojson, gpkg, fgb, parquet"):
        plan_outputs(["a.tif"], "out", format="shp")


def test_a_scene_that_fails_does_not_stop_the_others(loaded: list[object], tmp_path: Path) -> None:
    for name in "acd":
        ship_scene(tmp_path / f"{name}.tif")
    (tmp_path / "b.tif").write_text("no raster")
    jobs = plan_outputs([tmp_path / f"{name}.tif" for name in "abcd"], tmp_path)
    told: list[str] = []

    result = predict_many(jobs, CPU, on_failure=lambda failure: told.append(failure.scene))

    assert [prediction.scene for prediction in result.predictions] == [str(tmp_path / f"{n}.tif") for n in "acd"]
    assert [len(prediction.ships) for prediction in result.predictions] == [4, 4, 4]
    assert [failure.scene for failure in result.failures] == told == [str(tmp_path / "b.tif")]
    assert isinstance(result.failures[0].error, SceneError)
    assert "b.tif" in str(result.failures[0].error)
    assert (tmp_path / "d.geojson").is_file()
    assert loaded == ["fake"]  # once for all scenes


def test_a_failure_of_a_lone_scene_is_a_failure_too(loaded: list[object], tmp_path: Path) -> None:  # noqa: ARG001
    result = predict_many([SceneJob("none.tif", tmp_path / "s.gpkg")], CPU)
    assert (result.predictions, [failure.scene for failure in result.failures]) == ((), ["none.tif"])


def test_no_scenes_have_no_results() -> None:
    assert predict_many([], PredictConfig(device="cpu")) == batch.BatchResult((), ())


def test_small_scenes_run_beside_each_other_and_say_little(
    loaded: list[object],  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    both = threading.Barrier(2, timeout=20)  # passes only where two scenes run at once
    one = batch.predict

    def predict(*arguments: object, **options: object) -> object:
        both.wait()
        return one(*arguments, **options)

    monkeypatch.setattr(batch, "predict", predict)
    for name in "ab":
        ship_scene(tmp_path / f"{name}.tif", crs=None, transform=None)
    heard = Recorder()

    result = predict_many(plan_outputs([tmp_path / "a.tif", tmp_path / "b.tif"], tmp_path), CPU, heard)

    assert len(result.predictions) == 2
    assert (heard.started, heard.pixels) == ([], 0)
    assert sorted(note.rpartition("/")[2] for note in heard.notes) == ["a.tif: 0.0 Mpix", "b.tif: 0.0 Mpix"]
    assert {warning.partition(":")[0] for warning in heard.warnings} == {"a.tif", "b.tif"}


def test_without_overlap_progress_hears_of_one_scene_at_a_time(
    loaded: list[object],  # noqa: ARG001
    tmp_path: Path,
) -> None:
    for name in "ab":
        ship_scene(tmp_path / f"{name}.tif")
    heard = Recorder()
    predict_many(plan_outputs([tmp_path / "a.tif", tmp_path / "b.tif"], tmp_path), CPU, heard, overlap=False)
    assert (heard.started, heard.pixels) == (["a.tif", "b.tif"], 2 * 180 * 200)


def test_the_size_of_the_file_tells_whether_a_scene_is_small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scene = tmp_path / "a.TIF"
    ship_scene(scene)
    monkeypatch.setattr("rasterio.open", None)  # no scene is opened for this
    assert is_small(scene)
    assert is_small(str(scene))
    monkeypatch.setattr(batch, "SMALL_BYTES", scene.stat().st_size - 1)
    assert not is_small(scene)
    monkeypatch.undo()
    (tmp_path / "a.vrt").write_text("<VRTDataset/>")  # may refer to a scene of any size
    (tmp_path / "folder.tif").mkdir()
    others = [tmp_path / "a.vrt", tmp_path / "folder.tif", tmp_path / "none.tif", "https://host/a.tif", "a\0.tif"]
    assert not any(is_small(other) for other in [*others, BandFiles("a", (BandFile("red", "r.tif"),))])


def test_a_lone_scene_is_never_looked_at_for_its_size(
    loaded: list[object],  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(batch, "is_small", None)
    ship_scene(tmp_path / "a.tif")
    assert predict_many([SceneJob(tmp_path / "a.tif", tmp_path / "a.fgb")], CPU).predictions


def test_several_devices_have_a_process_each(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(batch, "devices_of", lambda _: ["cpu", "cpu"])
    jobs = plan_outputs([tmp_path / "a.tif", tmp_path / "b.tif"], tmp_path)
    heard = Recorder()
    model = fake_bundle()
    save_bundle(tmp_path / "model", model.card, model.weights)

    result = predict_many(jobs, CPU.model_copy(update={"model": str(tmp_path / "model")}), heard)

    assert [failure.scene for failure in result.failures] == [str(job.scene) for job in jobs]
    assert all(isinstance(failure.error, GeoshipsError) for failure in result.failures)
    assert heard.notes[0] == "2 scenes on cpu, cpu"
    assert sorted(heard.notes[1:]) == [f"{tmp_path}/{name}.tif: failed" for name in "ab"]


def test_a_missing_device_is_an_error_of_the_whole_run() -> None:
    with pytest.raises(DeviceError, match="no GPU was found"):
        predict_many([SceneJob("a.tif")], PredictConfig(device="cuda:all"))

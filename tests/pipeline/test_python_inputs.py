"""`geoships.predict` as programs call it: scenes in every form, settings as keywords, scores returned."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

import geopandas
import numpy as np
import pytest
import rasterio
import rioxarray
import shapely
import xarray
from affine import Affine
from fake_models import fake_bundle
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from scenes import SHIPS, UTM, ship_scene

import geoships
from geoships import GeoshipsError, OutputError, PredictConfig, Prediction, SceneError, ScoredPrediction, predict
from geoships.config.predict import PredictOptions

BANDS = ("B02", "B03", "B04")
QUICK: dict[str, Any] = {"tile_size": 96, "min_area": 0, "device": "cpu", "engine": "torch", "precision": "fp32"}
PLACE: dict[str, Any] = {"transform": UTM, "crs": "EPSG:32631"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A scene of three named bands with 60 columns without data, stored as DN with scale and offset."""
    ship_scene(tmp_path / "scene.tif", bands=BANDS, nodata_columns=60, offset=-0.1)
    return tmp_path / "scene.tif"


def run(scene: Any, **options: Any) -> Any:
    return predict(scene, model=fake_bundle(), **{**QUICK, **options})


def facts(prediction: Prediction) -> list[tuple[object, ...]]:
    ships = prediction.ships
    return [
        (ship.pixels, round(ship.score, 5), round(ship.length_m, 3), ship.geometry.wkt)
        for ship in ships.set_geometry(shapely.set_precision(ships.geometry.array, 1e-6)).itertuples()
    ]


@pytest.fixture
def forms(path: Path) -> Iterator[dict[str, Callable[[], tuple[Any, dict[str, Any]]]]]:
    """The scene in every form, with what has to be said beside it."""
    with ExitStack() as stack:
        dataset = stack.enter_context(rasterio.open(path))
        memory = stack.enter_context(MemoryFile(path.read_bytes()))
        in_memory = stack.enter_context(memory.open())
        same_grid = {"crs": dataset.crs, "transform": dataset.transform, "width": 200, "height": 180}
        values, said = dataset.read(), {**PLACE, "bands": BANDS, "scale": 1e-4, "offset": -0.1}
        opened = rioxarray.open_rasterio(path)
        masked = rioxarray.open_rasterio(path, masked=True)
        yield {
            "text": lambda: (str(path), {}),
            "dataset": lambda: (dataset, {}),
            "dataset with options": lambda: (stack.enter_context(rasterio.open(path, num_threads=2)), {}),
            "file in memory": lambda: (in_memory, {}),
            "warped": lambda: (stack.enter_context(WarpedVRT(dataset, **same_grid)), {}),
            "warped in memory": lambda: (stack.enter_context(WarpedVRT(in_memory, **same_grid)), {}),
            "array": lambda: (values, {**said, "nodata": 0}),
            "masked array": lambda: (dataset.read(masked=True), said),
            "array of big-endian floats": lambda: (values.astype(">f8"), {**said, "nodata": 0}),
            "one band": lambda: (values[2], {**said, "bands": ["red"], "nodata": 0}),
            "DataArray": lambda: (opened, {}),
            "masked DataArray": lambda: (masked, {}),
            "scaled DataArray": lambda: (rioxarray.open_rasterio(path, mask_and_scale=True), {}),
            "lazy DataArray": lambda: (rioxarray.open_rasterio(path, chunks={"x": 64, "y": 64}), {}),
            "DataArray with the bands last": lambda: (opened.transpose("y", "x", "band"), {}),
            "DataArray with a time": lambda: (opened.expand_dims(time=[np.datetime64("2024-05-06T07:08:09")]), {}),
            "DataArray with named bands": lambda: (opened.assign_coords(band=list(BANDS)), {}),
            "DataArray with common names": lambda: (
                opened.assign_coords(band=["x", "y", "z"], common_name=("band", ["blue", "green", "red"])), {}
            ),
        }  # fmt: skip


FORMS = [
    "text", "dataset", "dataset with options", "file in memory", "warped", "warped in memory", "array", "masked array",
    "array of big-endian floats", "one band", "DataArray", "masked DataArray", "scaled DataArray", "lazy DataArray",
    "DataArray with the bands last", "DataArray with a time", "DataArray with named bands",
    "DataArray with common names",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_scene_has_the_same_ships(form: str, forms: dict[str, Any], path: Path) -> None:
    assert set(forms) == set(FORMS)
    expected = run(path)
    assert len(expected.ships) == 3
    scene, said = forms[form]()
    found = run(scene, return_scores="array", **said)
    assert facts(found) == facts(expected)
    assert found.ships.crs == expected.ships.crs
    assert np.isnan(found.scores[:, :60]).all()


def test_a_slice_of_a_data_array_lies_where_it_lies(path: Path) -> None:
    opened = rioxarray.open_rasterio(path)
    part = opened[:, 80:, 50:]  # keeps the attribute GeoTransform of the whole
    assert run(part).ships.lon.tolist() == pytest.approx(run(path).ships.lon[1:].tolist(), abs=1e-9)
    upside_down = opened.sortby("y")
    assert sorted(run(upside_down).ships.lat) == pytest.approx(sorted(run(path).ships.lat), abs=1e-9)


def test_a_place_that_a_data_array_lacks_can_be_said(path: Path) -> None:
    bare = xarray.DataArray(rioxarray.open_rasterio(path).to_numpy(), dims=("band", "y", "x"))
    assert run(bare, bands=BANDS, scale=1e-4, nodata=0).ships.crs is None
    found = run(bare, bands=BANDS, scale=1e-4, offset=-0.1, nodata=0, **PLACE)
    assert facts(found) == facts(run(path))


def test_time_and_name_of_a_data_array_reach_the_ships(path: Path) -> None:
    scene = rioxarray.open_rasterio(path).rename("harbour").assign_coords(time=np.datetime64("2024-05-06T07:08:09"))
    ships = run(scene).ships
    assert set(ships.scene) == {"harbour"}
    assert set(ships.datetime) == {"2024-05-06T07:08:09Z"}


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_pixels_that_are_masked_in_some_bands_are_no_data(dtype: str, path: Path) -> None:
    with rasterio.open(path) as dataset:
        values = dataset.read().astype(dtype)
    mask = np.zeros(values.shape, bool)
    mask[2, 80:, :100] = True
    found = run(np.ma.MaskedArray(values, mask), bands=BANDS, scale=1e-4, offset=-0.1, nodata=0, **PLACE,
                return_scores="array")  # fmt: skip
    assert np.isnan(found.scores[80:, :100]).all()
    assert not np.isnan(found.scores[:80, 60:]).any()
    assert len(found.ships) == 2


@pytest.mark.parametrize(
    ("dtype", "value"), [("bool", 1), ("int8", 90), ("uint8", 90), ("int64", 9000), ("float16", 0.5), ("longdouble", 1)]
)
def test_every_kind_of_numbers_is_stored(dtype: str, value: float) -> None:
    values = np.zeros((1, 20, 20), dtype)
    values[0, 5:9, 5:9] = value
    scale = 0.9 / float(values.max())
    assert run(values, scale=scale, bands=["red"], **PLACE).ships.pixels.tolist() == [16]


def test_the_fourth_band_of_an_array_is_no_transparency() -> None:
    values = np.zeros((4, 20, 20), "uint8")
    values[2, 5:9, 5:9] = 255
    found = run(values, bands=["blue", "green", "red", "nir"], **PLACE, return_scores="array")
    assert not np.isnan(found.scores).any()


def test_numbers_choose_bands_of_an_array(path: Path) -> None:
    with rasterio.open(path) as dataset:
        values = dataset.read()
    values[:2] = 1000
    found = run(values, bands=[3], scale=1e-4, offset=-0.1, **PLACE)
    assert len(found.ships) == len(SHIPS) - 1
    assert "3" in found.bands


def test_outputs_of_a_scene_in_memory(path: Path, tmp_path: Path) -> None:
    with rasterio.open(path) as dataset:
        values = dataset.read()
    outputs = {kind: tmp_path / f"out{suffix}" for kind, suffix in
               {"out": ".gpkg", "mask": "_mask.tif", "scores": "_scores.tif", "stac": ".json", "preview": ".png",
                "project": ".qgz"}.items()}  # fmt: skip
    found = run(values, bands=BANDS, scale=1e-4, nodata=0, **PLACE, **outputs)
    assert all(output.exists() for output in outputs.values())
    assert any("it is in memory" in text for text in found.warnings)
    with rasterio.open(outputs["mask"]) as mask:
        assert mask.transform == UTM
    with rasterio.open(path) as dataset, pytest.raises(OutputError, match="itself, or a part of it"):
        run(dataset, mask=path)


def test_scores_and_mask_are_returned_as_the_files_hold_them(path: Path, tmp_path: Path) -> None:
    found = run(path, return_scores="array", mask=tmp_path / "m.tif", scores=tmp_path / "s.tif")
    assert isinstance(found, ScoredPrediction)
    assert (found.scores.dtype, found.mask.dtype) == (np.float32, np.uint8)
    with rasterio.open(tmp_path / "m.tif") as mask, rasterio.open(tmp_path / "s.tif") as scores:
        np.testing.assert_array_equal(found.mask, mask.read(1))
        np.testing.assert_allclose(
            found.scores, scores.read(1, masked=True).astype(float).filled(np.nan) / 254, atol=1 / 500
        )
    plain = run(path)
    assert type(plain) is Prediction
    assert found.summary().keys() == plain.summary().keys()


@pytest.mark.parametrize("form", ["path", "DataArray", "rotated"])
def test_scores_as_data_arrays_lie_on_the_grid_of_the_scene(form: str, path: Path, tmp_path: Path) -> None:
    scene: Any = path if form == "path" else rioxarray.open_rasterio(path)
    if form == "rotated":
        scene = tmp_path / "rotated.tif"
        ship_scene(scene, bands=BANDS, transform=UTM @ Affine.rotation(31))
    found = run(scene, return_scores="xarray")
    with rasterio.open(tmp_path / "rotated.tif" if form == "rotated" else path) as dataset:
        for array in (found.scores, found.mask):
            assert array.dims == ("y", "x")
            assert array.rio.crs == dataset.crs
            assert array.rio.transform().almost_equals(dataset.transform, 1e-9)
    assert (found.mask.rio.nodata, np.isnan(found.scores.rio.nodata)) == (255, True)
    if form == "DataArray":
        assert len(xarray.align(scene, found.scores, join="inner")[0].x) == 200  # the coordinates are the same numbers


def test_settings_are_a_config_a_dict_or_keywords_which_come_first(path: Path) -> None:
    base = {**QUICK, "min_area": 5000.0}
    expected = [1, 2]
    for config in (base, PredictConfig(**base)):
        result = predict(path, config=config, model=fake_bundle(), threshold=0.3)
        assert result.ships.id.tolist() == expected
        assert result.threshold == 0.3
        assert len(predict(path, config=config, model=fake_bundle(), min_area=0).ships) == 3


def test_a_model_is_a_name_a_path_or_a_bundle(path: Path) -> None:
    for wrong in ("no-such-model", Path("no-such-model")):
        with pytest.raises(geoships.BundleError, match="no-such-model"):
            predict(path, model=wrong)
    with pytest.raises(GeoshipsError, match="model=: expected a name"):
        predict(path, model=5)  # type: ignore[call-overload]


AREA = shapely.box(500000, 3998500, 501000, 4000000)
FRAME = geopandas.GeoDataFrame(geometry=[AREA], crs=32631)


@pytest.mark.parametrize("area", [AREA, FRAME, FRAME.to_crs(3857), FRAME.geometry.to_crs(4326)])
@pytest.mark.parametrize("as_config", [False, True])
def test_an_area_is_a_geometry_or_a_table(area: Any, as_config: bool, path: Path) -> None:
    given = {"config": {"area": area}} if as_config else {"area": area}
    found = run(path, return_scores="array", **given)
    assert len(found.ships) == 1
    assert (found.mask[:, 110:] == 255).all()


def test_an_area_is_a_file_too_and_land_is_like_an_area(path: Path, tmp_path: Path) -> None:
    FRAME.to_file(tmp_path / "area.gpkg")
    assert len(run(path, area=str(tmp_path / "area.gpkg")).ships) == 1
    everywhere = shapely.box(490000, 3990000, 510000, 4010000)
    for land in (everywhere, geopandas.GeoSeries([everywhere], crs=32631)):
        result = run(path, land=land, shore=0)
        assert result.tiles.land > 0
        assert result.tiles.computed == 0


def closed(path: Path) -> Any:
    with rasterio.open(path) as dataset:
        return dataset


NO_SCENES: dict[str, tuple[Callable[[Path], Any], dict[str, Any], str]] = {
    "closed": (closed, {}, "the dataset is closed"),
    "writable": (lambda path: rasterio.open(path, "r+"), {}, "open for writing"),
    "bands last": (lambda _: np.zeros((40, 30, 3)), {}, "bands last"),
    "four dimensions": (lambda _: np.zeros((1, 3, 4, 4)), {}, r"needs the shape \(bands, rows, columns\)"),
    "empty": (lambda _: np.zeros((3, 0, 4)), {}, "needs the shape"),
    "complex": (lambda _: np.zeros((1, 4, 4), complex), {}, "complex"),
    "texts": (lambda _: np.full((1, 4, 4), "a"), {}, "no numbers"),
    "no crs": (lambda _: np.zeros((1, 4, 4)), {"crs": "nowhere"}, "no coordinate reference system"),
    "no transform": (lambda _: np.zeros((1, 4, 4)), {"transform": (1, 2, 3)}, "affine.Affine"),
    "degenerate": (lambda _: np.zeros((1, 4, 4)), {**PLACE, "transform": Affine.scale(0)}, "pixels have no size"),
    "too few names": (lambda _: np.zeros((3, 4, 4)), {"bands": ["red"]}, "expected 3 names"),
    "nodata": (lambda _: np.zeros((1, 4, 4), "uint8"), {"nodata": -5}, "cannot be stored"),
    "place of a path": (lambda path: path, {"crs": 4326}, "crs= belongs to arrays"),
    "number": (lambda _: 5, {}, "got int"),
    "dataset of xarray": (lambda path: rioxarray.open_rasterio(path).to_dataset("band"), {}, "to_dataarray"),
    "several times": (
        lambda path: xarray.concat(
            [rioxarray.open_rasterio(path).assign_coords(time=np.datetime64(day, "D")) for day in (19000, 19010)],
            "time",
        ), {}, r"isel\(time=0\)",
    ),
    "no space": (lambda _: xarray.DataArray(np.zeros((3, 4)), dims=("a", "b")), {}, "no image"),
    "uneven": (
        lambda path: rioxarray.open_rasterio(path).isel(x=[0, 1, 2, 5, 9]), {}, "not evenly spaced"
    ),
    "area": (lambda path: path, {"area": 5}, "expected a vector file, a shapely geometry"),
    "area elsewhere": (lambda path: path, {"area": shapely.box(0, 0, 1, 1)}, "the area of interest is outside"),
    "misspelt": (lambda path: path, {"treshold": 0.4}, "unknown setting treshold; did you mean threshold?"),
    "wrong value": (lambda path: path, {"threshold": 4}, "wrong setting: threshold: Input should be less than 1"),
    "config": (lambda path: path, {"config": "predict.yaml"}, "expected a PredictConfig or a dict"),
    "return": (lambda path: path, {"return_scores": True}, "expected 'array', 'xarray' or None"),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_SCENES)
def test_what_cannot_be_used_is_refused_in_one_line(case: str, path: Path) -> None:
    make, said, text = NO_SCENES[case]
    scene = make(path)
    with pytest.raises(GeoshipsError, match=text) as caught:
        run(scene, **said)
    assert "\n" not in str(caught.value)


def test_a_data_array_without_rioxarray_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = rioxarray.open_rasterio(path)
    monkeypatch.setitem(__import__("sys").modules, "rioxarray", None)
    with pytest.raises(SceneError, match=r"geoships\[xarray\]"):
        run(scene)
    with pytest.raises(OutputError, match=r"geoships\[xarray\]"):
        run(path, return_scores="xarray")


def plain(kind: Any) -> set[Any]:
    """The types in a union, without their limits."""
    if typing.get_origin(kind) is typing.Annotated:
        return plain(get_args(kind)[0])
    return set().union(*map(plain, get_args(kind))) if typing.get_origin(kind) in (typing.Union, UnionType) else {kind}


def test_keywords_and_settings_have_the_same_names_and_types() -> None:
    settings = {name: field.annotation for name, field in PredictConfig.model_fields.items()}
    del settings["model"]  # a parameter of its own, which also takes a bundle
    keywords = PredictOptions.__annotations__
    assert list(keywords) == list(settings)
    for name in keywords.keys() - {"area", "land", "bands", "fixed"}:  # these take more than the settings do
        taken = eval(keywords[name].__forward_arg__, {"Literal": typing.Literal})
        assert plain(taken) == plain(settings[name]) | {type(None)}, name


def test_type_checkers_know_what_is_returned() -> None:
    returned = [get_type_hints(form, {**vars(geoships.pipeline.predict), "DataArray": xarray.DataArray,
                "SceneLike": object})["return"] for form in typing.get_overloads(predict)]  # fmt: skip
    assert returned[0] is Prediction
    assert [typing.get_origin(kind) for kind in returned[1:]] == [ScoredPrediction, ScoredPrediction]

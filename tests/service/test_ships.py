"""Ships of a job as OGC API Features has them, their tiles, and what people say of them."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pytest
import shapely
from PIL import Image
from served import CPU, Served, new_job
from shapely.geometry import shape

from geoships.service.features import Query, Ships, parse_box, parse_interval
from geoships.service.problems import ProblemError


def collection_of(job: str) -> str:
    return job.replace("/jobs/", "/collections/")


def ids(document: dict[str, Any]) -> list[Any]:
    return [feature["id"] for feature in document["features"]]


def feature(number: int, west: float = 0.0, **properties: Any) -> dict[str, Any]:
    ring = [[west, 0], [west + 1, 0], [west + 1, 1], [west, 0]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "id": number, "properties": {"id": number, **properties}, "geometry": geometry}


def selected(ships: Ships, **query: Any) -> list[Any]:
    return [each["id"] for each in ships.select(Query(**query))]


def test_a_box_may_cross_the_antimeridian() -> None:
    ships = Ships([feature(1, 178.5), feature(2, -180), feature(3, 0)])
    assert selected(ships, box=(170, -5, -170, 5)) == [1, 2]
    assert selected(ships, box=(-170, -5, 170, 5)) == [3]
    assert parse_box("1,2,0,3,4,9") == (1, 2, 3, 4)


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,x", "0,9,1,0", "nan,0,1,1", "inf,0,1,1", ""])
def test_boxes_that_are_none(text: str) -> None:
    with pytest.raises(ProblemError, match="WEST,SOUTH,EAST,NORTH"):
        parse_box(text)


def test_times_and_intervals() -> None:
    ships = Ships([feature(1, datetime="2024-06-21T10:00:00Z"), feature(2, datetime=None)])
    for text, found in (
        ("2024-06-21T10:00:00Z", [1, 2]),
        ("2024-06-21", [1, 2]),
        ("2024-06-22", [2]),
        ("2024-06-21/2024-06-21", [1, 2]),
        ("../2024-06-20", [2]),
        ("2024-06-21T12:00:00+02:00/..", [1, 2]),
    ):
        assert selected(ships, interval=parse_interval(text)) == found, text
    assert parse_interval("2024-01-01/..") == (datetime(2024, 1, 1, tzinfo=UTC), None)
    for wrong in ("yesterday", "../..", "2024-02-02/2024-01-01", "2024", "2024-13-01", ""):
        with pytest.raises(ProblemError):
            parse_interval(wrong)


def test_properties_by_value_and_by_range() -> None:
    ships = Ships([feature(1, score=0.5, edge=True, kind="a"), feature(2, score=0.9, edge=False, kind="b"),
                   feature(3, score=None, edge=None, kind=None)])  # fmt: skip
    assert selected(ships, properties={"score": "0.6/.."}) == [2]
    assert selected(ships, properties={"score": "../0.9"}) == [1, 2]
    assert selected(ships, properties={"score": "0.5"}) == [1]
    assert selected(ships, properties={"edge": "true"}) == [1]
    assert selected(ships, properties={"kind": "b", "id": "1/2"}) == [2]
    for wrong in ({"score": "much"}, {"edge": "1"}):
        with pytest.raises(ProblemError):
            ships.select(Query(properties=wrong))


def test_items_come_in_pages_with_links(done: tuple[Served, str]) -> None:
    service, job = done
    place, seen = f"{collection_of(job)}/items?limit=3&score=0.1/..", []
    while place:
        page = service.client.get(place)
        assert page.headers["content-type"] == "application/geo+json"
        document = page.json()
        assert (document["numberMatched"], document["numberReturned"]) == (4, len(document["features"]))
        seen += ids(document)
        place = next((link["href"] for link in document["links"] if link["rel"] == "next"), "")
        assert not place or "score=0.1" in place
    assert seen == [1, 2, 3, 4]
    one = service.client.get(f"{collection_of(job)}/items/2").json()
    assert (one["id"], one["properties"]["id"]) == (2, 2)
    assert service.client.get(f"{collection_of(job)}/items/99").status_code == 404


def test_items_in_a_box(done: tuple[Served, str]) -> None:
    service, job = done
    items = f"{collection_of(job)}/items"
    west, south, east, north = shape(service.client.get(f"{items}/3").json()["geometry"]).bounds
    assert ids(service.client.get(f"{items}?bbox={west},{south},{east},{north}").json()) == [3]
    crs = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
    assert service.client.get(f"{items}?bbox=0,0,1,1&bbox-crs={crs}").json()["features"] == []
    assert service.client.get(f"{items}?bbox-crs=EPSG:3857").status_code == 400


@pytest.mark.parametrize(
    "query", ["nonsense=1", "bbox=1,2", "datetime=x", "limit=0", "limit=x", "offset=-1", "f=exe", "rel=x", "path=/"]
)
def test_parameters_that_are_not_valid(done: tuple[Served, str], query: str) -> None:
    service, job = done
    answer = service.client.get(f"{collection_of(job)}/items?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_collections_and_queryables(done: tuple[Served, str]) -> None:
    service, job = done
    listed = service.client.get("/collections").json()
    assert listed["numberMatched"] == 1
    collection = service.client.get(collection_of(job)).json()
    assert collection == listed["collections"][0]
    assert collection["extent"]["spatial"]["bbox"][0] == service.client.get(job).json()["result"]["bbox"]
    links = {link["rel"] for link in collection["links"]}
    assert {"self", "items"} <= links
    properties = service.client.get(f"{collection_of(job)}/queryables").json()["properties"]
    assert properties["score"]["type"] == "number"
    assert properties["on_border"]["type"] == "boolean"


@pytest.mark.parametrize("form", ["gpkg", "fgb", "kml", "parquet", "csv"])
def test_ships_in_each_form(done: tuple[Served, str], tmp_path: Path, form: str) -> None:
    service, job = done
    answer = service.client.get(f"{collection_of(job)}/items?f={form}&score=0.1/..")
    assert f'filename="scene.ships.{form}"' in answer.headers["content-disposition"]
    path = tmp_path / f"ships.{form}"
    path.write_bytes(answer.content)
    expected = service.client.get(f"{job}/files/ships.geojson").json()["features"]
    if form == "csv":
        table = geopandas.pd.read_csv(path)
        outlines = geopandas.GeoSeries.from_wkt(table.outline_wkt)
    else:
        table = geopandas.read_parquet(path) if form == "parquet" else pyogrio.read_dataframe(path)
        outlines = table.geometry
        assert table.crs == 4326
    order = table.sort_values("Name" if form == "kml" else "id", key=lambda column: column.astype(int)).index
    for outline, each in zip(outlines.loc[order], expected, strict=True):
        assert outline.symmetric_difference(shape(each["geometry"])).area < 1e-12


def test_tiles_show_the_scene_its_scores_and_its_mask(done: tuple[Served, str]) -> None:
    service, job = done
    middle: dict[str, Any] = {}
    for layer in ("scene", "scores", "mask"):
        tiles = service.client.get(f"{job}/layers/{layer}/WebMercatorQuad/tilejson.json").json()
        west, south, east, north = tiles["bounds"]
        zoom = tiles["maxzoom"]
        column = int(((west + east) / 2 + 180) / 360 * 2**zoom)
        latitude = np.radians((south + north) / 2)
        row = int((1 - np.arcsinh(np.tan(latitude)) / np.pi) / 2 * 2**zoom)
        address = tiles["tiles"][0].format(z=zoom, x=column, y=row)
        assert address.startswith("http://localhost:8000/jobs/")
        answer = service.client.get(address.replace("?", ".png?"))
        assert answer.headers["content-type"] == "image/png"
        middle[layer] = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"))
    assert middle["scene"][..., 3].any()
    assert not middle["scene"][..., 3].all()
    ships = middle["mask"][..., 3] > 0
    assert 0 < ships.mean() < 0.2
    assert (middle["scores"][..., 3][ships] == 255).mean() > 0.9
    assert middle["scores"][..., 3][~ships].mean() < middle["scores"][..., 3][ships].mean() / 2


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("scene/tiles/WebMercatorQuad/5/0/0.png", 404),
        ("scene/tiles/WebMercatorQuad/99/0/0.png", 404),
        ("scene/tiles/WebMercatorQuad/3/8/0.png", 404),
        ("scene/tiles/WebMercatorQuad/3/-1/0.png", 404),
        ("scene/tiles/WebMercatorQuad/3/0/0.npy", 404),
        ("scene/tiles/WebMercatorQuad/3/0/0.png?tilesize=99999", 400),
        ("scene/tiles/Other/3/0/0.png", 400),
        ("scores/WebMercatorQuad/tilejson.json?colormap_name=none", 400),
        ("input/WebMercatorQuad/tilejson.json", 404),
        ("scene/info", 404),
        ("scene/preview", 404),
    ],
)
def test_tiles_that_are_none(done: tuple[Served, str], path: str, status: int) -> None:
    service, job = done
    answer = service.client.get(f"{job}/layers/{path}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_tiles_are_kept_by_browsers(done: tuple[Served, str]) -> None:
    service, job = done
    tile = service.client.get(f"{job}/layers/scene/WebMercatorQuad/tilejson.json")
    assert tile.headers["cache-control"] == "private, max-age=86400"
    again = service.client.get(str(tile.url), headers={"If-None-Match": tile.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tile.headers["etag"]
    missing = service.client.get(f"{job}/layers/scene/tiles/WebMercatorQuad/9/0/0.png")
    assert (missing.status_code, missing.headers["cache-control"]) == (404, "no-store")


def test_tiles_are_added_when_they_are_first_asked_for(service: Served) -> None:
    def wmts() -> list[str]:
        return [route.path for route in service.app.routes if getattr(route, "path", "").endswith("/wmts")]

    tiles = f"/jobs/{new_job().id}/layers/scene/tiles/WebMercatorQuad/0/0/0.png"
    assert len(wmts()) == 1
    for path in (tiles, tiles):
        answer = service.client.get(path)
        assert (answer.status_code, answer.json()["detail"]) == (404, "there is no such job")
    assert wmts() == []  # the place in front is gone, and the routes are in a router of their own
    assert service.client.delete(tiles).status_code == 405


def test_expressions_and_addresses_change_nothing(done: tuple[Served, str]) -> None:
    service, job = done
    plain = f"{job}/layers/scene/WebMercatorQuad/tilejson.json"
    bounds = service.client.get(plain).json()["bounds"]
    assert service.client.get(f"{plain}?url=http://127.0.0.1/x.tif&expression=b1/0").json()["bounds"] == bounds


def test_a_gis_finds_the_layers_by_wmts(done: tuple[Served, str]) -> None:
    from defusedxml.ElementTree import fromstring

    service, job = done
    answer = service.client.get(f"{job}/wmts")
    root = fromstring(answer.content)
    names = {"w": "http://www.opengis.net/wmts/1.0", "o": "http://www.opengis.net/ows/1.1"}
    layers = [each.text for each in root.findall("w:Contents/w:Layer/o:Identifier", names)]
    assert layers == ["scene", "scores", "mask"]
    template = root.find("w:Contents/w:Layer/w:ResourceURL", names).get("template")
    address = template.format(TileMatrix=0, TileCol=0, TileRow=0)
    assert service.client.get(address).status_code == 200


def test_a_chip_shows_its_ship(done: tuple[Served, str]) -> None:
    service, job = done
    chip = np.asarray(Image.open(io.BytesIO(service.client.get(f"{job}/ships/1/chip.webp?size=64").content)))
    assert chip.shape == (64, 64, 3)
    assert chip[32, 32].mean() > chip[4, 4].mean() + 50
    assert service.client.get(f"{job}/ships/99/chip.webp").status_code == 404


SQUARE = {"type": "Polygon", "coordinates": [[[3.0, 36.14], [3.001, 36.14], [3.001, 36.141], [3.0, 36.14]]]}


def test_corrections_become_labels_that_evaluation_and_training_read(service: Served, tmp_path: Path) -> None:
    from fake_models import fake_bundle

    from geoships.evaluation import evaluate
    from geoships.scene.layers.labels import read_labels
    from geoships.scene.reader import open_scene

    service.send()
    job = service.do().id
    place = f"/jobs/{job}/corrections"
    assert service.client.put(f"{place}/1", json={"verdict": "accepted", "note": "big"}).json()["note"] == "big"
    assert service.client.put(f"{place}/2", json={"verdict": "rejected"}).status_code == 200
    west, south, east, north = shape(service.client.get(f"/collections/{job}/items/3").json()["geometry"]).bounds
    moved = [[west, south], [east, south], [east, north], [west, south]]
    edited = {"type": "Polygon", "coordinates": [moved]}
    service.client.put(f"{place}/3", json={"verdict": "accepted", "geometry": edited})
    drawn = service.client.post(place, json={"geometry": SQUARE, "note": "missed"})
    assert drawn.status_code == 201
    identity = drawn.json()["ship"]
    seen = service.client.get(f"/collections/{job}/items?reviewed=true").json()
    assert [(each["id"], each["properties"]["verdict"]) for each in seen["features"]] == [
        (1, "accepted"), (3, "accepted"), (4, "undecided"), (identity, "drawn"),
    ]  # fmt: skip
    assert len(service.client.get(f"/collections/{job}/items").json()["features"]) == 4
    with_rejected = service.client.get(f"/collections/{job}/items?reviewed=true&rejected=include").json()["features"]
    assert [each["id"] for each in with_rejected] == [1, 2, 3, 4, identity]
    assert with_rejected[1]["properties"]["verdict"] == "rejected"
    narrowed = service.client.get(f"/collections/{job}/items?reviewed=true&score=0.99999/..").json()["features"]
    assert [each["id"] for each in narrowed] == [identity]  # a drawn ship has no score, and a person has seen it
    small = service.client.get(f"/collections/{job}/items?reviewed=true&verdict=drawn&length_m=../1").json()["features"]
    assert small == []
    for form in ("gpkg", "csv", "kml", "parquet", "fgb"):
        assert service.client.get(f"/collections/{job}/items?reviewed=true&f={form}").status_code == 200

    labels = service.client.get(f"/jobs/{job}/labels")
    assert 'filename="scene.geojson"' in labels.headers["content-disposition"]
    for folder in ("labels", "ignore"):
        (tmp_path / folder).mkdir()
    (tmp_path / "labels" / "scene.geojson").write_bytes(labels.content)
    ignore = service.client.get(f"/jobs/{job}/labels?layer=ignore").content
    (tmp_path / "ignore" / "scene.geojson").write_bytes(ignore)
    with open_scene(service.scenes / "scene.tif", ("red",)) as scene:
        read = read_labels(
            tmp_path / "labels" / "scene.geojson", scene.georeference, tmp_path / "ignore" / "scene.geojson"
        )
    assert (len(read.ships), len(read.ignored)) == (3, 1)
    figures = evaluate(
        [service.scenes / "scene.tif"],
        [tmp_path / "labels"],
        ignore=[tmp_path / "ignore"],
        config=CPU,
        model=fake_bundle(),
    ).figures
    assert figures["all"]["ships"]["iou_0.3"]["labelled"] == 3

    assert service.client.delete(f"{place}/{identity}").status_code == 204
    assert service.client.delete(f"{place}/{identity}").status_code == 404
    assert service.client.delete(f"{place}/2").status_code == 204
    assert [each["ship"] for each in service.client.get(place).json()["corrections"]] == ["1", "3"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[1]",
        b'{"verdict": "maybe"}',
        b'{"verdict": "accepted", "extra": 1}',
        json.dumps({"geometry": {"type": "Point", "coordinates": [0, 0]}}).encode(),
        json.dumps(
            {"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 1], [1, 0], [0, 0]]]}}
        ).encode(),
        json.dumps(
            {"geometry": {"type": "Polygon", "coordinates": [[[999, 0], [1000, 0], [1000, 1], [999, 0]]]}}
        ).encode(),
        b'{"geometry": {"type": "Polygon"}}',
        b'{"geometry": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
        b'{"note": "' + b"x" * 3000 + b'"}',
        b'{"note": "\\u0000"}',
        b'{"note": "\\ud800"}',
        # no measures can be told of the whole Earth, and of its poles
        json.dumps({"geometry": shapely.geometry.mapping(shapely.box(-180, -90, 180, 90))}).encode(),
        json.dumps({"geometry": shapely.geometry.mapping(shapely.Polygon([(0, 90), (1, 90), (1, 89)]))}).encode(),
    ],
)
def test_corrections_that_are_none(done: tuple[Served, str], body: bytes) -> None:
    service, job = done
    answer = service.client.put(f"{job}/corrections/1", content=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert service.client.put(f"{job}/corrections/99", json={"verdict": "accepted"}).status_code == 404
    assert service.client.get(f"{job}/corrections").json() == {"corrections": []}

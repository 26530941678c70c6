from pathlib import Path

import geopandas
import pyogrio
import pytest
from shapely import box

from geoships.errors import GeoshipsError
from geoships.output.formats import write_ships
from geoships.output.read_ships import SUFFIXES, read_ships
from geoships.output.ship_table import ships_frame
from geoships.scene.georeference import Georeference

PLACE = Georeference(100, 100)


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_written_is_read(tmp_path: Path, suffix: str, count: int) -> None:
    rows = [{"id": n, "score": 0.5 + n / 10, "pixels": 4, "on_border": False, "scene": "s"} for n in range(count)]
    frame = ships_frame(rows, [box(n, 0, n + 1, 1) for n in range(count)], "EPSG:4326")
    write_ships(tmp_path / f"s{suffix}", frame, georeference=PLACE, title="t")
    back = read_ships(tmp_path / f"s{suffix}")
    back = back.sort_values("id") if count else back  # FlatGeobuf keeps them by their place
    assert len(back) == count
    assert [g.bounds for g in back.geometry] == [g.bounds for g in frame.geometry]
    if count:
        assert back["score"].tolist() == pytest.approx(frame["score"].tolist())


def test_tables_beside_the_ships_in_a_geopackage_are_no_ships(tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame({"score": [0.5]}, geometry=[box(0, 0, 1, 1)], crs=4326)
    pyogrio.write_dataframe(frame.drop(columns="geometry"), tmp_path / "s.gpkg", layer="layer_styles")
    pyogrio.write_dataframe(frame, tmp_path / "s.gpkg", layer="found", append=True)
    assert len(read_ships(tmp_path / "s.gpkg").geometry) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.geojson", None, "no such file"),
        ("s.shp", b"", "must end with"),
        ("s.json", b"<OGRVRTDataSource></OGRVRTDataSource>", "not a GeoJSON"),
        ("s.gpkg", b"SQLite format 3\0 and no more", "may be incomplete"),
        ("s.parquet", b"PAR1 and no more", "may be incomplete"),
        ("s.geojson", b'{"type": "Feature', "may be incomplete"),
    ],
)
def test_files_without_ships_are_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(GeoshipsError, match=message):
        read_ships(tmp_path / name)

"""The table of ships has the same columns and types whatever it holds."""

import pytest
import shapely
from pyproj import CRS

from geoships.output.ship_table import CLASS_COLUMNS, SHIP_COLUMNS, VERIFIED_COLUMNS, ships_frame

UTM = CRS(32630)
BOX = shapely.box(500100, 5999500, 500200, 5999530)


@pytest.mark.parametrize("count", [0, 1])
def test_columns_and_types_do_not_depend_on_the_number_of_ships(count):
    frame = ships_frame([{"id": 1, "pixels": 30, "on_border": False}] * count, [BOX] * count, UTM)
    assert {name: str(frame[name].dtype) for name in frame.columns.drop("geometry")} == SHIP_COLUMNS
    assert frame.crs == UTM


def test_optional_columns_come_last():
    frame = ships_frame([], [], None, verified=True, classed=True)
    assert list(frame) == [*SHIP_COLUMNS, *VERIFIED_COLUMNS, *CLASS_COLUMNS, "geometry"]


def test_wrong_rows_are_refused():
    row = {"id": 1, "pixels": 30, "on_border": False}
    with pytest.raises(ValueError, match="colour"):
        ships_frame([row | {"colour": "red"}], [BOX], UTM)
    with pytest.raises(ValueError, match="2 geometries"):
        ships_frame([row], [BOX, BOX], UTM)

import json
from pathlib import Path

import pytest
import shapely

FOLDER = Path(__file__).parents[1] / "data" / "annotations"
FILES = sorted(FOLDER.glob("*.geojson"))
REASONS = {"boat without label", "boat with wake, without label", "boats in a marina, without label", "doubtful"}


def test_the_folder_has_annotations():
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_annotations_are_polygons_with_a_reason(path):
    collection = json.loads(path.read_text())
    assert collection["type"] == "FeatureCollection"
    assert "crs" not in collection  # RFC 7946: longitude and latitude, WGS 84
    assert collection["features"]
    for feature in collection["features"]:
        assert feature["type"] == "Feature"
        assert feature["properties"].keys() == {"reason"}
        assert feature["properties"]["reason"] in REASONS
        polygon = shapely.geometry.shape(feature["geometry"])
        assert polygon.geom_type == "Polygon"
        assert polygon.is_valid
        assert polygon.exterior.is_ccw
        west, south, east, north = polygon.bounds
        assert -180 <= west < east <= 180
        assert -90 <= south < north <= 90
        assert max(east - west, north - south) < 0.05  # degrees: an object or a marina, not a scene

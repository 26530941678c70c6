import pytest

from geoships.scene.acquisition import acquisition


@pytest.mark.parametrize(
    ("tags", "name", "text"),
    [
        ({}, "S2B_MSIL1C_20240229T235959_N0510_R001_T31TCJ_20240301T010101.SAFE", "2024-02-29T23:59:59Z"),
        ({}, "T31TCJ_20230101T105421_B02_10m.jp2", "2023-01-01T10:54:21Z"),
        ({}, "20230101_101010_ssc4_u0001_analytic.tif", "2023-01-01T10:10:10Z"),
        ({}, "20230101_101010_12_2427_3B_AnalyticMS_SR_8b.tif", "2023-01-01T10:10:10Z"),
        ({}, "LC08_L2SP_198030_20230102_20230110_02_T1_SR_B4.TIF", "2023-01-02"),
        ({}, "S2A_31TCJ_20230101_0_L2A", "2023-01-01"),
        ({}, "harbour_12345678.tif", None),
        ({}, "20231301_999999_ssc4.tif", None),
        ({"TIFFTAG_DATETIME": "2022:05:06 07:08:09"}, "a.tif", "2022-05-06T07:08:09Z"),
        ({"TIFFTAG_DATETIME": "2022:05:06 07:08:09"}, "20230101_101010_ssc4.tif", "2023-01-01T10:10:10Z"),
        ({"TIFFTAG_DATETIME": "0000:00:00 00:00:00"}, "a.tif", None),
        ({"ACQUISITIONDATETIME": "2010-07-01 12:00:00"}, "20230101_101010_ssc4.tif", "2010-07-01T12:00:00Z"),
        ({"acquisition_date": "2010-07-01"}, "a.tif", "2010-07-01"),
        ({"PRODUCT_START_TIME": "2023-01-01T12:54:21.024+02:00"}, "a.tif", "2023-01-01T10:54:21.024000Z"),
    ],
)
def test_tags_then_names_then_the_date_of_the_file(tags, name, text):
    found = acquisition(tags, name)
    assert (found and found.text) == text

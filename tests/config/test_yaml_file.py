"""Files of settings that are refused."""

import pytest

from geoships.config.yaml_file import read_values
from geoships.errors import GeoshipsError


@pytest.mark.parametrize(
    ("text", "reason"),
    [("seed: 1\nseed: 2\n", "seed given twice"), ("a:\n  b: 1\n  b: 2\n", "b given twice"),
     ("a: " + "[" * 3000 + "]" * 3000, "nested too deeply")],
)  # fmt: skip
def test_names_given_twice_and_deep_nesting_are_refused_in_one_line(tmp_path, text, reason):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(GeoshipsError, match=reason) as error:
        read_values(tmp_path / "s.yaml", {}, "configs/train.yaml")
    assert "\n" not in str(error.value)

"""Files of settings that are refused."""

import pytest

from geoships.config.yaml_file import parse_overrides, read_values
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


@pytest.mark.parametrize(("value", "reason"), [("{a: 1, a: 2}", "a given twice"), ("[" * 3000, "nested too deeply")])
def test_values_on_the_command_line_are_read_as_strictly(value, reason):
    with pytest.raises(GeoshipsError, match=f"--set loss=.*{reason}") as error:
        parse_overrides([f"loss={value}"])
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300

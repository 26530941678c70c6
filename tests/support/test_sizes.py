"""Sizes of memory as people write them."""

from __future__ import annotations

import pytest

from geoships.config import predict_config
from geoships.errors import GeoshipsError
from geoships.support.sizes import parse_size, size_text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("800MB", 800 * 10**6),
        ("2GiB", 2 << 30),
        ("4G", 4 << 30),
        ("1.5 gb", 1_500_000_000),
        ("512k", 512 << 10),
        ("7", 7),
    ],
)
def test_sizes_have_the_units_that_people_write(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert size <= parse_size(size_text(size)) < size + 2**20


@pytest.mark.parametrize("text", ["", "much", "0", "-1G", "2 apples", "G", "1e9"])
def test_other_texts_are_refused_with_examples(text: str) -> None:
    with pytest.raises(GeoshipsError, match=r"max_memory.*800MB, 2GiB or 4G"):
        predict_config(max_memory=text)

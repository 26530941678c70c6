"""Files changed at random: each has a result or a GeoshipsError, and none ends the process."""

from __future__ import annotations

import os
from pathlib import Path

from fuzz.run import fuzz

SECONDS = float(os.environ.get("GEOSHIPS_FUZZ_SECONDS", "4"))


def test_no_change_of_a_file_breaks_its_reading(tmp_path: Path) -> None:
    findings, files = fuzz(SECONDS, 20_240_229, tmp_path)
    assert findings == []
    assert files > 0

from pathlib import Path

import pytest

from geoships.config import PredictConfig, label_settings, predict_config, task_config
from geoships.config.study import study_config
from geoships.config.watch import watch_config
from geoships.errors import GeoshipsError

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
READERS = {
    "labels": label_settings, "predict": predict_config, "study_two_ways": study_config,
    "study_two_ways_small": study_config, "watch": watch_config,
}  # fmt: skip
# all others are trainings


@pytest.mark.parametrize("file", CONFIGS, ids=lambda path: path.name)
def test_every_config_is_valid(file: Path) -> None:
    assert READERS.get(file.stem, task_config)(file)


def test_overrides_replace_the_file_and_the_file_replaces_defaults(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("min_area: 50\nsimplify: 3\n")
    config = predict_config(tmp_path / "c.yaml", simplify=7.0, threshold=None)
    assert (config.min_area, config.simplify, config.max_hole) == (50, 7, PredictConfig().max_hole)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("min_area: -3", "min_area: .*greater than or equal to 0"),
        ("precision: int3", "precision: .*'auto', 'fp32', 'bf16' or 'int8'"),
        ("min_aera: 3", "min_aera: Extra inputs"),
        ("- 1", "expected settings as names and values, got list"),
        ("a: [", "cannot read"),
    ],
)
def test_errors_name_wrong_settings(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(GeoshipsError, match=message):
        predict_config(tmp_path / "c.yaml")
    with pytest.raises(GeoshipsError, match="cannot read"):
        predict_config(tmp_path / "none.yaml")

from importlib import util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoships.config.augment import Augment

SCRIPT = Path(__file__).parents[1] / "scripts" / "draw_augmentation.py"


@pytest.fixture(scope="module")
def script():
    spec = util.spec_from_file_location("draw_augmentation", SCRIPT)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_figure_has_every_augmentation_step_always_applied(script) -> None:
    steps = {name: type(step) for name, step in Augment()}
    assert list(script.SHOWN) == list(steps)
    assert all(steps[name] in (type(step), type(None)) for name, step in script.SHOWN.items())  # None: off
    assert all(step.p == 1 for step in script.SHOWN.values())
    assert set(script.OUTLINED + script.BY_BAND) <= set(steps)


def test_each_step_changes_its_crop(script, tmp_path: Path) -> None:
    script.draw(tmp_path / "steps.png", harbour=192, crop=32)
    page = np.asarray(Image.open(tmp_path / "steps.png"))
    side, width, height = 64, 2 * 64 + 16, 64 + 26 + 4
    assert page.shape == (4 * height, 3 * width - 12, 3)
    for index, name in enumerate(script.SHOWN):
        row, column = divmod(index, 3)
        before, after = (
            page[row * height + 26 :, column * width + left :][:side, :side] for left in (0, side + script.GAP)
        )
        assert (before.std(), after.std()) > (1, 1), name
        if name not in {"paste_piers", "paste_ships"}:  # which do not change every crop
            assert (before != after).any(), name


def test_the_docs_list_every_step() -> None:
    page = (SCRIPT.parents[1] / "docs" / "how-to" / "training.md").read_text()
    assert [name for name in Augment.model_fields if f"| `{name}` |" not in page] == []

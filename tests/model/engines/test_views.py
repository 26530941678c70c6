import pytest
import torch

from geoships.model.engines.views import VIEWS


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_a_view_is_undone_and_all_differ(views: int) -> None:
    image = torch.rand(2, 3, 4, 6)
    augmented = [view.apply(image) for view in VIEWS[:views]]
    in_steps = [(image.flip(-1) if view.mirrored else image).rot90(view.quarters, (-2, -1)) for view in VIEWS]
    assert all(torch.equal(found, steps) for found, steps in zip(augmented, in_steps, strict=False))
    assert all(torch.equal(view.undo(found), image) for view, found in zip(VIEWS, augmented, strict=False))
    assert len({found.numpy().tobytes() for found in augmented}) == views
    assert views == 8 or all(found.shape == image.shape for found in augmented)

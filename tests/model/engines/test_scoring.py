import torch
from fake_models import fake_card

from geoships.model.engines.scoring import Normalised


def test_reflectance_is_normalised_by_square_root_mean_and_deviation() -> None:
    recipe = fake_card(
        **{
            "mlm:input": [
                {
                    "bands": ["red"],
                    "input": {"shape": (-1, 1, -1, -1)},
                    "value_scaling": [{"mean": 0.2, "stddev": 0.1}],
                    "pre_processing_function": {"expression": "sqrt"},
                }
            ]
        }
    ).input
    images = torch.tensor([-1.0, 0.0, 0.25, 4.0]).reshape(1, 1, 2, 2)
    expected = (torch.tensor([0.0, 0.0, 0.5, 1.0]) - 0.2) / 0.1
    torch.testing.assert_close(Normalised(torch.nn.Identity(), recipe)(images).flatten(), expected)

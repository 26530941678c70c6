import numpy as np
import pytest
from fake_models import BrightnessEngine

from geoships.errors import DeviceError
from geoships.model.engines.base import run


def samples(count: int) -> list[dict[str, np.ndarray]]:
    return [{"image": np.full((1, 4, 4), index / 100, np.float32), "index": np.array(index)} for index in range(count)]


@pytest.mark.parametrize("batch_size", [1, 3, 7, 50])
def test_scores_come_in_order_whatever_the_batch(batch_size: int) -> None:
    engine = BrightnessEngine(batch_size)
    results = list(run(engine, samples(20)))
    assert [int(sample["index"]) for sample, _ in results] == list(range(20))
    assert [round(float(scores[0, 0]) * 100) for _, scores in results] == list(range(20))
    assert max(engine.batches) <= batch_size


def test_a_full_device_halves_the_batch_and_loses_nothing() -> None:
    engine = BrightnessEngine(batch_size=16, limit=5)
    results = list(run(engine, samples(23)))
    assert [int(sample["index"]) for sample, _ in results] == list(range(23))
    assert engine.batch_size == 4
    assert max(engine.batches) == 4


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_samples_without_an_image_keep_their_place_and_cost_nothing(batch_size: int) -> None:
    engine = BrightnessEngine(batch_size, limit=2)
    mixed = samples(40)
    for sample in (*mixed[:3], *mixed[7:30:2], *mixed[31:]):
        del sample["image"]
    results = list(run(engine, iter(mixed)))
    assert [int(sample["index"]) for sample, _ in results] == list(range(40))
    scored = [int(sample["index"]) for sample, scores in results if scores.size]
    assert scored == [3, 4, 5, 6, *range(8, 31, 2)]
    assert all(round(float(s[0, 0]) * 100) == int(sample["index"]) for sample, s in results if s.size)
    assert sum(engine.batches) == len(scored)


def test_one_tile_too_much_is_a_clear_error() -> None:
    with pytest.raises(DeviceError, match="--tile-size"):
        list(run(BrightnessEngine(batch_size=8, limit=0), samples(3)))


def test_other_errors_are_not_taken_for_a_full_device() -> None:
    class Broken(BrightnessEngine):
        def submit(self, images: np.ndarray) -> np.ndarray:  # noqa: ARG002
            raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        list(run(Broken(), samples(3)))

from geoships.training.epoch_sampler import EpochSampler


def test_devices_share_an_epoch_without_an_item_twice() -> None:
    parts = [EpochSampler(11, rank, 3) for rank in range(3)]
    for part in parts:
        part.set_epoch(2)
    drawn = [key for part in parts for key in part]
    assert len(drawn) == len(set(drawn)) == 9
    assert {epoch for epoch, _ in drawn} == {2}
    assert {len(list(part)) for part in parts} == {3}

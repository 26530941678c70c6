"""Reading ahead in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from geoships.scene.streaming import ReadAhead


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_no_more_items_are_made_than_there_is_room_for(ahead: int) -> None:
    made: list[int] = []
    full = threading.Event()

    def items() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            if len(made) == 1 + ahead:
                full.set()
            yield number

    stream = ReadAhead(items, ahead)
    assert next(stream) == 0
    assert full.wait(10)
    assert len(made) == 1 + ahead
    assert list(stream) == list(range(1, 10))


def test_an_error_reaches_the_consumer_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    stream = ReadAhead(items, 5)
    assert next(stream) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(stream)


def test_closing_stops_the_thread_and_ends_the_iterator() -> None:
    ended = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            ended.set()

    stream = ReadAhead(items, 2)
    next(stream)
    stream.close()
    assert ended.wait(10)
    assert not [thread for thread in threading.enumerate() if thread.name == "read-ahead"]

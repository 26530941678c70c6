"""Rasterio's warning about a missing transform, in threads."""

from __future__ import annotations

import warnings
from threading import Barrier, Thread

import pytest
from rasterio.errors import NotGeoreferencedWarning

from geoships.support.transform_warning import without_transform_warning


def test_a_thread_that_ends_first_leaves_the_other_one_silent() -> None:
    both_began, first_ended, told = Barrier(2), Barrier(2), []

    def first() -> None:
        with without_transform_warning():
            both_began.wait()
        first_ended.wait()

    def second() -> None:
        with without_transform_warning():
            both_began.wait()
            first_ended.wait()
            try:
                warnings.warn("no transform", NotGeoreferencedWarning, stacklevel=1)
            except NotGeoreferencedWarning as warning:
                told.append(warning)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threads = [Thread(target=first), Thread(target=second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not told
        with pytest.raises(NotGeoreferencedWarning):
            warnings.warn("no transform", NotGeoreferencedWarning, stacklevel=1)

import pytest

from geoships.training.segmentation.progress import ProgressLine


def test_a_line_says_what_is_done_how_fast_and_how_long_it_lasts(capsys: pytest.CaptureFixture[str]) -> None:
    line = ProgressLine()
    line.speed(0)
    line.show(0.25, 1000, 90, 0.5, {"val_iou": 0.75})
    line.show(0.26, 1040, 93, 0.5, {})  # a minute has to pass where lines are not written over each other
    text = capsys.readouterr().err
    assert text == "25.0%, 1,000 crops, 0.0 crops/s, 4 min 30 s left, loss 0.500, val_iou 0.750\n"


def test_the_last_line_is_always_written_and_a_quiet_run_writes_none(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet, lines in ((False, 2), (True, 0)):
        line = ProgressLine(quiet)
        line.show(0.5, 10, 1, 0.5, {})
        line.show(1, 20, 2, 0.5, {})
        assert capsys.readouterr().err.count("\n") == lines

"""How commands end: done, failed, wrong use, partly failed, stopped by a signal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from geoships_cli import app as command_line
from geoships_cli.failures import ExitCode, PartialFailureError
from typer import Typer

from geoships.errors import BundleError, SceneError


def run(monkeypatch: pytest.MonkeyPatch, error: BaseException | None) -> int:
    """Exit code of a command that raises an error."""
    app = Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(command_line, "app", app)
    monkeypatch.setattr(sys, "argv", ["geoships"])
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as end:
            command_line.main()
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, ExitCode.DONE),
        (SceneError("a.tif: \n no raster"), ExitCode.FAILED),
        (BundleError("no model"), ExitCode.FAILED),
        (PartialFailureError("1 of 2 scenes failed: a.tif"), ExitCode.SOME_SCENES_FAILED),
    ],
)
def test_the_exit_code_tells_how_a_command_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception | None, code: int
) -> None:
    assert run(monkeypatch, error) == code
    message = f"error: {' '.join(str(error).split())}\n" if error else ""
    assert capsys.readouterr().err == message


def test_an_error_that_nobody_expected_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        run(monkeypatch, ZeroDivisionError())


def test_the_codes_are_those_of_the_documentation() -> None:
    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 128]


WAITING = """
import sys, time
from geoships_cli import app
@app.app.command()
def wait():
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        if "swallow" in {mode!r}:
            sys.exit({swallowed})
        raise
    finally:
        print("cleaned up", flush=True)
sys.argv = ["geoships", "wait"]
app.main()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize(
    ("number", "mode", "swallowed", "code"),
    [
        (signal.SIGINT, "raise", 0, 130),
        (signal.SIGTERM, "raise", 0, 143),
        (signal.SIGINT, "swallow", 1, 130),  # as Lightning does
        (signal.SIGTERM, "swallow", 0, 0),  # the command was done all the same
    ],
)
def test_a_signal_ends_the_command_after_it_has_cleaned_up(
    number: signal.Signals, mode: str, swallowed: int, code: int, tmp_path: Path
) -> None:
    script = WAITING.format(mode=mode, swallowed=swallowed)
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (code, "cleaned up\n", "")

"""The `geoships` command: its commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from types import FrameType
from typing import Annotated, TextIO

import typer

from geoships import __version__
from geoships.errors import GeoshipsError, GeoshipsWarning
from geoships.support.lean import LEFT_OUT
from geoships.support.memory import use_one_arena
from geoships_cli.commands import Commands
from geoships_cli.failures import ExitCode, PartialFailureError, one_line, print_error
from geoships_cli.logs import LOGGER, SHOWN

app = typer.Typer(
    name="geoships",
    cls=Commands,
    help="Find ships in satellite scenes of any size.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"geoships {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit")
    ] = False,
) -> None:
    """Find ships in satellite scenes of any size."""


def main() -> None:
    """Run the command line, and exit with one of `ExitCode`.

    An error that geoships raises on purpose is one line on stderr. Ctrl-C and SIGTERM end the run like an error, so
    that files which are half written are removed.
    """
    use_one_arena()  # before any library starts its threads
    received = _end_on_signals()
    warnings.showwarning = _show_warning
    sys.unraisablehook = _show_unraisable
    if "CPL_DEBUG" not in os.environ:
        os.environ.setdefault("CPL_LOG", os.devnull)  # what GDAL prints is no message for users; errors are raised
    try:
        app()
        code: object = ExitCode.DONE
    except SystemExit as end:  # how Typer ends: done, wrong use, or stopped
        code = end.code
    except KeyboardInterrupt:  # before or after Typer
        code = ExitCode.FAILED
    except GeoshipsError as error:
        print_error(error)
        code = ExitCode.SOME_SCENES_FAILED if isinstance(error, PartialFailureError) else ExitCode.FAILED
    except OSError as error:
        if error.filename is None:  # no fault of a file that was named
            raise
        print_error(GeoshipsError(f"{error.filename}: {error.strerror or error}; check the name and its permissions"))
        code = ExitCode.FAILED
    except ModuleNotFoundError as error:
        package = LEFT_OUT.get((error.name or "").partition(".")[0])
        if package is None:
            raise
        text = f"this needs {package}, which an installation for inference leaves out: pip install {package}"
        print_error(GeoshipsError(text))
        code = ExitCode.FAILED
    except MemoryError as error:
        print_error(GeoshipsError(f"out of memory ({str(error) or 'no more to be had'}); close other programs"))
        code = ExitCode.FAILED
    # the signal tells more than the code of what it stopped: Lightning ends with 1 on Ctrl-C
    sys.exit(ExitCode.SIGNAL + received[0] if received and code else code)  # type: ignore[arg-type]


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
    line: str | None = None,
) -> None:  # fmt: skip
    """Print a warning of geoships as one line on stderr, and others as Python does."""
    if issubclass(category, GeoshipsWarning):
        LOGGER.warning(str(message), extra={SHOWN: True})
        typer.echo(f"warning: {one_line(str(message))}", err=True)
    else:
        (file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))


def _show_unraisable(fault: sys.UnraisableHookArgs) -> None:
    """Print a fault that cannot be raised as Python does, but not rasterio's: it cannot log what is not UTF-8."""
    if fault.object != "rasterio._env.log_error":
        sys.__unraisablehook__(fault)


def _end_on_signals() -> list[int]:
    """Let Ctrl-C and SIGTERM raise KeyboardInterrupt; returns a list that will hold the numbers of those received."""
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as it is in the background of a shell
        signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    return received

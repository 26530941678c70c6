"""All checks, one after the other; none of them stops the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

from geoships.workflows.doctor.finding import Diagnosis, Finding
from geoships.workflows.doctor.packages import check_extras, check_packages

# Modules of checks import what they check, so that one that cannot be imported is a finding, too.
MODULES = {"geodata": ("check_geodata",), "machine": ("check_engines", "check_devices", "check_memory", "check_models")}


def diagnose() -> Diagnosis:
    """Look at everything that a run needs or may use."""
    findings = [*_run("versions", check_packages)]
    for module, names in MODULES.items():
        try:
            checks = import_module(f"geoships.workflows.doctor.{module}")
        except Exception as error:  # whatever the import of a broken package raises
            findings.append(_failed(module, error))
            continue
        for name in names:
            findings += _run(name.removeprefix("check_"), getattr(checks, name))
    return Diagnosis([*findings, *_run("extras", check_extras)])


def _run(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # a check that fails is a finding, and the others go on
        yield _failed(name, error)


def _failed(name: str, error: Exception) -> Finding:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return Finding(name, name, f"the check failed: {reason}", "broken", "see the lines above; then report it")

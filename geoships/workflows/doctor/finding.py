"""What was found out about one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["ok", "note", "broken"]
MARKS: dict[State, str] = {"ok": "ok", "note": "note", "broken": "BROKEN"}


@dataclass(frozen=True)
class Finding:
    """What was found out about one thing.

    Attributes:
        topic: What it belongs to, such as ``folders``.
        name: The thing.
        value: What it is, such as a version.
        state: ``ok``; ``note`` where something optional is missing or a run may be slow; ``broken`` where something
            that every run needs does not work.
        advice: How to mend it; empty for ``ok``.
    """

    topic: str
    name: str
    value: str
    state: State = "ok"
    advice: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All that was found out.

    Attributes:
        findings: In the order in which they are shown.
    """

    findings: Sequence[Finding]

    @property
    def broken(self) -> list[Finding]:
        """The findings that have to be mended."""
        return [finding for finding in self.findings if finding.state == "broken"]

    def summary(self) -> dict[str, object]:
        """The diagnosis as plain values for JSON."""
        return {"ok": not self.broken, "findings": [asdict(finding) for finding in self.findings]}

    def report(self) -> str:
        """The diagnosis as text: a line for each finding, and the advice below it."""
        lines: list[str] = []
        width = max((len(finding.name) for finding in self.findings), default=0)
        for topic in dict.fromkeys(finding.topic for finding in self.findings):
            lines += ["", f"{topic}:"] if lines else [f"{topic}:"]
            for finding in (each for each in self.findings if each.topic == topic):
                lines.append(f"  {MARKS[finding.state]:6}  {finding.name:{width}}  {finding.value}".rstrip())
                lines += [f"  {'':6}  {'':{width}}  -> {finding.advice}"] if finding.advice else []
        names = ", ".join(finding.name for finding in self.broken)
        verdict = f"broken: {names}; see the lines with BROKEN" if names else "everything that a run needs works"
        return "\n".join([*lines, "", verdict])

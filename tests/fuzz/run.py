"""Changes small valid files at random and reads them: each read has a result or a GeoshipsError, within seconds.

    uv run python tests/fuzz/run.py --seconds 60

The reading is done in a process of its own, so that a crash inside of GDAL or another library is a finding, too. What
is found is printed and saved: the changed file, and what came of it.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

STARTING = 180.0  # seconds until the first file is read: imports, and seeds are written
SLOW = 20.0  # seconds that a read may take; a machine that runs other things is slow
MEMORY = 8 << 30  # bytes of addresses of the reading process
ROUND = 12  # examples of one seed, then those of the next


@dataclass(frozen=True)
class Finding:
    """A file that was not read as it should.

    Attributes:
        seed: Name of the valid file.
        fault: What came of the changed one.
        file: The changed file.
        where: Last lines of the traceback.
    """

    seed: str
    fault: str
    file: str
    where: str = ""


def read_for(seconds: float, number: int, out: Path, only: str) -> None:
    """In the reading process: read changed files for some time; each finding is a line of `findings.jsonl`."""
    sys.path[0] = str(Path(__file__).parents[1])
    from fuzz.seeds import Seed, seeds

    _limit_memory()
    chosen = [seed for seed in seeds(out / "seeds") if only in seed.name]
    random.Random(number).shuffle(chosen)
    known: set[tuple[str, str]] = set()
    end = time.monotonic() + seconds
    for turn in count():
        seed: Seed = chosen[turn % len(chosen)]
        if time.monotonic() > end:
            break
        finding = _read_some(seed, number + turn, out, end)
        if finding and (key := (finding.fault[:60], finding.where)) not in known:
            known.add(key)
            with (out / "findings.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(finding)) + "\n")
    (out / "done").touch()


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _read_some(seed: object, number: int, out: Path, end: float) -> Finding | None:
    """Read some changed files of one seed; returns what hypothesis found and made small."""
    from fuzz.mutations import changed
    from fuzz.seeds import Seed
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    assert isinstance(seed, Seed)
    valid = seed.path.read_bytes()
    counts, faults = [0], list[Exception]()
    kept = out / f"{seed.path.stem}-{number}{seed.path.suffix}"

    @seeded(number)
    @settings(
        max_examples=ROUND, deadline=None, database=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    @given(changed(valid))
    def read(content: bytes) -> None:
        if time.monotonic() > end:
            return
        seed.path.write_bytes(content)
        (out / "now").write_text(seed.name)  # and its time: the parent watches it
        counts[0] += 1
        try:
            _read(seed.read, seed.target)
        except Exception as error:
            faults.append(error)
            shutil.copy(seed.path, kept)
            raise

    try:
        with suppress(Exception):  # the last fault is the smallest
            read()
    finally:
        seed.path.write_bytes(valid)
        with (out / "counts").open("a") as file:
            file.write(f"{counts[0]}\n")
    if not faults:
        return None
    lines = [line for line in traceback.format_exception(faults[-1]) if "/geoships/" in line and "tests" not in line]
    where = " ".join("".join(lines[-1:]).split())[-200:]
    return Finding(seed.name, f"{type(faults[-1]).__name__}: {faults[-1]}"[:300], str(kept), where)


def _read(read: Callable[[Path], object], path: Path) -> None:
    """Read a changed file; raises what must not come of it."""
    from geoships.errors import GeoshipsError

    started = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except GeoshipsError as error:
        assert str(error).strip(), "an error without words"
        assert len(str(error)) < 20_000, "an error longer than anyone reads"
    assert time.monotonic() - started < SLOW, "slow"


def fuzz(seconds: float, number: int, out: Path, only: str = "") -> tuple[list[Finding], int]:
    """Read changed files for some time.

    Args:
        seconds: How long.
        number: Seed of the random changes.
        out: Folder for what is found; it is created.
        only: Read only files with this in their name, such as ``scene``.

    Returns:
        What was found, and how many files were read.
    """
    out.mkdir(parents=True, exist_ok=True)
    end, crashes = time.monotonic() + seconds, []
    for attempt in count():
        left = end - time.monotonic()
        if left <= 0:
            break
        shutil.rmtree(out / "seeds", ignore_errors=True)
        command = [sys.executable, __file__, "--read", f"{left}", "--seed", str(number + 1_000_003 * attempt)]
        with (out / "log").open("ab") as log:
            process = subprocess.Popen([*command, "--out", str(out), "--only", only], stdout=log, stderr=log)
        hung = _wait(process, out, end + 60)
        if process.returncode == 0:
            break
        name = (out / "now").read_text() if (out / "now").exists() else "before the first file"
        kept = out / f"crash-{attempt}"
        if (out / "seeds").exists():
            shutil.copytree(out / "seeds", kept, dirs_exist_ok=True)
        crashes.append(Finding(name, "hangs" if hung else f"ends the process with {process.returncode}", str(kept)))
    lines = (out / "findings.jsonl").read_text().splitlines() if (out / "findings.jsonl").exists() else []
    numbers = (out / "counts").read_text().split() if (out / "counts").exists() else []
    return [*(Finding(**json.loads(line)) for line in lines), *crashes], sum(map(int, numbers))


def _wait(process: subprocess.Popen[bytes], out: Path, end: float) -> bool:
    """Wait until the process ends; end it if it reads one file for too long, and return whether it did."""
    started = time.time()
    while True:
        try:
            process.wait(timeout=1)
            return False
        except subprocess.TimeoutExpired:
            now = out / "now"
            begun = now.exists() and now.stat().st_mtime > started  # not of the process before
            last, most = (now.stat().st_mtime, 3 * SLOW) if begun else (started, STARTING)
            if time.time() - last > most or time.monotonic() > end:
                process.kill()
                process.wait()
                return True


def main() -> None:
    """Run from the command line; ends with 1 if there are findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="of the random changes; other ones each time by default")
    parser.add_argument("--out", type=Path, default=None, help="folder for what is found")
    parser.add_argument("--only", default="", help="part of the names of the files to change, such as scene")
    parser.add_argument("--read", type=float, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    number = random.randrange(2**31) if options.seed is None else options.seed
    if options.read is not None:
        read_for(options.read, number, options.out, options.only)
        return
    out = options.out or Path(tempfile.mkdtemp(prefix="geoships-fuzz-"))
    findings, files = fuzz(options.seconds, number, out, options.only)
    for finding in findings:
        print(f"{finding.seed}: {finding.fault}\n    {finding.where}\n    {finding.file}")
    print(f"{files} files read with --seed {number}, {len(findings)} findings in {out}")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()

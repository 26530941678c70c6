"""The benchmarks: timing of processes, and tables of the results."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
pytestmark = [
    pytest.mark.skipif(not BENCHMARKS.exists(), reason="the benchmarks are not in this copy"),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_a_process_is_measured_with_its_children(tmp_path: Path) -> None:
    from timed_process import run_timed

    child = 'import time; held = bytearray(80 << 20); held[::4096] = b"x" * len(held[::4096]); time.sleep(0.5)'
    code = (
        f'import subprocess, sys; subprocess.run([sys.executable, "-c", {child!r}]); print("RESULT {{\\"work\\": 2}}")'
    )
    found = run_timed([sys.executable, "-c", code], limit=60, folder=tmp_path)
    assert found["work"] == 2
    assert found["seconds"] >= 0.5  # type: ignore[operator]
    assert found["memory"] > 80 << 20  # type: ignore[operator]


@pytest.mark.parametrize(
    ("code", "limit", "message"),
    [
        ("raise SystemExit('no such scene')", 60, "no such scene"),
        ("print('no result')", 60, "no result"),
        ("import time; time.sleep(60)", 1, "took more than 1 s"),
    ],
)
def test_a_process_that_fails_has_an_error(tmp_path: Path, code: str, limit: float, message: str) -> None:
    from timed_process import run_timed

    assert message in str(run_timed([sys.executable, "-c", code], limit=limit, folder=tmp_path)["error"])


def test_tables_hold_medians_ratios_and_flips(tmp_path: Path) -> None:
    from benchmark_jobs import Job
    from result_tables import tables

    def job(key: str, kind: str, **more: str) -> Job:
        return Job(f"{kind}-{key}-100", key, "engines", 100, kind, 1.0, **more)

    exact = job("openvino-fp32", "scene")
    jobs = [job("openvino-bf16", "forward"), job("openvino-bf16", "scene", forward="forward-openvino-bf16-100",
                                                 exact=exact.key)]  # fmt: skip
    results = {
        jobs[0].key: [{"work": 0.25, "pixels": 5000, "seconds": 9}],
        jobs[1].key: [{"work": work, "ships": 3, "seconds": 4, "memory": 2**30} for work in (0.9, 1.0, 5.0)],
    }
    for key, rows in ((exact.key, 0), (jobs[1].key, 1)):
        (tmp_path / key).mkdir()
        mask = np.zeros((100, 100), np.uint8)
        mask[:rows, :7] = 1
        with rasterio.open(tmp_path / key / "mask.tif", "w", driver="GTiff", dtype="uint8", count=1, height=100,
                           width=100) as dataset:  # fmt: skip
            dataset.write(mask, 1)
    text = tables(jobs, results, tmp_path, {"engines": "the command"})
    # 0.01 Mpix: 0.25 s for half of it, 1 s from scene to files; 7 of 10,000 pixels flip
    assert "`the command`" in text
    assert "| openvino-bf16 | 0.02 | 0.01 | 2.00 | 7.00 | 3 | 1.00 | 4.0 |" in text


def test_a_job_that_did_not_run_has_a_row_with_the_reason(tmp_path: Path) -> None:
    from benchmark_jobs import Job
    from result_tables import tables

    peer = Job("tool-100", "tool 1.0", "peers", 100, "scene", 1.0, fault="does not install: no wheel")
    assert "| tool 1.0 | - | does not install: no wheel |" in tables([peer], {}, tmp_path, {"peers": ""})


def test_a_part_that_was_not_run_has_no_table(tmp_path: Path) -> None:
    from benchmark_jobs import Job
    from result_tables import tables

    ran, other = (Job(f"memory-{part}", part, part, 100, "memory", 1.0) for part in ("memory", "settings"))
    results = {ran.key: [{"before": 2**30, "peak": 2**31, "more": 2**30, "work": 1.0}]}
    text = tables([ran, other], results, tmp_path, {"memory": "this", "settings": "that"})
    assert "`this`" in text
    assert "`that`" not in text


def test_each_machine_has_one_section_of_the_results() -> None:
    from result_tables import with_section

    one = with_section("# Results\n\nhow\n", "## A", "### first\n\n1")
    two = with_section(one, "## B", "2")
    assert two == "# Results\n\nhow\n\n## A\n\n### first\n\n1\n\n## B\n\n2\n"
    assert with_section(two, "## A", "3") == "# Results\n\nhow\n\n## A\n\n3\n\n## B\n\n2\n"


def test_results_are_saved_and_extended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import run
    from benchmark_jobs import Job

    code = 'import sys; print("RESULT {\\"work\\": 1.5}")'
    job = Job("forward-x", "x", "engines", 100, "forward", 1.0, (sys.executable, "-c", code))
    first = run._measure([job], tmp_path, 1)
    again = run._measure([job], tmp_path, 2)
    assert [entry["work"] for entry in again["forward-x"]] == [1.5, 1.5]
    assert again["forward-x"][0] == first["forward-x"][0]
    assert run._load(tmp_path) == again
    assert "1 runs, about" in capsys.readouterr().out


def test_failed_jobs_are_repeated_and_failures_of_other_jobs_remain(tmp_path: Path) -> None:
    import run
    from benchmark_jobs import Job

    job, other = (Job(f"forward-{part}", part, part, 100, "forward", 1.0) for part in ("engines", "large"))
    job = dataclasses.replace(job, command=(sys.executable, "-c", 'print("RESULT {\\"work\\": 1.5}")'))
    run._save(tmp_path, {key: [{"error": "no memory"}] for key in (job.key, other.key)})
    results = run._measure([job], tmp_path, 1)
    assert [entry.get("work") for entry in results[job.key]] == [1.5]
    assert results[other.key] == [{"error": "no memory"}]


def test_growth_finds_the_ships_whose_scores_it_gives() -> None:
    import growth

    found = growth.measure("ships", 5)
    assert (found["ships"], found["pixels"]) == (5, 120 * 120)


def test_a_job_that_was_faster_before_is_named(tmp_path: Path) -> None:
    from history import remember

    def row(speed: str, cpu: str = "one") -> dict[str, str]:
        return {"date": "2026-01-02", "version": "0.1", "cpu": cpu, "job": "scene", "mpix_per_second": speed}

    path = tmp_path / "history.csv"
    assert remember(path, [row("2.0")]) == []
    assert remember(path, [row("1.9")]) == []
    assert remember(path, [row("1.0", "another")]) == []
    assert remember(path, [row("1.5")]) == ["scene: 1.5 Mpix/s, and 2.0 on 2026-01-02"]
    assert len(path.read_text().splitlines()) == 5

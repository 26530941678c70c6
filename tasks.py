"""Commands of everyday work: `uv run invoke --list` names them, `uv run invoke --help TASK` their options."""

from invoke import Context, task


@task
def lint(c: Context) -> None:
    """Style, types, import rules and workflow files."""
    c.run("uv run ruff check .")
    c.run("uv run ruff format --check .")
    c.run("uv run mypy")
    c.run("uv run lint-imports")
    c.run("uv run actionlint")
    c.run("uv run zizmor --offline --no-progress --quiet .github")


@task(help={"of": "a file, folder or test such as tests/scene/tiling/test_plan.py; all tests without it"})
def test(c: Context, of: str = "") -> None:
    """Run the tests."""
    c.run(f"uv run pytest {of}".rstrip())


@task(help={"minutes": "how long; a night has 600", "only": "part of the names of the files to change, such as scene"})
def fuzz(c: Context, minutes: float = 1, only: str = "") -> None:
    """Change small valid files at random and read them; what breaks is saved and printed."""
    c.run(f"uv run python tests/fuzz/run.py --seconds {60 * minutes:g} {f'--only {only}' if only else ''}".rstrip())


@task
def docs(c: Context) -> None:
    """Build the documentation site into site/; warnings are errors."""
    c.run("uv run --group docs python scripts/build_docs.py")


@task
def demo(c: Context) -> None:
    """Render a harbour, find its ships and draw them, into data/demo/."""
    c.run("uv run geoships demo")


@task(help={"config": "YAML file of the run", "out": "folder of the run"})
def train(c: Context, config: str = "configs/own-data.yaml", out: str = "runs/mine") -> None:
    """Train a model on your own scenes."""
    c.run(f"uv run geoships train --config {config} --out {out}")


@task(help={"only": "parts to measure, separated by commas; all without it"})
def bench(c: Context, only: str = "") -> None:
    """Measure speed and memory beside other tools; needs a machine that does nothing else."""
    c.run(f"uv run python benchmarks/run.py {f'--only {only}' if only else ''}".rstrip())


@task(help={"run": "run every step of the Dockerfiles, not only list them"})
def containers(c: Context, run: bool = False) -> None:
    """Check the Dockerfiles; works without a container engine."""
    c.run(f"uv run python scripts/check_containers.py {'--run' if run else ''}".rstrip())

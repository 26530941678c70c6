"""Each shell command of the documentation parses, and runs here or says why not."""

from __future__ import annotations

import re
import shlex
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas
import pytest
from doc_pages import REPOSITORY, Block, blocks, commands, inline_code
from geoships_cli.app import app
from geoships_cli.commands import command_tree
from shapely.affinity import affine_transform
from typer.testing import CliRunner

from geoships.datasets.harbour import render_harbour, write_harbour

SHELL = blocks("shell")
ROOT: Any = command_tree(app)

# These run below, one after the other in one folder, on a rendered harbour of 256 x 256 pixels.
RUN = (
    "geoships models",
    "geoships info scene.tif",
    "geoships doctor",
    "geoships predict scene.tif",
    "geoships predict scene.tif --out ships.geojson",
    "geoships predict scene.tif --out ships.geojson --mask mask.tif",
    "geoships predict scene.tif --out ships.geojson --preview ships.png",
    "geoships predict scene.tif --out ships.gpkg -v",
    "geoships predict scene.tif --out ships.gpkg --scores scores.tif --mask mask.tif --project harbour.qgz",
    "geoships predict scene.tif --out ships.geojson --mask mask.tif --scores scores.tif --stac item.json",
    "geoships predict data/demo/harbour.tif --out ships.gpkg --mask mask.tif --scores scores.tif --project harbour.qgz "
    "--overwrite",
    "geoships predict data/demo/harbour.tif --out ships.gpkg --mask mask.tif --scores scores.tif",
    "geoships info data/demo/harbour.tif",
    "geoships view ships.geojson --scene scene.tif --out ships.html",
    "geoships view ships.gpkg --scene data/demo/harbour.tif --out ships.html",
    "geoships evaluate sentinel2-5band --scenes scenes/ --labels labels/ --out report",
    "geoships data label-tiles scene.tif --out tiles",
    "geoships predict scenes/ --out-dir found --dry-run",
    "geoships predict scenes/ --out-dir found",
    "geoships predict scenes/ --out-dir found --jobs 2",
    "geoships predict scenes/ --out-dir found --jobs 2 --retry-failed",
    "geoships predict scenes/ --out-dir found --ray local --jobs 2",
    "geoships predict scenes/ --out-dir found --shard 1/2",
    "geoships predict scenes/ --out-dir found --shard 2/2",
    "geoships merge-runs found --out all.gpkg",
)

# Beginnings of commands that do not run here; the longest that fits a command counts.
NOT_RUN = {
    "pip": "installs packages",
    "uv sync": "installs packages",
    "uv run pytest": "this is it",
    "uv run geoships demo": "takes a minute; tests/workflows/test_demo.py runs it at a smaller size",
    "uv run python benchmarks": "measures for minutes to hours; tests/test_benchmarks.py runs the parts of it",
    "uv run python scripts": "works on data sets and trained models that are not part of the repository",
    "uv run scripts/build_qgis_plugin.py": "tests/test_qgis_plugin.py builds the plugin",
    "uv run python scripts/draw_augmentation.py": "tests/test_draw_augmentation.py draws it",
    "aws": "needs an account of AWS; tests/cli/test_cluster_examples.py checks the definition and runs its command",
    "kubectl": "needs Kubernetes; tests/cli/test_cluster_examples.py checks the file and its command",
    "sbatch": "needs SLURM; tests/cli/test_cluster_examples.py runs the script with the variables that SLURM sets",
    "cp": "gathers the files of a run",
    "curl": "needs a service; tests/service/test_jobs.py sends it scenes",
    "mkdir": "makes a folder",
    "geoships ais": "needs AIS; tests/ais/test_match.py runs it on a synthetic sea",
    "geoships convert": "needs zones and depths; tests/places/test_convert.py makes some",
    "geoships crossval": "trains for hours; tests/workflows/test_crossval.py runs it on small scenes",
    "geoships data chip-masks": "needs chips from Kaggle; tests/datasets/test_chip_masks.py runs it",
    "geoships data kaggle": "needs an account of Kaggle; tests/datasets/test_kaggle.py runs it against a fake server",
    "geoships data masks": "needs annotations; tests/test_annotations.py runs it for each annotation tool",
    "geoships data prepare": "needs chips from Kaggle; tests/datasets/test_kaggle.py runs it",
    "geoships data sentinel2": "needs the network; tests/test_sentinel2.py runs it against a fake catalogue",
    "geoships data split": "needs several scenes; tests/test_annotations.py runs it",
    "geoships data upload": "needs a ClearML server",
    "geoships demo": "takes a minute; tests/workflows/test_demo.py runs it at a smaller size",
    "geoships evaluate runs": "needs a trained model; tests/test_smoke.py evaluates one",
    "geoships evaluate my-model": "needs a bundle to write to; tests/evaluation/test_evaluation.py writes to one",
    "geoships evaluate sentinel2-5band --scenes scenes/ --labels labels/ --ignore": "needs two more layers; "
    "tests/evaluation/test_evaluation.py has them",
    "geoships export": "takes half a minute each; tests/model/test_export.py writes each format",
    "geoships finish": "needs a cross-validation; tests/workflows/test_finish.py makes a small one",
    "geoships info S2A": "needs a Sentinel-2 product; tests/test_sentinel2.py makes one",
    "geoships info item.json": "needs a STAC Item; tests/test_stac.py makes one",
    "geoships watch": "runs for ever, and needs a webhook; tests/watch runs it with a local one",
    "geoships motion": "needs a Sentinel-2 product; tests/motion runs it on rendered ships",
    "geoships fixed": "needs several passes over one place; tests/places/test_fixed.py makes a port",
    "geoships merge-runs": "needs the folders of two shards; tests/cluster/test_merge.py has them",
    "geoships predict": "needs other files, models or a network than the rendered harbour",
    "geoships passes": "needs several passes over one place; tests/places/test_passes.py makes a port",
    "geoships quantize": "calibrates for minutes; tests/workflows/test_quantize.py runs it on a small network",
    "geoships serve": "runs until it is stopped; tests/service/test_server.py starts one",
    "geoships screen": "needs labelled scenes; tests/workflows/test_fit_screen.py runs it",
    "geoships study": "trains for hours; tests/workflows/test_study.py runs a small one",
    "geoships train": "trains for minutes; tests/test_smoke.py and the gallery train small models",
    "geoships verifier": "needs two trained models; tests/training/verification runs it",
    "geoships info runs/classes": "needs a model of several classes; tests/docs/test_page_of_classes.py trains one",
    "geoships view objects.gpkg": "needs objects of several classes; tests/docs/test_page_of_classes.py finds some",
    "geoships view data/demo/ships.geojson": "needs all outputs of the demonstration",
}

# Programs of others whose options are not checked.
FOREIGN = ("aws", "cp", "curl", "kubectl", "mkdir", "pip", "sbatch", "uv")
OUTPUTS = ("--out", "--mask", "--scores", "--stac", "--preview", "--project")
OPTION = re.compile(r"--[a-z][a-z0-9-]*")


def spelled(command: tuple[str, ...]) -> str:
    return " ".join(command)


def documented() -> list[tuple[Block, tuple[str, ...]]]:
    return [(block, command) for block in SHELL for command in commands(block)]


def without_uv(command: tuple[str, ...]) -> tuple[str, ...]:
    """What `uv run` starts: `uv run --group docs python x.py --y` gives `x.py --y`."""
    if command[:2] != ("uv", "run"):
        return command
    rest = command[2:]
    while rest[0].startswith("--"):
        rest = rest[2:]
    return rest[1:] if rest[0] == "python" else rest


def parse(arguments: tuple[str, ...]) -> None:
    """Parse the arguments of `geoships` with the real command line, down to the last option; nothing runs."""
    command, context, rest = ROOT, None, list(arguments)
    while True:
        context = command.make_context(command.name, rest, parent=context)
        if not hasattr(command, "resolve_command"):
            return
        if command.invoke_without_command and not [*context._protected_args, *context.args]:
            return
        _, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])


def all_options() -> set[str]:
    """Every long option of every `geoships` command."""
    found, waiting = set(), [ROOT]
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        for parameter in command.params:
            found |= {*parameter.opts, *parameter.secondary_opts}
    return found | {"--help"}


def script_options() -> set[str]:
    sources = [*REPOSITORY.glob("scripts/*.py"), *REPOSITORY.glob("benchmarks/*.py")]
    return {option for path in sources for option in OPTION.findall(path.read_text(encoding="utf-8"))}


def test_shell_blocks_are_marked_as_such() -> None:
    assert len(SHELL) > 30
    unmarked = [str(block) for block in blocks("", "bash", "sh", "console")]
    assert not unmarked, f"mark these blocks as shell, text, python or yaml: {unmarked}"


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_each_geoships_command_is_one_that_the_command_line_takes(block: Block) -> None:
    assert commands(block), f"{block} starts no program"
    for command in commands(block):
        program, *arguments = without_uv(command)
        if program == "geoships":
            try:
                parse(tuple(arguments))
            except Exception as error:
                pytest.fail(f"{block}: {spelled(command)}: {error}")


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_each_script_exists_and_knows_its_options(block: Block) -> None:
    for command in commands(block):
        program, *arguments = without_uv(command)
        if not program.endswith(".py"):
            assert program in ("geoships", "pytest", *FOREIGN), f"{block}: no test knows {program}"
            continue
        source = (REPOSITORY / program).read_text(encoding="utf-8")
        for argument in arguments:
            if argument.startswith("--"):
                assert f'"{argument}"' in source, f"{block}: {program} has no option {argument}"


def test_each_command_runs_here_or_says_why_not() -> None:
    spelled_out = {spelled(command): block for block, command in documented()}
    unknown = [
        f"{block}: {command}"
        for command, block in spelled_out.items()
        if command not in RUN and not any(command.startswith(start) for start in NOT_RUN)
    ]
    assert not unknown, f"run these commands or say why not: {unknown}"
    assert not [command for command in RUN if command not in spelled_out], "RUN has commands that no page has"
    idle = [start for start in NOT_RUN if not any(command.startswith(start) for command in spelled_out)]
    assert not idle, f"NOT_RUN excuses commands that no page has: {idle}"


def test_reasons_name_tests_that_exist() -> None:
    for reason in NOT_RUN.values():
        for name in re.findall(r"tests/[\w/.]*\w", reason):
            assert (REPOSITORY / name).exists(), f"{reason}: there is no {name}"


def test_options_within_texts_exist() -> None:
    known = all_options() | script_options() | {"--group", "--backend-store-uri", "--strict"}
    wrong = [
        f"{page}: {code}"
        for page, code in inline_code()
        if code.startswith(("geoships ", "--"))
        for option in OPTION.findall(code)
        if option not in known
    ]
    assert not wrong, f"no command has these options: {wrong}"


def test_commands_within_texts_exist() -> None:
    for page, code in inline_code():
        words = code.split()
        if words[:1] == ["geoships"] and len(words) > 1 and re.fullmatch("[a-z]+", words[1]):
            assert words[1] in ROOT.commands, f"{page}: geoships has no command {words[1]}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the commands of RUN read: a rendered harbour under each of its names, and its labels."""
    folder = tmp_path_factory.mktemp("documentation")
    harbour = render_harbour(seed=7, size=256)
    for name in ("scene.tif", "data/demo/harbour.tif", "scenes/scene.tif"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_harbour(harbour, folder / name)
    (folder / "labels").mkdir()
    outlines = [affine_transform(ship, harbour.transform.to_shapely()) for ship in harbour.ships]
    geopandas.GeoDataFrame(geometry=outlines, crs=harbour.crs).to_file(folder / "labels" / "scene.geojson")
    return folder


@pytest.mark.parametrize("command", RUN)
def test_a_documented_command_runs(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    program, *arguments = shlex.split(command)
    assert program == "geoships"
    for option, name in pairwise(arguments):  # each page begins without the outputs of another
        if option in OUTPUTS:
            Path(name).unlink(missing_ok=True)
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    for option, name in pairwise(arguments):
        if option in OUTPUTS:
            assert Path(name).exists(), f"{command} did not write {name}"


pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash, which reads shell blocks, is not installed")

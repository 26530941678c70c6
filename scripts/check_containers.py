"""Checks the Dockerfiles where there is no container engine: lints them, and runs their steps in a folder.

    uv run python scripts/check_containers.py         # hadolint, and the list of steps
    uv run python scripts/check_containers.py --run   # runs every step too, and at the end the entry point

With --run, what the last stage gets from the others must not be larger than LIMITS says.

Each stage gets a folder that stands for its root, with a virtual environment where the image has its Python. Paths of
the image in a step are changed into paths of that folder. Steps that change the system itself are named and not run.
"""

from __future__ import annotations

import argparse
import fnmatch
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from dockerfile_parse import DockerfileParser

PROJECT = Path(__file__).parents[1]
MAPPED = re.compile(r"(?<![\w.}/-])/(?=(?:app|data|home|opt|tmp)(?:/|\W|$))")
SYSTEM_COMMANDS = {"apt-get": "it installs packages of Debian", "useradd": "it adds a user to the system"}
# Here the uv cache is not a mount of a builder, so files can be linked; and compiling them takes most of the time.
THIS_MACHINE = {"UV_LINK_MODE": "hardlink", "UV_COMPILE_BYTECODE": "0"}
# Megabytes of a last stage's files, without its base image and compiled bytecode. The service has two copies of GDAL,
# those of rasterio and pyogrio, and Arrow.
LIMITS = {"predict.Dockerfile": 700, "api.Dockerfile": 950}
FOREIGN = ("PYTHONHOME", "PYTHONPATH", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Step:
    """One instruction of a Dockerfile, its continued lines joined."""

    instruction: str
    value: str

    @property
    def command(self) -> str:
        """What a RUN step runs: its value without options such as `--mount`."""
        return re.sub(r"^(--\S+\s+)+", "", self.value)

    @property
    def skipped(self) -> str | None:
        """Why the step cannot be run outside of a container; None where it can."""
        if self.instruction == "USER":
            return "it is the user of this process"
        if self.instruction != "RUN":
            return None
        return SYSTEM_COMMANDS.get(self.command.split()[0])


@dataclass(frozen=True)
class Stage:
    """One FROM of a Dockerfile and the steps after it; without `AS` its name is its number."""

    name: str
    base: str
    steps: tuple[Step, ...]


@dataclass
class Image:
    """The folder that stands for a stage's root, and what its steps have set."""

    root: Path
    environment: dict[str, str]
    folder: str = "/"
    entry_point: list[str] = field(default_factory=list)

    def path(self, name: str) -> Path:
        """Where a path of the image lies on this machine; relative ones start in the stage's working folder."""
        return self.root / (Path(self.folder) / name).relative_to("/")


def stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile.

    Raises:
        ValueError: there is no FROM.

    """
    parser = DockerfileParser(fileobj=io.BytesIO())
    parser.content = text
    found: list[tuple[str, str, list[Step]]] = []
    for part in parser.structure:
        words = part["value"].split()
        if part["instruction"] == "FROM":
            found.append((words[2] if len(words) == 3 else str(len(found)), words[0], []))
        elif part["instruction"] != "COMMENT" and found:
            found[-1][2].append(Step(part["instruction"], " ".join(words)))
    if not found:
        raise ValueError("the Dockerfile has no FROM")
    return [Stage(name, base, tuple(steps)) for name, base, steps in found]


def mapped(text: str, root: Path) -> str:
    """A step's text with the image's absolute paths below `root`.

    >>> mapped("uv venv /opt/geoships && rm -r build/opt", Path("/scratch"))
    'uv venv /scratch/opt/geoships && rm -r build/opt'
    """
    return MAPPED.sub(f"{root}/", text)


def sent(path: str, patterns: Iterable[str]) -> bool:
    """Whether .dockerignore lets a file through to the builder: the last pattern that fits it or a parent decides.

    >>> sent("geoships/scene.py", ["*", "!geoships"]), sent("data/x.tif", ["*", "!geoships"])
    (True, False)
    """
    kept = True
    names = [path, *(str(parent) for parent in Path(path).parents if parent != Path())]
    for pattern in patterns:
        bare = pattern.removeprefix("!").removeprefix("**/").strip("/")
        anywhere = pattern.removeprefix("!").startswith("**/")
        tried = [Path(name).name if anywhere else name for name in names]
        if any(fnmatch.fnmatchcase(name, bare) for name in tried):
            kept = pattern.startswith("!")
    return kept


def build_context(target: Path) -> None:
    """Copies what a builder would be sent: the project's files that neither git nor .dockerignore leaves out."""
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if sent(name, patterns) and (PROJECT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, target / name)


def copy_into(image: Image, value: str, context: Path, done: Mapping[str, Path]) -> None:
    """Carries out COPY. A folder's content is copied, as Docker does; what comes from another stage is linked.

    Raises:
        FileNotFoundError: the builder has no such file.

    """
    words = value.split()
    origin = done[words[0].removeprefix("--from=")] if words[0].startswith("--from=") else context
    sources, to = [word for word in words[:-1] if not word.startswith("--")], words[-1]
    target = image.path(to)
    for source in (origin / source.lstrip("/") for source in sources):
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, copy_function=os.link)
        elif source.is_file():
            place = target / source.name if to.endswith("/") or target.is_dir() else target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, place)
        else:
            raise FileNotFoundError(f"COPY {value}: {source.relative_to(origin)} is not there (.dockerignore?)")


def settings(value: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The names and values of an ENV, ARG or LABEL; `$NAME` is filled in, and a name alone has an empty value.

    >>> settings('PATH="/opt/bin:$PATH" A', {"PATH": "/bin"})
    {'PATH': '/opt/bin:/bin', 'A': ''}
    """
    pairs = (word.partition("=") for word in shlex.split(value))
    return {name: Template(text).safe_substitute(environment) for name, _, text in pairs}


def on_this_machine(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a step, with the uv cache of this machine in place of the builder's."""
    own = {name: value for name, value in os.environ.items() if name == "UV_CACHE_DIR"}
    return {name: value for name, value in environment.items() if name != "UV_CACHE_DIR"} | THIS_MACHINE | own


def carry_out(image: Image, step: Step, context: Path, done: Mapping[str, Path], arguments: Mapping[str, str]) -> None:
    """Does to the folder what the step does to an image."""
    if step.instruction == "RUN":
        folder = image.path(".")
        folder.mkdir(parents=True, exist_ok=True)
        command = mapped(step.command, image.root)
        subprocess.run(["/bin/sh", "-c", command], cwd=folder, env=on_this_machine(image.environment), check=True)
    elif step.instruction == "COPY":
        copy_into(image, step.value, context, done)
    elif step.instruction == "WORKDIR":
        image.folder = str(Path(image.folder) / step.value)
        image.path(".").mkdir(parents=True, exist_ok=True)
    elif step.instruction == "ENV":
        image.environment |= settings(mapped(step.value, image.root), image.environment)
    elif step.instruction == "ARG":
        (name, value), *_ = settings(step.value, image.environment).items()
        value = arguments.get(name, value)
        image.environment |= {name: value} if value else {}
    elif step.instruction == "ENTRYPOINT":
        image.entry_point = json.loads(step.value)


def fresh_image(root: Path, python: str) -> Image:
    """An empty root with an environment of its own in the place of the base image's Python."""
    subprocess.run(["uv", "venv", "--quiet", "--seed", "--python", python, str(root / "usr/local")], check=True)
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    # uv looks for an interpreter behind virtual environments, so it has to be told which one the image has.
    return Image(root, environment | {"PATH": f"{root}/usr/local/bin:/usr/bin:/bin", "UV_PYTHON": python})


def run_steps(
    file: Path, scratch: Path, python: str, arguments: Mapping[str, str], trials: Iterable[list[str]]
) -> None:
    """Runs the steps of all stages, then the last one's entry point with the arguments of each trial.

    Every stage is built under one path, and moved away when the next begins: programs of an environment name its path.
    """
    context, root = scratch / "context", scratch / "image"
    build_context(context)
    print(f"   Python: {python}; NOT RUN: compiling to bytecode, which takes a minute", flush=True)
    done: dict[str, Path] = {}
    for stage in stages(file.read_text()):
        image = fresh_image(root, python)
        for step in stage.steps:
            started = time.monotonic()
            if reason := step.skipped:
                print(f"   NOT RUN: {step.instruction} {step.value[:100]} ({reason})", flush=True)
                continue
            carry_out(image, step, context, done, arguments)
            print(f"   {time.monotonic() - started:5.1f} s  {step.instruction} {step.value[:100]}", flush=True)
        finished = image
        done[stage.name] = scratch / f"stage-{stage.name}"
        root.rename(done[stage.name])
    done[stage.name].rename(root)
    check_size(file, finished)
    for trial in trials:
        print(f"   {shlex.join([*finished.entry_point, *trial])}", flush=True)
        command = ["/usr/bin/env", *finished.entry_point, *trial]
        subprocess.run(command, cwd=finished.path("."), env=finished.environment, check=True)


def megabytes(image: Image) -> float:
    """Size of what a stage's steps have put into its root, without the folder of the base image's Python."""
    base = image.root / "usr"
    files = (path for path in image.root.rglob("*") if base not in path.parents and path.suffix != ".pyc")
    return sum(path.lstat().st_size for path in files if path.is_symlink() or not path.is_dir()) / 1e6


def check_size(file: Path, image: Image) -> None:
    """Prints the size of an image. Raises ValueError if it is larger than LIMITS says."""
    found, limit = megabytes(image), LIMITS.get(file.name)
    print(f"   {found:.0f} MB" + (f", of at most {limit}" if limit else ""), flush=True)
    if limit and found > limit:
        raise ValueError(f"{file.name} makes {found:.0f} MB, more than {limit}; leave packages out or trim them")


def list_steps(file: Path) -> None:
    """Prints what `--run` would do."""
    for stage in stages(file.read_text()):
        print(f"   stage {stage.name}, from {stage.base.partition('@')[0]}")
        for step in stage.steps:
            reason = f"   (not run: {step.skipped})" if step.skipped else ""
            print(f"     {step.instruction} {step.value[:100]}{reason}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="Dockerfiles; all in dockerfiles/ where none is named")
    parser.add_argument("--run", action="store_true", help="run the steps, not only list them")
    parser.add_argument("--python", default=sys.executable, help="interpreter that stands for the base image's")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE", help="as of docker build")
    parser.add_argument(
        "--try", dest="trials", action="append", default=[], help="what the entry point does after `--version`"
    )
    asked = parser.parse_args()
    arguments = {name: value for name, _, value in (pair.partition("=") for pair in asked.build_arg)}
    trials = [["--version"], *map(shlex.split, asked.trials)]
    files = asked.files or sorted((PROJECT / "dockerfiles").glob("*.Dockerfile"))
    try:
        subprocess.run(["hadolint", *map(str, files)], check=True)
        for file in files:
            print(f"-- {file.name}", flush=True)
            if not asked.run:
                list_steps(file)
                continue
            with tempfile.TemporaryDirectory(prefix="geoships-image-") as scratch:
                run_steps(file, Path(scratch), asked.python, arguments, trials)
    except (subprocess.CalledProcessError, FileNotFoundError, ValueError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

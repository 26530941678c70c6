import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def containers() -> ModuleType:
    file = PROJECT / "scripts" / "check_containers.py"
    spec = importlib.util.spec_from_file_location("check_containers", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


DOCKERFILE = """# two stages
FROM python:3.12-slim AS build
WORKDIR /app
RUN --mount=type=cache,target=/var/cache/uv \\
    # a comment between
    uv venv /opt/tool && \\
    uv build
FROM python:3.12-slim
RUN apt-get update && apt-get install --yes libexpat1
RUN useradd tool
COPY --from=build /opt/tool /opt/tool
USER tool
ENTRYPOINT ["tool", "--plain"]
"""


def test_stages_have_names_bases_and_joined_steps(containers: ModuleType) -> None:
    build, final = containers.stages(DOCKERFILE)
    assert (build.name, build.base) == ("build", "python:3.12-slim")
    assert [step.instruction for step in build.steps] == ["WORKDIR", "RUN"]
    assert build.steps[1].command == "uv venv /opt/tool && uv build"
    assert final.name == "1"


def test_only_what_changes_the_system_is_left_out(containers: ModuleType) -> None:
    build, final = containers.stages(DOCKERFILE)
    assert [step.skipped for step in build.steps] == [None, None]
    skipped = [step.value.split()[0] for step in final.steps if step.skipped]
    assert skipped == ["apt-get", "useradd", "tool"]


def test_a_file_without_from_is_refused(containers: ModuleType) -> None:
    with pytest.raises(ValueError, match="no FROM"):
        containers.stages("RUN true\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uv venv /opt/tool", "uv venv /r/opt/tool"),
        ('PATH="/opt/bin:$PATH"', 'PATH="/r/opt/bin:$PATH"'),
        ("cp dist/app /app", "cp dist/app /r/app"),
        ("ls /usr/bin /apparatus ./opt/x", "ls /usr/bin /apparatus ./opt/x"),
    ],
)
def test_paths_of_the_image_go_below_its_root(containers: ModuleType, text: str, expected: str) -> None:
    assert containers.mapped(text, Path("/r")) == expected


def test_the_last_pattern_of_dockerignore_decides(containers: ModuleType) -> None:
    patterns = ["*", "!src", "!README.md", "**/__pycache__", "**/*.pyc"]
    names = ["src/a.py", "src/deep/b.py", "README.md", "src/__pycache__/a.py", "src/c.pyc", "data/x.tif"]
    assert [name for name in names if containers.sent(name, patterns)] == names[:3]


def test_settings_fill_in_what_is_set(containers: ModuleType) -> None:
    assert containers.settings('A=1 B="$A two"', {"A": "0"}) == {"A": "1", "B": "0 two"}
    assert containers.settings("INDEX", {}) == {"INDEX": ""}


def test_steps_act_on_the_folder(containers: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "context" / "src").mkdir(parents=True)
    (tmp_path / "context" / "src" / "a.txt").write_text("ship")
    image = containers.Image(tmp_path / "image", {"PATH": "/usr/bin:/bin"})
    steps = [
        ("ARG", "WORD=none"),
        ("WORKDIR", "/app"),
        ("COPY", "src kept"),
        ("ENV", 'TARGET="/opt/out"'),
        ("RUN", 'mkdir -p /opt && cat kept/a.txt > "$TARGET" && echo "$WORD" >> /opt/out'),
        ("ENTRYPOINT", '["cat", "/opt/out"]'),
    ]
    for instruction, value in steps:
        containers.carry_out(image, containers.Step(instruction, value), tmp_path / "context", {}, {"WORD": "harbour"})
    assert (tmp_path / "image" / "opt" / "out").read_text() == "shipharbour\n"
    assert image.entry_point == ["cat", "/opt/out"]


def test_a_file_that_the_builder_does_not_get_is_an_error(containers: ModuleType, tmp_path: Path) -> None:
    image = containers.Image(tmp_path / "image", {})
    with pytest.raises(FileNotFoundError, match=r"missing\.txt is not there"):
        containers.copy_into(image, "missing.txt ./", tmp_path, {})


def test_a_stage_gets_files_of_another(containers: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "stage-build" / "opt" / "tool").mkdir(parents=True)
    (tmp_path / "stage-build" / "opt" / "tool" / "run").write_text("go")
    image = containers.Image(tmp_path / "image", {})
    containers.copy_into(image, "--from=build /opt/tool /opt/tool", tmp_path, {"build": tmp_path / "stage-build"})
    assert (tmp_path / "image" / "opt" / "tool" / "run").read_text() == "go"


def test_steps_use_the_uv_cache_of_this_machine(containers: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    built = {"UV_CACHE_DIR": "/var/cache/uv", "A": "1"}
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)
    assert containers.on_this_machine(built) == {"A": "1", **containers.THIS_MACHINE}
    monkeypatch.setenv("UV_CACHE_DIR", "mine")
    assert containers.on_this_machine(built)["UV_CACHE_DIR"] == "mine"


def test_an_image_is_not_larger_than_its_limit(
    containers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = containers.Image(tmp_path, {})
    for name in ("opt/tool/a", "opt/tool/a.pyc", "usr/local/lib/b"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(2_000_000))
    (tmp_path / "opt/tool/link").symlink_to("a")
    assert containers.megabytes(image) == pytest.approx(2, abs=0.01)
    monkeypatch.setattr(containers, "LIMITS", {"a.Dockerfile": 3})
    containers.check_size(Path("a.Dockerfile"), image)
    containers.check_size(Path("other.Dockerfile"), image)  # has no limit
    assert capsys.readouterr().out.splitlines() == ["   2 MB, of at most 3", "   2 MB"]
    monkeypatch.setattr(containers, "LIMITS", {"a.Dockerfile": 1})
    with pytest.raises(ValueError, match=r"a\.Dockerfile makes 2 MB, more than 1"):
        containers.check_size(Path("a.Dockerfile"), image)


def test_the_images_without_pytorch_have_limits(containers: ModuleType) -> None:
    for file in (PROJECT / "dockerfiles").glob("*.Dockerfile"):
        assert ("requirements/lean.txt" in file.read_text()) == (file.name in containers.LIMITS)

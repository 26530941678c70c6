"""Options, settings and the example file say the same; and the help is short, plain and grouped."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import signature, unwrap
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import typer
import yaml
from geoships_cli.app import app
from geoships_cli.commands import command_tree
from geoships_cli.data import AnnotationFormat, SplitUnit, TileFormat
from geoships_cli.option_groups import grouped
from geoships_cli.options import VectorFormat
from geoships_cli.predict import predict

from geoships.config import PredictConfig, predict_config
from geoships.datasets.annotations.read import FORMATS as ANNOTATION_FORMATS
from geoships.datasets.annotations.split_scenes import SplitBy
from geoships.datasets.annotations.tiles import Kind
from geoships.pipeline.batch import FORMATS

EXAMPLE = Path(__file__).parents[2] / "configs" / "predict.yaml"
LENGTH = 75  # of a help text, which then fits a line of 120 columns
NOT_SETTINGS = {
    "scenes", "out", "mask", "scores", "stac", "preview", "project", "out_dir", "out_format", "rasters", "previews",
    "items", "band", "stac_api", "collection", "bbox", "datetime", "max_cloud", "config_file", "quiet", "as_json",
    "progress", "verbose", "log_level", "log_file", "pattern", "retry_failed", "jobs", "ray", "shard", "scene_timeout",
    "resume", "dry_run",
}  # fmt: skip
EVALUATED = {  # settings that `evaluate` shares; its model is an argument
    "gsd", "bands", "scale", "offset", "sensor", "trust_vrt", "views", "verify", "threshold", "min_peak", "sensitivity",
    "split", "device", "engine", "precision",
}  # fmt: skip


def commands(command: Any = None, path: str = "geoships") -> Iterator[tuple[str, Any]]:
    command = command or command_tree(app)
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{path} {name}")


COMMANDS = dict(commands())


def options(command: str) -> dict[str, Any]:
    return {option.name: option for option in COMMANDS[f"geoships {command}"].params}


def choices(annotation: Any) -> tuple[Any, ...] | None:
    """The values that a field takes, if it takes only some."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return next((found for kind in get_args(annotation) if (found := choices(kind))), None)
    return None


def accepted(option: Any) -> tuple[Any, ...] | None:
    """The values that an option takes, as its function's signature says."""
    return choices(get_args(signature(predict).parameters[option.name].annotation)[0])


def test_every_setting_is_an_option_of_predict_and_every_other_option_is_known() -> None:
    names = set(options("predict"))
    assert names - NOT_SETTINGS == set(PredictConfig.model_fields)
    assert names >= NOT_SETTINGS


def test_evaluate_has_the_settings_that_change_its_result_and_in_the_same_words() -> None:
    ours, theirs = options("evaluate"), options("predict")
    assert set(ours) & set(PredictConfig.model_fields) - {"land"} == EVALUATED | {"overwrite"}
    for name in EVALUATED - {"device"}:  # `cuda:all` is for many scenes
        assert (ours[name].help, ours[name].show_default) == (theirs[name].help, theirs[name].show_default), name


@pytest.mark.parametrize("name", PredictConfig.model_fields)
def test_the_default_shown_is_the_true_one(name: str) -> None:
    option, default = options("predict")[name], PredictConfig.model_fields[name].default
    assert option.default is None  # so that the file's setting stays
    if default is None:
        assert isinstance(option.show_default, str)
        assert not re.search(r"\d|auto|^on$|^off$", option.show_default)
    elif default is True:
        assert option.show_default == "on"
    elif default is False:  # a flag that is not given
        assert option.is_flag
        assert not option.secondary_opts
    else:
        assert option.show_default == (default if isinstance(default, str) else f"{default:g}")


def test_settings_that_a_model_brings_are_shown_as_the_models_own() -> None:
    shown = {name for name, option in options("predict").items() if option.show_default == "the model's own"}
    assert shown == {"threshold", "min_peak", "views", "verify"}


@pytest.mark.parametrize("name", PredictConfig.model_fields)
def test_options_and_settings_take_the_same_values(name: str) -> None:
    assert accepted(options("predict")[name]) == choices(PredictConfig.model_fields[name].annotation)


def test_other_choices_are_those_of_the_functions_behind_them() -> None:
    assert get_args(VectorFormat) == tuple(FORMATS)
    assert set(get_args(AnnotationFormat)) == set(ANNOTATION_FORMATS)
    assert (get_args(TileFormat), get_args(SplitUnit)) == (get_args(Kind), get_args(SplitBy))


SETTING = re.compile(r"^(# )?(\w+): +(.*?) +# (.+)$", re.MULTILINE)


def test_the_example_file_names_every_setting_once_with_its_default_or_an_example() -> None:
    lines = SETTING.findall(EXAMPLE.read_text(encoding="utf-8"))
    assert sorted(name for _, name, _, _ in lines) == sorted(PredictConfig.model_fields)
    defaults = PredictConfig()
    for comment, name, value, text in lines:
        if comment:
            assert "default: " in text or "see scale" in text, name
            assert yaml.safe_load(value) != getattr(defaults, name)
        for choice in choices(PredictConfig.model_fields[name].annotation) or ():
            assert re.search(rf"\b{choice}\b", text), name
    assert predict_config(EXAMPLE) == defaults
    assert {name for comment, name, _, _ in lines if comment} == {
        name for name, field in PredictConfig.model_fields.items() if field.default is None
    }


def test_the_examples_in_the_example_file_are_valid(tmp_path: Path) -> None:
    text = SETTING.sub(r"\2: \3", EXAMPLE.read_text(encoding="utf-8"))
    (tmp_path / "all.yaml").write_text(text, encoding="utf-8")
    config = predict_config(tmp_path / "all.yaml")
    assert config.model_fields_set == set(PredictConfig.model_fields)


def test_panels_of_predict_group_its_options() -> None:
    panels = dict.fromkeys(option.rich_help_panel for option in options("predict").values())
    assert list(panels) == [None, "Outputs", "Scene", "Model", "Ships", "Speed", "Run"]  # None: the argument


@pytest.mark.parametrize("path", [path for path, command in COMMANDS.items() if not hasattr(command, "commands")])
def test_every_option_has_one_plain_line_of_help(path: str) -> None:
    for option in COMMANDS[path].params:
        assert option.help, f"{path} {option.name}"
        text = option.help.replace("\\", "")
        assert len(text) <= LENGTH, f"{path} {option.name}: {len(text)} characters"
        assert "\n" not in text
        assert not text.endswith("."), f"{path} {option.name}"


@pytest.mark.parametrize("path", [path for path, command in COMMANDS.items() if not hasattr(command, "commands")])
def test_no_command_takes_many_parameters(path: str) -> None:
    command = unwrap(COMMANDS[path].callback)  # the function as it is written, before groups are expanded
    assert len(signature(command).parameters) <= 10


def test_options_of_two_groups_that_have_one_name_are_refused() -> None:
    @dataclass(frozen=True)
    class Group:
        name: Annotated[str, typer.Option()] = "a"

    def command(first: Group, second: Group) -> None:
        pass

    command.__annotations__.update(first=Group, second=Group)
    with pytest.raises(ValueError, match="duplicate parameter name: 'name'"):
        grouped(command)

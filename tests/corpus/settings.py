"""Cases of YAML files of settings, for predictions and trainings."""

from __future__ import annotations

from pathlib import Path

from corpus.case import Arguments, Expectation, Fails, Make, Works, cases
from corpus.command import predict
from corpus.rasters import raster


def settings(text: str | bytes, *options: object) -> Make:
    def make(folder: Path) -> Arguments:
        (folder / "my.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return predict(raster(folder / "scene.tif"), "--config", folder / "my.yaml", *options)

    return make


def training(text: str, *options: object) -> Make:
    def make(folder: Path) -> Arguments:
        (folder / "my.yaml").write_text(text)
        return ["train", "--config", folder / "my.yaml", "--out", "out/run", "--quiet", *options]

    return make


PREDICT: dict[str, tuple[Make, Expectation]] = {
    "a threshold": (settings("threshold: 0.4"), Works(3)),
    "a comment alone": (settings("# nothing"), Fails("expected settings")),
    "an empty file": (settings(""), Fails("expected settings")),
    "a list": (settings("- threshold"), Fails("expected settings")),
    "an unknown name": (settings("treshold: 0.4"), Fails("treshold")),
    "a value out of range": (settings("threshold: 4"), Fails("threshold")),
    "a value of another type": (settings("threshold: [1]"), Fails("threshold")),
    "infinite": (settings("min_area: .inf"), Works(0)),
    "not a number": (settings("min_area: .nan"), Fails("min_area")),
    "a name twice": (settings("threshold: 0.4\nthreshold: 0.5"), Fails("given twice")),
    "a tab": (settings("threshold:\t- 0.4\n\tx: 1"), Fails("cannot read the settings")),
    "an open bracket": (settings("bands: [1, 2"), Fails("cannot read the settings")),
    "a Python object": (settings("model: !!python/object/apply:os.getcwd []"), Fails("cannot read the settings")),
    "an alias of itself": (settings("bands: &a [*a]"), Fails("bands|recurs|settings")),
    "nested a thousand times": (settings("bands: " + "[" * 3000), Fails("nested|cannot read")),
    "a name that is a list": (settings("? [a, b]\n: 1"), Fails("settings|key|name")),
    "a name that is a number": (settings("7: 1"), Fails("7|settings")),
    "a date": (settings("sensor: 2024-01-01"), Fails("sensor")),
    "two documents": (settings("threshold: 0.4\n---\nthreshold: 0.5"), Fails("cannot read the settings")),
    "bytes that are no text": (settings(b"\xff\xfe\x00threshold"), Fails("cannot read the settings")),
    "a zero byte": (settings(b"threshold: 0.4\0"), Fails("cannot read the settings")),
    "a model that is not there": (
        lambda folder: [
            "predict", raster(folder / "scene.tif"), "--out", "out/a.fgb", "--config",
            ((folder / "m.yaml").write_text("model: none"), folder / "m.yaml")[1],
        ],
        Fails("no model bundle none"),
    ),
    "a missing file": (
        lambda folder: predict(raster(folder / "scene.tif"), "--config", folder / "none.yaml"), Fails("cannot read")
    ),
    "a folder": (lambda folder: predict(raster(folder / "scene.tif"), "--config", folder), Fails("cannot read")),
}  # fmt: skip
TRAIN: dict[str, tuple[Make, Expectation]] = {
    "an empty file": (training(""), Fails("expected settings")),
    "an unknown task": (training("task: fishing"), Fails("fishing|task")),
    "no data": (training("task: segmentation"), Fails("data")),
    "a setting without a value": (training("task: segmentation", "--set", "run.epochs"), Fails("expected name=value")),
    "a setting inside of a number": (training("name: a", "--set", "name.b.c=1"), Fails("name")),
    "a setting that is no YAML": (training("name: a", "--set", "name=[1"), Fails("cannot read the value")),
    "no folder": (
        lambda folder: ["train", "--config", Path(__file__).parents[2] / "configs" / "own-data.yaml"],
        Fails("name the folder of the run", code=2),
    ),
}
SETTINGS = [*cases("settings of a prediction", PREDICT), *cases("settings of a training", TRAIN)]

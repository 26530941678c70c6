"""Cases of options: values that cannot be, combinations, outputs and devices."""

from __future__ import annotations

from pathlib import Path

from corpus.case import Arguments, Expectation, Fails, Make, Works, cases
from corpus.command import FAKE, predict
from corpus.rasters import raster


def options(*given: object) -> Make:
    return lambda folder: predict(raster(folder / "scene.tif"), *given)


def plain(*given: object) -> Make:
    """A prediction of the scene with these options alone."""
    return lambda folder: ["predict", raster(folder / "scene.tif"), "--model", FAKE, "--device", "cpu", *given]


def with_file(name: str, *given: object) -> Make:
    def make(folder: Path) -> Arguments:
        (folder / name).write_text("mine")
        return plain(*given)(folder)

    return make


VALUES: dict[str, tuple[Make, Expectation]] = {
    "a threshold of 0": (options("--threshold", 0), Fails("threshold")),
    "a threshold of 1": (options("--threshold", 1), Fails("threshold")),
    "a threshold that is a word": (options("--threshold", "high"), Fails("threshold", code=2)),
    "a threshold that is no number": (options("--threshold", "nan"), Fails("threshold")),
    "a least area below 0": (options("--min-area=-1"), Fails("min_area")),
    "an endless least area": (options("--min-area", "inf"), Works(0)),
    "simplified until nothing is left": (options("--simplify", 1e6), Works()),
    "holes of any size filled": (options("--max-hole", 1e12), Works(3)),
    "a pixel size of 0": (options("--gsd", 0), Fails("gsd")),
    "a pixel size of a continent": (options("--gsd", 1e6), Fails("gsd")),
    "a tile too small": (options("--tile-size", 16), Fails("tile_size")),
    "the smallest tile": (options("--tile-size", 64), Works(3)),
    "more overlap than tile": (options("--tile-size", 64, "--overlap", 4096), Works(3)),
    "no overlap": (options("--tile-size", 64, "--overlap", 0), Works(3)),
    "a batch of 0": (options("--batch-size", 0), Fails("batch_size")),
    "3 views": (options("--views", 3), Fails("views", code=2)),
    "8 views": (options("--views", 8), Works(3)),
    "a sensor that is none": (options("--sensor", "kite"), Fails("kite")),
    "a scale of 0": (options("--scale", 0), Fails("scale")),
    "an offset without a scale": (options("--offset", 0.1), Fails("scale")),
    "a sensor and a scale": (options("--sensor", "sentinel-2-l2a", "--scale", 1e-4), Fails("sensor|scale")),
    "a device that is none": (options("--device", "quantum"), Fails("quantum")),
    "a GPU that is not there": (options("--device", "cuda:99"), Fails("cuda")),
    "an engine that is none": (options("--engine", "steam"), Fails("steam|engine", code=2)),
    "int8 without a variant": (options("--precision", "int8", "--engine", "openvino"), Fails("int8")),
    "a sensitivity that the model lacks": (options("--sensitivity", "high"), Fails("operating point")),
    "a verifier that the model lacks": (options("--verify"), Fails("verifier")),
    "an option that is none": (options("--fast"), Fails("No such option", code=2)),
}
OUTPUTS: dict[str, tuple[Make, Expectation]] = {
    "several scenes without a folder": (
        lambda folder: predict(raster(folder / "a.tif"), raster(folder / "b.tif")), Fails("--out-dir", code=2)
    ),
    "a file and a folder": (plain("--out", "out/a.fgb", "--out-dir", "out"), Fails("--out-dir", code=2)),
    "an ending that is none": (plain("--out", "out/a.xyz"), Fails("must end with")),
    "no ending": (plain("--out", "out/a"), Fails("must end with")),
    "a mask that is no TIFF": (plain("--mask", "out/a.png"), Fails("tif")),
    "scores that are no TIFF": (plain("--scores", "out/a.jpg"), Fails("tif")),
    "a preview that is no PNG": (plain("--preview", "out/a.gif"), Fails("png|PNG")),
    "a project that is none": (plain("--out", "out/a.fgb", "--project", "out/a.doc"), Fails("qgz|end with")),
    "an item that is no JSON": (plain("--out", "out/a.fgb", "--stac", "out/a.xml"), Fails("json|end with")),
    "a folder that is not there": (plain("--out", "out/none/a.fgb"), Fails("does not exist")),
    "a folder as output": (
        lambda folder: ((folder / "a.fgb").mkdir(), plain("--out", folder / "a.fgb")(folder))[1], Fails("is a folder")
    ),
    "below a file": (with_file("mine", "--out", "in/mine/a.fgb"), Fails("mine")),
    "one file for two outputs": (plain("--mask", "out/a.tif", "--scores", "out/a.tif"), Fails("one file")),
    "one file by two names": (plain("--mask", "out/a.tif", "--scores", "out/../out/a.tif"), Fails("one file")),
    "a name too long": (plain("--out", "out/" + "a" * 300 + ".fgb"), Fails("name is too long")),
    "a device": (plain("--out", "/dev/null"), Fails("must end with|exists already")),
    "no scene": (lambda _: ["predict", "--out", "out/a.fgb"], Fails("name scenes", code=2)),
    "a search without a box": (
        lambda _: ["predict", "--stac-api", "http://127.0.0.1:9", "--out", "out/a.fgb"], Fails("--bbox", code=2)
    ),
    "a search of no server": (
        lambda _: [
            "predict", "--stac-api", "http://127.0.0.1:9", "--collection", "a", "--bbox", 0, 0, 1, 1, "--out", "out/a.fgb",
        ],
        Fails("127.0.0.1"),
    ),
    "a band without a name": (lambda _: ["predict", "--band", "B04.tif", "--out", "out/a.fgb"], Fails("NAME=FILE")),
    "a band of no file": (
        lambda _: ["predict", "--band", "red=none.tif", "--out", "out/a.fgb", "--model", FAKE], Fails("none.tif")
    ),
    "a description of nothing": (lambda _: ["info", "none.tif"], Fails("none.tif")),
    "a view of nothing": (
        lambda folder: ["view", folder / "none.gpkg", "--scene", raster(folder / "a.tif"), "--out", "out/a.html"],
        Fails("none.gpkg"),
    ),
    "tiles of nothing": (lambda _: ["data", "label-tiles", "none.tif", "--out", "out/t"], Fails("none.tif")),
    "an export of nothing": (lambda _: ["export", "none", "--out", "out/a.onnx"], Fails("no model bundle none")),
}  # fmt: skip
OPTIONS = [*cases("values of options", VALUES), *cases("outputs and inputs", OUTPUTS)]

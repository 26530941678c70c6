"""Cases of model bundles with missing, damaged and contradicting parts."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from corpus.case import Arguments, Expectation, Fails, Make, Works, cases
from corpus.command import FAST
from corpus.rasters import raster
from fake_models import fake_card
from safetensors.torch import save

from geoships.model.networks import Architecture, build_network

NETWORK = {"decoder": "unet", "encoder": "resnet18", "options": {"encoder_depth": 3, "decoder_channels": [8, 8, 8]}}


@cache
def parts() -> dict[str, bytes]:
    """The files of a small bundle that works: a U-Net with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(Architecture("unet", "resnet18", 1, 1, NETWORK["options"]))  # type: ignore[arg-type]
    card = fake_card(**{"geoships:network": NETWORK, "geoships:step": 8, "geoships:min_peak": 0.99}).to_json()
    return {"model.json": card.encode(), "model.safetensors": save(network.state_dict())}


Change = Callable[[dict[str, bytes]], object]


def bundle(change: Change = lambda files: None, *, run: bool = False) -> Make:
    """A bundle folder whose files were changed; a description of it, or a prediction with it."""

    def make(folder: Path) -> Arguments:
        files = dict(parts())
        change(files)
        for name, content in files.items():
            path = folder / "bundle" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (folder / "bundle").mkdir(exist_ok=True)
        if not run:
            return ["info", folder / "bundle", "--json"]
        scene = raster(folder / "scene.tif")
        return ["predict", scene, "--out", "out/s.geojson", "--model", folder / "bundle", *FAST, "--json"]

    return make


def zipped(change: Callable[[bytes], bytes] = bytes, method: int = zipfile.ZIP_STORED, folder_of: str = "") -> Make:
    def make(folder: Path) -> Arguments:
        path = folder / "bundle.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in parts().items():
                archive.writestr(f"{folder_of}{name}", content)
        path.write_bytes(change(path.read_bytes()))
        return ["info", path, "--json"]

    return make


def card(**changes: object) -> Change:
    """Change fields of the card; None removes one."""

    def change(files: dict[str, bytes]) -> None:
        content: dict[str, Any] = json.loads(files["model.json"])
        for name, value in changes.items():
            name = {"network": "geoships:network", "inputs": "mlm:input"}.get(name, name)
            content[name] = value
            if value is None:
                del content[name]
        files["model.json"] = json.dumps(content).encode()

    return change


def put(name: str, content: bytes) -> Change:
    return lambda files: files.update({name: content})


def drop(name: str) -> Change:
    return lambda files: files.pop(name)


def half(name: str) -> Change:
    return lambda files: files.update({name: files[name][: len(files[name]) // 2]})


def garbage(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + b"\xaa" * 500 + content[middle + 500 :]


BUNDLES_: dict[str, tuple[Make, Expectation]] = {
    "complete": (bundle(), Works()),
    "complete, and run": (bundle(run=True), Works()),
    "a zip": (zipped(), Works()),
    "a compressed zip": (zipped(method=zipfile.ZIP_DEFLATED), Works()),
    "a zip with a folder": (zipped(folder_of="mine/"), Works()),
    "half a zip": (zipped(lambda content: content[: len(content) // 2]), Fails("zip|bundle")),
    "a zip with garbage inside": (zipped(garbage), Fails("cannot read|damaged|CRC")),
    "a compressed zip with garbage inside": (zipped(garbage, zipfile.ZIP_DEFLATED), Fails("cannot read|damaged")),
    "an empty zip": (zipped(lambda _: b""), Fails("zip|bundle")),
    "no card": (bundle(drop("model.json"), run=True), Fails("no model.json")),
    "no weights": (bundle(drop("model.safetensors")), Fails("no model.safetensors")),
    "an empty card": (bundle(put("model.json", b"")), Fails("model card is not valid")),
    "a card that is no JSON": (bundle(put("model.json", b"name: mine")), Fails("model card is not valid")),
    "a card of a list": (bundle(put("model.json", b"[]")), Fails("model card is not valid")),
    "a huge card": (bundle(put("model.json", b" " * (2 << 20))), Fails("too many")),
    "no pixel size": (bundle(card(gsd=None)), Fails("gsd")),
    "a pixel size below zero": (bundle(card(gsd=-10)), Fails("gsd")),
    "no bands": (bundle(card(inputs=[])), Fails("mlm:input")),
    "an unknown network": (bundle(card(network={**NETWORK, "encoder": "resnet0"})), Fails("resnet0")),
    "an unknown decoder": (bundle(card(network={**NETWORK, "decoder": "snake"})), Fails("snake")),
    "an option that fetches": (
        bundle(card(network={**NETWORK, "options": {"encoder_weights": "imagenet"}})), Fails("open other files")
    ),
    "an option that is none": (bundle(card(network={**NETWORK, "options": {"size": 7}})), Fails("do not fit")),
    "a depth that cannot be": (
        bundle(card(network={**NETWORK, "options": {"encoder_depth": 99}})), Fails("network")
    ),
    "weights of another network": (
        bundle(card(network={**NETWORK, "encoder": "resnet34"})), Fails("do not fit")
    ),
    "half the weights": (bundle(half("model.safetensors")), Fails("damaged")),
    "empty weights": (bundle(put("model.safetensors", b"")), Fails("damaged")),
    "weights that are pickled": (bundle(put("model.safetensors", b"\x80\x04K\x01.")), Fails("damaged")),
    "weights with an endless header": (bundle(put("model.safetensors", b"\xff" * 64)), Fails("damaged")),
    "a verifier without weights": (bundle(put("verifier/model.json", b"{}")), Fails("verifier")),
    "half an int8 variant": (bundle(put("int8/model.xml", b"<net/>")), Fails("int8")),
    "a screen that the card does not have": (
        bundle(put("screen.safetensors", save({"a": torch.zeros(1)}))), Fails("no screen")
    ),
}  # fmt: skip
BUNDLES = cases("model bundles", BUNDLES_)

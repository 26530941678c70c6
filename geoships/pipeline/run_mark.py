"""What tells a run of one scene from another: its scene, its model and the settings that decide what is found."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from geoships.config import PredictConfig
from geoships.scene.layers.vector_file import vector_files
from geoships.support.fingerprint import Fingerprint, content_of, settings_fingerprint
from geoships.support.versions import own_version

if TYPE_CHECKING:
    from geoships.model.bundle import Bundle
    from geoships.scene.layers.area import Area
    from geoships.scene.layers.land import Land
    from geoships.scene.opening.open import SceneFile
    from geoships.scene.tiling.windows import Window

# Settings that change how fast ships are found, or how outputs look, and not what is found.
OTHER_SETTINGS = {"model", "device", "batch_size", "trust_vrt", "style", "overwrite"}
LAYERS = ("area", "land")  # settings that name a file, whose content counts
_CONTENT = "sha256 "  # begins a setting that is the digest of a file


class SceneMark(BaseModel):
    """What a scene holds.

    Attributes:
        name: Its name, and a digest of its bands where they are in several files.
        files: Size and hash of its files, by their absolute paths, see `content_of`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    files: dict[str, Fingerprint]


class RunMark(BaseModel):
    """What tells a run from another.

    Attributes:
        geoships: Version.
        scene: The scene.
        model: Name of the model.
        model_sha256: Digest of its bundle.
        settings: Those that decide what is found, with digests in place of files.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    geoships: str
    scene: SceneMark
    model: str
    model_sha256: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Searched:
    """Where a run looks for ships.

    Attributes:
        window: The whole scene.
        area: The part of it to look at; None: all of it.
        lands: Layers of land.
    """

    window: Window
    area: Area | None
    lands: tuple[Land, ...]

    def digests(self) -> dict[str, str | None]:
        """Digests of what area and land select of the scene, whatever their files hold beyond it."""
        land = next((digest for land in self.lands if (digest := land.digest(self.window))), None)
        return {"area": self.area.digest(self.window) if self.area else None, "land": land}


def run_mark(
    file: SceneFile,
    inputs: Sequence[Fingerprint],
    named: Sequence[Path],
    bundle: Bundle,
    config: PredictConfig,
    searched: Searched,
) -> RunMark | None:
    """What tells a run from another.

    Settings count as they are given, as in the records of many scenes, and not as they are chosen for a machine. The
    style counts, because it is part of some outputs.

    Args:
        file: The scene.
        inputs: Fingerprints of the files that are read, see `geoships.pipeline.record.input_fingerprints`.
        named: Those of them that the settings name: they count by what they select, or by the digest of the bundle.
        bundle: The model.
        config: The settings.
        searched: Where it looks for ships.

    Returns:
        None for a scene whose content is not known: one on a server, or an array.
    """
    if file.memory or any(_is_unknown(each, file) for each in inputs):
        return None
    from geoships.model.fingerprint import bundle_digest

    others = {str(path.absolute()) for path in named}
    bands = settings_fingerprint({"bands": [repr(each) for each in file.files.files]}) if file.files else ""
    name = file.title if os.path.exists(file.name) else file.name  # noqa: PTH110 (False for a name that cannot be)
    settings = config.model_dump(mode="json", exclude=OTHER_SETTINGS - {"style"})
    layers = {**searched.digests(), "fixed": _fixed(config, inputs)}
    return RunMark(
        geoships=own_version(),
        scene=SceneMark(
            name=f"{name} {bands}".rstrip(),
            files={str(each["path"]): content_of(each) for each in inputs if each["path"] not in others},
        ),
        model=bundle.card.name,
        model_sha256=bundle_digest(bundle),
        settings=settings | {name: digest and f"{_CONTENT}{digest}" for name, digest in layers.items()},
    )


def _is_unknown(known: Fingerprint, file: SceneFile) -> bool:
    """Whether nothing tells the content of an input: of an address, or of a folder that is no Sentinel-2 product."""
    return "bytes" not in known and not (file.files and os.path.isdir(str(known["path"])))  # noqa: PTH112


def _fixed(config: PredictConfig, inputs: Sequence[Fingerprint]) -> str | None:
    """Digest of the file of what stands fixed; None if there is none."""
    if config.fixed is None:
        return None
    paths = {str(path.absolute()) for path in vector_files(config.fixed)}
    return settings_fingerprint({"files": [content_of(each) for each in inputs if each["path"] in paths]})


def mark_differences(then: RunMark, now: RunMark) -> list[str]:
    """What is different between two runs, for people; empty: they are the same run."""
    found = []
    if then.geoships != now.geoships:
        found.append(f"geoships was {then.geoships}, and is {now.geoships} now")
    if then.scene.name != now.scene.name:
        found.append("the scene has another name or other bands")
    elif changed := _changed_file(then.scene.files, now.scene.files):
        found.append(f"{changed} has changed")
    if then.model != now.model:
        found.append(f"the model was {then.model}, and is {now.model} now")
    elif then.model_sha256 != now.model_sha256:
        found.append(f"the model {now.model} has other weights or another card now")
    return found + differences(then.settings, now.settings)


def _changed_file(then: Mapping[str, object], now: Mapping[str, object]) -> str | None:
    """The first file, by its path, whose content is not the same in both, or that only one of them has."""
    return next((path for path in dict.fromkeys([*then, *now]) if then.get(path) != now.get(path)), None)


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is different between settings, for people.

    A setting that one of the two does not have, because another version of geoships wrote it, has its default.

    >>> differences({"threshold": 0.5, "area": "sha256 1"}, {"threshold": None, "area": "sha256 2", "split": True})
    ['threshold was 0.5, and is not given now', 'area has another content']
    """
    defaults = PredictConfig().model_dump(mode="json")
    found = []
    for name in dict.fromkeys([*then, *now]):
        before, after = (values.get(name, defaults.get(name)) for values in (then, now))
        if before == after:
            continue
        if str(before).startswith(_CONTENT) and str(after).startswith(_CONTENT):
            found.append(f"{name} has another content")
        else:
            was = "was not given" if before is None else f"was {_shown(before)}"
            found.append(f"{name} {was}, and is {'not given' if after is None else _shown(after)} now")
    return found


def _shown(value: object) -> object:
    return "given" if str(value).startswith(_CONTENT) else value

"""Model bundles: weights and their card, in one folder or one zip file.

A bundle holds `model.json` (the card) and `model.safetensors` (the weights). Nothing in it is code,
and nothing is unpickled.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from geoships.errors import BundleError
from geoships.model.card import Card, parse_card
from geoships.model.networks import Architecture, build_classifier, build_network

CARD_FILE = "model.json"
WEIGHTS_FILE = "model.safetensors"
BUNDLED = Path(__file__).parent / "bundled"
DEFAULT_BUNDLE = "sentinel2-ships"
LARGEST_CARD = 1 << 20  # bytes; more is no card


@dataclass(frozen=True)
class Bundle:
    """A model: its card and its weights.

    path: where it came from. weights: state dict, in the precision that it is stored in.
    """

    card: Card
    weights: Mapping[str, torch.Tensor]
    path: Path

    def float_weights(self) -> dict[str, torch.Tensor]:
        """The weights in float32; whole numbers stay what they are."""
        return {name: value.float() if value.is_floating_point() else value for name, value in self.weights.items()}

    def network(self) -> nn.Module:
        """The network in evaluation mode, float32; it maps normalised batches to logits, of pixels or of chips.

        Raises BundleError when the weights do not fit the architecture of the card.
        """
        card = self.card
        architecture = Architecture(
            card.network.decoder, card.network.encoder, len(card.bands), len(card.classes), card.network.options
        )
        network = build_classifier(architecture) if card.is_classifier else build_network(architecture)
        try:
            network.load_state_dict(self.float_weights())
        except RuntimeError as error:
            raise BundleError(f"the weights of {self.path} do not fit its card: {error}") from error
        return network.eval()

    def require_segmentation(self) -> None:
        """Raise BundleError where the model scores whole chips, not pixels."""
        if self.card.is_classifier:
            raise BundleError(
                f"{self.card.name} is a classifier of chips: it tells whether a small picture holds a ship, and finds "
                "none in a scene; choose another model (geoships models)"
            )

    def require_classifier(self) -> None:
        """Raise BundleError where the model scores pixels, not whole chips."""
        if not self.card.is_classifier:
            raise BundleError(f"{self.card.name} is no classifier of chips; choose another model (geoships models)")


def load_bundle(where: str | Path | None = None) -> Bundle:
    """Load and validate a bundle: an installed model's name, a folder or a zip file.

    Raises BundleError when there is none, or when it is damaged.
    """
    path = find_bundle(where)
    card = load_card(path)
    try:
        weights = load_tensors(_read(path, WEIGHTS_FILE))
    except SafetensorError as error:
        raise BundleError(f"the weights {path / WEIGHTS_FILE} are damaged: {error}; copy the bundle again") from error
    return Bundle(card, weights, path)


def load_card(path: Path) -> Card:
    """Load and validate the card of a bundle, without its weights."""
    text = _read(path, CARD_FILE)
    if len(text) > LARGEST_CARD:
        raise BundleError(f"the model card {path / CARD_FILE} has {len(text)} bytes; that is no model card")
    return parse_card(text, str(path / CARD_FILE))


def save_bundle(path: Path, card: Card, weights: Mapping[str, torch.Tensor], *, half: bool = True) -> None:
    """Write a bundle, as a zip file when `path` ends in ``.zip`` and as a folder otherwise.

    half: store floating-point weights in half precision. The bundle is complete before it takes its name;
    an existing folder's two files are replaced one by one.
    """
    stored = {
        name: (value.half() if half and value.is_floating_point() else value).contiguous()
        for name, value in weights.items()
    }
    files = {CARD_FILE: card.to_json().encode(), WEIGHTS_FILE: save_tensors(stored)}
    try:
        if path.suffix == ".zip":
            partial = path.with_name(f".{path.name}.{os.getpid()}")
            with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
                for name, content in files.items():
                    archive.writestr(name, content)
            partial.replace(path)
            return
        path.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            partial = path / f".{name}.{os.getpid()}"
            partial.write_bytes(content)
            partial.replace(path / name)
    except OSError as error:
        raise BundleError(f"cannot write the bundle {path}: {error.strerror or error}") from error


def installed() -> Iterator[tuple[str, Path]]:
    """Names and folders of the models that come with geoships."""
    for card in sorted(BUNDLED.glob(f"*/{CARD_FILE}")):
        yield card.parent.name, card.parent


def find_bundle(where: str | Path | None) -> Path:
    """Path of a bundle: an installed model's name (None: the default one), a folder or a zip file."""
    if where is None:
        where = DEFAULT_BUNDLE
    named = dict(installed())
    if str(where) in named:
        return named[str(where)]
    path = Path(where)
    if not path.exists():
        raise BundleError(
            f"no model bundle {where}: neither a folder nor a zip file nor an installed model "
            f"({', '.join(named) or 'none is installed'})"
        )
    return path


def _read(path: Path, name: str) -> bytes:
    try:
        if path.is_dir():
            return (path / name).read_bytes()
        with zipfile.ZipFile(path) as archive:
            inside = [entry for entry in archive.namelist() if entry == name or entry.endswith(f"/{name}")]
            if len(inside) != 1:
                raise BundleError(f"{path} is no model bundle: it holds {len(inside)} files named {name}, not one")
            return archive.read(inside[0])
    except FileNotFoundError as error:
        raise BundleError(f"{path} is no model bundle: it holds no {name}") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise BundleError(f"cannot read {name} of the bundle {path}: {error}") from error

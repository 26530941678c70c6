"""Model bundles: weights and their card, in one folder or one zip file.

A bundle holds `model.json` (the card) and `model.safetensors` (the weights), and where a classifier looks again at
the ships that the model finds, the same two files of that one in `verifier/`. An int8 variant of the network is in
`int8/`, as OpenVINO IR; the head of a screen, which tells tiles without ships, is in `screen.safetensors`. Nothing in a
bundle is code, and nothing is unpickled.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from geoships.errors import BundleError
from geoships.model.card import Card, parse_card

CARD_FILE = "model.json"
WEIGHTS_FILE = "model.safetensors"
SCREEN_FILE = "screen.safetensors"
VERIFIER = "verifier"  # folder of a bundle's verifying classifier
INT8_FILES = ("int8/model.xml", "int8/model.bin")
BUNDLED = Path(__file__).parent / "bundled"
DEFAULT_BUNDLE = "sentinel2-5band"
LARGEST_CARD = 1 << 20  # bytes; more is no card


@dataclass(frozen=True)
class Bundle:
    """A model: its card and its weights.

    path: where it came from. weights: state dict, in the precision that it is stored in.
    verifier: a classifier that looks again at every ship that this model finds.
    int8: XML and weights of the network's int8 variant, as OpenVINO IR.
    screen: weights of the screen's head, see `geoships.model.screen`; the card holds its threshold.
    Raises BundleError where the verifier or the screen does not fit the model.
    """

    card: Card
    weights: Mapping[str, torch.Tensor]
    path: Path
    verifier: Bundle | None = None
    int8: tuple[bytes, bytes] | None = None
    screen: Mapping[str, torch.Tensor] | None = None

    def __post_init__(self) -> None:
        check_verifier(self.card, self.verifier)
        _check_screen(self.card, self.screen)

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        from geoships.model.notebook import card_html

        return card_html(self.card)

    def float_weights(self) -> dict[str, torch.Tensor]:
        """The weights in float32; whole numbers stay what they are."""
        return {name: value.float() if value.is_floating_point() else value for name, value in self.weights.items()}

    def network(self) -> nn.Module:
        """The network in evaluation mode, float32; it maps normalised batches to logits, of pixels or of chips.

        Raises BundleError when the weights do not fit the architecture of the card.
        """
        # what builds networks takes seconds to import, and a converted network needs none of it
        from geoships.model.networks import Architecture, build_classifier, build_network

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
    card, weights = _load(path)
    verifier = Bundle(*_load(path, VERIFIER), path / VERIFIER) if _has_verifier(path) else None
    return Bundle(card, weights, path, verifier, _int8(path), _screen(path))


def _load(path: Path, folder: str = "") -> tuple[Card, dict[str, torch.Tensor]]:
    """Card and weights of the model in a folder of a bundle."""
    return load_card(path, folder), _tensors(path, WEIGHTS_FILE, folder)


def _tensors(path: Path, name: str, folder: str = "") -> dict[str, torch.Tensor]:
    try:
        return load_tensors(_read(path, name, folder))
    except SafetensorError as error:
        raise BundleError(f"the weights {path / folder / name} are damaged: {error}; copy the bundle again") from error


def load_card(path: Path, folder: str = "") -> Card:
    """Load and validate the card of a bundle, or of the model in a folder of it, without its weights."""
    text = _read(path, CARD_FILE, folder)
    where = path / folder / CARD_FILE
    if len(text) > LARGEST_CARD:
        raise BundleError(f"the model card {where} has {len(text)} bytes; that is no model card")
    return parse_card(text, str(where))


def check_verifier(card: Card, verifier: Bundle | None) -> None:
    """Raise BundleError where a model's card asks for a verifier and there is none, or where that does not fit it."""
    if verifier is None:
        if card.verify:
            raise BundleError(f"the card of {card.name} turns a verifier on, and the bundle holds none")
        return
    own = verifier.card
    verifier.require_classifier()
    if card.is_classifier:
        raise BundleError(f"{card.name} is a classifier of chips: it finds no ships that {own.name} could verify")
    if min(own.input.input.shape[2:]) < 1:
        raise BundleError(f"the verifier {own.name} does not say how large its chips are")
    if strange := sorted(set(own.bands) - set(card.bands)):
        raise BundleError(f"the verifier {own.name} wants {', '.join(strange)}, which {card.name} does not read")
    if needed := sorted(set(own.bands) & set(card.optional) - set(own.optional)):
        raise BundleError(f"the verifier {own.name} cannot do without {', '.join(needed)}, and {card.name} can")


def _check_screen(card: Card, screen: Mapping[str, torch.Tensor] | None) -> None:
    """Raise BundleError where a card tells of a screen and there is none, or the other way round."""
    if (card.screen is None) != (screen is None):
        held = "holds none" if screen is None else f"holds {SCREEN_FILE}"
        told = "none" if card.screen is None else "a screen"
        raise BundleError(
            f"the card of {card.name} tells of {told}, and the bundle {held}; make it with geoships screen"
        )


def save_bundle(
    path: Path,
    card: Card,
    weights: Mapping[str, torch.Tensor],
    *,
    half: bool = True,
    verifier: Bundle | None = None,
    int8: tuple[bytes, bytes] | None = None,
    screen: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write a bundle, as a zip file when `path` ends in ``.zip`` and as a folder otherwise.

    half: store floating-point weights in half precision. verifier, int8, screen: go in with it. The bundle is complete
    before it takes its name; an existing folder's files are replaced one by one, and those of a verifier, an int8
    variant or a screen that it is to hold no longer are removed. Raises BundleError where it cannot be written, or the
    verifier or the screen does not fit the model.
    """
    check_verifier(card, verifier)
    _check_screen(card, screen)
    files = _files(card, weights, half)
    if verifier is not None:
        inner = _files(verifier.card, verifier.weights, half)
        files = {**{f"{VERIFIER}/{name}": content for name, content in inner.items()}, **files}
    if int8 is not None:
        files = {**dict(zip(INT8_FILES, int8, strict=True)), **files}
    if screen is not None:
        files = {SCREEN_FILE: save_tensors({name: value.contiguous() for name, value in screen.items()}), **files}
    try:
        if path.suffix == ".zip":
            partial = path.with_name(f".{path.name}.{os.getpid()}")
            with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
                for name, content in files.items():
                    archive.writestr(name, content)
            partial.replace(path)
            return
        for name, content in files.items():
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.{os.getpid()}")
            partial.write_bytes(content)
            partial.replace(target)
        for name in (*(f"{VERIFIER}/{name}" for name in (CARD_FILE, WEIGHTS_FILE)), *INT8_FILES, SCREEN_FILE):
            if name not in files:
                (path / name).unlink(missing_ok=True)
    except OSError as error:
        raise BundleError(f"cannot write the bundle {path}: {error.strerror or error}") from error


def _files(card: Card, weights: Mapping[str, torch.Tensor], half: bool) -> dict[str, bytes]:
    """The two files of a model, by name."""
    stored = {
        name: (value.half() if half and value.is_floating_point() else value).contiguous()
        for name, value in weights.items()
    }
    return {CARD_FILE: card.to_json().encode(), WEIGHTS_FILE: save_tensors(stored)}


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


def _has_verifier(path: Path) -> bool:
    return any(_holds(path, name, VERIFIER) for name in (CARD_FILE, WEIGHTS_FILE))


def _int8(path: Path) -> tuple[bytes, bytes] | None:
    xml, weights = INT8_FILES
    return (_read(path, xml), _read(path, weights)) if any(_holds(path, name) for name in INT8_FILES) else None


def _screen(path: Path) -> dict[str, torch.Tensor] | None:
    return _tensors(path, SCREEN_FILE) if _holds(path, SCREEN_FILE) else None


def _holds(path: Path, name: str, folder: str = "") -> bool:
    """Whether a bundle that can be read holds a file."""
    if path.is_dir():
        return (path / folder / name).exists()
    with zipfile.ZipFile(path) as archive:
        return bool(_entries(archive.namelist(), name, folder))


def _read(path: Path, name: str, folder: str = "") -> bytes:
    try:
        if path.is_dir():
            return (path / folder / name).read_bytes()
        with zipfile.ZipFile(path) as archive:
            inside = _entries(archive.namelist(), name, folder)
            if len(inside) != 1:
                raise BundleError(f"{path} is no model bundle: it holds {len(inside)} files named {name}, not one")
            return archive.read(inside[0])
    except FileNotFoundError as error:
        raise BundleError(f"{path} is no model bundle: it holds no {Path(folder, name)}") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise BundleError(f"cannot read {name} of the bundle {path}: {error}") from error


def _entries(names: Sequence[str], name: str, folder: str = "") -> list[str]:
    """Entries of a zip that are a file of its bundle, whatever folder the bundle lies in; one in a sound zip.

    folder: of the bundle. A bundle's verifier is no second bundle.

    >>> _entries(["a/model.json", "a/verifier/model.json"], "model.json")
    ['a/model.json']
    >>> _entries(["a/model.json", "a/verifier/model.json"], "model.json", "verifier")
    ['a/verifier/model.json']
    """
    paths = [PurePosixPath(entry) for entry in names]
    roots = {path.parent for path in paths if path.name == CARD_FILE}
    roots -= {root / VERIFIER for root in roots}
    wanted = {root / folder / name for root in roots}
    return [entry for entry, path in zip(names, paths, strict=True) if path in wanted]

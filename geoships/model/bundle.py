"""Model bundles: weights and their model card, in one folder or one zip file.

A bundle holds `model.json` (the model card) and `model.safetensors` (the weights). Optional parts are a classifier that
verifies the ships that the model finds (the same files in `verifier/`), the network as a graph for runtimes other than
PyTorch (in `graph/`, see `geoships.model.graph`), an int8 variant of it as OpenVINO IR (in `int8/`), and the head of a
screen that skips tiles without ships (`screen.safetensors`, and `screen/graph/`). Nothing in a bundle is code, and
nothing is unpickled.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from geoships.errors import BundleError, OutputError
from geoships.model.bundle_files import (
    CARD_FILE,
    GRAPH_FILES,
    INT8_FILES,
    OPTIONAL_FILES,
    SCREEN,
    SCREEN_FILE,
    VERIFIER,
    WEIGHTS_FILE,
    has_file,
    load_card,
    read_file,
)
from geoships.model.card import Card
from geoships.model.installed import find_bundle
from geoships.model.weights import StoredWeights
from geoships.support.files import atomic_write, atomic_writes

if TYPE_CHECKING:
    import torch
    from torch import nn

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Screen:
    """The screen of a bundle, which finds tiles without ships, see `geoships.model.screen`.

    Attributes:
        weights: ``weight`` and ``bias`` of its head, which follows the first stages of the model's encoder.
        graph: Encoder and head for runtimes other than PyTorch, see `geoships.model.graph`; None: it has none.
    """

    weights: Mapping[str, torch.Tensor]
    graph: tuple[bytes, bytes] | None = None


@dataclass(frozen=True)
class Bundle:
    """A model: its card and its weights.

    Attributes:
        card: The model card.
        weights: State dict of the network, in the precision in which it is stored.
        path: Where the bundle was loaded from.
        verifier: Classifier that scores every ship that this model finds; None: it has none.
        int8: XML and weights of the network's int8 variant, as OpenVINO IR; None: it has none.
        screen: Finds tiles without ships; the card holds its threshold. None: it has none.
        graph: The network for runtimes other than PyTorch, see `geoships.model.graph`; None: it has none.

    Raises:
        BundleError: The verifier or the screen does not fit the model.
    """

    card: Card
    weights: Mapping[str, torch.Tensor]
    path: Path
    verifier: Bundle | None = None
    int8: tuple[bytes, bytes] | None = None
    screen: Screen | None = None
    graph: tuple[bytes, bytes] | None = None

    def __post_init__(self) -> None:
        check_verifier(self.card, self.verifier)
        _check_screen(self.card, self.screen)

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        from geoships.model.notebook import card_html

        return card_html(self.card)

    def float_weights(self) -> dict[str, torch.Tensor]:
        """The weights with floating-point tensors in float32; integer tensors keep their type."""
        return {name: value.float() if value.is_floating_point() else value for name, value in self.weights.items()}

    def network(self) -> nn.Module:
        """The network in evaluation mode, float32.

        It maps normalised images (n, bands, rows, columns) to logits: (n, classes, rows, columns), or (n, classes) of a
        classifier.

        Raises:
            BundleError: The weights do not fit the architecture of the card.
        """
        # building networks takes seconds to import, and a converted network needs none of it
        from geoships.model.networks import Architecture, build_classifier, build_network

        card = self.card
        architecture = Architecture(
            card.network.decoder, card.network.encoder, len(card.bands), len(card.classes), card.network.options
        )
        network = build_classifier(architecture) if card.is_classifier else build_network(architecture)
        try:
            network.load_state_dict(self.float_weights())
        except RuntimeError as error:
            first, *others = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
            more = f" (and {len(others)} faults more)" if others else ""
            raise BundleError(f"{self.path}: the weights do not fit the model card: {first[:300]}{more}") from error
        return network.eval()

    def require_segmentation(self) -> None:
        """Raise BundleError if the model scores whole chips instead of pixels."""
        if self.card.is_classifier:
            raise BundleError(
                f"{self.card.name} is a classifier of chips: it scores small images and cannot find ships in a scene; "
                "choose another model (geoships models)"
            )

    def require_one_class(self, what: str) -> None:
        """Raise BundleError if the model finds several classes. what: begins the error, such as "a screen is"."""
        if self.card.several:
            names = ", ".join(found.name for found in self.card.classes)
            raise BundleError(f"{what} for models of one class only: {self.card.name} finds {names}")

    def require_classifier(self) -> None:
        """Raise BundleError if the model scores pixels instead of whole chips."""
        if not self.card.is_classifier:
            raise BundleError(f"{self.card.name} is not a classifier of chips; choose another model (geoships models)")


def load_bundle(where: str | Path | None = None) -> Bundle:
    """Load and validate a bundle.

    Args:
        where: Name of an installed model, or a folder or zip file; None: the default model.

    Raises:
        BundleError: There is no such bundle, or it is damaged.
    """
    path = find_bundle(where)
    card, weights = _load_model(path)
    _log.info("bundle %s of %s", card.name, path)
    verifier = None
    if _has_verifier(path):
        graph = _load_pair(path, GRAPH_FILES, VERIFIER)
        verifier = Bundle(*_load_model(path, VERIFIER), path / VERIFIER, graph=graph)
    int8, graph = _load_pair(path, INT8_FILES), _load_pair(path, GRAPH_FILES)
    return Bundle(card, weights, path, verifier, int8, _load_screen(path), graph)


def _load_model(path: Path, folder: str = "") -> tuple[Card, StoredWeights]:
    """Card and weights of the model in a folder of a bundle."""
    return load_card(path, folder), _load_tensors(path, WEIGHTS_FILE, folder)


def _load_tensors(path: Path, name: str, folder: str = "") -> StoredWeights:
    try:
        return StoredWeights(read_file(path, name, folder))
    except (SafetensorError, ValueError) as error:
        raise BundleError(f"{path / folder / name}: the weights are damaged: {error}; copy the bundle again") from error


def check_verifier(card: Card, verifier: Bundle | None) -> None:
    """Check that a model and its verifier fit together.

    Args:
        card: Card of the model that finds ships.
        verifier: Its verifier; None: it has none.

    Raises:
        BundleError: The card turns a verifier on and there is none, the model finds no ships, or the verifier is not a
            classifier, has no chip size, or needs bands that the model does not read.
    """
    if verifier is None:
        if card.verify:
            raise BundleError(f"the card of {card.name} turns a verifier on, but the bundle has none")
        return
    own = verifier.card
    verifier.require_classifier()
    if card.is_classifier:
        raise BundleError(f"{card.name} is a classifier of chips: it finds no ships that {own.name} could verify")
    if card.several:
        raise BundleError(f"{card.name} finds several classes: a verifier is for a model of one class")
    if min(own.input.input.shape[2:]) < 1:
        raise BundleError(f"the card of the verifier {own.name} has no chip size in its input shape")
    if unknown := sorted(set(own.bands) - set(card.bands)):
        raise BundleError(f"the verifier {own.name} needs {', '.join(unknown)}, which {card.name} does not read")
    if required := sorted(set(own.bands) & set(card.optional) - set(own.optional)):
        raise BundleError(f"the verifier {own.name} requires {', '.join(required)}, optional for {card.name}")


def _check_screen(card: Card, screen: Screen | None) -> None:
    """Raise BundleError if only one of card and bundle has a screen, or the model finds several classes."""
    if card.screen is not None and card.several:
        raise BundleError(f"{card.name} finds several classes: a screen is for a model of one class")
    if (card.screen is None) != (screen is None):
        in_bundle = "has none" if screen is None else f"holds {SCREEN_FILE}"
        in_card = "no screen" if card.screen is None else "a screen"
        raise BundleError(
            f"the card of {card.name} describes {in_card}, but the bundle {in_bundle}; make it with geoships screen"
        )


def save_bundle(
    path: Path,
    card: Card,
    weights: Mapping[str, torch.Tensor],
    *,
    half: bool = True,
    verifier: Bundle | None = None,
    int8: tuple[bytes, bytes] | None = None,
    screen: Screen | None = None,
    graph: tuple[bytes, bytes] | None = None,
) -> None:
    """Write a bundle.

    The bundle is complete before it takes its name; if it cannot be written, an older one at `path` is unchanged. Files
    of a verifier, an int8 variant or a screen in an older folder that the new bundle does not have are removed.

    Args:
        path: Zip file if it ends in ``.zip``, else a folder.
        card: The model card.
        weights: State dict of the network.
        half: Store floating-point weights in half precision.
        verifier: See `Bundle`.
        int8: See `Bundle`.
        screen: See `Bundle`.
        graph: See `Bundle`; that of a verifier is in its own bundle.

    Raises:
        BundleError: The verifier or the screen does not fit the model, or the bundle cannot be written.
    """
    check_verifier(card, verifier)
    _check_screen(card, screen)
    files = _model_files(card, weights, half, graph)
    if verifier is not None:
        verifier_files = _model_files(verifier.card, verifier.weights, half, verifier.graph)
        files = {**{f"{VERIFIER}/{name}": content for name, content in verifier_files.items()}, **files}
    if int8 is not None:
        files = {**dict(zip(INT8_FILES, int8, strict=True)), **files}
    if screen is not None:
        files = {**_screen_files(screen), **files}
    try:
        if path.suffix == ".zip":
            _write_zip(path, files)
        else:
            _write_folder(path, files)
        _log.info("bundle %s written to %s", card.name, path)
    except OSError as error:
        raise BundleError(f"cannot write the bundle {path}: {error.strerror or error}") from error
    except OutputError as error:
        raise BundleError(f"cannot write the bundle {path}: {error}") from error


def _write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def _write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    targets = [path / name for name in files]
    made = [folder for folder in dict.fromkeys(target.parent for target in targets) if not folder.exists()]
    for folder in made:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with atomic_writes(targets) as temporaries:
            for temporary, content in zip(temporaries, files.values(), strict=True):
                temporary.write_bytes(content)
    except BaseException:
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        raise
    for name in OPTIONAL_FILES:
        if name not in files:
            (path / name).unlink(missing_ok=True)


def _model_files(
    card: Card, weights: Mapping[str, torch.Tensor], half: bool, graph: tuple[bytes, bytes] | None
) -> dict[str, bytes]:
    """Contents of a model's card, weights file and graph, by name."""
    from safetensors.torch import save as save_tensors

    stored = {name: value.contiguous() for name, value in (half_weights(weights) if half else weights).items()}
    files = dict(zip(GRAPH_FILES, graph, strict=True)) if graph else {}
    return {**files, CARD_FILE: card.to_json().encode(), WEIGHTS_FILE: save_tensors(stored)}


def _screen_files(screen: Screen) -> dict[str, bytes]:
    """Contents of the files of a screen, by name."""
    from safetensors.torch import save as save_tensors

    graph = {f"{SCREEN}/{name}": content for name, content in zip(GRAPH_FILES, screen.graph or (), strict=False)}
    return {SCREEN_FILE: save_tensors({name: value.contiguous() for name, value in screen.weights.items()}), **graph}


def half_weights(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights as a bundle stores them in half precision: only those that are floating-point numbers change."""
    return {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}


def _has_verifier(path: Path) -> bool:
    return any(has_file(path, name, VERIFIER) for name in (CARD_FILE, WEIGHTS_FILE))


def _load_pair(path: Path, names: tuple[str, str], folder: str = "") -> tuple[bytes, bytes] | None:
    """Two files of a bundle that belong together; None if it has neither."""
    if not any(has_file(path, name, folder) for name in names):
        return None
    first, second = (read_file(path, name, folder) for name in names)
    return first, second


def _load_screen(path: Path) -> Screen | None:
    if not has_file(path, SCREEN_FILE):
        return None
    return Screen(_load_tensors(path, SCREEN_FILE), _load_pair(path, GRAPH_FILES, SCREEN))

"""Converted models in the user's cache folder: from a bundle's graph, or by PyTorch."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoships.errors import BundleError
from geoships.model.bundle import Bundle
from geoships.model.engines.cache import cached
from geoships.model.engines.converted import IR, ONNX, TOLERANCE, ConversionError
from geoships.model.engines.device import has_torch
from geoships.model.fingerprint import fingerprint
from geoships.model.graph import WEIGHTS_BIN, Recipe, check_image, checked_pixels, recipe_of, weights_file

FORMAT = 2  # version of the cached files; increase it when a conversion changes

ScoreFile = Callable[[Path, NDArray[np.float32]], NDArray[np.float32]]  # scores of an image by a model file

_log = logging.getLogger(__name__)


def cached_openvino(bundle: Bundle, score: ScoreFile) -> Path:
    """Path of a bundle's `model.xml` in the cache; it is converted now if it is not there yet.

    A bundle with a graph is converted without PyTorch, another one with it. The network is built only for a
    conversion.

    Args:
        bundle: The model.
        score: Computes the scores of an image in float32 by a model file, to compare them with those of PyTorch.

    Raises:
        ConversionError: OpenVINO cannot convert the network, or its scores differ from those of PyTorch.
        BundleError: PyTorch is not installed, and the bundle has no graph.
    """

    def from_graph(folder: Path, recipe: Recipe) -> None:
        import openvino

        _write_graph(bundle, recipe, folder)
        model = openvino.Core().read_model(folder / ONNX)
        openvino.save_model(model, folder / IR, compress_to_fp16=False)
        del model  # it maps the files
        (folder / ONNX).unlink()
        (folder / WEIGHTS_BIN).unlink()

    def by_torch(folder: Path) -> None:
        import openvino

        from geoships.model.engines.torch_convert import check_scores, to_openvino

        openvino.save_model(to_openvino(bundle), folder / IR, compress_to_fp16=False)
        check_scores(bundle, lambda image: score(folder / IR, image), "OpenVINO")

    return _cached("openvino", bundle, IR, score, from_graph, by_torch)


def cached_onnx(bundle: Bundle, score: ScoreFile) -> Path:
    """Path of a bundle's `model.onnx` in the cache; arguments and errors as for `cached_openvino`."""

    def from_graph(folder: Path, recipe: Recipe) -> None:
        _write_graph(bundle, recipe, folder)

    def by_torch(folder: Path) -> None:
        from geoships.model.engines.scoring import Scoring
        from geoships.model.engines.torch_convert import check_scores, example_image, takes_any_size, to_onnx

        (folder / ONNX).write_bytes(to_onnx(Scoring(bundle), example_image(bundle), any_size=takes_any_size(bundle)))
        check_scores(bundle, lambda image: score(folder / ONNX, image), "onnxruntime")

    return _cached("onnx", bundle, ONNX, score, from_graph, by_torch)


def _cached(
    kind: str,
    bundle: Bundle,
    name: str,
    score: ScoreFile,
    from_graph: Callable[[Path, Recipe], None],
    by_torch: Callable[[Path], None],
) -> Path:
    """A converted model's file: of the graph if that gives the scores of PyTorch, else by PyTorch."""
    recipe = recipe_of(bundle)
    if recipe is not None:

        def make(folder: Path) -> None:
            try:
                from_graph(folder, recipe)
                found = checked_pixels(score(folder / name, check_image(bundle)))
            except Exception as error:  # runtimes raise exceptions of any type for a graph that they cannot read
                reason = (str(error) or type(error).__name__).strip().splitlines()[0]
                raise ConversionError(f"{bundle.path}: the graph of {bundle.card.name} is damaged: {reason}") from error
            _check_graph(bundle, recipe, found)

        try:
            return cached(_key(kind, bundle, "graph"), make) / name
        except ConversionError as error:
            if not has_torch():
                raise
            _log.info("%s; PyTorch converts the model", error)
    if not has_torch():
        raise BundleError(
            f"{bundle.card.name} has no graph that fits its weights, and without PyTorch nothing else converts it: "
            "write it where PyTorch is installed (geoships export BUNDLE --format bundle), or pip install torch"
        )
    return cached(_key(kind, bundle, "torch", "timm", "segmentation-models-pytorch"), by_torch) / name


def _write_graph(bundle: Bundle, recipe: Recipe, folder: Path) -> None:
    """Write a bundle's graph and the weights that it refers to."""
    assert bundle.graph is not None, "there is a recipe"
    (folder / ONNX).write_bytes(bundle.graph[0])
    (folder / WEIGHTS_BIN).write_bytes(weights_file(recipe, bundle.weights))


def _check_graph(bundle: Bundle, recipe: Recipe, found: NDArray[np.float32]) -> None:
    """Raise ConversionError if a converted graph's scores are not those that PyTorch had when the graph was made."""
    expected = np.asarray(recipe.check, np.float32)
    difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("nan")
    if not difference <= TOLERANCE:
        raise ConversionError(
            f"{bundle.card.name}: its graph gives other scores than PyTorch, by {difference:.2g}; use --engine torch"
        )


def _key(kind: str, bundle: Bundle, *source: str) -> str:
    """Name of a converted model's folder; it changes with the bundle and with the versions of the converters.

    source: ``graph``, or the packages that convert.
    """
    runtime = "openvino" if kind == "openvino" else "onnx"
    if source == ("graph",):
        assert bundle.graph is not None, "there is a graph"
        # an ONNX file does not depend on the runtime that reads it
        versions = [hashlib.sha256(part).hexdigest() for part in bundle.graph]
        versions += [_version("openvino")] if kind == "openvino" else []
    else:
        versions = [_version(package) for package in (runtime, *source)]
    inputs = [str(FORMAT), fingerprint(bundle), *versions]
    return f"{kind}-{hashlib.sha256(' '.join(inputs).encode()).hexdigest()[:32]}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"

"""Conversion of networks to OpenVINO IR and ONNX by PyTorch."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from geoships.model.bundle import Bundle
from geoships.model.engines.converted import IR, ONNX, TOLERANCE, ConversionError
from geoships.model.engines.scoring import Scoring
from geoships.model.engines.upsampling import fuse_upsampling
from geoships.model.engines.wide_head import widen_head

if TYPE_CHECKING:
    import openvino


def example_image(bundle: Bundle, rows: int = 2, columns: int = 3) -> torch.Tensor:
    """A random image (1, bands, rows, columns) for a bundle's network; always the same one.

    Args:
        bundle: The model.
        rows: Height in multiples of the card's step; ignored for a classifier, whose chips have a fixed size.
        columns: Width in multiples of the card's step; ignored for a classifier.
    """
    _, bands, height, width = bundle.card.input.input.shape
    step = bundle.card.step
    shape = (height, width) if bundle.card.is_classifier else (rows * step, columns * step)
    return torch.rand(1, bands, *shape, generator=torch.Generator().manual_seed(0))


def takes_any_size(bundle: Bundle) -> bool:
    """Whether images may have any size; a classifier's chips have a fixed one."""
    return not bundle.card.is_classifier


def fast_scoring(bundle: Bundle) -> Scoring:
    """A bundle's `Scoring` with the same scores, in operations that CPUs compute faster."""
    scoring = Scoring(bundle)
    network = fuse_upsampling(scoring.logits.network)
    if takes_any_size(bundle):
        widen_head(network, bundle.card.step)
    return scoring


def to_openvino(bundle: Bundle) -> openvino.Model:
    """A bundle's `Scoring` as an OpenVINO model in float32, with dynamic batch size, rows and columns.

    Raises:
        ConversionError: OpenVINO cannot convert the network.
    """
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    image = example_image(bundle)
    rows, columns = (-1, -1) if takes_any_size(bundle) else image.shape[2:]
    with conversion_errors(bundle, "OpenVINO"), torch.inference_mode():
        scoring = fast_scoring(bundle)
        traced = torch.jit.trace(scoring, image, check_trace=False)  # type: ignore[no-untyped-call]
        # not openvino.convert_model, which sends usage statistics over the network
        frontend = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced, example_input=image)
        model = frontend.convert(frontend.load(decoder))
        entry = model.inputs[0].get_node()
        entry.set_element_type(openvino.Type.f32)
        entry.set_partial_shape(openvino.PartialShape([-1, image.shape[1], rows, columns]))
        model.validate_nodes_and_infer_types()
    model.inputs[0].get_tensor().set_names({"image"})
    model.outputs[0].get_tensor().set_names({"score"})
    return model


def ir_bytes(model: openvino.Model) -> tuple[bytes, bytes]:
    """Contents of the two files of an OpenVINO model: XML and weights."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / IR
        openvino.save_model(model, path, compress_to_fp16=False)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def to_onnx(network: nn.Module, image: torch.Tensor, *, any_size: bool) -> bytes:
    """A network as an ONNX model with dynamic batch size.

    Args:
        network: The network.
        image: Example of its input (n, bands, rows, columns).
        any_size: Whether rows and columns are dynamic, too.

    Returns:
        The content of the ONNX file.

    Raises:
        ConversionError: The network cannot be exported.
    """
    return _export(network, image, any_size=any_size)


def export_onnx(scoring: Scoring, image: torch.Tensor, *, any_size: bool) -> bytes:
    """A bundle's `Scoring` as an ONNX model whose weights keep their names and values: nothing is folded.

    Arguments and errors are those of `to_onnx`.
    """
    return _export(
        scoring, image, any_size=any_size, do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE
    )


def _export(network: nn.Module, image: torch.Tensor, *, any_size: bool, **settings: Any) -> bytes:
    axes = {0: "batch", **({2: "rows", 3: "columns"} if any_size else {})}
    with tempfile.TemporaryDirectory() as folder, conversion_errors(network, "ONNX"), torch.inference_mode():
        path = Path(folder) / ONNX
        torch.onnx.export(
            network,
            (image,),
            path,
            dynamo=False,  # the other exporter takes 20 times as long
            input_names=["image"],
            output_names=["score"],
            opset_version=17,
            dynamic_axes={"image": axes, "score": {0: "batch"}},
            **settings,
        )
        return path.read_bytes()


def check_scores(bundle: Bundle, score: Callable[[NDArray[np.float32]], NDArray[np.float32]], runtime: str) -> None:
    """Raise ConversionError if the scores of an image of another size than the traced one differ from PyTorch's."""
    image = example_image(bundle, 3, 2)
    with torch.inference_mode():
        expected = Scoring(bundle)(image).numpy()
    with conversion_errors(bundle, runtime):
        difference = float(np.abs(score(image.numpy()) - expected).max())
    if not difference <= TOLERANCE:
        raise ConversionError(
            f"{bundle.card.name}: {runtime} gives other scores than PyTorch, by {difference:.2g}; use --engine torch"
        )


@contextmanager
def conversion_errors(source: Bundle | nn.Module, target: str) -> Iterator[None]:
    """Silence the converters' warnings, and turn their exceptions into a ConversionError."""
    name = source.card.name if isinstance(source, Bundle) else type(source).__name__
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about TorchScript's age, and about traces, which `check_scores` checks
            yield
    except ImportError:
        raise
    except Exception as error:  # converters raise exceptions of any type
        reason = (str(error) or type(error).__name__).strip().splitlines()[0]
        raise ConversionError(f"cannot convert {name} to {target}: {reason}; use --engine torch") from error

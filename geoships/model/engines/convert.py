"""Networks in other formats than PyTorch's: OpenVINO IR, ONNX, PyTorch's exported programs."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from geoships.errors import BundleError
from geoships.model.bundle import Bundle
from geoships.model.engines.cache import cached
from geoships.model.engines.scoring import Scoring
from geoships.model.engines.upsampling import double_by_convolution

if TYPE_CHECKING:
    import openvino

FORMAT = 2  # of the cached files; count up where a conversion changes
TOLERANCE = 1e-3  # that a converted model's scores may differ by from PyTorch's, all in float32
IR, ONNX = "model.xml", "model.onnx"

Run = Callable[[Path, NDArray[np.float32]], NDArray[np.float32]]


class ConversionError(BundleError):
    """A network that another runtime does not take, or computes otherwise."""


def fingerprint(bundle: Bundle) -> str:
    """What tells the function that a bundle computes from that of any other: a hash of weights and recipe."""
    card = bundle.card
    digest = hashlib.sha256(type(bundle).__qualname__.encode())
    for text in (card.network.model_dump_json(), card.input.model_dump_json(), f"{card.temperature} {card.tasks}"):
        digest.update(text.encode())
    for name in sorted(bundle.weights):
        value = bundle.weights[name].contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def example(bundle: Bundle, rows: int = 2, columns: int = 3) -> torch.Tensor:
    """A random image (1, bands, rows, columns) that a bundle's network takes; always the same one.

    rows, columns: in steps of the network; a classifier's chips have their own size.
    """
    _, bands, height, width = bundle.card.input.input.shape
    step = bundle.card.step
    shape = (height, width) if bundle.card.is_classifier else (rows * step, columns * step)
    return torch.rand(1, bands, *shape, generator=torch.Generator().manual_seed(0))


def open_size(bundle: Bundle) -> bool:
    """Whether tiles may have any size; a classifier's chips have one."""
    return not bundle.card.is_classifier


def to_openvino(bundle: Bundle) -> openvino.Model:
    """The scoring of a bundle as an OpenVINO model, float32; batch, rows and columns are open.

    Raises ConversionError where OpenVINO does not take the network.
    """
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    image = example(bundle)
    rows, columns = (-1, -1) if open_size(bundle) else image.shape[2:]
    with _conversion(bundle, "OpenVINO"), torch.inference_mode():
        scoring = Scoring(bundle)
        double_by_convolution(scoring.logits.network)
        traced = torch.jit.trace(scoring, image, check_trace=False)  # type: ignore[no-untyped-call]
        # not openvino.convert_model: that reports its use over the network
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
    """XML and weights of an OpenVINO model, as its two files would hold them."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / IR
        openvino.save_model(model, path, compress_to_fp16=False)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def cached_openvino(bundle: Bundle, run: Run) -> Path:
    """`model.xml` of a bundle in the cache, converted where it is not there yet.

    run: computes the model of a file on an image in float32, to prove that the scores are those of PyTorch. No network
    is built where the cache has the model. Raises ConversionError.
    """
    import openvino

    def make(folder: Path) -> None:
        openvino.save_model(to_openvino(bundle), folder / IR, compress_to_fp16=False)
        _prove(bundle, lambda image: run(folder / IR, image), "OpenVINO")

    return cached(_key("openvino", bundle), make) / IR


def to_onnx(network: nn.Module, image: torch.Tensor, *, any_size: bool) -> bytes:
    """A network as an ONNX model; the number of images is open, and with `any_size` rows and columns are, too.

    image: (n, bands, rows, columns), an example of the input. Raises ConversionError where ONNX cannot say it.
    """
    axes = {0: "batch", **({2: "rows", 3: "columns"} if any_size else {})}
    with tempfile.TemporaryDirectory() as folder, _conversion(network, "ONNX"), torch.inference_mode():
        path = Path(folder) / ONNX
        torch.onnx.export(
            network,
            (image,),
            path,
            dynamo=False,  # the other exporter needs 20 times as long
            input_names=["image"],
            output_names=["score"],
            opset_version=17,
            dynamic_axes={"image": axes, "score": {0: "batch"}},
        )
        return path.read_bytes()


def cached_onnx(bundle: Bundle, run: Run) -> Path:
    """`model.onnx` of a bundle in the cache; run and errors as for `cached_openvino`."""

    def make(folder: Path) -> None:
        (folder / ONNX).write_bytes(to_onnx(Scoring(bundle), example(bundle), any_size=open_size(bundle)))
        _prove(bundle, lambda image: run(folder / ONNX, image), "onnxruntime")

    return cached(_key("onnx", bundle), make) / ONNX


def _key(kind: str, bundle: Bundle) -> str:
    """Name of a converted model's folder: it changes with the weights, the recipe and all that converts."""
    packages = ("openvino" if kind == "openvino" else "onnx", "torch", "timm", "segmentation-models-pytorch")
    facts = [str(FORMAT), fingerprint(bundle), *(_version(package) for package in packages)]
    return f"{kind}-{hashlib.sha256(' '.join(facts).encode()).hexdigest()[:32]}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _prove(bundle: Bundle, run: Callable[[NDArray[np.float32]], NDArray[np.float32]], runtime: str) -> None:
    """Raise ConversionError where scores of a picture of another size than the traced one are not PyTorch's."""
    image = example(bundle, 3, 2)
    with torch.inference_mode():
        expected = Scoring(bundle)(image).numpy()
    with _conversion(bundle, runtime):
        difference = float(np.abs(run(image.numpy()) - expected).max())
    if not difference <= TOLERANCE:
        raise ConversionError(
            f"{bundle.card.name} gives other scores in {runtime} (by {difference:.2g}); use --engine torch"
        )


@contextmanager
def _conversion(what: Bundle | nn.Module, target: str) -> Iterator[None]:
    """Keep converters from warning, and turn what they raise into a ConversionError."""
    name = what.card.name if isinstance(what, Bundle) else type(what).__name__
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TorchScript's age, and of traces that `_prove` looks at
            yield
    except ImportError:
        raise
    except Exception as error:  # converters raise whatever they like
        reason = (str(error) or type(error).__name__).strip().splitlines()[0]
        raise ConversionError(f"cannot convert {name} to {target}: {reason}; use --engine torch") from error

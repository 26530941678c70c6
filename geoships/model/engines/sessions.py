"""Engines that run a converted network: OpenVINO and ONNX Runtime."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from geoships.errors import BundleError, DeviceError
from geoships.model.bundle import Bundle
from geoships.model.engines.base import Scores
from geoships.model.engines.convert import cached_onnx, cached_openvino
from geoships.model.engines.device import Device, has_amx
from geoships.model.engines.views import VIEWS, View
from geoships.model.fingerprint import fingerprint
from geoships.support.threads import compute_threads

STREAMS = 1  # tiles that OpenVINO computes at the same time
KEPT_SHAPES = 2  # for which an engine that nobody uses stays compiled

Image = NDArray[np.float32]
# reflectance (1, bands, rows, columns) to scores (1, rows, columns), (1, classes, rows, columns) or (1,)
Session = Callable[[Image], Image]


class SessionEngine:
    """Runs the images of a batch one by one, in a separate thread, while the next batch is read.

    Args:
        open_session: Opens the session for images of one shape; called once for each shape.
        batch_size: Maximum number of tiles in a batch.
        views: Test-time augmentation: scores are the mean over the first `views` entries of VIEWS.
        streams: Number of batches computed at the same time; sessions must be thread-safe if more than one.
    """

    def __init__(
        self,
        open_session: Callable[[tuple[int, ...]], Session],
        *,
        batch_size: int,
        views: Literal[1, 2, 4, 8] = 1,
        streams: int = 1,
    ) -> None:
        self.batch_size, self.streams = batch_size, streams
        self._open, self._views = open_session, VIEWS[:views]
        self._sessions: dict[tuple[int, ...], Session] = {}
        self._opening = Lock()
        self._worker = ThreadPoolExecutor(streams, thread_name_prefix="engine")

    def prepare(self, shape: tuple[int, int, int]) -> None:
        """Start to open the session for images of a shape (bands, rows, columns), without waiting."""
        self._worker.submit(self._session, (1, *shape))  # an error is raised again when the session is needed

    def submit(self, images: Image) -> Future[Scores]:
        """Start to compute a batch (n, bands, rows, columns) of float32 reflectance."""
        return self._worker.submit(self._score_batch, images)

    def collect(self, handle: Future[Scores]) -> Scores:
        """Wait for a batch and return its scores from 0 to 1; see `Engine.collect`.

        Raises:
            DeviceError: The memory is too small for a tile.
        """
        try:
            return handle.result()
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError) or "alloc" in str(error):
                raise DeviceError("the memory is too small for one tile; choose smaller tiles (--tile-size)") from error
            raise

    def release(self) -> None:
        """Give back the memory of feature maps, and forget all shapes but the last two."""
        self._worker.submit(self._release)

    def _release(self) -> None:
        with self._opening:
            for shape in list(self._sessions)[:-KEPT_SHAPES]:
                del self._sessions[shape]
            for session in self._sessions.values():
                if isinstance(session, OpenvinoSession):
                    session.release()

    def _score_batch(self, images: Image) -> Scores:
        scores = [self._score_image(image[None]) for image in images]
        return np.concatenate(scores) if len(scores) > 1 else scores[0]

    def _score_image(self, image: Image) -> Scores:
        total = self._score_view(image, self._views[0])
        for view in self._views[1:]:
            total = total + self._score_view(image, view)  # not in place: the session owns its output
        return np.asarray(total / len(self._views), np.float32) if len(self._views) > 1 else total

    def _score_view(self, image: Image, view: View) -> Scores:
        augmented = np.ascontiguousarray(view.apply(image))
        scores = self._session(augmented.shape)(augmented)
        return view.undo(scores) if scores.ndim >= 3 else scores

    def _session(self, shape: tuple[int, ...]) -> Session:
        with self._opening:
            session = self._sessions.pop(shape, None) or self._open(shape)
            self._sessions[shape] = session  # the last shape is the one used last
            return session


def openvino_engine(
    bundle: Bundle,
    *,
    precision: Literal["fp32", "bf16", "int8"],
    batch_size: int,
    views: Literal[1, 2, 4, 8] = 1,
    streams: int | None = None,
) -> SessionEngine:
    """OpenVINO on the CPU. The converted model is kept in the user's cache folder.

    Args:
        bundle: The model.
        precision: Number type; ``int8`` uses the bundle's int8 variant.
        batch_size: Maximum number of tiles in a batch.
        views: Test-time augmentation: number of VIEWS whose mean is the score.
        streams: Number of tiles computed at the same time, which share the threads; None: STREAMS. There are never
            more streams than threads.

    Raises:
        BundleError: OpenVINO cannot convert the model, or the bundle has no int8 variant of its weights.
    """
    model = _checked_int8(bundle) if precision == "int8" else cached_openvino(bundle, run_openvino)
    # the floating-point layers of an int8 variant use bfloat16, too, if the CPU is faster at it
    bf16 = precision == "bf16" or (precision == "int8" and openvino_has_fast_bf16())
    streams = min(streams or STREAMS, compute_threads())

    def open_session(shape: tuple[int, ...]) -> Session:
        return openvino_session(model, shape, bf16=bf16, streams=streams)

    return SessionEngine(open_session, batch_size=batch_size, views=views, streams=streams)


def _checked_int8(bundle: Bundle) -> tuple[bytes, bytes]:
    """XML and weights of a bundle's int8 variant, after a check that it was made from the bundle's weights."""
    import openvino

    if bundle.int8 is None:
        raise BundleError(f"{bundle.card.name} has no int8 variant; make one with geoships quantize")
    model = openvino.Core().read_model(*bundle.int8)
    if not model.has_rt_info(["geoships", "fingerprint"]) or (
        model.get_rt_info(["geoships", "fingerprint"]).astype(str) != fingerprint(bundle)
    ):
        raise BundleError(
            f"the int8 variant of {bundle.card.name} was made from other weights or for another temperature; "
            "make it again with geoships quantize"
        )
    return bundle.int8


class OpenvinoSession:
    """A compiled OpenVINO model for images of one shape.

    Args:
        compiled: The model, an ``openvino.CompiledModel``.
        streams: Number of images that may be computed at the same time.
    """

    def __init__(self, compiled: Any, streams: int) -> None:
        self._compiled, self._streams = compiled, streams
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(streams):
            self._idle.put(compiled.create_infer_request())

    def __call__(self, image: Image) -> Image:
        """Scores of an image, see `Session`."""
        import openvino

        request = self._idle.get()
        try:
            request.infer({0: openvino.Tensor(image, shared_memory=True)})
            scores: Image = request.get_output_tensor(0).data.copy()
        finally:
            self._idle.put(request)
        return scores

    def release(self) -> None:
        """Give back the memory of feature maps, once all images are computed."""
        requests = [self._idle.get() for _ in range(self._streams)]
        try:
            self._compiled.release_memory()
        finally:
            for request in requests:
                self._idle.put(request)


def openvino_session(
    model: Path | tuple[bytes, bytes], shape: tuple[int, ...], *, bf16: bool, streams: int = 1
) -> OpenvinoSession:
    """Compile an OpenVINO model for images of one shape.

    Args:
        model: Path of the XML file, or XML and weights.
        shape: Shape of an image (1, bands, rows, columns).
        bf16: Compute in bfloat16 instead of float32.
        streams: Number of images that may be computed at the same time.
    """
    import openvino

    core = openvino.Core()
    network = core.read_model(*model) if isinstance(model, tuple) else core.read_model(model)
    network.reshape(list(shape))
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": streams,
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        "INFERENCE_NUM_THREADS": compute_threads(),
        "ENABLE_CPU_PINNING": False,  # other programs may use the CPU, too
    }
    return OpenvinoSession(core.compile_model(network, "CPU", settings), streams)


def run_openvino(path: Path, image: Image) -> Image:
    """Scores of one image (1, bands, rows, columns) in float32, by an OpenVINO model in a file."""
    return openvino_session(path, image.shape, bf16=False)(image)


def has_openvino() -> bool:
    """Whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


def openvino_has_bf16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this CPU."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def openvino_has_fast_bf16() -> bool:
    """Whether OpenVINO computes faster in bfloat16 than in float32 on this CPU.

    Of Intel's processors only those with AMX do: AVX-512's own instructions for bfloat16 are no faster there than those
    for float32, and values are converted besides (`benchmarks/precisions.py`).
    """
    import openvino

    name = str(openvino.Core().get_property("CPU", "FULL_DEVICE_NAME"))
    return openvino_has_bf16() and ("intel" not in name.lower() or has_amx())


def onnx_engine(bundle: Bundle, *, device: Device, batch_size: int, views: Literal[1, 2, 4, 8] = 1) -> SessionEngine:
    """ONNX Runtime in float32. The converted model is kept in the user's cache folder.

    Args:
        bundle: The model.
        device: ``cpu``, or ``cuda`` if onnxruntime-gpu is installed.
        batch_size: Maximum number of tiles in a batch.
        views: Test-time augmentation: number of VIEWS whose mean is the score.

    Raises:
        DeviceError: onnxruntime is not installed, or without CUDA.
        BundleError: ONNX or ONNX Runtime cannot convert the model.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise DeviceError("the engine onnx is not installed: pip install 'geoships[onnx]'") from error
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda":
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise DeviceError(
                "the installed onnxruntime has no CUDA support; install onnxruntime-gpu, or use --device cpu"
            )
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": device.index or 0}))
    path = cached_onnx(bundle, lambda file, image: _onnx_session(file, providers)(image))
    session = _onnx_session(path, providers)
    return SessionEngine(lambda _: session, batch_size=batch_size, views=views)


def _onnx_session(path: Path, providers: list[Any]) -> Session:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = compute_threads()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    name = session.get_inputs()[0].name

    def run(image: Image) -> Image:
        scores: Image = session.run(None, {name: image})[0]
        return scores

    return run

"""What all conversions of a network share: names of files, the tolerance, and the error."""

from __future__ import annotations

from geoships.errors import BundleError

TOLERANCE = 1e-3  # maximum difference between scores of a converted model and of PyTorch, both in float32
IR, ONNX = "model.xml", "model.onnx"


class ConversionError(BundleError):
    """A network that another runtime cannot convert, or gives different scores for."""

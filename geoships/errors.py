"""The errors that geoships raises.

GeoshipsError
|-- SceneError     the scene cannot be opened, read or understood
|-- BundleError    the model bundle is missing, damaged or does not fit the scene
|-- OutputError    an output cannot be written
`-- DeviceError    the compute device is missing or out of memory

Each message says what failed, where, and what to do. The CLI prints it and exits with code 1.
"""

from __future__ import annotations


class GeoshipsError(Exception):
    """Base of all errors that geoships raises on purpose."""


class SceneError(GeoshipsError):
    """The scene cannot be opened, read or understood."""


class BundleError(GeoshipsError):
    """The model bundle is missing, damaged or does not fit the scene."""


class OutputError(GeoshipsError):
    """An output cannot be written."""


class DeviceError(GeoshipsError):
    """The compute device is missing or out of memory."""

"""Exceptions of geoships.

GeoshipsError
|-- SceneError     the scene cannot be opened, read or interpreted
|-- BundleError    the model bundle is missing, damaged or does not fit the scene
|-- OutputError    an output cannot be written
`-- DeviceError    the device or engine is not available, or out of memory

Each message is one line: what failed, where, and what to do. The command line prints it and exits with code 1.
"""

from __future__ import annotations


class GeoshipsError(Exception):
    """Base class of all exceptions that geoships raises for expected errors."""


class GeoshipsWarning(UserWarning):
    """Something was assumed or left out; the command line prints it as one line."""


class SceneError(GeoshipsError):
    """The scene cannot be opened, read or interpreted."""


class BundleError(GeoshipsError):
    """The model bundle is missing, damaged or does not fit the scene."""


class OutputError(GeoshipsError):
    """An output cannot be written."""


class DeviceError(GeoshipsError):
    """The device or engine is not available, or out of memory."""

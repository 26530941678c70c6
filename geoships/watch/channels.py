"""Sends messages: as JSON to a webhook, or by anything that apprise knows."""

from __future__ import annotations

import base64
import contextlib
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geoships.config.watch import Channel
from geoships.errors import GeoshipsError

MISSING = "this channel needs apprise; install geoships[watch]"
TIMEOUT = 30.0  # seconds


class DeliveryError(GeoshipsError):
    """A message was not taken. It names no address, since these hold passwords."""


def check_channels(channels: Mapping[str, Channel]) -> None:
    """Check the addresses of channels before anything runs.

    Raises:
        GeoshipsError: An address is wrong, or apprise is not installed.
    """
    for name, channel in channels.items():
        address = channel.address
        if channel.webhook is not None and not address.lower().startswith(("http://", "https://")):
            raise GeoshipsError(f"channel {name}: webhook must be an address that begins with http:// or https://")
        if channel.apprise is not None:
            _apprise(name, address)


def send(name: str, channel: Channel, key: str, payload: Mapping[str, Any]) -> None:
    """Send one message.

    Args:
        name: Of the channel.
        channel: The channel.
        key: Key of the message.
        payload: What it says.

    Raises:
        DeliveryError: It was not taken.
    """
    if channel.webhook is not None:
        _post(name, channel.address, key, payload)
    else:
        _notify(name, channel.address, payload)


def _post(name: str, address: str, key: str, payload: Mapping[str, Any]) -> None:
    import requests

    body = {**payload, "key": key, "chip_png": _chip_text(payload)}
    try:
        # The head of the answer is enough: until what it says is written down, a kill makes the message come twice.
        with requests.post(
            address, json=body, headers={"Idempotency-Key": key}, timeout=TIMEOUT, allow_redirects=False, stream=True
        ) as answer:
            status, taken = answer.status_code, answer.ok
    except requests.RequestException as error:
        raise DeliveryError(f"channel {name}: no answer ({type(error).__name__})") from error
    if not taken:
        raise DeliveryError(f"channel {name}: the server answered {status}")


def _chip_text(payload: Mapping[str, Any]) -> str | None:
    chip = payload.get("chip")
    if chip is None:
        return None
    try:
        return base64.b64encode(Path(chip).read_bytes()).decode()
    except OSError:  # the picture was removed; the message goes without
        return None


def _apprise(name: str, address: str) -> Any:
    try:
        import apprise
    except ImportError as error:
        raise GeoshipsError(MISSING) from error
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it logs addresses
    sender = apprise.Apprise()
    with contextlib.redirect_stderr(io.StringIO()):
        known = sender.add(address)
    if not known:
        raise GeoshipsError(f"channel {name}: apprise does not know this kind of address; see its documentation")
    return sender


def _notify(name: str, address: str, payload: Mapping[str, Any]) -> None:
    chip = payload.get("chip")
    attach = str(chip) if chip is not None and Path(chip).is_file() else None
    if not _apprise(name, address).notify(title=payload["title"], body=payload["text"], attach=attach):
        raise DeliveryError(f"channel {name}: the message was not taken")

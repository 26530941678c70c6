"""Sends what is in the outbox."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from geoships.config.watch import Channel
from geoships.support.progress import Progress
from geoships.watch.channels import DeliveryError, send
from geoships.watch.store import Message, Store

FIRST_WAIT, LONGEST_WAIT = 30.0, 3_600.0  # seconds until a message that was not taken is tried again
MOST_ATTEMPTS = 40  # a day and a half


@dataclass(frozen=True)
class Delivered:
    """What became of the messages of one round. given_up: reasons of those that are tried no more."""

    sent: int
    given_up: tuple[str, ...] = ()


def deliver(store: Store, channels: Mapping[str, Channel], progress: Progress) -> Delivered:
    """Send the messages that are due, oldest first.

    That a message was sent is written down after it was: if the watch dies in between, it is sent again, with the same
    key. On a channel with ``at-most-once``, that it is being sent is written down before, and it is not sent again.

    Args:
        store: The outbox.
        channels: Where messages go.
        progress: Told of messages that are not taken.
    """
    sent, given_up = 0, []
    down: set[str] = set()  # channels that do not answer are asked once a round
    for message in store.due(time.time()):
        channel = channels.get(message.channel)
        if channel is None:
            store.mark(message.key, "given up", reason="its channel is no longer in the settings")
            given_up.append(f"channel {message.channel} is no longer in the settings")
        elif message.channel not in down:
            if _send(store, message, channel, progress):
                sent += 1
            else:
                down.add(message.channel)
                if message.attempts + 1 >= MOST_ATTEMPTS:
                    given_up.append(f"channel {message.channel}: {MOST_ATTEMPTS} attempts failed")
    return Delivered(sent, tuple(given_up))


def _send(store: Store, message: Message, channel: Channel, progress: Progress) -> bool:
    if channel.delivery == "at-most-once":
        store.mark(message.key, "sending")
    try:
        send(message.channel, channel, message.key, message.payload)
    except DeliveryError as error:
        wait = min(FIRST_WAIT * 2**message.attempts, LONGEST_WAIT)
        last = message.attempts + 1 >= MOST_ATTEMPTS
        state = "given up" if last else "waiting"
        store.mark(message.key, state, due=time.time() + wait, reason=str(error), tried=1)
        progress.warn(f"{error}; {'given up' if last else f'tried again in {wait:.0f} s'}")
        return False
    store.mark(message.key, "sent", tried=1)
    return True

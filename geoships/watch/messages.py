"""What messages say: of ships, of failures, and of silence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from geoships.config.watch import WatchConfig
from geoships.watch.rules import Compiled
from geoships.watch.store import Message


def key_of(*parts: object) -> str:
    """Key of a message: the same for the same parts, also after a restart.

    >>> len(key_of("a", 1)), key_of("a", 1) == key_of("a", 1), key_of("a", 1) == key_of("a", 2)
    (32, True, False)
    """
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


def matching(rules: Sequence[Compiled], ships: Sequence[Mapping[str, Any]]) -> list[tuple[Compiled, int]]:
    """Rules that hold, with the index of their ship."""
    return [(rule, index) for index, ship in enumerate(ships) for rule in rules if rule.holds(ship)]


def ship_messages(
    rule: Compiled, scene: str, scene_key: str, ship: Mapping[str, Any], chip: Path | None, config: WatchConfig
) -> list[Message]:
    """Messages of a ship for which a rule holds: one a channel.

    Args:
        rule: The rule.
        scene: Name of the scene, without secrets.
        scene_key: Its key.
        ship: Attributes of the ship.
        chip: Its picture; None: it has none.
        config: Settings.
    """
    place = {name: ship.get(name) for name in ("lon", "lat")}
    link = None if None in place.values() else config.link.format(**place)
    facts = [f"{ship['length_m']:.0f} m long"] if ship.get("length_m") is not None else []
    facts += [f"{name} {ship[name]}" for name in ("zone", "ais", "datetime") if ship.get(name) is not None]
    where = "" if link is None else f" at {place['lat']:.5f}, {place['lon']:.5f}"
    payload = {
        "type": "ship",
        "rule": rule.rule.name,
        "title": f"{rule.rule.name}: a ship{where}",
        "text": "\n".join(filter(None, [", ".join(facts), f"scene {scene}", link])),
        "scene": scene,
        "ship": dict(ship),
        "link": link,
        "chip": None if chip is None else str(chip),
    }
    channels = rule.rule.send if rule.rule.send is not None else tuple(config.channels)
    return [
        Message(key_of("ship", rule.rule.name, scene_key, ship.get("id"), name), name, payload) for name in channels
    ]


def alarm(kind: str, parts: Iterable[object], title: str, text: str, config: WatchConfig) -> list[Message]:
    """Messages of an alarm: one a channel.

    Args:
        kind: ``failure`` or ``silence``.
        parts: What tells this alarm from others of its kind.
        title: One line.
        text: What happened.
        config: Settings.
    """
    channels = config.alarms if config.alarms is not None else tuple(config.channels)
    payload = {"type": kind, "rule": None, "title": title, "text": text, "ship": None, "link": None, "chip": None}
    kept = tuple(parts)
    return [Message(key_of(kind, *kept, name), name, payload) for name in channels]

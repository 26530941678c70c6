"""Settings of a watch: rules, and where their messages go."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from geoships.config.yaml_file import read_settings
from geoships.errors import GeoshipsError

EXAMPLE = "configs/watch.yaml"
VARIABLE = re.compile(r"\$\{(\w+)\}")
MAP_LINK = "https://www.openstreetmap.org/?mlat={lat}&mlon={lon}#map=14/{lat}/{lon}"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Channel(_Part):
    """Where messages go: exactly one of `webhook` and `apprise`.

    Attributes:
        webhook: Address that gets each message as JSON (POST) with an ``Idempotency-Key``. ``${NAME}`` is taken from
            the environment.
        apprise: Address as apprise takes it, such as ``mailto://...``; ``${NAME}`` is taken from the environment.
        delivery: What happens if the watch dies between sending and writing that down: ``at-least-once`` sends again,
            with the same key; ``at-most-once`` does not.
    """

    webhook: str | None = None
    apprise: str | None = None
    delivery: Literal["at-least-once", "at-most-once"] = "at-least-once"

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.webhook is None) == (self.apprise is None):
            raise ValueError("give one of webhook and apprise")
        if self.webhook is not None and not VARIABLE.match(self.webhook) and "://" not in self.webhook:
            raise ValueError("webhook must be an address that begins with http:// or https://")
        return self

    @property
    def address(self) -> str:
        """The address, with variables of the environment.

        Raises:
            GeoshipsError: A variable is not set.
        """
        text = self.webhook or self.apprise or ""
        for name in VARIABLE.findall(text):
            if name not in os.environ:
                raise GeoshipsError(f"the environment has no variable {name}, which a channel's address needs")
        return VARIABLE.sub(lambda match: os.environ[match[1]], text)


class Rule(_Part):
    """Which ships give a message.

    Attributes:
        name: Of the rule.
        when: Expression over the ship's attributes, such as ``length_m > 100 and dark``.
        send: Names of channels; None: all.
    """

    name: Name
    when: Annotated[str, Field(min_length=1, max_length=2000)]
    send: tuple[str, ...] | None = None


class WatchConfig(_Part):
    """Settings of a watch.

    Attributes:
        rules: The rules.
        channels: Where messages go, by name.
        zones: Vector file of polygons; a ship's attribute `zone` is the name of the first that holds it.
        zone_column: Column of their names.
        ais: Files, folders or patterns of AIS, for the attributes `ais` and `dark`; needs geoships[ais].
        same_place_m: Metres within which ships of different passes count as at one place.
        loiter_passes: Passes in a row with a ship at one place, from which it loiters.
        memory_days: Days for which places of ships are remembered.
        settle_seconds: Seconds for which a file must not have changed, so that it is not read while it is copied.
        silence_days: Days without a new scene, after which there is an alarm; None: no alarm.
        alarms: Names of channels that get alarms; None: all.
        link: Link to a ship, with ``{lat}`` and ``{lon}``.
        chip_metres: Side of the picture of a ship; 0: no picture.
    """

    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    channels: Annotated[dict[Name, Channel], Field(min_length=1)]
    zones: Path | None = None
    zone_column: str = "name"
    ais: tuple[str, ...] = ()
    same_place_m: Annotated[float, Field(gt=0, le=10_000)] = 100.0
    loiter_passes: Annotated[int, Field(ge=2, le=100)] = 3
    memory_days: Annotated[float, Field(gt=0, le=3660)] = 90.0
    settle_seconds: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    silence_days: Annotated[float, Field(gt=0, le=3660)] | None = None
    alarms: tuple[str, ...] | None = None
    link: str = MAP_LINK
    chip_metres: Annotated[float, Field(ge=0, le=20_000)] = 800.0

    @field_validator("link")
    @classmethod
    def _link(cls, text: str) -> str:
        try:
            text.format(lat=0.0, lon=0.0)
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise ValueError("only {lat} and {lon} may stand in braces") from error
        return text

    @model_validator(mode="after")
    def _known(self) -> Self:
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names):
            raise ValueError(f"two rules have the name {next(name for name in names if names.count(name) > 1)}")
        for name in (*(each for rule in self.rules for each in rule.send or ()), *(self.alarms or ())):
            if name not in self.channels:
                raise ValueError(f"there is no channel {name}; the channels are {', '.join(self.channels)}")
        return self


def watch_config(file: Path, overrides: Mapping[str, object] | None = None) -> WatchConfig:
    """Read the settings of a watch.

    Args:
        file: YAML file.
        overrides: Values by dotted name that replace those of the file.

    Raises:
        GeoshipsError: The file cannot be read, or a setting is wrong; the message names each one.
    """
    return read_settings(WatchConfig, file, overrides or {}, EXAMPLE)

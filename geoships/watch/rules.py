"""Rules over the attributes of ships, in the expression language of rule-engine, which cannot run code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geoships.config.watch import Rule
from geoships.errors import GeoshipsError

MISSING = "rules need rule-engine; install geoships[watch]"

# Attributes that a rule may ask for, and what they hold.
NUMBERS = (
    "id", "score", "area_m2", "length_m", "width_m", "heading_deg", "lon", "lat", "pixels", "class_prob", "passes_here",
    "ais_confidence", "ais_distance_m", "ais_length_m", "ais_speed_kn", "mmsi",
)  # fmt: skip
TEXTS = ("scene", "datetime", "class", "zone", "ais", "ais_name", "ais_note")
TRUTHS = ("on_border", "new", "loitering", "dark")


@dataclass(frozen=True)
class Compiled:
    """A rule that is ready for use.

    Attributes:
        rule: As it was given.
        expression: The parsed expression.
    """

    rule: Rule
    expression: Any

    def holds(self, ship: Mapping[str, Any]) -> bool:
        """Whether the rule holds for a ship; not where it asks for a number that the ship does not have."""
        import rule_engine

        try:
            return bool(self.expression.matches(ship))
        except rule_engine.EvaluationError:
            return False


def compile_rules(rules: Sequence[Rule]) -> list[Compiled]:
    """Parse rules, and check their attributes and types.

    Raises:
        GeoshipsError: A rule cannot be understood; or rule-engine is not installed.
    """
    try:
        import rule_engine
    except ImportError as error:
        raise GeoshipsError(MISSING) from error
    kinds = {
        **dict.fromkeys(NUMBERS, rule_engine.DataType.FLOAT),
        **dict.fromkeys(TEXTS, rule_engine.DataType.STRING),
        **dict.fromkeys(TRUTHS, rule_engine.DataType.BOOLEAN),
    }
    context = rule_engine.Context(type_resolver=rule_engine.type_resolver_from_dict(kinds), default_value=None)
    found = []
    for rule in rules:
        try:
            found.append(Compiled(rule, rule_engine.Rule(rule.when, context=context)))
        except rule_engine.SymbolResolutionError as error:
            raise GeoshipsError(
                f"rule {rule.name}: there is no attribute {error.symbol_name}; there are {', '.join(sorted(kinds))}"
            ) from error
        except rule_engine.EngineError as error:
            reason = " ".join(str(error).split())
            raise GeoshipsError(f"rule {rule.name}: cannot understand {rule.when!r} ({reason})") from error
    return found

"""What a notebook shows of a model: its card as a table."""

from __future__ import annotations

from html import escape

from geoships.model.card import Card


def card_html(card: Card) -> str:
    """An HTML table of a model's card: what it takes, what it gives, and how good it is."""
    low, high = card.gsd_range
    optional = f" (may be absent: {', '.join(card.optional)})" if card.optional else ""
    facts = {
        "finds": ", ".join(found.name for found in card.classes),
        "bands": ", ".join(card.bands) + optional,
        "pixel size": f"{low:g} to {high:g} m as they are, others resampled to {card.gsd:g} m",
        "architecture": f"{card.architecture}, {card.total_parameters / 1e6:.1f} million parameters",
        "licence": card.licence,
    }
    for metrics in card.metrics:
        figures = metrics.get("figures", {})
        facts[str(metrics.get("name", "accuracy"))] = ", ".join(f"{name} {value}" for name, value in figures.items())
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in facts.items())
    return f"<div><p><b>{escape(card.name)}</b>: {escape(card.description)}</p><table>{rows}</table></div>"

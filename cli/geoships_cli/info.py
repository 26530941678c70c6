"""`geoships models` and `geoships info`: the installed models, and the facts of a bundle or a scene."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoships_cli import options

if TYPE_CHECKING:
    from geoships.model.card import Card


def models(as_json: options.AsJson = False) -> None:
    """List the installed models."""
    from geoships.model.bundle_files import load_card
    from geoships.model.installed import DEFAULT_BUNDLE, installed

    cards = {name: load_card(path) for name, path in installed()}
    if as_json:
        typer.echo(json.dumps({name: json.loads(card.to_json()) for name, card in cards.items()}))
        return
    for name, card in cards.items():
        default = " (default)" if name == DEFAULT_BUNDLE else ""
        typer.echo(
            f"{name}{default}: {card.description} Bands {', '.join(card.bands)}; {card.gsd:g} m; {card.licence}."
        )


def info(
    what: Annotated[str, typer.Argument(help="Installed model, bundle or scene", metavar="BUNDLE|SCENE")],
    trust_vrt: options.TrustVrt = None,
    as_json: options.AsJson = False,
) -> None:
    """Describe a model bundle or a scene."""
    facts = _bundle_facts(what) if _is_bundle(what) else _scene_facts(what, trust_vrt=bool(trust_vrt))
    if as_json:
        typer.echo(json.dumps(facts, default=str))
        return
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        lines = value if isinstance(value, list) else [value]
        for number, line in enumerate(lines or ["none"]):
            typer.echo(f"{name if number == 0 else '':{width}}  {line}")


def _is_bundle(what: str) -> bool:
    from geoships.model.bundle_files import CARD_FILE
    from geoships.model.installed import installed
    from geoships.scene.opening.sentinel2_product import product_scene

    path = Path(what)
    if what in dict(installed()) or (path / CARD_FILE).exists():
        return True
    return path.suffix == ".zip" and product_scene(what) is None


def _bundle_facts(what: str) -> dict[str, object]:
    from geoships.model.bundle import load_bundle
    from geoships.model.installed import find_bundle

    bundle = load_bundle(find_bundle(what))
    bundle.network()  # raises where the weights do not fit the card
    int8 = "yes, for --precision int8" if bundle.int8 else "none"
    facts = {"path": bundle.path, **_card_facts(bundle.card), "int8 variant": int8}
    if bundle.verifier is None:
        return facts
    bundle.verifier.network()
    return {**facts, "verifier": _verifier_facts(bundle.verifier.card, on=bundle.card.verify)}


def _card_facts(card: Card) -> dict[str, object]:
    low, high = card.gsd_range
    return {
        "name": card.name,
        "description": card.description,
        "licence": card.licence,
        "network": f"{card.network.decoder} over {card.network.encoder}",
        "parameters": f"{card.total_parameters / 1e6:.2f} M",
        "bands": ", ".join(card.bands),
        "optional bands": ", ".join(card.optional) or "none",
        "pixel size": f"{low:g} to {high:g} m; others are resampled to {card.gsd:g} m",
        "threshold": card.threshold,
        "minimum peak score of a ship": card.min_peak,
        "views": card.views,
        "temperature": card.temperature,
        "training data": [f"{source.get('name')} ({source.get('license')})" for source in card.training_data],
        "metrics": [json.dumps(metric) for metric in card.metrics],
    }


def _verifier_facts(card: Card, *, on: bool) -> list[str]:
    _, _, rows, columns = card.input.input.shape
    return [
        f"{card.name}, {card.network.encoder}, {card.total_parameters / 1e6:.2f} M parameters",
        f"chips of {rows} x {columns} pixels of {card.gsd:g} m; bands {', '.join(card.bands)}",
        f"threshold {card.threshold:g}; {'on, unless --no-verify is given' if on else 'off, unless --verify is given'}",
    ]


def _scene_facts(what: str, *, trust_vrt: bool) -> dict[str, object]:
    from geoships.scene.describe import describe_scene

    return describe_scene(what, trust_vrt=trust_vrt)

"""`geoships models` and `geoships info`: the installed models, and the facts of a bundle or a scene."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoships_cli import options
from geoships_cli.option_groups import grouped

if TYPE_CHECKING:
    from geoships.model.bundle import Bundle
    from geoships.model.card import Card


@grouped
def models(run: options.RunOptions) -> None:
    """List the installed models."""
    from geoships.model.bundle_files import load_card
    from geoships.model.installed import DEFAULT_BUNDLE, installed

    cards = {name: load_card(path) for name, path in installed()}
    lines = [
        f"{name}{' (default)' if name == DEFAULT_BUNDLE else ''}: {card.description} Bands {', '.join(card.bands)}; "
        f"{card.gsd:g} m; {card.licence}."
        for name, card in cards.items()
    ]
    run.report({name: json.loads(card.to_json()) for name, card in cards.items()}, "\n".join(lines))


@grouped
def info(
    what: Annotated[str, typer.Argument(help="Installed model, bundle or scene", metavar="BUNDLE|SCENE")],
    trust_vrt: options.TrustVrt = None,
    *,
    run: options.RunOptions,
) -> None:
    """Describe a model bundle or a scene."""
    if _is_bundle(what):
        from geoships.model.bundle import load_bundle
        from geoships.model.engines.device import has_torch
        from geoships.model.installed import find_bundle

        bundle = load_bundle(find_bundle(what))
        for each in filter(None, (bundle, bundle.verifier)):
            if has_torch():
                each.network()  # raises where the weights do not fit the card
        run.report(_bundle_values(bundle), _lines(_bundle_facts(bundle)))
        return
    from geoships.scene.describe import describe_scene, scene_facts

    values = scene_facts(what, trust_vrt=bool(trust_vrt)) if run.as_json else {}
    run.report(
        {"kind": "scene", **values}, "" if run.as_json else _lines(describe_scene(what, trust_vrt=bool(trust_vrt)))
    )


def _lines(facts: Mapping[str, object]) -> str:
    """Facts in two columns, with a line for each element of a list."""
    width = max(len(name) for name in facts)
    lines = []
    for name, value in facts.items():
        texts = value if isinstance(value, list) else [value]
        lines += [f"{name if number == 0 else '':{width}}  {text}" for number, text in enumerate(texts or ["none"])]
    return "\n".join(lines)


def _is_bundle(what: str) -> bool:
    from geoships.model.bundle_files import CARD_FILE
    from geoships.model.installed import installed
    from geoships.scene.opening.sentinel2_product import product_scene

    path = Path(what)
    if what in dict(installed()) or (path / CARD_FILE).exists():
        return True
    return path.suffix == ".zip" and product_scene(what) is None


def _bundle_values(bundle: Bundle) -> dict[str, object]:
    """A bundle as plain values: its card as it is stored, and what else it holds."""
    from geoships.model.fingerprint import fingerprint

    verifier = bundle.verifier
    return {
        "kind": "bundle",
        "name": bundle.card.name,
        "path": str(bundle.path),
        "fingerprint": fingerprint(bundle),
        "card": json.loads(bundle.card.to_json()),
        "int8": bundle.int8 is not None,
        "screen": bundle.screen is not None,
        "verifier": None if verifier is None else json.loads(verifier.card.to_json()),
    }


def _bundle_facts(bundle: Bundle) -> dict[str, object]:
    int8 = "yes, for --precision int8" if bundle.int8 else "none"
    facts = {"path": bundle.path, **_card_facts(bundle.card), "int8 variant": int8}
    if bundle.verifier is None:
        return facts
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
        **(_class_facts(card) if card.several else {"threshold": card.threshold}),
        "minimum peak score of a ship": card.min_peak,
        "views": card.views,
        "temperature": card.temperature,
        "training data": [f"{source.get('name')} ({source.get('license')})" for source in card.training_data],
        "metrics": [json.dumps(metric) for metric in card.metrics],
    }


def _class_facts(card: Card) -> dict[str, object]:
    how = "exclude each other" if card.activation == "softmax" else "may overlap"
    lines = [
        f"{found.name}: value {found.value}, threshold {threshold:g}"
        for found, threshold in zip(card.classes, card.thresholds, strict=True)
    ]
    return {"classes": [*lines, f"{card.activation}: they {how}"]}


def _verifier_facts(card: Card, *, on: bool) -> list[str]:
    _, _, rows, columns = card.input.input.shape
    return [
        f"{card.name}, {card.network.encoder}, {card.total_parameters / 1e6:.2f} M parameters",
        f"chips of {rows} x {columns} pixels of {card.gsd:g} m; bands {', '.join(card.bands)}",
        f"threshold {card.threshold:g}; {'on, unless --no-verify is given' if on else 'off, unless --verify is given'}",
    ]

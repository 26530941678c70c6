"""`geoships verifier`: put a classifier into a model's bundle, to look again at what the model finds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verifier(
    bundle: Annotated[str, typer.Argument(help="Model that finds ships: installed, a bundle folder or a bundle zip.")],
    classifier: Annotated[str, typer.Argument(help="Classifier of chips, such as a training with task: verification.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Bundle to write, a folder or a .zip.")],
    default: Annotated[
        bool, typer.Option("--default/--no-default", help="Verify where --verify and --no-verify are left out.")
    ] = False,
    threshold: Annotated[
        float | None, typer.Option(help="Score from which on a ship is kept.", show_default="the classifier's own")
    ] = None,
) -> None:
    """Put a classifier into a model's bundle, to look again at every ship that the model finds."""
    from geoships.model.bundle import load_bundle, save_bundle
    from geoships.pipeline.verify import with_verifier

    joined = with_verifier(load_bundle(bundle), load_bundle(classifier), default=default, threshold=threshold)
    save_bundle(out, joined.card, joined.weights, half=False, verifier=joined.verifier, screen=joined.screen)
    assert joined.verifier is not None
    chosen = f"from a score of {joined.verifier.card.threshold:g} on, {'by default' if default else 'with --verify'}"
    typer.echo(f"{joined.card.name} with {joined.verifier.card.name} ({chosen}) -> {out}")

"""`geoships verifier`: add a classifier to a bundle, which checks every ship that the model finds."""

from __future__ import annotations

from typing import Annotated

import typer

from geoships_cli import options


def verifier(
    bundle: Annotated[str, typer.Argument(help="Model that finds ships: installed, a bundle folder or a bundle zip")],
    classifier: Annotated[str, typer.Argument(help="Classifier of chips, e.g. of a training with task: verification")],
    out: options.BundleOut,
    default: Annotated[bool, typer.Option("--default/--no-default", help="Verify unless --no-verify is given")] = False,
    threshold: Annotated[
        float | None, typer.Option(help="Minimum score of a ship", show_default="the classifier's own")
    ] = None,
) -> None:
    """Add a verifier to a bundle: a classifier that checks every ship that the model finds."""
    from geoships.model.bundle import load_bundle, save_bundle
    from geoships.pipeline.verify import with_verifier

    joined = with_verifier(load_bundle(bundle), load_bundle(classifier), default=default, threshold=threshold)
    save_bundle(out, joined.card, joined.weights, half=False, verifier=joined.verifier, screen=joined.screen)
    assert joined.verifier is not None
    usage = f"minimum score {joined.verifier.card.threshold:g}, {'by default' if default else 'with --verify'}"
    typer.echo(f"{joined.card.name} with {joined.verifier.card.name} ({usage}) -> {out}")

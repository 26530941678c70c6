"""`geoships verifier`: add a classifier to a bundle, which checks every ship that the model finds."""

from __future__ import annotations

from typing import Annotated

import typer

from geoships_cli import options
from geoships_cli.option_groups import grouped


@grouped
def verifier(
    bundle: Annotated[str, typer.Argument(help="Model that finds ships: installed, a bundle folder or a bundle zip")],
    classifier: Annotated[str, typer.Argument(help="Classifier of chips, e.g. of a training with task: verification")],
    out: options.BundleOut,
    default: Annotated[bool, typer.Option("--default/--no-default", help="Verify unless --no-verify is given")] = False,
    threshold: Annotated[
        float | None, typer.Option(help="Minimum score of a ship", show_default="the classifier's own")
    ] = None,
    overwrite: options.Overwrite = False,
    *,
    run: options.RunOptions,
) -> None:
    """Add a verifier to a bundle: a classifier that checks every ship that the model finds."""
    from geoships.model.bundle import load_bundle, save_bundle
    from geoships.model.bundle_files import refuse_bundle
    from geoships.pipeline.verify import with_verifier

    model, checking = load_bundle(bundle), load_bundle(classifier)
    refuse_bundle(out, (model.path, checking.path), overwrite=overwrite)
    joined = with_verifier(model, checking, default=default, threshold=threshold)
    save_bundle(
        out, joined.card, joined.weights, half=False, verifier=joined.verifier, screen=joined.screen, graph=joined.graph
    )
    assert joined.verifier is not None
    usage = f"minimum score {joined.verifier.card.threshold:g}, {'by default' if default else 'with --verify'}"
    own = joined.verifier.card
    facts = {"bundle": str(out), "model": joined.card.name, "verifier": own.name, "threshold": own.threshold}
    run.report({**facts, "default": default}, f"{joined.card.name} with {own.name} ({usage}) -> {out}")

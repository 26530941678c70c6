"""`geoships screen`: fit a screen, which skips tiles without ships, and add it to a bundle."""

from __future__ import annotations

from typing import Annotated

import typer

from geoships_cli import options
from geoships_cli.option_groups import grouped


@grouped
def screen(
    bundle: options.Bundle,
    out: options.BundleOut,
    *,
    labelled: options.LabelledScenes,
    scene: options.BandOptions,
    held_out: Annotated[
        list[str] | None,
        typer.Option(help="Name of a scene that only sets the threshold; repeatable", show_default="each in turn"),
    ] = None,
    share: Annotated[float, typer.Option(min=0.5, max=1, help="Minimum share of held-out ships that pass")] = 0.995,
    overwrite: options.Overwrite = False,
    run: options.RunOptions,
) -> None:
    """Add a screen to a bundle, which finds tiles without ships in a few percent of the model's time."""
    from geoships.config import predict_config
    from geoships.model.bundle import load_bundle
    from geoships.workflows.fit_screen import fit_screen

    config = predict_config(None, device="cpu", **options.settings_of(scene))
    with run.progress_display() as progress:
        fitted = fit_screen(
            load_bundle(bundle), out, labelled.scenes, labelled.labels, ignore=labelled.ignore or (),
            held_out=held_out or (), share=share, config=config, progress=progress, overwrite=overwrite,
        )  # fmt: skip
    summary = {"bundle": str(out), "tiles": fitted.tiles, **fitted.card.model_dump()}
    run.report(summary, f"{bundle} -> {out}: {fitted}")

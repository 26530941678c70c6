"""`geoships finish`: what makes a trained bundle ready for release, by its cross-validation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geoships_cli import options
from geoships_cli.option_groups import grouped
from geoships_cli.train import training_libraries

if TYPE_CHECKING:
    from geoships.workflows.finish.finish import Finished


@grouped
def finish(
    bundle: options.Bundle,
    out: options.BundleOut,
    crossval: Annotated[Path, typer.Option(help="Folder of the cross-validation: --out of geoships crossval")],
    screen: Annotated[bool, typer.Option("--screen/--no-screen", help="Fit a screen")] = True,
    int8: Annotated[bool, typer.Option("--int8/--no-int8", help="Make an int8 variant")] = True,
    overwrite: options.Overwrite = False,
    *,
    run: options.RunOptions,
) -> None:
    """Choose the settings of a trained bundle by its cross-validation; add a screen and an int8 variant."""
    from geoships.model.bundle import load_bundle

    with training_libraries():
        from geoships.workflows.finish.finish import finish as write
    with run.progress_display() as progress:
        finished = write(
            load_bundle(bundle), crossval, out, screen=screen, int8=int8, progress=progress, overwrite=overwrite
        )
    run.report({"bundle": str(out), **finished.record}, f"{bundle} -> {out}\n{_text(finished)}")


def _text(finished: Finished) -> str:
    card, figures = finished.card, finished.record["figures"]
    low, high = figures["f1_iou_0.3_interval"] or (float("nan"),) * 2
    nested = finished.record["nested"]
    lines = [
        f"threshold {card.threshold:.3f}, minimum peak {card.min_peak:.4f}, temperature {card.temperature:.3f}, "
        f"halo {card.halo}, label margin {card.label_margin:g}",
        f"{finished.record['ships']} ships: F1 at IoU 0.3 {figures['f1_iou_0.3']:.3f} ({low:.3f} to {high:.3f}), "
        f"pixel IoU {figures['iou']:.3f}",
        *([f"settings chosen on the other folds: F1 {nested['f1_iou_0.3']:.3f}"] if nested else []),
        *(f"{name}: peak {point.min_peak:.4f}" for name, point in card.operating_points.items()),
    ]
    for name, check in (("screen", finished.screen), ("int8 variant", finished.int8)):
        if check is not None:
            lines.append(f"{name}: {check}{'; it is left out of the bundle' if check.lost else ''}")
    return "\n".join(lines)

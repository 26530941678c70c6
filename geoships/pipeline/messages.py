"""What a run tells whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping

from geoships.pipeline.scene_run import SceneRun, missing_bands, operating_point
from geoships.scene.opening.names import without_secrets
from geoships.scene.tiling.plan import overlap_fraction
from geoships.scene.tiling.windows import Window
from geoships.support.progress import Progress
from geoships.support.threads import compute_threads

SHOWN = 20  # windows that could not be read are shown one by one; the result lists all of them


def announce(run: SceneRun, progress: Progress) -> None:
    """Tell of the scene and its model, and of what was assumed to read it."""
    scene, card = run.scene, run.bundle.card
    progress.start(without_secrets(scene.name), run.georeference.height * run.georeference.width)
    progress.note(f"model: {card.name} ({run.why})")
    progress.note(f"bands: {scene.bands.summary}")
    progress.note(f"reflectance: {scene.radiometry.origin}")
    progress.note(f"engine: {run.engine}")
    if any(ratio.model != ratio.scene for ratio in run.plan.ratios):
        across, down = run.pixel_size
        progress.note(f"pixels of {across:.3g} x {down:.3g} m are resampled to the model's {card.gsd:g} m")
    if run.verifier:
        second = run.verifier.bundle.card
        progress.note(f"verifier: {second.name} (minimum score of a ship: {second.threshold:g})")
    if run.config.sensitivity:
        progress.note(sensitivity_line(run))
    progress.detail(plan_line(run))
    for text in run.warnings:
        progress.warn(text)


def sensitivity_line(run: SceneRun) -> str:
    """The scores that a sensitivity stands for in one line, and what they gave where they were measured."""
    text = f"sensitivity {run.config.sensitivity}: threshold {run.threshold:.4g}, minimum peak {run.min_peak:.4g}"
    point = operating_point(run.config, run.bundle.card)
    if point is None or (point.threshold, point.min_peak) != (run.threshold, run.min_peak):
        return text
    if point.precision is None or point.recall is None:
        return text
    return f"{text} (precision {point.precision:.2f}, recall {point.recall:.2f} on {', '.join(point.measured_on)})"


def warn_of_unread(unread: Mapping[Window, str], progress: Progress) -> list[str]:
    """Tell which windows could not be read; returns the one line that sums them up, if there are any."""
    if not unread:
        return []
    for window, reason in list(unread.items())[:SHOWN]:
        progress.warn(f"not read, and without data in all outputs: {window_text(window)}: {reason}")
    pixels = sum(window.height * window.width for window in unread)
    text = f"{len(unread)} parts of the scene, {pixels} pixels, could not be read and have no data"
    progress.warn(text)
    return [text]


def window_text(window: Window) -> str:
    """A window in words."""
    return f"row {window.row}, column {window.column}, {window.height} x {window.width} pixels"


def plan_line(run: SceneRun) -> str:
    """The tile plan in one line."""
    plan, card = run.plan, run.bundle.card
    height, width = plan.tile_shape
    missing = missing_bands(run.scene, card)
    if run.screen is not None and card.screen is not None:
        screen = f"screen from {card.screen.threshold:.6g} on"
    elif card.screen is not None and missing:
        screen = f"no screen without {', '.join(missing)}"
    else:
        screen = "no screen"
    return (
        f"plan: {plan.tiles.rows.count} x {plan.tiles.columns.count} tiles of {height} x {width} pixels, "
        f"halo {card.halo}, {overlap_fraction(plan.tiles):.0%} of a tile shared with its neighbours; "
        f"batch {plan.batch_size}, "
        f"{compute_threads()} threads, {run.scene.threads} to decode; {run.engine}; {screen}"
    )

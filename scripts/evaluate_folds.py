"""Evaluate the models of a cross-validation again on their held-out scenes, with other settings.

    uv run python scripts/evaluate_folds.py runs/folds [--views 8] [--threshold 0.35] [--min-peak 0.7]\
        [--bands 1,2,3,-,-]

Prints the table by scene of `geoships crossval`, and the share of right lengths; --ships writes the outcomes
as `geoships evaluate --ships` does.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from geoships.config import predict_config
from geoships.evaluation import write_outcomes
from geoships.evaluation.evaluate_scene import EvaluatedScene
from geoships.evaluation.size_classes import matched_ships
from geoships.workflows.crossval import evaluate_entries, finished_folds, summary

LONG, NEAR = 60.0, 20.0  # metres


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folds", type=Path, help="folder that geoships crossval wrote")
    parser.add_argument("--threshold", type=float, help="minimum score of a ship pixel")
    parser.add_argument("--min-peak", type=float, help="minimum peak score of a ship")
    parser.add_argument("--views", type=int, help="see `geoships predict --help`")
    parser.add_argument("--bands", help="bands in the models' order, - for a missing one")
    parser.add_argument("--verify", action=argparse.BooleanOptionalAction, help="see `geoships predict --help`")
    parser.add_argument("--ships", type=Path, help="folder for detected and missed ships with their outcome")
    options = parser.parse_args()
    config = predict_config(
        threshold=options.threshold, min_peak=options.min_peak, views=options.views, verify=options.verify
    )
    bands = tuple(int(band) if band.isdigit() else band for band in options.bands.split(",")) if options.bands else None
    evaluations = []
    for fold in finished_folds(options.folds):
        held_out = [entry.model_copy(update={"bands": bands} if bands else {}) for entry in fold.held_out]
        evaluations.append(evaluate_entries(fold.config.data, held_out, fold.model, config, thresholds=()))
        if options.ships:
            write_outcomes(evaluations[-1], options.ships, overwrite=True)
    print(summary(evaluations)[1])
    print(length_text([scene for evaluation in evaluations for scene in evaluation.scenes]))


def length_text(scenes: list[EvaluatedScene]) -> str:
    """Share of the long matched ships whose length is nearly right."""
    matched = matched_ships(scenes)
    labelled, predicted = matched.labelled[:, 0], matched.predicted[:, 0]
    errors = np.abs(predicted - labelled)[labelled > LONG]
    return f"{(errors <= NEAR).sum()} of {errors.size} matched ships over {LONG:g} m: length within {NEAR:g} m"


if __name__ == "__main__":
    main()

"""Measure the effect of a verifier: F1 of ships at IoU 0.3 of a cross-validation's models, without and with it.

    uv run python scripts/measure_verifier.py runs/folds --config configs/verifier-5band.yaml --out runs/verifiers

The folder of `geoships crossval` has a model for each fold, which detects candidates in its held-out scenes. The
verifier of a fold is trained on the scenes and candidates of the other folds, and evaluated with the fold's model on
its held-out scenes. A second run resumes the first one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from geoships import PredictConfig, predict
from geoships.config import VerifierConfig, verifier_config
from geoships.evaluation.evaluation import Evaluation
from geoships.evaluation.figures import totals_by_scene
from geoships.model.bundle import Bundle
from geoships.pipeline.verify import with_verifier
from geoships.training.labelled_scenes import below
from geoships.training.verification.fit import fit_verifier
from geoships.workflows.crossval import Fold, evaluate_entries, finished_folds


def find_candidates(fold: Fold, out: Path, settings: PredictConfig) -> None:
    """Write the candidates of a fold's model in its held-out scenes, one file per scene."""
    out.mkdir(parents=True, exist_ok=True)
    for entry in fold.held_out:
        path = out / f"{Path(entry.scene).stem}.gpkg"
        if not path.exists():
            read_settings = entry.model_dump(include={"bands", "scale", "offset", "sensor"})
            scene = entry.scene if "://" in entry.scene else below(fold.config.data.root, entry.scene)
            predict(scene, out=path, config=settings.model_copy(update=read_settings), model=fold.model)


def train(fold: Fold, config: VerifierConfig, candidates: Path, out: Path) -> Bundle:
    """Train the verifier of a fold on the scenes of the other folds."""
    scenes = fold.config.data.model_dump(include={"root", "scenes", "labels", "ignore", "hold_out"})
    data = {**config.data.model_dump(), **scenes, "candidates": candidates}
    settings = VerifierConfig.model_validate({**config.model_dump(), "data": data})
    return fit_verifier(settings, out, resume=True, quiet=True).bundle


def measure(fold: Fold, model: Bundle, settings: PredictConfig) -> Evaluation:
    return evaluate_entries(fold.config.data, fold.held_out, model, settings, thresholds=())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folds", type=Path, help="folder that geoships crossval wrote")
    parser.add_argument("--config", type=Path, required=True, help="settings of the verifier's training")
    parser.add_argument("--set", action="append", default=[], dest="settings", help="as for geoships train")
    parser.add_argument("--out", type=Path, required=True, help="folder for candidates/ and a run per fold")
    parser.add_argument("--threshold", type=float, help="minimum score of a ship pixel")
    parser.add_argument(
        "--verifier-threshold", type=float, help="minimum score of a verified ship; default: the verifiers' own"
    )
    parser.add_argument("--min-peak", type=float, help="minimum peak score of candidates and of verified ships")
    parser.add_argument(
        "--plain-min-peak", type=float, help="minimum peak score of ships without a verifier; default: the models' own"
    )
    parser.add_argument("--views", type=int, default=1, help="see `geoships predict --help`")
    options = parser.parse_args()
    settings = PredictConfig(threshold=options.threshold, min_peak=options.min_peak, views=options.views, verify=False)
    plain = settings.model_copy(update={"min_peak": options.plain_min_peak})
    folds = finished_folds(options.folds)
    if len(folds) < 2:
        parser.error(f"{options.folds}: expected two finished folds or more, got {len(folds)}")
    config = verifier_config(options.config, tuple(options.settings))
    for fold in folds:
        find_candidates(fold, options.out / "candidates", settings)
    results: dict[bool, list[Evaluation]] = {False: [], True: []}
    for fold in folds:
        verifier = train(fold, config, options.out / "candidates", options.out / fold.name)
        model = with_verifier(fold.model, verifier, default=False, threshold=options.verifier_threshold)
        results[False].append(measure(fold, model, plain))
        results[True].append(measure(fold, model, settings.model_copy(update={"verify": True})))
    without, verified = (
        totals_by_scene([(scene, result.threshold) for result in evaluations for scene in result.scenes])
        for evaluations in results.values()
    )
    print(f"{'scene':16} {'ships':>6} {'found':>6} {'F1@.3':>6} {'found':>6} {'F1@.3':>6}  (without, with)")
    for name in (*without["scenes"], "all"):
        rows = [(side["all"] if name == "all" else side["scenes"][name]) for side in (without, verified)]
        first, second = (row["ships"]["iou_0.3"] for row in rows)
        print(
            f"{name:16} {first['labelled']:6} {first['found']:6} {_text(first['f1'])} "
            f"{second['found']:6} {_text(second['f1'])}"
        )


def _text(value: float | None) -> str:
    return f"{'-' if value is None else format(value, '.3f'):>6}"


if __name__ == "__main__":
    main()

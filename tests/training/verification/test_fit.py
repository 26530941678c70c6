from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
import torch
from fake_models import fake_bundle
from labelled_scenes import write_scene

from geoships import GeoshipsError, PredictConfig
from geoships.config import VerifierConfig, task_config, verifier_config
from geoships.evaluation import evaluate
from geoships.model.bundle import Bundle
from geoships.model.engines.choose import choose_engine
from geoships.pipeline.verify import Verifier, with_verifier
from geoships.training.labelled_scenes import open_scenes
from geoships.training.verification.data import VerifierData
from geoships.training.verification.fit import fit_verifier, make_card
from geoships.training.verification.places import chip_window, find_places, random_places

STEPS = ("scale", "gain", "haze", "offset", "blur", "noise", "gamma", "band_dropout", "turn", "flip")
PLAIN = (*(f"augment.{step}=null" for step in STEPS), "input={mean: [0, 0], std: [1, 1], transform: none}")


def found(folder: Path, name: str) -> list[shapely.Polygon]:
    """Candidates in the scene's pixels, which is placed by its seed: the right ones moved a little, and land."""
    seed = {"east": 1, "west": 2, "north": 3}[name]
    ships = geopandas.read_file(folder / f"{name}.geojson").to_crs(32631).geometry
    moved = [shapely.affinity.translate(ship, 10, 0) for ship in ships]
    x, y = 500_000 + 5000 * seed, 4_000_000
    land = [shapely.box(x + 40, y - row * 200 - 100, x + 140, y - row * 200) for row in range(7)]
    return [*moved, *land]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verification")
    (folder / "candidates").mkdir()
    for seed, name in enumerate(("east", "west"), 1):
        write_scene(folder, name, seed=seed)
        geopandas.GeoDataFrame(geometry=found(folder, name), crs=32631).to_file(folder / "candidates" / f"{name}.gpkg")
    return folder


@pytest.fixture(scope="module")
def settings(root: Path) -> Path:
    path = root / "tiny.yaml"
    path.write_text(f"""
task: verification
name: tiny
data:
  root: {root}
  scenes: ["*.tif"]
  labels: .
  candidates: candidates
  bands: [green, nir]
  validation: {{groups: [west], block: 64}}
network: {{encoder: resnet10t}}
chips: {{size: 32, count: 64, shift: 2, away: 16}}
optimiser: {{rate: 3e-3}}
run: {{epochs: 3, batch_size: 16, precision: fp32, device: cpu, ema: 0.5, keep: last}}
""")
    return path


def test_candidates_are_ships_by_overlap_and_others_away_from_labels_and_ignored_parts(settings: Path) -> None:
    scene = open_scenes(verifier_config(settings).data)[0]
    label = scene.labels.ships[0]
    left, top, *_ = label.bounds
    shifted, touching = shapely.affinity.translate(label, 1, 0), shapely.box(left - 30, top - 30, left + 1, top + 1)
    other, hidden, beside = shapely.box(2, 2, 8, 8), shapely.box(10, 60, 20, 70), shapely.box(-90, -90, -80, -80)
    labels = replace(scene.labels, ignored=(shapely.box(0, 50, 24, 80),))
    places = find_places(replace(scene, labels=labels), [shifted, touching, other, hidden, beside])
    assert places.wrong.tolist() == [[5, 5]]
    assert len(places.ships) == len(labels.ships) + 1
    np.testing.assert_allclose(places.ships[-1], np.add(places.ships[0], (1, 0)), atol=1e-6)
    assert find_places(scene, []).wrong.shape == (0, 2)


def test_random_places_keep_away_from_ships_and_are_told_apart_by_water(settings: Path) -> None:
    scene = open_scenes(verifier_config(settings).data)[0]
    kinds = random_places(scene, 32, 8, ("green", "nir"), np.random.default_rng(1))
    assert kinds.keys() == {"water", "quay", "land"}
    ships = shapely.union_all(list(scene.labels.ships))
    for places in kinds.values():
        assert (shapely.distance(shapely.points(places), ships) >= 8).all()
    assert kinds["land"][:, 0].max() < 24 < kinds["water"][:, 0].min()
    assert abs(kinds["quay"][:, 0] - 24).max() < 8
    assert random_places(scene, 32, 1e4, ("green", "nir"), np.random.default_rng(1)) == {}
    assert random_places(scene, 32, 8, ("red", "nir"), np.random.default_rng(1)).keys() == {"anything"}


def test_a_chip_shows_what_its_label_says_and_depends_on_seed_epoch_and_number_alone(settings: Path) -> None:
    data, again = (VerifierData(verifier_config(settings, PLAIN)) for _ in range(2))
    again._varied[3, 7]
    items = [data._varied[0, number] for number in range(64)]
    assert 20 < sum(int(item["label"]) for item in items) < 44
    for number, item in enumerate(items):
        assert item["image"].shape == (2, 32, 32)
        middle = item["image"][:, 8:24, 8:24]
        assert (middle > 0.35).any() == bool(item["label"])
        torch.testing.assert_close(item["image"], again._varied[0, number]["image"], rtol=0, atol=0)
    judged = [int(label) for batch in data.val_dataloader() for label in batch["label"]]
    assert (judged.count(1), judged.count(0)) == (28, 7)
    assert data.trained_on == ("east",)


def test_blocks_that_judge_are_not_trained_on(settings: Path) -> None:
    data = VerifierData(verifier_config(settings, ("data.validation={share: 0.3, block: 64, margin: 8}",)))
    judged = {(scene.name, *place) for scene, place, _ in data._plain._places}
    pools = data._varied._pools
    trained = {
        (scene.name, *place)
        for pool in (*pools._ships, *pools._wrong, *pools._random)
        for scene, places in pool.sources
        for place in places
    }
    assert judged and trained and not judged & trained


def test_a_training_shows_what_a_verifier_will_see(settings: Path) -> None:
    config = verifier_config(settings, (*PLAIN, "data.gsd=5", "data.gsd_range=[4, 6]", "bundle.threshold=0.5"))
    data = VerifierData(config)
    scene, place, _ = data._plain._places[0]
    card = make_card(config, data, torch.nn.Linear(1, 1))
    engine = choose_engine("torch", "fp32", torch.device("cpu"))
    verifier = Verifier(Bundle(card, {}, Path("here")), scene.scene, (10.0, 10.0), engine=engine)
    (seen,) = verifier._read_chips([chip_window(scene, place, 32)])
    torch.testing.assert_close(data._plain[0]["image"], torch.from_numpy(seen["image"]))


def test_a_trained_verifier_drops_what_is_no_ship(settings: Path, root: Path, tmp_path: Path) -> None:
    trained = fit_verifier(verifier_config(settings, ("run.epochs=5",)), tmp_path / "run", quiet=True)
    card = trained.bundle.card
    assert card.is_classifier and (card.bands, card.gsd) == (("green", "nir"), 10)
    assert card.input.input.shape == (-1, 2, 32, 32)
    assert 0 < card.threshold < 1
    assert str(root) not in card.to_json()
    assert trained.validation["val_accuracy"] > 0.85
    # everything that is brighter than 0.2 is found: ships, and the land
    level = [{"mean": 0.2 - 0.5, "stddev": 1}] * 2
    entry = {"bands": ("green", "nir"), "input": {"shape": (-1, 2, -1, -1)}, "value_scaling": level}
    model = with_verifier(fake_bundle(bands=("green", "nir"), **{"mlm:input": [entry]}), trained.bundle, default=True)
    settings = PredictConfig(device="cpu", precision="fp32")
    counts = [
        evaluate(
            [root / "west.tif"], [root / "west.geojson"], thresholds=(), model=model,
            config=settings.model_copy(update={"verify": verify}),
        ).figures["all"]["ships"]["iou_0.3"]
        for verify in (False, None)
    ]  # fmt: skip
    assert (counts[0]["found"], counts[0]["hit"]) == (15, 14)
    assert counts[1]["found"] == counts[1]["right"] >= 12


def test_wrong_settings_are_named(settings: Path, tmp_path: Path) -> None:
    for number, (change, message) in enumerate(
        (
            ("data.candidates=nowhere", "nowhere holds no vector file that is named after a scene"),
            ("data.hold_out=[east, west]", "leaves no scene"),
            ("chips.ships=1", "chips.ships: .*less than 1"),
            ("augment.band_dropout={keep: [red]}", "names red, which are not among data.bands"),
            ("crops.size=64", "crops: Extra inputs"),
        )
    ):
        with pytest.raises(GeoshipsError, match=message):
            fit_verifier(verifier_config(settings, (change,)), tmp_path / str(number), quiet=True)
    assert isinstance(task_config(settings), VerifierConfig)

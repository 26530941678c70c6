"""A watch: scenes once, rules, messages, alarms, and what is left after a kill."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from pathlib import Path

import geopandas
import pytest
import shapely
import watch_jobs
import yaml
from cluster_jobs import CPU, LOADERS, use_fake_model
from scenes import SHIPS, UTM, ship_scene
from stac_api import Api, serving
from watch_jobs import Webhook, make, watch, webhook

from geoships.config.watch import watch_config
from geoships.errors import GeoshipsError, OutputError
from geoships.places.over_time import passes_over_time
from geoships.watch import channels, outbox
from geoships.watch.rules import compile_rules
from geoships.watch.sources import StacSource
from geoships.watch.store import Store
from geoships.watch.watch import Watch

LONG = 3  # of the four ships of a scene are longer than 150 m
TESTS = Path(__file__).parents[1]


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as seen:
        yield seen


@pytest.fixture
def place(tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rules, an area and no scene yet; the model is a fake one."""
    for module in LOADERS:
        monkeypatch.setattr(module, "load_bundle", module.load_bundle)  # put back after the test
    use_fake_model()
    make(tmp_path, hook.url)
    return tmp_path


def scene(folder: Path, number: int, **options: object) -> Path:
    path = folder / "scenes" / f"S2A_MSIL2A_202301{number:02}T105421_{number}.tif"
    ship_scene(path, bands=("B04",), **options)  # type: ignore[arg-type]
    return path


def test_each_scene_counts_once_and_each_alert_is_sent_once(place: Path, hook: Webhook) -> None:
    scene(place, 1)
    scene(place, 2, ships=(*SHIPS, (120, 100, 4, 20)))
    with watch(place) as watching:
        first = watching.round()
        assert (first.done, len(first.alerts), first.sent) == (2, 2 * LONG + 2, 2 * LONG + 2)
        assert watching.round().summary() == {
            "done": 0, "failed": 0, "outside": 0, "alerts": 0, "sent": 0, "unsent": 0, "reason": None,
        }  # fmt: skip
    with watch(place) as again:
        assert again.round().done == 0
        scene(place, 3)
        assert (again.round().done, len(hook.bodies)) == (1, 3 * LONG + 2)
        assert again.counts()["scenes"] == {"done": 3}
    assert set(hook.keys.values()) == {1}
    assert isinstance(first.alerts, geopandas.GeoDataFrame)
    assert first.alerts.crs.to_epsg() == 4326


def test_a_message_has_the_ship_a_link_and_a_picture(place: Path, hook: Webhook) -> None:
    scene(place, 1)
    with watch(place) as watching:
        watching.round()
    body = hook.of("ship")[0]
    assert body["rule"] == "long"
    assert body["ship"]["length_m"] > 150
    assert f"mlat={body['ship']['lat']}" in body["link"]
    assert base64.b64decode(body["chip_png"]).startswith(b"\x89PNG")
    assert "m long" in body["text"]
    assert body["ship"]["new"] is None  # nobody was there before
    assert (place / "out" / "alerts").is_dir()


def test_new_ships_loitering_and_zones(place: Path, hook: Webhook) -> None:
    x, y = UTM @ (40, 22)
    zone = shapely.box(x - 200, y - 200, x + 200, y + 200)
    geopandas.GeoDataFrame({"name": ["roads"]}, geometry=[zone], crs="EPSG:32631").to_file(place / "zones.geojson")
    rules = [{"name": "new", "when": "new"}, {"name": "stays", "when": 'loitering and zone == "roads"'}]
    make(place, hook.url, rules=rules, zones=str(place / "zones.geojson"))
    for number, ships in ((1, SHIPS), (2, SHIPS), (3, (*SHIPS, (120, 100, 4, 20)))):
        scene(place, number, ships=ships)
    with watch(place) as watching:
        found = watching.round()
    assert found.alerts["rule"].tolist().count("new") == 1
    assert found.alerts["rule"].tolist().count("stays") == 1
    stays = found.alerts[found.alerts["rule"] == "stays"].iloc[0]
    assert (stays["zone"], stays["passes_here"]) == ("roads", 2)


def test_a_scene_that_fails_gives_one_alarm_and_counts_when_it_is_whole(place: Path, hook: Webhook) -> None:
    path = scene(place, 1)
    whole = path.read_bytes()
    path.write_bytes(b"no raster")
    scene(place, 2)
    with watch(place) as watching:
        found = watching.round()
        assert (found.done, found.failed) == (1, 1)
        assert watching.round().failed == 0
        assert len(hook.of("failure")) == 1
        assert path.name in hook.of("failure")[0]["title"]
        path.write_bytes(whole)
        assert watching.round().done == 1
        assert watching.counts()["scenes"] == {"done": 2}


def test_a_look_that_fails_is_an_alarm_and_the_next_goes_on(place: Path, hook: Webhook) -> None:
    with watch(place) as watching:
        (place / "scenes").rmdir()
        assert "no such folder" in watching.round().reason
        watching.round()
        assert len(hook.of("failure")) == 1  # one a day
        (place / "scenes").mkdir()
        scene(place, 1)
        assert watching.round().done == 1


def test_silence_is_an_alarm_until_the_next_scene(place: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    scene(place, 1)
    with watch(place, {"silence_days": 2.0}) as watching:
        watching.round()
        assert not hook.of("silence")
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 3 * 86_400)
        watching.round()
        watching.round()
        assert len(hook.of("silence")) == 1
        assert "no new scene for 2 days" in hook.of("silence")[0]["title"]
        scene(place, 2)
        watching.round()
        monkeypatch.setattr(time, "time", lambda: now + 6 * 86_400)
        watching.round()
        assert len(hook.of("silence")) == 2


def test_messages_that_are_not_taken_wait(place: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    scene(place, 1)
    hook.answer = 503
    with watch(place) as watching:
        found = watching.round()
        assert (found.sent, len(hook.bodies)) == (0, 0)
        hook.answer = 204
    monkeypatch.setattr(outbox, "time", type("Later", (), {"time": staticmethod(lambda: time.time() + 7200)}))
    with watch(place) as watching:
        assert watching.round().sent == LONG
    assert set(hook.keys.values()) == {1}


@pytest.mark.parametrize(("delivery", "sent"), [("at-least-once", 2), ("at-most-once", 1)])
def test_when_it_dies_while_sending(
    place: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch, delivery: str, sent: int
) -> None:
    """The message was taken, and the watch died before it was written down."""
    make(place, hook.url, rules=[{"name": "one", "when": "length_m > 280"}],
         channels={"desk": {"webhook": hook.url, "delivery": delivery}})  # fmt: skip
    scene(place, 1)
    real = channels.send

    def send_and_die(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(outbox, "send", send_and_die)
    with watch(place) as watching, pytest.raises(KeyboardInterrupt):
        watching.round()
    monkeypatch.setattr(outbox, "send", real)
    with watch(place) as watching:
        watching.round()
        states = watching.counts()["messages"]
    assert list(hook.keys.values()) == [sent]
    assert len(hook.of("ship")) == 1  # by its key
    assert states == ({"sent": 1} if delivery == "at-least-once" else {"unknown": 1})


def test_apprise_gets_title_text_and_picture(place: Path, monkeypatch: pytest.MonkeyPatch, hook: Webhook) -> None:
    import apprise

    told: list[dict[str, object]] = []
    monkeypatch.setattr(apprise.Apprise, "notify", lambda _, **values: told.append(values) or True)
    monkeypatch.setenv("HOST", "example.com")
    make(place, hook.url, channels={"mail": {"apprise": "mailto://user:pass@${HOST}"}})
    scene(place, 1)
    with watch(place) as watching:
        assert watching.round().sent == LONG
    assert str(told[0]["title"]).startswith("long: a ship at")
    assert str(told[0]["attach"]).endswith(".png")


def test_scenes_outside_and_files_that_are_still_copied(place: Path, hook: Webhook) -> None:
    scene(place, 1, crs="EPSG:32636")
    with watch(place) as watching:
        assert (watching.round().outside, watching.round().outside) == (1, 0)
    make(place, hook.url, settle_seconds=3600)
    path = scene(place, 2)
    with watch(place) as watching:
        assert watching.round().done == 0
        os.utime(path, (1, 1))
        assert watching.round().done == 1


def test_two_scenes_of_one_name_have_two_places(place: Path, hook: Webhook) -> None:
    path = scene(place, 1)
    shutil.copy(path, path.with_suffix(".tiff"))
    with watch(place) as watching:
        assert watching.round().done == 2
    assert len(list((place / "out").glob("*.geojson"))) == 2
    assert len(hook.of("ship")) == 2 * LONG


def test_items_of_a_catalogue_as_they_come(place: Path, hook: Webhook) -> None:
    files = place / "files"
    files.mkdir()
    ship_scene(files / "one.tif")
    ground = shapely.box(500_000, 3_998_200, 502_000, 4_000_000)
    geometry = geopandas.GeoSeries([ground], crs=32631).to_crs(4326)[0]
    config = watch_config(place / "rules.yaml")
    with serving(Api(files)) as api:
        source = StacSource(api.url, ("s2",), geometry.bounds)
        with Watch(source, place / "area.geojson", place / "out", config, CPU) as watching:
            assert watching.round().summary()["done"] == 0  # none is no failure
            api.items["one"] = {
                "type": "Feature", "stac_version": "1.0.0", "id": "one", "bbox": list(geometry.bounds),
                "geometry": shapely.geometry.mapping(geometry),
                "properties": {"datetime": "2023-01-01T10:54:21Z", "eo:cloud_cover": 5},
                "assets": {
                    "red": {
                        "href": f"{api.url}/files/one.tif", "type": "image/tiff; application=geotiff",
                        "roles": ["data"], "eo:bands": [{"name": "red", "common_name": "red"}],
                        "raster:bands": [{"scale": 1e-4, "offset": 0}],
                    }
                },
            }  # fmt: skip
            assert watching.round().reason == ""
            assert watching.round().done == 0
    assert len(hook.of("ship")) == LONG
    assert hook.of("ship")[0]["ship"]["datetime"].startswith("2023-01-01T10:54:21")
    assert {body["key"] for body in hook.bodies} == set(hook.keys)
    with Watch(StacSource("http://127.0.0.1:9/", ("s2",), geometry.bounds), place / "area.geojson", place / "out",
               config, CPU) as watching:  # fmt: skip
        assert "the search failed" in watching.round().reason
    assert len(hook.of("failure")) == 1


def test_one_process_watches_a_folder(place: Path) -> None:
    with watch(place), pytest.raises(OutputError, match="another process"), watch(place):
        pass


def test_killed_again_and_again_nothing_is_lost_and_nothing_repeated(
    place: Path, hook: Webhook, forkserver: BaseContext
) -> None:
    count, kills = 12, 3  # benchmarks/watch_kills.py: 100 scenes and ten kills
    for number in range(1, count + 1):
        scene(place, number, shape=(64, 64), ships=((10, 10, 4, 20),))
    chance = random.Random(1)
    for number in range(kills + 1):
        process = forkserver.Process(target=watch_jobs.look, args=(str(place),))
        process.start()
        goal = (number + chance.random()) * count / (kills + 1)
        while number < kills and process.is_alive() and len(hook.bodies) < goal:
            time.sleep(0.01)
        if number < kills:
            process.kill()
        process.join()
    store = Store(place / "out")
    assert store.counts() == {"done": count}
    assert store.message_counts() == {"sent": count}
    store.close()
    assert len(hook.of("ship")) == count  # each once, by its key
    assert sum(hook.keys.values()) - count <= kills  # sent again only where it died while sending
    assert passes_over_time(place / "out").summary["passes"] == count


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rules": []}, "rules"),
        ({"rules": [{"name": "a", "when": "lenght_m > 1"}]}, "no attribute lenght_m"),
        ({"rules": [{"name": "a", "when": "length_m >"}]}, "cannot understand"),
        ({"rules": [{"name": "a", "when": 'length_m > "x"'}]}, "cannot understand"),
        ({"rules": [{"name": "a", "when": "__import__('os')"}]}, "rule a"),
        ({"rules": [{"name": "a", "when": "new", "send": ["none"]}]}, "no channel none"),
        ({"rules": [{"name": "a", "when": "new"}] * 2}, "two rules"),
        ({"channels": {"a": {}}}, "one of webhook and apprise"),
        ({"channels": {"a": {"webhook": "desk"}}}, "http"),
        ({"channels": {"a": {"webhook": "file:///etc/passwd"}}}, "http"),
        ({"channels": {"a": {"webhook": "${NOT_SET_ANYWHERE}"}}}, "NOT_SET_ANYWHERE"),
        ({"channels": {"a": {"apprise": "nothing://x"}}}, "does not know"),
        ({"link": "https://x/{secret}"}, "lat"),
        ({"zones": "none.geojson"}, "zones"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_wrong_settings_are_one_line(place: Path, hook: Webhook, changes: dict[str, object], text: str) -> None:
    make(place, hook.url, **changes)
    with pytest.raises(GeoshipsError) as error:
        watch(place)
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_a_rule_that_asks_for_what_a_ship_lacks_does_not_hold() -> None:
    values = {"rules": [{"name": "a", "when": "dark or length_m > 10"}], "channels": {"a": {"webhook": "http://x"}}}
    from geoships.config.watch import WatchConfig

    (rule,) = compile_rules(WatchConfig.model_validate(values).rules)
    assert not rule.holds({"dark": None, "length_m": None})
    assert rule.holds({"dark": None, "length_m": 12})
    assert rule.holds({"dark": True, "length_m": None})


def test_the_example_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    config = watch_config(TESTS.parent / "configs" / "watch.yaml")
    assert len(compile_rules(config.rules)) == 3
    monkeypatch.setenv("MAIL_USER", "a")
    monkeypatch.setenv("MAIL_PASSWORD", "b")
    channels.check_channels(config.channels)


def test_the_command_looks_once(place: Path, hook: Webhook, capsys: pytest.CaptureFixture[str],
                                monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    from geoships_cli.app import main

    def run(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["geoships", "watch", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, *capsys.readouterr()

    scene(place, 1)
    files = {"--aoi": "area.geojson", "--rules": "rules.yaml", "--out-dir": "out"}
    common = [each for name, file in files.items() for each in (name, str(place / file))]
    common += ["--device", "cpu", "--model", "fake", "--once", "--quiet", "--json"]
    code, out, _ = run(str(place / "scenes"), *common)
    assert code in (0, None)
    assert json.loads(out)["scenes"] == {"done": 1}
    assert len(hook.bodies) == LONG
    code, _, error = run(*common)
    assert code == 2
    assert "name a folder" in " ".join(error.replace("│", "").split())
    (place / "rules.yaml").write_text(yaml.safe_dump({"rules": 3}))
    code, _, error = run(str(place / "scenes"), *common)
    assert code == 1
    assert error.startswith("error: wrong setting")
    assert error.count("\n") == 1

"""The map page in a real Chromium, with a real service, its worker and the installed model."""

import io
import json
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import geopandas
import httpx
import numpy as np
import pytest
import rasterio
from page_server import finished, page_server
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from geoships.datasets.harbour import render_harbour, write_harbour

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (uv sync)")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "chromium-headless-shell")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (Debian: chromium), nor one that $CHROMIUM names")

WEBGL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
REPOSITORY = Path(__file__).parents[2]
REAL = Path(os.environ.get("GEOSHIPS_SHARED", REPOSITORY.parent / "shared")) / "data/sen2ships/images/honolulu.tif"
AMBER, GREEN, RED, BLUE = (255, 194, 51), (61, 220, 132), (255, 107, 94), (92, 200, 255)
LOADED = "#map[data-loaded=true]"
NO_WEBGL = """
const context = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind.startsWith("webgl") ? null : context.call(this, kind, ...more);
};
"""

OpenPage = Callable[..., Any]


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real harbour where there is one, else a rendered one."""
    if REAL.is_file():
        return REAL
    path = tmp_path_factory.mktemp("scene") / "harbour.tif"
    write_harbour(render_harbour(size=768), path)
    return path


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with page_server(tmp_path_factory.mktemp("service"), "--device", "cpu") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *WEBGL])
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[OpenPage]:
    """Opens pages; afterwards checks that no script failed, and that nothing came from another server."""
    contexts, faults, hosts = [], [], set()

    def open_one(url: str, *, width: int = 1000, height: int = 640, script: str = "", **more: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce", **more)
        contexts.append(context)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.goto(url)
        return page

    yield open_one
    addresses = {urlsplit(page.url).netloc for context in contexts for page in context.pages}
    for context in contexts:
        context.close()
    assert [fault for fault in faults if not re.search("status of (401|415)", fault)] == []  # wanted by tests
    assert hosts - {""} <= addresses


@pytest.fixture(scope="module")
def job(address: str, harbour: Path) -> str:
    """A job that is done."""
    with harbour.open("rb") as file:
        created = httpx.post(f"{address}/jobs", files={"file": (harbour.name, file)}, timeout=60).json()
    status = finished(address, created["jobID"])
    assert status["status"] == "successful", status
    return str(created["jobID"])


@pytest.fixture
def fresh(address: str, job: str) -> str:
    """The job without corrections; the address of its view."""
    for each in httpx.get(f"{address}/jobs/{job}/corrections").json()["corrections"]:
        httpx.delete(f"{address}/jobs/{job}/corrections/{each['ship']}").raise_for_status()
    return f"{address}/#job={job}"


def pixels(page: Any, colour: tuple[int, int, int]) -> int:
    """Pixels of the map with a colour, as they are seen."""
    image = np.asarray(Image.open(io.BytesIO(page.locator("#map canvas").first.screenshot())).convert("RGB"))
    return int((np.abs(image.astype(int) - colour).max(axis=2) < 12).sum())


def wait_for_pixels(page: Any, colour: tuple[int, int, int], fits: Callable[[int], bool]) -> int:
    """The count once it fits: a map draws a moment after it was told."""
    for _ in range(40):
        if fits(count := pixels(page, colour)):
            return count
        page.wait_for_timeout(150)
    pytest.fail(f"{count} pixels have the colour {colour}")


def rows(page: Any) -> Any:
    return page.locator("tbody tr")


def said(address: str, job: str) -> dict[str, Any]:
    found = httpx.get(f"{address}/jobs/{job}/corrections").json()["corrections"]
    return {each["ship"]: each for each in found}


def test_a_harbour_from_its_upload_to_the_export(open_page: OpenPage, address: str, harbour: Path) -> None:
    page = open_page(address, accept_downloads=True)
    page.locator("#scene").set_input_files(harbour)
    page.wait_for_url("**/#job=*")
    page.wait_for_selector(".waiting progress")
    seen = page.evaluate("""() => new Promise((resolve) => {
        const seen = [];
        const look = () => {
            const state = document.querySelector(".waiting .state");
            if (!state) resolve(seen);
            else { if (seen.at(-1) !== state.textContent) seen.push(state.textContent); setTimeout(look, 20); }
        };
        look();
    })""")
    assert any(re.search(r"\d+ %", text) for text in seen), seen

    page.wait_for_selector(LOADED)
    job = re.search(r"job=([0-9a-f-]+)", page.url)[1]  # type: ignore[index]
    items = httpx.get(f"{address}/collections/{job}/items?limit=1000").json()["features"]
    assert len(items) > 3
    assert rows(page).count() == len(items)
    assert page.locator("#count").inner_text() == f"{len(items)} ships"
    drawn = wait_for_pixels(page, AMBER, lambda count: count > 150)
    page.get_by_label("Outlines of ships").uncheck()
    wait_for_pixels(page, AMBER, lambda count: count < 0.1 * drawn)
    page.get_by_label("Outlines of ships").check()

    scores = sorted(each["properties"]["score"] for each in items)
    least = np.ceil(100 * (scores[len(scores) // 2] - 0.0)) / 100
    page.locator("#score-low").fill(str(least))
    kept = {str(each["id"]) for each in items if each["properties"]["score"] >= least}
    assert 0 < len(kept) < len(items)
    playwright.expect(page.locator("#count")).to_have_text(f"{len(kept)} of {len(items)} ships")
    assert {row.get_attribute("data-ship") for row in rows(page).all()} == kept
    wait_for_pixels(page, AMBER, lambda count: 0 < count < drawn)

    rejected = rows(page).first.get_attribute("data-ship")
    rows(page).first.get_by_role("button", name="Reject").click()
    playwright.expect(page.locator("tr.rejected")).to_have_count(1)
    wait_for_pixels(page, RED, lambda count: count > 5)
    assert {ship: each["verdict"] for ship, each in said(address, job).items()} == {rejected: "rejected"}

    page.locator(".menu summary").click()
    for form in ("geojson", "gpkg", "csv", "parquet"):
        with page.expect_download() as saved:
            page.locator(f"a[data-form={form}]").click()
        name = saved.value.suggested_filename
        assert name.endswith(f".ships.{form}")
        copied = Path(saved.value.path()).rename(Path(saved.value.path()).with_name(name))
        read = geopandas.read_parquet if form == "parquet" else geopandas.read_file
        assert {str(each) for each in read(copied)["id"]} == kept - {rejected}, form

    view = page.url
    page.reload()
    page.wait_for_selector(LOADED)
    assert page.url == view
    playwright.expect(page.locator("#count")).to_have_text(f"{len(kept)} of {len(items)} ships")
    assert page.locator("tr.rejected").get_attribute("data-ship") == rejected
    assert page.locator("#score-low").input_value() == f"{least:g}"
    page.locator(".brand").click()
    playwright.expect(page.locator(f"[data-job='{job}'] .found")).to_have_text(f"{len(items)} ships")
    page.wait_for_function("() => document.querySelector('.thumbnail img').naturalWidth > 100")


def test_ships_are_reviewed_by_keyboard(open_page: OpenPage, address: str, job: str, fresh: str) -> None:
    page = open_page(fresh)
    page.wait_for_selector(LOADED)
    first, second = (rows(page).nth(index).get_attribute("data-ship") for index in (0, 1))
    page.keyboard.press("j")
    assert page.locator("tr[aria-current]").get_attribute("data-ship") == first
    playwright.expect(page.locator("#ship")).to_have_text(f"Ship {first}")
    page.keyboard.press("a")
    wait_for_pixels(page, GREEN, lambda count: count > 5)
    page.keyboard.press("j")
    page.keyboard.press("r")
    playwright.expect(page.locator("tr.rejected")).to_have_attribute("data-ship", second)
    page.locator("#note").fill("a rock")
    page.keyboard.press("Tab")
    playwright.expect(rows(page).nth(1).locator(".marks")).to_have_text("note")
    verdicts = {ship: (each["verdict"], each["note"]) for ship, each in said(address, job).items()}
    assert verdicts == {first: ("accepted", ""), second: ("rejected", "a rock")}

    page.evaluate("document.activeElement.blur()")
    for left in ({first: "accepted", second: "rejected"}, {first: "accepted"}, {}):
        page.keyboard.press("Control+z")
        playwright.expect(page.locator("#said")).to_contain_text("Undone")
        playwright.expect(page.locator("tr.accepted, tr.rejected")).to_have_count(len(left))
        assert {ship: each["verdict"] for ship, each in said(address, job).items()} == left
    page.get_by_role("button", name="Length", exact=True).click()
    lengths = [int(text.split()[0]) for text in page.locator("tbody .c-length_m").all_inner_texts()]
    assert lengths == sorted(lengths, reverse=True)
    rows(page).first.locator(".name").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("tr[aria-current]").get_attribute("data-ship") == rows(page).nth(1).get_attribute("data-ship")
    page.keyboard.press("Escape")
    playwright.expect(page.locator("#ship")).to_have_count(0)


def test_outlines_are_changed_and_missed_ships_added(open_page: OpenPage, address: str, job: str, fresh: str) -> None:
    page = open_page(fresh)
    page.wait_for_selector(LOADED)
    count = rows(page).count()
    page.get_by_role("button", name="Add a missed ship").click()
    box = page.locator("#map").bounding_box()
    middle = box["x"] + box["width"] / 2 + 40, box["y"] + box["height"] / 2
    page.mouse.click(*middle)
    playwright.expect(page.locator(".editor .hint")).to_contain_text("stern")
    page.mouse.click(middle[0], middle[1] + 60)
    assert page.locator("#shape-heading").input_value() == "0"
    page.locator("#shape-length").fill("200")
    page.get_by_role("button", name="Save").click()
    playwright.expect(rows(page)).to_have_count(count + 1)
    wait_for_pixels(page, BLUE, lambda number: number > 5)
    (drawn,) = said(address, job).values()
    assert drawn["verdict"] == "drawn"
    south, north = (f([point[1] for point in drawn["geometry"]["coordinates"][0]]) for f in (min, max))
    assert (north - south) * 111_195 == pytest.approx(200, abs=2)

    ship = rows(page).first.get_attribute("data-ship")
    rows(page).first.locator(".name").click()
    page.get_by_role("button", name="Edit outline").click()
    page.locator(".handle.corner").first.focus()
    for _ in range(5):
        page.keyboard.press("Shift+ArrowLeft")
    page.get_by_role("button", name="Save").click()
    playwright.expect(page.locator(f"tr[data-ship='{ship}'] .marks")).to_have_text("new outline")
    before = httpx.get(f"{address}/collections/{job}/items/{ship}").json()["geometry"]["coordinates"][0]
    after = said(address, job)[ship]["geometry"]["coordinates"][0]
    moved = [point for point in after[:-1] if point not in before]  # the others are corners of the outline as detected
    assert len(moved) == 1
    assert 4 <= len(after) <= 13

    page.get_by_role("button", name="Undo: outline").click()
    playwright.expect(page.locator(f"tr[data-ship='{ship}'] .marks")).to_be_empty()
    page.get_by_role("button", name="Undo: add ship").click()
    playwright.expect(rows(page)).to_have_count(count)
    assert said(address, job) == {}


def violations(page: Any) -> list[str]:
    """What axe-core finds, by all its rules for WCAG 2.2 AA and its best practices."""
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:120]} {node.get('failureSummary', '')[:200]}"
        for each in found
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page: OpenPage, address: str, fresh: str, scheme: str) -> None:
    page = open_page(address, color_scheme=scheme)
    page.wait_for_selector(".card")
    page.locator(".options summary").click()
    assert violations(page) == []
    page = open_page(fresh, color_scheme=scheme)
    page.wait_for_selector(LOADED)
    for key in ("j", "a", "j", "r"):
        page.keyboard.press(key)
        page.wait_for_timeout(300)
    playwright.expect(page.locator("tr.accepted, tr.rejected")).to_have_count(2)
    page.get_by_label("Before and after", exact=True).check()
    page.locator(".menu summary").click()
    page.locator("#said").evaluate("element => element.replaceChildren()")
    assert violations(page) == []
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Edit outline").click()
    assert violations(page) == []


def test_without_webgl_there_are_a_picture_and_the_table(open_page: OpenPage, fresh: str) -> None:
    page = open_page(fresh, script=NO_WEBGL)
    page.wait_for_selector("#map[data-picture=true]")
    assert "no WebGL" in page.locator("#map .note").inner_text()
    page.wait_for_function("() => document.querySelector('.stage img').naturalWidth > 100")
    assert page.locator(".stage path").count() == rows(page).count()
    page.locator(".stage path").first.dispatch_event("click")
    assert page.locator("tr[aria-current]").count() == 1
    page.get_by_role("button", name="Accept", exact=True).click()
    playwright.expect(page.locator("tr.accepted")).to_have_count(1)
    stage, ship = (page.locator(each).first.bounding_box() for each in (".stage img", ".stage path"))
    assert stage["x"] <= ship["x"] <= stage["x"] + stage["width"]
    assert stage["y"] <= ship["y"] <= stage["y"] + stage["height"]
    assert violations(page) == []


def test_the_scores_are_seen_beside_the_scene(open_page: OpenPage, fresh: str) -> None:
    page = open_page(fresh)
    page.wait_for_selector(LOADED)
    page.get_by_label("Before and after", exact=True).check()
    page.wait_for_selector(".second canvas")
    page.locator(".swipe").fill("20")
    assert page.locator(".second").evaluate("element => element.style.clipPath") == "inset(0px 0px 0px 20%)"
    assert "scores=beside" in page.url
    page.get_by_label("Off", exact=True).check()
    playwright.expect(page.locator(".second")).to_have_count(0)
    page.locator("#brightness").fill("0.5")
    assert "brightness=0.5" in page.url


def test_a_phone_shows_all_without_horizontal_scrolling(open_page: OpenPage, address: str, fresh: str) -> None:
    for url, there in ((address, ".card"), (fresh, LOADED)):
        page = open_page(url, width=390, height=844, has_touch=True)
        page.wait_for_selector(there)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    rows(page).first.locator(".name").click()
    assert page.locator(".ship").bounding_box()["width"] <= 390
    assert page.locator("#map").bounding_box()["height"] > 400


def test_a_scene_without_a_place_is_a_picture(open_page: OpenPage, address: str, tmp_path: Path) -> None:
    place, path = tmp_path / "somewhere.tif", tmp_path / "nowhere.tif"
    write_harbour(render_harbour(size=512), place)
    with rasterio.open(place) as dataset, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        profile = {**dataset.profile, "crs": None, "transform": None}
        with rasterio.open(path, "w", **profile) as other:
            other.write(dataset.read())
            other.scales, other.offsets, other.descriptions = dataset.scales, dataset.offsets, dataset.descriptions
    created = httpx.post(
        f"{address}/jobs", files={"file": ("nowhere.tif", path.read_bytes())}, data={"gsd": "10"}, timeout=60
    ).json()
    status = finished(address, created["jobID"])
    assert status["status"] == "successful", status
    assert status["result"]["placed"] is False  # type: ignore[index]
    page = open_page(f"{address}/#job={created['jobID']}")
    page.wait_for_selector("#map[data-picture=true]")
    assert rows(page).count() == page.locator(".stage path").count() == status["result"]["ships"] > 0  # type: ignore[index]
    rows(page).first.get_by_role("button", name="Accept").click()
    playwright.expect(page.locator("tr.accepted")).to_have_count(1)
    assert page.get_by_role("button", name="Add a missed ship").count() == 0
    assert "no place on Earth" in page.locator("#map .note").inner_text()


def test_a_file_that_is_none_gets_one_line(open_page: OpenPage, address: str, tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("not an image")
    page = open_page(address)
    page.locator("#scene").set_input_files(tmp_path / "text.tif")
    fault = page.locator("#said .fault")
    fault.wait_for()
    assert "text.tif" in fault.inner_text() or "image" in fault.inner_text()
    assert "job=" not in page.url


def test_a_service_with_keys_asks_for_one(open_page: OpenPage, tmp_path: Path) -> None:
    from geoships_cli.app import app
    from typer.testing import CliRunner

    made = CliRunner().invoke(app, ["serve", "keys", "add", "ann", "--data-dir", str(tmp_path / "data"), "--json"])
    assert made.exit_code == 0, made.output
    key = json.loads(made.stdout)["key"]
    with page_server(tmp_path, "--require-key", "--workers", "0") as address:
        page = open_page(address)
        page.locator("#key").fill("gs_wrong")
        page.get_by_role("button", name="Go on").click()
        playwright.expect(page.locator("dialog .fault")).to_contain_text("not known")
        assert violations(page) == []
        page.locator("#key").fill(key)
        page.get_by_role("button", name="Go on").click()
        playwright.expect(page.locator(".empty")).to_contain_text("No scenes yet")
        page.reload()
        playwright.expect(page.locator(".empty")).to_contain_text("No scenes yet")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_selector("#key")

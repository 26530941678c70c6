"""The page of a scene and its ships in a real Chromium."""

import csv
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import pytest
from ships_with_scene import ships_and_scene

from geoships.workflows.view import write_view

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (uv sync)")

NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium (Debian: chromium-headless-shell), nor one that $CHROMIUM names"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens a page; afterwards checks that it requested no other URL and that no script failed."""
    requests, errors, context = [], [], browser.new_context(viewport={"width": 1200, "height": 800})

    def open_page(ships: Path, scene: Path) -> Any:
        write_view(ships, scene, tmp_path / "page.html")
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto((tmp_path / "page.html").as_uri())
        return page

    yield open_page
    context.close()
    assert {url for url in requests if not url.startswith(("data:", "blob:"))} == {(tmp_path / "page.html").as_uri()}
    assert errors == []


def ship_numbers(page: Any) -> list[str]:
    return page.locator("tbody td button span").all_inner_texts()


def drawn_pixels(page: Any) -> int:
    """Opaque pixels of outlines and rings on the map."""
    return page.evaluate("""() => {
        const canvas = document.querySelector("#map canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let i = 3; i < data.length; i += 4) if (data[i] > 200) count++;
        return count;
    }""")


@pytest.mark.parametrize("georeferenced", [True, False])
def test_a_click_on_a_ship_shows_it_and_the_slider_filters(show, tmp_path: Path, georeferenced: bool) -> None:
    page = show(*ships_and_scene(tmp_path, **({} if georeferenced else {"transform": None, "crs": None})))
    assert page.inner_text("#count") == "4 of 4 ships shown"
    assert ship_numbers(page) == ["1", "3", "4", "2"]  # the highest score first

    # Ship 3: rows 150 to 156, columns 180 to 200 of the scene's 180 x 200.
    box = page.locator("img.leaflet-image-layer").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 188 / 200, box["y"] + box["height"] * 153 / 180)
    page.wait_for_selector(".ship h2")
    assert page.inner_text(".ship h2") == "Ship 3"
    assert (
        dict(zip(page.locator(".ship dt").all_inner_texts(), page.locator(".ship dd").all_inner_texts(), strict=True))[
            "length"
        ]
        == "103 m"
    )
    assert page.evaluate("document.querySelector('.ship img').naturalWidth") > 20
    assert page.locator("tr[aria-selected=true]").get_attribute("data-ship") == "2"

    before = drawn_pixels(page)
    page.locator("#score").fill("0.75")
    playwright.expect(page.locator("#count")).to_contain_text("2 of 4")
    assert ship_numbers(page) == ["1", "3"]
    page.wait_for_timeout(200)
    assert drawn_pixels(page) < 0.75 * before
    page.locator("#score").fill("0.9")
    playwright.expect(page.locator("#count")).to_contain_text("1 of 4")
    page.wait_for_selector(".ship h2", state="detached")  # the filter hides the selected ship


def test_the_table_sorts_and_selects_ships_by_keyboard(show, tmp_path: Path) -> None:
    page = show(*ships_and_scene(tmp_path))
    page.get_by_role("button", name="length (m)").click()
    assert ship_numbers(page) == ["4", "3", "2", "1"]
    page.get_by_role("button", name="length (m)").click()
    assert ship_numbers(page) == ["1", "2", "3", "4"]
    assert page.locator("th[aria-sort=ascending]").inner_text().strip() == "length (m)"
    page.get_by_role("button", name="Show Ship 2 on the map").focus()
    page.keyboard.press("Enter")
    assert page.inner_text(".ship h2") == "Ship 2"
    page.keyboard.press("Escape")
    page.wait_for_selector(".ship h2", state="detached")
    assert page.locator("tr[aria-selected=true]").count() == 0


def decide(page: Any, ship: int, action: str) -> None:
    page.locator("tbody").get_by_role("button", name=f"{action} Ship {ship}").click()


def test_ships_are_accepted_rejected_and_hidden(show, tmp_path: Path) -> None:
    page = show(*ships_and_scene(tmp_path))
    before = drawn_pixels(page)
    decide(page, 1, "Accept")
    decide(page, 3, "Reject")
    decide(page, 4, "Hide")
    assert ship_numbers(page) == ["1", "3", "2"]
    assert page.inner_text("#count") == "3 of 4 ships shown"
    page.wait_for_timeout(200)
    assert drawn_pixels(page) < before
    for wanted, numbers in (
        ("accepted", ["1"]), ("rejected", ["3"]), ("undecided", ["2"]), ("hidden", ["4"]), ("", ["1", "3", "2"]),
    ):  # fmt: skip
        page.locator("#verdicts").select_option(wanted)
        playwright.expect(page.locator("tbody td button span")).to_have_text(numbers)
    page.reload()
    assert ship_numbers(page) == ["1", "3", "2"]  # the browser keeps what was decided
    decide(page, 3, "Reject")  # takes it back
    assert page.locator("tr.rejected").count() == 0


def test_ships_are_reviewed_by_keyboard(show, tmp_path: Path) -> None:
    page = show(*ships_and_scene(tmp_path))
    for key in ("j", "a", "j", "r", "j", "h"):
        page.keyboard.press(key)
    assert page.locator("tr.accepted").get_attribute("data-ship") == "0"
    assert page.locator("tr.rejected").get_attribute("data-ship") == "2"
    assert ship_numbers(page) == ["1", "3", "2"]
    page.keyboard.press("j")  # the ship that took the place of the hidden one
    assert page.inner_text(".ship h2") == "Ship 2"
    page.keyboard.press("k")
    assert page.inner_text(".ship h2") == "Ship 3"
    page.keyboard.press("u")
    assert page.locator("tr.rejected").count() == 0
    page.locator("#shortest").fill("103")
    page.keyboard.press("a")  # typed into a field, it is no decision
    assert page.locator("tr.accepted").count() <= 1


def test_lengths_filter_too(show, tmp_path: Path) -> None:
    page = show(*ships_and_scene(tmp_path))
    page.locator("#shortest").fill("102")
    playwright.expect(page.locator("#count")).to_contain_text("3 of 4")
    page.locator("#longest").fill("103")
    playwright.expect(page.locator("#count")).to_contain_text("2 of 4")
    assert ship_numbers(page) == ["3", "2"]


@pytest.mark.parametrize("georeferenced", [True, False])
def test_what_is_shown_is_saved(show, tmp_path: Path, georeferenced: bool) -> None:
    place = {} if georeferenced else {"transform": None, "crs": None}
    ships, scene = ships_and_scene(tmp_path, title='a, "b".tif', **place)
    page = show(ships, scene)
    decide(page, 1, "Accept")
    decide(page, 2, "Hide")
    with page.expect_download() as saved:
        page.locator("#geojson").click()
    assert saved.value.suggested_filename.endswith(".ships.geojson")
    found, true = (geopandas.read_file(path) for path in (saved.value.path(), ships))
    assert found.id.tolist() == ["1", "3", "4"]
    assert found.verdict.tolist() == ["accepted", "undecided", "undecided"]
    assert found.score.tolist() == [0.95, 0.8, 0.7]
    expected = true.set_index("id").loc[[1, 3, 4]].geometry
    tolerance = 0.02 if georeferenced else 1e-6  # of the area; outlines in the page are rounded to 0.1 m
    for one, other in zip(found.geometry, expected, strict=True):
        assert one.symmetric_difference(other).area < tolerance * other.area
    with page.expect_download() as saved:
        page.locator("#csv").click()
    rows = list(csv.DictReader(Path(saved.value.path()).read_text().splitlines()))
    assert [(row["id"], row["verdict"], row["scene"]) for row in rows] == [
        ("1", "accepted", 'a, "b".tif'), ("3", "undecided", 'a, "b".tif'), ("4", "undecided", 'a, "b".tif'),
    ]  # fmt: skip


@pytest.mark.parametrize("width", [390, 800, 1200, 1440])
def test_every_width_shows_all_columns(show, tmp_path: Path, width: int) -> None:
    ships, scene = ships_and_scene(tmp_path)
    frame = geopandas.read_file(ships).assign(width_m=31.0, heading_deg=174.0, class_prob=0.93, length_m=1234.0)
    frame.to_file(ships)
    page = show(ships, scene)
    page.set_viewport_size({"width": width, "height": 800})
    columns = page.locator("thead th")
    assert columns.count() == 7
    boxes = [columns.nth(index).bounding_box() for index in range(7)]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    assert (
        page.evaluate(
            "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('#scroll'))"
        )
        <= 0
    )
    decide(page, 1, "Accept")
    assert page.locator("tr.accepted").count() == 1


def test_a_page_without_ships_and_with_markup_in_its_title(show, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>.tif"
    page = show(*ships_and_scene(tmp_path, ships=(), title=name))
    assert page.inner_text("#count") == "No ships were found in this scene."
    assert page.inner_text("h1") == name
    assert page.locator("#filter").is_hidden()


def test_a_phone_shows_map_and_table_without_horizontal_scrolling(show, tmp_path: Path) -> None:
    page = show(*ships_and_scene(tmp_path))
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#map").bounding_box()["height"] > 400
    assert page.locator("#score").is_visible()


def test_a_long_table_shows_more_rows_on_request(show, tmp_path: Path) -> None:
    many = tuple((row, column, 1, 2) for row in range(1, 178, 8) for column in range(1, 196, 8))
    page = show(*ships_and_scene(tmp_path, ships=many))
    assert page.inner_text("#count") == f"{len(many)} of {len(many)} ships shown"
    assert page.locator("tbody tr").count() == 200
    page.locator("#more").click()
    assert page.locator("tbody tr").count() == 400

"""The charts as a browser draws them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batchveo.store import Store
from batchveo.web.page import STYLES, read_asset
from tests.helpers.factories import make_spec
from tests.helpers.job_histories import DAY, EVENING, Night, charts_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

PLACE = "http://charts.example/"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HOSTILE = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


def document() -> str:
    """A page that has nothing but charts."""
    styles = "".join(f'<link rel="stylesheet" href="{name}">' for name in STYLES)
    return f'<!doctype html><meta charset="utf-8">{styles}<title>fine</title><section id="charts"></section>'


def answer(route: Route) -> None:
    """The page or one of its files, under the strictest policy that lets the page have them."""
    name = route.request.url.removeprefix(PLACE)
    kind = {"": "text/html", "js": "text/javascript", "css": "text/css"}[name.rpartition(".")[2]]
    headers = {"content-security-policy": POLICY, "content-type": kind}
    route.fulfill(body=read_asset(name) if name else document(), headers=headers)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """The page; whatever it complains of fails the test."""
    page = browser.new_page(viewport={"width": 1000, "height": 800}, timezone_id="Asia/Tokyo")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.route(f"{PLACE}**", answer)
    page.goto(PLACE)
    yield page
    page.close()
    assert complaints == []


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        yield store


def draw(page: Page, data: object, others: object = None) -> None:
    page.evaluate(
        """async ([data, others]) => {
            const { renderCharts } = await import("/charts.js");
            const load = others && (async (key) => { window.asked = key; return others; });
            renderCharts(document.getElementById("charts"), data, { load });
        }""",
        [data, others],
    )


def lived(store: Store, names: list[str], **options: Any) -> Night:
    """A night with one video each half minute."""
    night = Night(store, [make_spec(name, stem=f"job {n}") for n, name in enumerate(names)], **options)
    for number in range(len(names)):
        night.video(number * 30, seconds=25)
    night.end(len(names) * 30)
    return night


def drawn_again(page: Page) -> None:
    """A change of size is seen in one frame, and answered in the next."""
    page.evaluate("async () => { for (let i = 0; i < 4; i += 1) await new Promise(requestAnimationFrame); }")


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def test_each_chart_says_what_it_shows(page: Page, store: Store) -> None:
    """In a title, a sentence and a table; at every width; a name is text."""
    lived(store, [HOSTILE, "b", "c", "d"], budget=10.0)
    draw(page, charts_of(store, now=EVENING + 500))
    page.wait_for_selector("canvas")
    assert page.locator("h2").all_inner_texts() == [
        "Timeline",
        "In flight and finished",
        "Money",
        "Generation time by model",
    ]
    sentences = page.locator(".chart-summary").all_inner_texts()
    assert sentences[0] == "4 videos in 2 min, 120 an hour, at most 1 in flight."
    assert sentences[1] == "120 videos an hour, at most 1 generation in flight, no submit turned back."
    assert sentences[2].startswith("$6.00 spent in this time, $180.00 an hour; $4.00 of the budget of $10.00 not")
    assert sentences[3] == "Half of the veo3 videos took at most 25 s, nine in ten at most 25 s."
    page.locator("summary").nth(3).click()
    page.wait_for_selector("tbody tr")  # an opened table is filled a moment later
    assert page.locator("tbody tr").all_inner_texts() == ["google/veo3\t4\t25 s\t25 s\t25 s\t25 s\t25 s\t0"]
    page.locator(".chart-timeline").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".chart-readout").first.inner_text().startswith(HOSTILE)
    assert page.title() == "fine"
    for width in (320, 400, 1800):
        page.set_viewport_size({"width": width, "height": 800})
        drawn_again(page)
        assert overflow(page) <= 0


def test_the_timeline_is_read_and_entered_by_keys(page: Page, store: Store) -> None:
    """Times are those of the browser's zone: ten in the evening is seven in the morning in Tokyo."""
    lived(store, [f"job {n}" for n in range(60)])
    draw(page, charts_of(store, now=EVENING + 9000))
    page.wait_for_selector("canvas")
    readout = page.locator(".chart-readout").first
    window = page.locator(".chart-window")
    page.locator(".chart-timeline").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert readout.inner_text() == "job 0 · google/veo3 · generating Sat 5 Oct 2024 07:00:01–07:00:25 (24 s)"
    assert window.get_attribute("visibility") == "hidden"
    for key in ("+", "+", "Shift+ArrowRight"):
        page.keyboard.press(key)
    assert window.get_attribute("visibility") == "visible"
    assert 100 < float(window.get_attribute("width") or 0) < 300
    page.keyboard.press("Escape")
    page.keyboard.press("0")
    assert window.get_attribute("visibility") == "hidden"


def test_one_cursor_and_one_zoom_for_all_charts(page: Page, store: Store) -> None:
    """Values are told beside the pointer, in each chart; what is dragged over is shown, a double click ends it."""
    lived(store, [f"job {n}" for n in range(60)], budget=200.0)
    draw(page, charts_of(store, now=EVENING + 9000))
    plots = page.locator(".u-over")
    plots.nth(2).scroll_into_view_if_needed()
    box = plots.nth(2).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 2
    page.mouse.move(x - 20, y)
    page.mouse.move(x, y)
    told = page.locator(".chart-tip:not([hidden])")
    assert [text.split("\n")[0] for text in told.all_inner_texts()] == ["Sat 5 Oct 2024 07:07:20–07:07:40"] * 2
    assert told.nth(0).inner_text().endswith("finished")
    assert told.nth(1).inner_text().endswith("committed")
    near = told.nth(1).bounding_box()
    assert near is not None
    assert 0 < near["x"] - x < 20
    window = page.locator(".chart-window")
    page.mouse.down()
    page.mouse.move(x + 150, y)
    page.mouse.up()
    assert window.get_attribute("visibility") == "visible"
    page.mouse.move(x + 10, y)
    assert told.nth(0).inner_text().split("\n")[0] != "Sat 5 Oct 2024 07:07:20–07:07:40"
    page.mouse.dblclick(x, y)
    assert window.get_attribute("visibility") == "hidden"


def test_values_are_read_by_keys(page: Page, store: Store) -> None:
    """Interval by interval, also of a part; Escape ends it."""
    from playwright.sync_api import expect

    lived(store, [f"job {n}" for n in range(60)], budget=200.0)
    draw(page, charts_of(store, now=EVENING + 9000))
    plot = page.locator(".chart-plot").nth(1)
    readouts = page.locator(".chart-readout")
    plot.focus()
    for key in ("ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(readouts.nth(1)).to_have_text("Sat 5 Oct 2024 07:00:20–07:00:40: at most 1 in flight, 1 finished")
    assert readouts.nth(2).inner_text() == ""
    assert "$1.50 spent" in page.locator(".chart-tip").nth(2).inner_text()
    for key in ("+", "+", "End"):
        page.keyboard.press(key)
    expect(readouts.nth(1)).to_have_text(re.compile("07:29:40–07:30:00: "))
    page.keyboard.press("Escape")
    expect(readouts.nth(1)).to_have_text("")
    assert page.locator(".chart-tip:not([hidden])").count() == 0


def test_plots_follow_the_colours_of_the_page(page: Page, store: Store) -> None:
    """When the system turns dark while they are looked at."""
    lived(store, ["a", "b"])
    draw(page, charts_of(store, now=EVENING + 500))
    drawn_again(page)
    look = "document.querySelectorAll('.uplot canvas')[1].toDataURL()"
    light = page.evaluate(look)
    page.emulate_media(color_scheme="dark")
    drawn_again(page)
    assert page.evaluate(look) != light


@pytest.mark.parametrize("width", [400, 480, 890])
def test_times_below_the_timeline_do_not_overlap(page: Page, store: Store, width: int) -> None:
    """At the edges a label begins or ends at its mark, in the middle it is centred."""
    page.set_viewport_size({"width": width, "height": 800})
    lived(store, ["a", "b", "c"], start=EVENING + 28)
    draw(page, charts_of(store, now=EVENING + 500))
    page.locator(".chart-axis text").first.wait_for()
    boxes = page.evaluate("""[...document.querySelectorAll(".chart-axis text:not(.chart-day)")].map((label) => {
        const { left, right } = label.getBoundingClientRect();
        return [left, right];
    })""")
    assert len(boxes) > 1
    assert all(right < left for (_, right), (left, _) in pairwise(boxes))


def test_another_night_is_loaded_when_it_is_chosen(page: Page, store: Store) -> None:
    """And drawn in the place of the first."""
    lived(store, ["a", "b"])
    night = Night(store, [make_spec("c")], start=EVENING + DAY)
    night.video(0)
    night.end(70)
    latest, first = (charts_of(store, now=EVENING + 2 * DAY, night=key) for key in ("2", "1"))
    draw(page, latest, first)
    assert page.locator("option").count() == 3
    page.locator("select").select_option("1")
    page.get_by_text("2 videos in 1 min").wait_for()
    assert page.evaluate("window.asked") == "1"
    assert page.locator(".chart").count() == 4


def test_without_a_night_it_says_so(page: Page, store: Store) -> None:
    """Instead of empty axes."""
    draw(page, charts_of(store, now=EVENING))
    assert page.locator("#charts").inner_text() == "Nothing has run yet: the charts come with the first run."


def test_a_night_in_which_nothing_was_finished_is_drawn(page: Page, store: Store) -> None:
    """Everything but the generation times, of which there are none."""
    night = Night(store, [make_spec("a")])
    night.lost(night.claim(0), 9)
    night.end(10)
    draw(page, charts_of(store, now=EVENING + 60))
    page.wait_for_selector("canvas")
    sentences = page.locator(".chart-summary").all_inner_texts()
    assert sentences[0] == "0 videos in 10 s, 0 an hour, at most 0 in flight, 1 in doubt at the end."
    assert sentences[3] == "No video has been completed here yet."


def test_charts_begin_where_the_work_is(page: Page, store: Store) -> None:
    """A doubt that is waited for does not squeeze it, and does not falsify the speed."""
    night = Night(store, [make_spec(f"job {n}") for n in range(5)])
    for number in range(4):
        night.video(number * 30, seconds=25)
    doubt = night.lost(night.claim(125), 126)
    night.silent(doubt, 1900)
    night.end(1920)
    draw(page, charts_of(store, now=EVENING + 9000))
    page.wait_for_selector("canvas")
    assert page.locator(".chart-summary").first.inner_text().startswith("4 videos in 2 min, besides 30 min of waiting")
    assert "120 videos an hour" in page.locator(".chart-summary").nth(1).inner_text()
    window = page.locator(".chart-window")
    width = float(window.get_attribute("width") or 0)
    assert 50 < width < 150
    page.get_by_role("button", name="Show all").click()
    assert window.get_attribute("visibility") == "hidden"
    page.get_by_role("button", name="Show where the work is").click()
    assert float(window.get_attribute("width") or 0) == width


def test_the_wheel_zooms_at_the_pointer(page: Page, store: Store) -> None:
    """With Ctrl, since the page scrolls otherwise; with Shift it moves."""
    lived(store, [f"job {n}" for n in range(60)])
    draw(page, charts_of(store, now=EVENING + 9000))
    box = page.locator(".chart-lanes canvas").bounding_box()
    assert box is not None
    window = page.locator(".chart-window")
    x = box["x"] + box["width"] * 3 / 4
    page.mouse.move(x, box["y"] + 10)
    page.mouse.wheel(0, -100)
    assert window.get_attribute("visibility") == "hidden"
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    left, wide = (float(window.get_attribute(name) or 0) for name in ("x", "width"))
    assert wide == pytest.approx(0.49 * box["width"], rel=0.03)
    assert (x - box["x"] - left) / wide == pytest.approx(3 / 4, abs=0.02)
    page.keyboard.down("Shift")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Shift")
    assert float(window.get_attribute("x") or 0) < left - 50


def test_a_held_doubt_does_not_look_like_one_that_is_settled(page: Page, store: Store) -> None:
    """Pale and hatched against full and striped: also without colours."""
    night = Night(store, [make_spec("a"), make_spec("b")])
    night.silent(night.lost(night.claim(0), 1), 40)
    night.lost(night.claim(1), 2)
    night.end(80)
    draw(page, charts_of(store, now=EVENING + 60))
    page.wait_for_selector(".chart-key canvas")
    drawn_again(page)
    pixels = page.evaluate("""[...document.querySelectorAll(".chart-key canvas")].slice(-2).map((canvas) => {
        const { data } = canvas.getContext("2d").getImageData(2, 2, 24, 20);
        return data.filter((_, i) => i % 4 === 3).reduce((sum, alpha) => sum + alpha, 0) / (24 * 20 * 255);
    })""")
    doubt, held = pixels
    assert held > doubt + 0.3

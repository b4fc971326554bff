"""The page in a real browser: what is seen, what the keyboard does, that text stays text."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchveo.operations.status import make_status_row
from batchveo.store import Store
from batchveo.web import serializers
from batchveo.web.page import STATE_ICONS
from batchveo.web.static_report import write_report
from tests.helpers.factories import make_spec
from tests.web.conftest import HOSTILE, Night, look_again, shows_cards

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route


Open = Callable[..., "Page"]
VIEWS = {
    "videos": "#gallery:not(.list) .card",
    "videos?as=list": "#gallery.list .card",
    "failures": "#failures .cause",
    "charts": "#charts .chart",
}
"""Each address, and what stands there once it is shown."""


def until(page: Page, expression: str) -> None:
    """Wait for what the page's policy does not let Playwright wait for by itself: it would evaluate text."""
    for _ in range(1200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"never: {expression}")


def test_the_gallery_shows_videos_and_hostile_text_as_text(new_page: Open, url: str) -> None:
    """Posters, states, prompts; no script of a prompt has run."""
    page = new_page(url)
    until(page, "[...document.images].length === 2 && [...document.images].every(i => i.naturalWidth)")
    assert page.locator(".card-title").count() == 6
    assert page.get_by_role("heading", level=1).inner_text() == "2 of 6 videos done"
    shown = page.locator(".card-link").nth(1).evaluate("link => link.textContent")
    assert shown == HOSTILE
    assert "owned" not in page.title()
    assert page.locator("img[onerror], .card script, .card b").count() == 0


def test_search_and_filters_narrow_and_stand_in_the_address(new_page: Open, url: str) -> None:
    """So that they can be gone back to, and sent to others."""
    page = new_page(url)
    page.get_by_role("searchbox").fill("too small")
    page.get_by_text("2 jobs found").wait_for()
    shows_cards(page, "refused 1", "refused 2")
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Model").select_option("google/veo2")
    page.get_by_text("1 job found").wait_for()
    assert re.search(r"#/videos\?model=google%2Fveo2&q=too\+small$", page.url)
    again = new_page(page.url)
    again.get_by_text("1 job found").wait_for()
    shows_cards(again, "refused 2")


def test_a_search_that_takes_long_shows_that_it_runs(new_page: Open, url: str) -> None:
    """As the first one of a large database, which waits for the index: the cards below are still those of before."""
    page = new_page(url)
    page.get_by_text("6 jobs").wait_for()
    held: list[Route] = []
    page.route(re.compile(r"/api/jobs\?.*q="), lambda route: held.append(route))
    page.get_by_role("searchbox").fill("too small")
    page.get_by_text("Searching…").wait_for()
    held[0].continue_()
    page.get_by_text("2 jobs found").wait_for()


def test_a_change_before_the_first_progress_is_shown(browser_page: Page, url: str, night: Night) -> None:
    """The cards are there already, the progress takes longer: as on the first look at a large database."""
    page = browser_page
    held: list[Route] = []
    page.route("**/api/progress*", lambda route: route.continue_() if held else held.append(route))
    page.goto(url)
    state = page.locator(".card", has_text="waiting").locator(".state")
    state.get_by_text("Pending").wait_for()
    night.cancel_pending()
    held[0].continue_()
    state.get_by_text("Cancelled").wait_for()


def test_the_keyboard_reaches_everything(new_page: Open, url: str) -> None:
    """Arrows walk the gallery, Enter opens a job's history, Escape goes back to its card."""
    page = new_page(url)
    first = page.locator(".card-link").first
    first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog", name="refused 1")
    panel.wait_for()
    assert "#/job/" in page.url
    assert panel.get_by_text("too small: 12 pixels").count() >= 1
    assert panel.get_by_text("bv.").count() == 1
    page.keyboard.press("ArrowRight")
    page.get_by_role("dialog", name="refused 2").wait_for()
    page.keyboard.press("Escape")
    until(page, "document.activeElement.textContent === 'refused 2'")
    assert page.url.endswith("#/videos")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_retry_and_resolve_ask_first_and_then_do(new_page: Open, url: str, night: Night) -> None:
    """A no changes nothing; a yes is done, said, and seen at once."""
    page = new_page(f"{url}/#/failures")
    page.get_by_role("button", name="Retry all 2").click()
    page.get_by_text("This costs up to $1.56; 1 job without a known price.").wait_for()
    page.get_by_role("button", name="Not now").click()
    assert night.states()["refused 1"] == "failed"
    page.get_by_role("button", name="Retry all 2").click()
    page.get_by_role("button", name="Retry 2", exact=True).click()
    page.get_by_text("2 jobs are pending again.").wait_for()
    page.get_by_text("Nothing has failed.").wait_for()
    assert [night.states()[name] for name in ("refused 1", "refused 2")] == ["pending", "pending"]
    page.goto(f"{url}/#/job/{night.named('doubtful').id}")
    page.get_by_role("button", name="It bought this generation").click()
    page.get_by_label("Generation id").fill("gen-77")
    page.get_by_role("button", name="Fetch this generation").click()
    page.get_by_role("dialog").get_by_text("Accepted and paid for").wait_for()
    assert night.named("doubtful").generation_id == "gen-77"


def test_what_a_run_does_is_seen_without_a_reload(new_page: Open, url: str, night: Night) -> None:
    """Cards and figures follow."""
    page = new_page(url)
    page.get_by_role("heading", name="2 of 6 videos done").wait_for()
    night.succeed()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_role("heading", name="3 of 6 videos done").wait_for()
    until(page, "document.images.length === 3")


def test_the_focus_stays_while_a_run_changes_what_is_around_it(new_page: Open, url: str, night: Night) -> None:
    """On a link of the header, and on the failures, where an answer that one reads stays open too."""
    page = new_page(url)
    page.locator("#progress").get_by_role("link", name="Show").focus()
    night.succeed()
    look_again(page)
    page.get_by_role("heading", name="3 of 6 videos done").wait_for()
    page.locator("#progress a:focus", has_text="Show").wait_for(timeout=2000)
    page.goto(f"{url}/#/failures")
    page.get_by_text("The answer in full").click()
    page.get_by_role("button", name="Retry all 2").focus()
    night.add(make_spec("refused 3"))
    night.fail("the picture at https://example.org/3.png is too small: 9 pixels")
    look_again(page)
    page.get_by_role("heading", name="3 jobs failed, for 1 cause").wait_for()
    page.locator("button:focus", has_text="Retry all 3").wait_for(timeout=2000)
    assert page.locator("details.answer").get_attribute("open") is not None


@pytest.mark.parametrize("address", ["#/job/%E0%A4%A", "#/videos?state=constructor&choice=toString&order=valueOf"])
def test_an_address_of_nothing_leaves_the_page_whole(browser_page: Page, url: str, address: str) -> None:
    """As one that was cut when it was copied; the server refuses it at most as a job that it does not have."""
    errors: list[str] = []
    browser_page.on("pageerror", lambda error: errors.append(str(error)))
    browser_page.goto(f"{url}/{address}")
    browser_page.get_by_role("heading", name="2 of 6 videos done", include_hidden=True).wait_for(state="attached")
    if "job" in address:
        browser_page.get_by_role("dialog", name="This job cannot be shown").wait_for()
        browser_page.keyboard.press("Escape")
    browser_page.locator(".card").nth(5).wait_for()
    assert errors == []


def test_what_is_left_is_said_as_the_terminal_says_it(
    new_page: Open, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its spread, the speed and the budget; before anything is known, in so many words."""
    told = {"running": True, "videos_per_hour": 1234.4, "usd_per_hour": 56.7, "budget_usd": 80.0}
    times = {"eta_low_seconds": 9000.0, "eta_seconds": 11_400.0, "eta_high_seconds": 13_200.0}
    shown = dict.fromkeys(times)
    monkeypatch.setattr(
        serializers, "make_status_row", lambda store, **known: {**make_status_row(store, **known), **told, **shown}
    )
    page = new_page(url)
    figures = page.locator(".figures")
    assert "Left not known yet" in " ".join(figures.inner_text().split())
    shown.update(times)
    page.reload()
    figures.get_by_text("about 3 h 10 min").wait_for()
    words = " ".join(figures.inner_text().split())
    assert "1,234 videos/h $56.70/h" in words
    assert "about 3 h 10 min 2 h 30 min – 3 h 40 min · until about" in words
    assert "of $80.00" in words


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A run goes on, with all figures that there can be."""
    told: dict[str, object] = {"running": True, "videos_per_hour": 12_345.6, "usd_per_hour": 1234.5, "budget_usd": 8e4}
    told |= {"eta_low_seconds": 9000.0, "eta_seconds": 11_400.0, "eta_high_seconds": 13_200.0, "price_unknown": 3}
    told |= {"committed_usd": 99.0}
    monkeypatch.setattr(
        serializers, "make_status_row", lambda store, **known: {**make_status_row(store, **known), **told}
    )
    return told


def test_the_tab_shows_how_far_it_is(new_page: Open, url: str, busy: dict[str, object], night: Night) -> None:
    """A part in its title while a run goes on, and an icon of what became of the jobs."""
    page = new_page(url)
    until(page, "document.title.startsWith('66% · night')")
    icon = page.locator("link[rel=icon]")
    assert icon.get_attribute("href") == "/static/icon-running.svg"
    busy["running"] = False
    look_again(page)
    until(page, "document.title === 'night · batchveo'")
    assert icon.get_attribute("href") == "/static/icon-doubt.svg"
    for name in STATE_ICONS:
        assert page.request.get(f"{url}/static/{name}").headers["content-type"] == "image/svg+xml"


@pytest.mark.usefixtures("busy")
def test_figures_stand_in_columns(new_page: Open, url: str) -> None:
    """And none of them breaks within."""
    page = new_page(url)
    page.locator(".figures").wait_for()
    for width, columns, rows in ((1800, 6, 1), (1400, 6, 1), (800, 4, 2), (390, 2, 3)):
        page.set_viewport_size({"width": width, "height": 800})
        boxes = page.evaluate("""[...document.querySelectorAll(".figures div")].map((figure) => {
            const { left, top } = figure.getBoundingClientRect();
            const [name, value] = ["dt", "dd"].map((tag) => figure.querySelector(tag).getBoundingClientRect().height);
            const small = figure.querySelector("small")?.offsetHeight ?? 0;
            return { left: Math.round(left), top: Math.round(top), name, value, small };
        })""")
        assert len(boxes) == 6
        assert len({box["top"] for box in boxes}) == rows
        assert len({box["left"] for box in boxes}) == columns
        assert all(box["name"] < 24 and box["value"] - box["small"] < 30 and box["small"] < 44 for box in boxes)


@pytest.mark.usefixtures("busy")
def test_the_header_leaves_room_on_a_phone(new_page: Open, url: str) -> None:
    """Less than two fifths of a screen; the figures and the notice are with the videos only."""
    page = new_page(url, width=390)
    page.locator(".notice").wait_for()
    assert page.evaluate("document.querySelector('#progress').getBoundingClientRect().bottom") < 320
    page.get_by_role("link", name="Charts").click()
    page.locator("#charts .chart").first.wait_for()
    assert page.evaluate("document.querySelector('#progress').getBoundingClientRect().bottom") < 190


def test_ten_thousand_jobs_scroll(new_page: Open, url: str, night: Night) -> None:
    """Few cards are in the document at any time, and the scrollbar leads to the middle and to the end at once."""
    night.add(*(make_spec(f"take {number}") for number in range(9_994)))
    page = new_page(url)
    page.get_by_text("10,000 jobs", exact=True).wait_for()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.locator(".card-link", has_text="take 9993").wait_for()
    page.evaluate("scrollTo(0, document.body.scrollHeight / 2)")
    page.locator(".card-link", has_text="take 5000").wait_for()
    assert page.locator(".card").count() < 60
    assert len([url for url in asked if "/api/jobs" in url]) <= 6


def test_a_report_opens_offline(new_page: Open, night: Night) -> None:
    """From its file: gallery, search, history, a video that plays; nothing can be changed."""
    with Store(night.path, writing=False) as store:
        written = write_report(store, night.videos / "report.html", now=99.0)
    page = new_page(written.path.as_uri(), color_scheme="dark", width=400)
    page.locator(".card").first.wait_for()
    page.get_by_role("searchbox").fill("owned")
    page.get_by_text("1 job found").wait_for()
    shows_cards(page, HOSTILE)
    assert page.locator(".card-link").evaluate("link => link.textContent") == HOSTILE
    page.locator(".card-link").click()
    until(page, "document.querySelector('dialog video')?.readyState >= 1")
    assert page.get_by_role("button", name="Retry").count() == 0
    assert "owned" not in page.title()
    page.goto(f"{written.path.as_uri()}#/charts")
    page.locator("#charts svg").first.wait_for()
    assert page.locator("#charts .uplot canvas").count() == 3


def test_a_report_with_previews_plays_without_its_videos(browser_page: Page, night: Night, tmp_path: Path) -> None:
    """On a card under the pointer, and in the panel, which says that it is a preview."""
    with Store(night.path, writing=False) as store:
        written = write_report(store, night.videos / "report.html", now=99.0, previews=True)
    alone = tmp_path / "mailed" / "report.html"
    alone.parent.mkdir()
    written.path.rename(alone)
    page = browser_page
    page.goto(alone.as_uri())
    page.locator(".card").first.hover()
    until(page, "document.querySelector('.card-player')?.videoWidth > 0")
    page.goto(f"{alone.as_uri()}#/job/{night.named('fox').id}")
    page.get_by_text("A small preview").wait_for()
    until(page, "document.querySelector('dialog video')?.videoWidth <= 320")
    until(page, "document.querySelector('dialog video')?.readyState >= 2")


def test_the_theme_is_remembered(new_page: Open, url: str) -> None:
    """Beyond a reload."""
    page = new_page(url)
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Theme").click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("width", [320, 400, 1000, 1800])
def test_nothing_sticks_out(new_page: Open, url: str, width: int) -> None:
    """No view is wider than its window."""
    page = new_page(url, width=width)
    for view, shown in VIEWS.items():
        page.goto(f"{url}/#/{view}")
        page.locator(shown).first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_fields_of_a_row_have_one_height(new_page: Open, url: str) -> None:
    """The choices of the filters stand beside two rows."""
    page = new_page(f"{url}/#/videos?where=attempts+%3E+0", width=1100)
    page.get_by_label("Verdict").wait_for()
    heights = page.evaluate(
        "[...document.querySelectorAll('.more-filters :is(select, input):not([hidden])')].map(one => one.offsetHeight)"
    )
    assert max(heights) - min(heights) <= 2, heights


def test_a_sentence_is_not_torn_apart(new_page: Open, url: str, night: Night) -> None:
    """The link at its end follows its words."""
    night.fail("another cause")
    page = new_page(f"{url}/#/failures", width=1400)
    sentence = page.locator(".causes-more")
    sentence.wait_for()
    gap = sentence.evaluate("""node => {
        const words = document.createRange();
        words.selectNodeContents([...node.childNodes].find(one => one.nodeType === Node.TEXT_NODE));
        return node.querySelector("a").getBoundingClientRect().left - words.getBoundingClientRect().right;
    }""")
    assert gap < 12


def test_the_brand_is_whole_at_twice_the_size(new_page: Open, url: str) -> None:
    """Of a window of 1,400 pixels, half is left."""
    page = new_page(url, width=700)
    page.locator("#failures-badge").wait_for()
    room = page.locator(".brand").evaluate("""brand => {
        const word = document.createRange();
        word.selectNodeContents(brand.firstChild);
        return brand.getBoundingClientRect().right - word.getBoundingClientRect().right;
    }""")
    assert room >= 0

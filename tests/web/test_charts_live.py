"""The charts while a run goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchveo.sandbox.asgi_server import running
from batchveo.store import Store
from batchveo.web.app import make_app
from batchveo.web.security import Secrets
from tests.helpers.factories import make_spec
from tests.helpers.job_histories import Night, charts_of
from tests.web.conftest import look_again

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
TEN_VIDEOS = "10 videos in "


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Night]:
    """A run of ten minutes so far, with ten videos of forty; before it one of yesterday."""
    with Store(tmp_path / "live.db") as store:
        store.runs.acquire_lock()
        old = Night(store, [make_spec("old")], start=time.time() - 90_000)
        old.video(0)
        old.end(100)
        night = Night(store, [make_spec(f"job {n:02}") for n in range(40)], start=time.time() - 600)
        for number in range(10):
            night.video(number * 50)
        yield night


@pytest.fixture
def url(live: Night) -> Iterator[str]:
    with running(make_app(live.store.path, keys=Secrets())) as url:
        yield url


def at_charts(page: Page) -> None:
    page.get_by_text(TEN_VIDEOS).wait_for()
    page.locator("canvas").first.wait_for()


def later(page: Page, seconds: int) -> None:
    """As if so much time had passed, and the page asks for the progress."""
    page.clock.fast_forward(seconds * 1000)
    look_again(page)


def asked_for(page: Page) -> list[str]:
    found: list[str] = []
    page.on("request", lambda request: found.append(request.url) if "/api/charts" in request.url else None)
    return found


def test_charts_follow_the_run_at_a_bounded_rate(new_page: Open, url: str, live: Night) -> None:
    """And say as of when they are."""
    page = new_page("about:blank")
    page.clock.install()
    page.goto(f"{url}/#/charts")
    at_charts(page)
    assert page.locator(".chart-as-of").inner_text().startswith("As of ")
    asked = asked_for(page)
    live.video(560, seconds=10)
    for _ in range(3):
        later(page, 1)
    assert asked == []
    later(page, 11)
    page.get_by_text("11 videos in ").wait_for()
    assert len(asked) == 1
    live.video(580, seconds=10)
    later(page, 20)
    page.get_by_text("12 videos in ").wait_for()
    assert len(asked) == 2


def test_what_is_looked_at_stays_when_the_charts_are_drawn_again(new_page: Open, url: str, live: Night) -> None:
    """Zoom, focus, what is being read, an open table and where it and the page are scrolled to."""
    page = new_page("about:blank", height=600)
    page.clock.install()
    page.goto(f"{url}/#/charts")
    at_charts(page)
    page.locator("summary").nth(2).click()
    page.locator(".chart-scroll tbody tr").nth(5).wait_for()
    page.mouse.move(1, 1)
    page.locator(".chart-timeline").focus()
    for key in ("ArrowRight", "ArrowRight", "+", "+"):
        page.keyboard.press(key)
    page.evaluate("document.querySelector('.chart-scroll').scrollTop = 120; scrollTo(0, 300)")
    state = """() => ({
        window: document.querySelector(".chart-window").getAttribute("visibility"),
        read: document.querySelector(".chart-readout").textContent, scroll: scrollY,
        table: document.querySelector(".chart-scroll").scrollTop,
        focus: document.activeElement.className, open: document.querySelectorAll("details[open]").length,
    })"""
    before = page.evaluate(state)
    rows = page.locator(".chart-scroll tbody tr").count()
    assert (before["window"], before["open"], before["table"]) == ("visible", 1, 120)
    assert before["read"].startswith("job 00 · ")
    live.video(560, seconds=10)
    later(page, 30)
    page.get_by_text("11 videos in ").wait_for()
    assert page.evaluate(state) == before
    assert page.locator(".chart-scroll tbody tr").count() >= rows


def test_a_part_that_is_being_dragged_is_not_drawn_under_the_hand(new_page: Open, url: str, live: Night) -> None:
    """The next data will do."""
    page = new_page("about:blank")
    page.clock.install()
    page.goto(f"{url}/#/charts")
    at_charts(page)
    page.evaluate("window.canvas = document.querySelector('.chart-lanes canvas')")
    box = page.locator(".chart-lanes canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 400, box["y"] + 20)
    page.mouse.down()
    live.video(560, seconds=10)
    with page.expect_response("**/api/charts*"):
        later(page, 30)
    assert page.evaluate("window.canvas.isConnected")
    page.mouse.up()
    later(page, 30)
    page.get_by_text("11 videos in ").wait_for()


def test_a_night_that_was_chosen_stays_chosen(new_page: Open, url: str, live: Night) -> None:
    """While another one goes on."""
    page = new_page("about:blank")
    page.clock.install()
    page.goto(f"{url}/#/charts")
    at_charts(page)
    key = [one["key"] for one in charts_of(live.store, now=time.time())["nights"]][-1]  # type: ignore[attr-defined]
    page.get_by_label("Night").select_option(key)
    page.get_by_text("1 video in ").wait_for()
    with page.expect_response(lambda answer: f"night={key}" in answer.url):
        later(page, 30)
    assert page.get_by_text("1 video in ").count() == 1


def test_charts_stay_while_the_server_is_away(browser_page: Page, url: str) -> None:
    """They say as of when they are; the header says that nobody answers."""
    page = browser_page
    page.clock.install()
    page.goto(f"{url}/#/charts")
    at_charts(page)
    page.route("**/api/**", lambda route: route.abort())
    page.clock.fast_forward(30_000)
    page.locator("#progress").get_by_role("alert").wait_for()
    assert page.locator("#charts .chart").count() == 4

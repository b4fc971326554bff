"""The gallery in a real browser: every position, every order, frames that fit, new videos, selections."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from batchveo.sandbox.asgi_server import running
from batchveo.store import Store
from batchveo.web.app import make_app
from batchveo.web.page import bundle_script
from batchveo.web.security import Secrets
from tests.helpers.factories import make_spec
from tests.web.conftest import Night, look_again, shows_cards

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
SEEN = """() => [...document.querySelectorAll(".card")].filter((card) => {
    const box = card.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight;
}).map((card) => Number(card.getAttribute("aria-posinset"))).sort((a, b) => a - b)"""
FOCUS = """() => {
    const card = document.activeElement.closest(".card");
    return card && [Number(card.getAttribute("aria-posinset")), Number(card.getAttribute("aria-setsize"))];
}"""


def until(page: Page, expression: str, *, arg: object = None) -> None:
    """Wait for what the page's policy does not let Playwright wait for by itself: it would evaluate text."""
    for _ in range(1200):
        if page.evaluate(expression, arg):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"never: {expression}")


def test_the_keyboard_reaches_both_ends_and_every_place_is_told(new_page: Open, url: str, night: Night) -> None:
    """End and Home go to jobs that were not loaded; each card names its place among all."""
    night.add(*(make_spec(f"take {number}") for number in range(2_994)))
    page = new_page(url)
    page.get_by_text("3,000 jobs", exact=True).wait_for()
    page.locator(".card-link").first.focus()
    for key, place in (("End", 3000), ("Home", 1), ("PageDown", None), ("PageUp", 1)):
        page.keyboard.press(key)
        if place is not None:
            until(page, f"wanted => String(({FOCUS})()) === String(wanted)", arg=[place, 3000])
    page.keyboard.press("End")
    page.locator(".card-link:focus", has_text="take 2993").wait_for()


def test_a_very_tall_gallery_has_a_scrollbar_to_scale(
    new_page: Open, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Browsers draw no element of a hundred million pixels: both ends are reached, the wheel moves as everywhere."""
    script = re.sub(r"const MOST_PIXELS = .*", "const MOST_PIXELS = 20_000;", bundle_script())
    monkeypatch.setattr("batchveo.web.app.bundle_script", lambda: script)
    night.add(*(make_spec(f"take {number}") for number in range(2_994)))
    with running(make_app(night.path, keys=Secrets())) as url:
        page = new_page(url)
        page.get_by_text("3,000 jobs", exact=True).wait_for()
        assert page.evaluate("document.getElementById('gallery').offsetHeight") == 20_000
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        page.locator(".card-link", has_text="take 2993").wait_for()
        page.evaluate("scrollTo(0, document.body.scrollHeight / 2)")
        until(page, f"({SEEN})().some((place) => place > 1400 && place < 1600)")
        page.wait_for_timeout(300)  # the scrollbar is set right after the last scroll
        middle = page.locator(f".card[aria-posinset='{page.evaluate(SEEN)[-1]}']")
        before = middle.bounding_box()
        page.evaluate("scrollBy(0, 60)")
        page.wait_for_timeout(300)
        after = middle.bounding_box()
        assert before is not None
        assert after is not None
        assert after["y"] == pytest.approx(before["y"] - 60, abs=2)
        page.evaluate("scrollTo(0, 0)")
        until(page, f"({SEEN})().includes(1)")
        page.close()


def test_orders_are_chosen_and_stand_in_the_address(new_page: Open, url: str) -> None:
    from tests.web.conftest import HOSTILE

    page = new_page(url)
    page.get_by_text("6 jobs", exact=True).wait_for()
    for order, titles in (
        ("finished", ["fox", HOSTILE, "refused 1", "refused 2", "doubtful", "waiting"]),
        ("name", [HOSTILE, "doubtful", "fox", "refused 1", "refused 2", "waiting"]),
        ("newest", ["waiting", "doubtful", "refused 2", "refused 1", HOSTILE, "fox"]),
    ):
        page.get_by_label("Order").select_option(order)
        shows_cards(page, *titles)
        assert page.url.endswith(f"#/videos?order={order}")


def test_jobs_are_grouped_by_prompt(new_page: Open, url: str, night: Night) -> None:
    """Below a heading with the prompt, from which the arrows go on to the next group."""
    request = {"prompt": "one prompt", "model": "google/veo3"}
    night.add(*(make_spec(f"take {n}", request={**request, "seed": n}) for n in range(5)), make_spec("other"))
    page = new_page(f"{url}/#/videos?q=o&order=prompt&state=pending", width=700)
    page.locator(".group-title", has_text="one prompt").get_by_text("5 jobs").wait_for()
    page.locator(".card-link", has_text="take 0").focus()
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    page.locator(".card-link:focus", has_text="take 4").wait_for()
    page.keyboard.press("ArrowDown")
    page.locator(".card-link:focus", has_text="other").wait_for()
    page.keyboard.press("ArrowUp")
    page.locator(".card-link:focus", has_text="take 4").wait_for()


def test_filters_have_one_height_and_count_what_matches(new_page: Open, url: str) -> None:
    from playwright.sync_api import expect

    page = new_page(url)
    page.get_by_role("button", name="Filters").click()
    heights = page.locator("#filters :is(input, select, button:not(.chip)):visible").evaluate_all(
        "nodes => [...new Set(nodes.map((node) => node.offsetHeight))]"
    )
    assert heights == [36]
    page.get_by_role("searchbox").fill("refused")
    model = page.get_by_label("Model", exact=True)
    expect(model.locator("option:not([hidden])")).to_have_text(["All models", "google/veo3 (1)", "google/veo2 (1)"])
    page.get_by_role("searchbox").fill("fox")
    expect(model.locator("option:not([hidden])")).to_have_text(["All models", "google/veo3 (1)"])


def test_new_videos_are_on_top_and_move_nothing_that_one_looks_at(new_page: Open, url: str, night: Night) -> None:
    """A run is going on: the newest are first; whoever has scrolled down sees how many are new."""
    night.add(*(make_spec(f"later {number}") for number in range(60)))
    with Store(night.path) as store:
        store.runs.begin_run(command="run", service="https://s.example", now=1.0)
        page = new_page(url, width=700)
        page.get_by_text("66 jobs").wait_for()
        assert page.get_by_label("Order").input_value() == "finished"
        page.mouse.move(0, 0)
        night.succeed(at=time.time())
        look_again(page)
        page.locator(".card[aria-posinset='1']", has_text="waiting").wait_for()
        page.evaluate("scrollTo(0, 1500)")
        page.wait_for_timeout(100)
        seen = page.evaluate(SEEN)
        where = page.locator(f".card[aria-posinset='{seen[2]}']")
        before = (where.locator(".card-link").inner_text(), where.bounding_box())
        for _ in range(2):
            night.succeed(at=time.time() + 2)
        look_again(page)
        page.get_by_role("button", name="2 new").wait_for()
        assert (where.locator(".card-link").inner_text(), where.bounding_box()) == before
        page.get_by_role("button", name="2 new").click()
        page.locator(".card[aria-posinset='1']", has_text="later 1").wait_for()
        page.get_by_role("button", name="2 new").wait_for(state="hidden")


def test_a_range_is_selected_over_jobs_that_were_never_loaded(new_page: Open, url: str, night: Night) -> None:
    """With the shift key; all that match with one more click; Escape clears."""
    night.add(*(make_spec(f"take {number:04}") for number in range(1_000)))
    page = new_page(f"{url}/#/videos?q=take")
    page.get_by_text("1,000 jobs found").wait_for()
    page.get_by_label("Select take 0002", exact=True).check()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.get_by_label("Select take 0990", exact=True).click(modifiers=["Shift"])
    bar = page.get_by_role("region", name="Selected jobs")
    bar.get_by_text("989 selected").wait_for()
    bar.get_by_role("button", name="Select all 1,000 that match").click()
    bar.get_by_text("1,000 selected").wait_for()
    bar.get_by_role("button", name="Cancel 1,000").wait_for()
    bar.get_by_role("button", name="Clear").click()
    bar.wait_for(state="hidden")


def test_selected_jobs_are_retried_after_a_question_with_number_and_price(
    new_page: Open, url: str, night: Night
) -> None:
    """Those that cannot be retried are left alone."""
    page = new_page(url)
    for name in ("refused 1", "refused 2", "fox"):
        page.get_by_label(f"Select {name}", exact=True).check()
    page.get_by_role("button", name="Retry 2").click()
    question = page.get_by_role("dialog", name="Retry 2 jobs?")
    question.get_by_text("This costs up to $1.56; 1 job without a known price.").wait_for()
    question.get_by_text("1 other job of the selection is left alone.").wait_for()
    question.get_by_role("button", name="Not now").click()
    assert night.states()["refused 1"] == "failed"
    page.get_by_role("button", name="Retry 2").click()
    question.get_by_role("button", name="Retry 2").click()
    page.get_by_text("2 jobs are pending again.").wait_for()
    assert [night.states()[name] for name in ("refused 1", "refused 2", "fox")] == ["pending", "pending", "succeeded"]
    assert page.get_by_role("region", name="Selected jobs").is_hidden()


def test_held_jobs_are_resolved_together(new_page: Open, url: str, night: Night) -> None:
    """The careful answer is the first one."""
    page = new_page(url)
    page.get_by_label("Select doubtful", exact=True).check()
    page.get_by_role("button", name="Resolve 1").click()
    question = page.get_by_role("dialog", name="Resolve 1 job held in doubt?")
    question.get_by_text("you pay twice").wait_for()
    assert question.get_by_label("Give them up").is_checked()
    question.get_by_label("They bought nothing").check()
    question.get_by_role("button", name="Resolve 1").click()
    page.get_by_text("1 job is pending again.").wait_for()
    assert night.states()["doubtful"] == "pending"


def test_a_list_of_the_selected_jobs_is_saved(new_page: Open, url: str, night: Night) -> None:
    """As CSV, with the paths of the videos; a name that a spreadsheet would calculate is a text."""
    night.add(make_spec("=1+1"))
    page = new_page(url)
    for name in ("fox", "=1+1"):
        page.get_by_label(f"Select {name}", exact=True).check()
    with page.expect_download() as found:
        page.get_by_role("button", name="Save list").click()
    text = found.value.path().read_text(encoding="utf-8").splitlines()
    assert text[0] == "id,name,state,model,file"
    assert text[1] == f"{night.named('fox').id},fox,succeeded,google/veo3,{night.videos / 'fox.mp4'}"
    assert ",'=1+1,pending," in text[2]


def test_the_bar_of_a_selection_follows_what_moves(new_page: Open, url: str, night: Night) -> None:
    """What can be done with the jobs is up to date, and the focus stays on what is still there."""
    page = new_page(url)
    page.locator(".card", has_text="waiting").hover()
    page.get_by_label("Select waiting").check()
    bar = page.get_by_role("region", name="Selected jobs")
    bar.get_by_role("button", name="Cancel 1").wait_for()
    bar.get_by_role("button", name="Save list").focus()
    night.cancel_pending()
    look_again(page)
    bar.get_by_role("button", name="Retry 1").wait_for()
    assert bar.get_by_role("button", name="Cancel 1").count() == 0
    assert page.evaluate("document.activeElement.textContent") == "Save list"


def test_jobs_are_selected_by_touch(new_page: Open, url: str) -> None:
    """Without a pointer that hovers, the boxes are seen at once."""
    page = new_page(url, width=390, has_touch=True, is_mobile=True)
    box = page.get_by_label("Select fox")
    box.wait_for()
    assert box.evaluate("box => getComputedStyle(box).opacity") == "1"
    box.tap()
    page.get_by_text("1 selected").first.wait_for()

"""Every view by axe, in light and dark, on a desk and on a phone; without motion and with forced colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.helpers.chains import make_chain
from tests.web.conftest import Night

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
VIEWS = {
    "videos": ".card",
    "videos?as=list": "#gallery.list .card",
    "choose": "#choose .choose-bar",
    "compare": "#compare table",
    "failures": "#failures .cause",
    "charts": "#charts .chart",
    "job": "dialog[open] h2",
    "chain": ".strip-link .strip-sign",
    "film": ".film-said:not(:empty)",
}
"""Each view, and what is there once it is shown."""


JOBS = {"job": "refused 1", "chain": "shot 1", "film": "shot 0"}


def add_chain(night: Night) -> None:
    """A chain whose first link is made."""
    night.cancel_pending()
    night.add(*make_chain(3))
    night.succeed()


def show(page: Page, url: str, view: str, night: Night) -> None:
    page.goto(f"{url}/#/job/{night.named(JOBS[view]).id}" if view in JOBS else f"{url}/#/{view}")
    if view == "film":
        page.get_by_role("button", name="Play the chain").click()
    page.locator(VIEWS[view]).first.wait_for()
    page.locator("#progress h1").wait_for(state="attached")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 390)])
def test_axe_finds_nothing(new_page: Open, url: str, night: Night, scheme: str, width: int) -> None:
    """No violation of any rule, the mere recommendations among them."""
    add_chain(night)
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = new_page(url, width=width, color_scheme=scheme, bypass_csp=True)
    for view in VIEWS:
        show(page, url, view, night)
        found = axe.run(page).response["violations"]
        assert [(rule["id"], rule["nodes"][0]["target"]) for rule in found] == [], view


def test_nothing_moves_for_those_who_asked_for_that(new_page: Open, url: str, night: Night) -> None:
    """No transition and no animation is left."""
    add_chain(night)
    page = new_page(url, reduced_motion="reduce")
    moving = """[...document.querySelectorAll("*")].filter((node) => {
        const { transitionDuration, animationName } = getComputedStyle(node);
        return transitionDuration !== "0s" || animationName !== "none";
    }).length"""
    for view in VIEWS:
        show(page, url, view, night)
        assert page.evaluate(moving) == 0, view


def test_states_keep_their_signs_in_forced_colours(new_page: Open, url: str) -> None:
    """The parts of the bar differ by their fill, and words and icons stand beside each state."""
    page = new_page(url, forced_colors="active")
    page.locator(".card").first.wait_for()
    page.locator(".bar span").first.wait_for()
    parts = page.evaluate("""[...document.querySelectorAll(".bar span")].map((part) => {
        const { backgroundColor, backgroundImage } = getComputedStyle(part);
        return `${backgroundColor} ${backgroundImage}`;
    })""")
    assert len(set(parts)) == len(parts) == 4
    signs = page.evaluate("""[...document.querySelectorAll(".chip")].filter((chip) => chip.offsetWidth)
        .map((chip) => [chip.textContent, chip.querySelector("path").getAttribute("d")])""")
    assert len({sign for _, sign in signs}) == len(signs) == 4

"""The page's views, opened in any order while things change and while the server comes and goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.helpers.factories import make_spec
from tests.web.conftest import Night, look_again, shows_cards

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

Open = Callable[..., "Page"]


def headline(page: Page, text: str) -> None:
    page.get_by_role("heading", level=1, name=text).wait_for()


@pytest.mark.parametrize("view", ["charts", "failures", "videos?state=failed", "videos?as=list"])
def test_a_change_is_shown_in_every_view_that_was_opened_first(
    new_page: Open, url: str, night: Night, view: str
) -> None:
    """The header follows, and the gallery has the change when it is looked at later."""
    page = new_page(f"{url}/#/{view}")
    headline(page, "2 of 6 videos done")
    night.succeed()
    look_again(page)
    headline(page, "3 of 6 videos done")
    page.get_by_role("link", name="Videos").click()
    page.goto(f"{url}/#/videos?q=waiting")
    page.locator(".card", has_text="waiting").get_by_text("Done").wait_for()
    assert page.get_by_role("alert").count() == 0


@pytest.mark.parametrize("view", ["charts", "failures"])
def test_more_changes_than_are_sent_do_not_trouble_a_view_without_a_gallery(
    new_page: Open, url: str, night: Night, view: str
) -> None:
    """The page is told to look anew, though the gallery was never shown."""
    page = new_page(f"{url}/#/{view}")
    headline(page, "2 of 6 videos done")
    night.add(*(make_spec(f"more {number}") for number in range(201)))
    night.cancel_pending()
    look_again(page)
    headline(page, "2 of 207 videos done")
    page.get_by_role("link", name="Videos").click()
    page.get_by_text("207 jobs", exact=True).wait_for()


def test_retry_from_a_reloaded_failures_view(new_page: Open, url: str, night: Night) -> None:
    """The header stays."""
    page = new_page(f"{url}/#/failures")
    page.reload()
    page.get_by_role("button", name="Retry all 2").click()
    page.get_by_role("button", name="Retry 2", exact=True).click()
    page.get_by_text("Nothing has failed.").wait_for()
    headline(page, "2 of 6 videos done")
    assert page.get_by_role("alert").count() == 0


def test_a_job_that_was_opened_from_the_failures_goes_back_to_them(new_page: Open, url: str) -> None:
    """Opened by its address alone, it goes back to the gallery."""
    page = new_page(f"{url}/#/failures")
    page.get_by_role("link", name="refused 1", exact=True).click()
    page.get_by_role("dialog", name="refused 1").wait_for()
    address = page.url
    page.keyboard.press("Escape")
    page.locator("#failures .cause").wait_for()
    page.wait_for_url("**/#/failures")
    again = new_page(address)
    again.get_by_role("dialog", name="refused 1").wait_for()
    again.keyboard.press("Escape")
    again.locator("#gallery .card").first.wait_for()
    again.wait_for_url("**/#/videos")


def test_a_change_that_arrives_while_a_page_of_jobs_is_loading_is_kept(new_page: Open, url: str, night: Night) -> None:
    """The page of jobs was read before the change and arrives after it."""
    page = new_page(f"{url}/#/charts")
    headline(page, "2 of 6 videos done")
    held: list[Route] = []

    def hold(route: Route) -> None:
        answer = route.fetch()
        old = answer.body()
        night.succeed()
        held.append(route)
        look_again(page, wait=False)
        page.get_by_role("heading", level=1, name="3 of 6 videos done").wait_for()
        route.fulfill(status=answer.status, headers=answer.headers, body=old)

    page.route("**/api/jobs?*", hold, times=1)
    page.goto(f"{url}/#/videos?q=waiting")
    page.locator(".card", has_text="waiting").get_by_text("Done").wait_for()
    assert len(held) == 1


def test_an_error_of_the_page_itself_is_not_shown_as_one_of_the_server(
    browser_page: Page, url: str, night: Night
) -> None:
    """The header keeps what the server answered, and the page goes on asking."""
    page, said = browser_page, []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(url)
    headline(page, "2 of 6 videos done")
    page.evaluate("document.getElementById('failures-badge').remove()")
    night.succeed()
    look_again(page)
    headline(page, "3 of 6 videos done")
    assert said
    assert page.get_by_role("alert").count() == 0


@pytest.mark.parametrize("view", ["videos", "failures", "charts"])
def test_a_server_that_was_away_is_said_and_then_forgotten(
    browser_page: Page, url: str, night: Night, view: str
) -> None:
    """What could not be loaded meanwhile is loaded once it is back, without a reload."""
    page = browser_page
    page.goto(url)
    headline(page, "2 of 6 videos done")
    page.route("**/api/**", lambda route: route.abort())
    page.goto(f"{url}/#/{view}{'?q=refused' if view == 'videos' else ''}")
    look_again(page, wait=False)
    page.locator("#progress").get_by_role("alert").wait_for()
    night.fail("no such thing")
    page.unroute("**/api/**")
    look_again(page)
    headline(page, "2 of 6 videos done")
    if view == "videos":
        shows_cards(page, "refused 1", "refused 2")
    else:
        page.locator({"failures": "#failures .cause", "charts": "#charts .chart"}[view]).nth(1).wait_for()
    assert page.get_by_role("alert").count() == 0

"""From each figure of the charts and the failures to the jobs behind it."""

from __future__ import annotations

import csv
import io
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchveo.sandbox.asgi_server import running
from batchveo.store import Store
from batchveo.web.app import make_app
from batchveo.web.security import Secrets
from batchveo.web.static_report import write_report
from tests.helpers.factories import make_spec
from tests.helpers.job_histories import Night
from tests.web.conftest import Night as Browsed
from tests.web.conftest import offer_modules, shows_cards

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Eight videos of two models in eight minutes, and a failure in the ninth."""
    path = tmp_path / "b.db"
    with Store(path) as store:
        specs = [make_spec(f"job {n}", model=("google/veo3", "luma/ray-2")[n % 2]) for n in range(9)]
        night = Night(store, specs, start=time.time() - 3600)
        for number in range(8):
            night.video(number * 60, seconds=30)
        night.failed(night.accepted(night.claim(490), 491), 500)
        night.end(540)
    return path


@pytest.fixture
def url(path: Path) -> Iterator[str]:
    with running(make_app(path, keys=Secrets())) as url:
        yield url


@pytest.fixture(params=["server", "report"])
def page(request: pytest.FixtureRequest, new_page: Open, url: str, path: Path) -> Page:
    """The charts of the page, and those of a report, which has no server to ask."""
    if request.param == "report":
        with Store(path, writing=False) as store:
            written = write_report(store, path.parent / "report.html", now=time.time(), posters=False)
        url = written.path.as_uri()
    page = new_page(f"{url}#/charts")
    page.locator(".u-over").nth(2).wait_for()
    return page


def test_a_bar_opens_its_job(page: Page) -> None:
    """By a click, and by Enter; Escape goes back to the charts."""
    lanes = page.locator(".chart-lanes canvas").bounding_box()
    assert lanes is not None
    page.mouse.click(lanes["x"] + 200, lanes["y"] + 10)  # the first row, a few seconds after its beginning
    page.get_by_role("dialog", name="job 0").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile("#/charts$"))
    page.locator(".chart-timeline").focus()
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="job 2").wait_for()


def test_an_interval_shows_what_was_finished_in_it(page: Page) -> None:
    """A click in a plot, and Enter; the address has the times."""
    plot = page.locator(".u-over").nth(1)
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * (60 + 32.5) / 540, box["y"] + 20)
    shows_cards(page, "job 1")
    assert "state=succeeded&state=failed&where=finished_at" in page.url
    page.get_by_role("link", name="Charts").click()
    page.locator(".chart-plot").nth(1).focus()
    page.keyboard.press("End")
    for _ in range(7):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.locator("#found").get_by_text("found").wait_for()


def test_legends_and_tables_lead_to_jobs(page: Page) -> None:
    """As links, which the keyboard reaches."""
    page.locator(".chart").nth(1).get_by_role("link", name="failed").click()
    shows_cards(page, "job 8")
    page.get_by_role("link", name="Charts").click()
    page.locator("summary").nth(3).click()
    page.get_by_role("table").get_by_role("link", name="luma/ray-2").click()
    shows_cards(page, "job 1", "job 3", "job 5", "job 7")


def test_a_bin_shows_the_videos_that_took_so_long(page: Page) -> None:
    """Of its model only."""
    page.locator(".chart-plot").nth(3).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    shows_cards(page, "job 0", "job 2", "job 4", "job 6")


def test_a_cause_shows_its_jobs(page: Page) -> None:
    page.get_by_role("link", name="Failures").click()
    page.get_by_role("link", name="Show the jobs that failed so").click()
    shows_cards(page, "job 8")
    assert "where=cause" in page.url


def test_failures_are_counted_by_cause_and_model(new_page: Open, night: Browsed) -> None:
    """Each number leads to its jobs, the answer of the service is there in full."""
    with Store(night.path) as store:
        store.imports.add_jobs([make_spec("odd", model="google/veo2")], run=night.run, now=1.0)
    night.fail("no")  # the job that waits
    night.fail("code 3, as the service says it")
    with running(make_app(night.path, keys=Secrets())) as url:
        page = new_page(f"{url}/#/failures")
        table = page.get_by_role("region", name="Failed jobs by cause and model")
        table.wait_for()
        rows = [row.split("\t") for row in table.get_by_role("row").all_inner_texts()]
        assert rows == [
            ["Cause", "veo3", "veo2", "All"],
            ["the picture at URL is too small: N pixels", "1", "1", "2"],
            ["code N, as the service says it", "", "1", "1"],
            ["no", "1", "", "1"],
        ]
        page.get_by_text("The answer in full").nth(1).click()
        page.get_by_text("code 3, as the service says it", exact=True).wait_for()
        table.get_by_role("link", name="1 job: veo2, the picture").click()
        shows_cards(page, "refused 2")


def test_the_comparison_is_saved_as_a_table(new_page: Open, url: str) -> None:
    """With the numbers that it shows, and more of them."""
    page = new_page(f"{url}/#/compare")
    page.get_by_role("link", name="luma/ray-2").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "model.csv"
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_bytes().decode(), newline="")))
    assert [(row["value"], row["clips"], row["failed"], row["usd_per_clip"]) for row in rows] == [
        ("google/veo3", "4", "1", "1.5"),
        ("luma/ray-2", "4", "0", "1.5"),
    ]


def test_a_text_of_a_table_is_no_formula(new_page: Open, url: str) -> None:
    """Numbers stay numbers."""
    table = offer_modules(new_page(url)).evaluate("""async () => {
        const { csv } = await import("/modules/csv.js");
        return csv(["a", "b"], [{ a: '=1+1, "x"', b: -5 }, { a: null, b: true }]);
    }""")
    assert table == 'a,b\r\n"\'=1+1, ""x""",-5\r\n,true\r\n'


def test_a_row_of_the_comparison_shows_its_jobs(new_page: Open, url: str) -> None:
    """All that were finished, or the failed ones."""
    page = new_page(f"{url}/#/compare")
    page.get_by_role("link", name="1 failed", exact=True).click()
    shows_cards(page, "job 8")
    page.get_by_role("link", name="Compare").click()
    page.get_by_role("row").get_by_role("link", name="luma/ray-2").click()
    shows_cards(page, "job 1", "job 3", "job 5", "job 7")


def test_conditions_of_a_report_mean_what_they_mean_elsewhere(new_page: Open, url: str) -> None:
    """For texts with signs of the language too."""
    odd = 'says "a and b == 3" or \\ (nothing)'
    results = offer_modules(new_page(url)).evaluate(
        """async (odd) => {
            const { before, equals, isTrueOf, since } = await import("/modules/behind.js");
            const { utc } = await import("/modules/conditions.js");
            const job = { cause: odd, finished_at: 1795811161.25, held: null, model: "m" };
            const either = `(${since("finished_at", 1795811162)} or held == null)`;
            return [
                utc(1795811161.25),
                utc(1795811161),
                isTrueOf(`${equals("cause", odd)} and ${since("finished_at", 1795811161.25)}`, job),
                isTrueOf(`${before("finished_at", 1795811161.25)} and ${equals("cause", odd)}`, job),
                isTrueOf(`${equals("model", "m")} and ${either}`, job),
                isTrueOf(`${either} and ${equals("model", "n")}`, job),
                isTrueOf("model != 3", job),
                isTrueOf(equals("held", true), { held: true }),
            ];
        }""",
        odd,
    )
    assert results == ["2026-11-27T20:26:01.25", "2026-11-27T20:26:01", True, False, True, False, False, True]

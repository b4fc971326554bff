"""Times, money and models in words: one form over page, charts and report, the same cents as the terminal's."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from batchveo.cli import status_of
from batchveo.core.formatting import format_usd
from batchveo.provider.catalog import MODELS
from batchveo.sandbox.asgi_server import running
from batchveo.store import Store
from batchveo.web.app import make_app
from batchveo.web.security import Secrets
from batchveo.web.static_report import write_report
from tests.helpers.factories import make_spec
from tests.helpers.job_histories import Night as Life
from tests.web.conftest import Night, offer_modules

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
DIFFERENT = [
    471.835,
    1.005,
    2.675,
    0.125,
    0.375,
    8.345,
    1024.995,
    0.1 + 0.2,
    99.995,
    1_234_567.885,
    0.005,
    0.0,
    -0.125,
]
"""Sums of which half-even and half-up, binary and decimal rounding make different cents."""
TIME = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d{1,2} \w{3,4}(?: \d{4})? \d{2}:\d{2}(?::\d{2})?")
OTHER_TIME = re.compile(r"\b\w{3} \d{1,2}, \d{4}|\d{1,2}/\d{1,2}/\d{2,4}|\d{1,2}:\d{2}(?::\d{2})?\s?[AaPp][Mm]\b")


def test_the_page_rounds_money_as_the_terminal_does(new_page: Open, url: str) -> None:
    """To the cent, for the sums that tell ways of rounding apart and for many others."""
    sums = [
        *DIFFERENT,
        *(number * 0.015 for number in range(400)),
        *(number / 1000 for number in range(0, 9000, 5)),
    ]
    module = "(sums) => import('/modules/money.js').then((money) => sums.map(money.words))"
    assert offer_modules(new_page(url)).evaluate(module, sums) == [format_usd(usd) for usd in sums]


MODELS_IN_WORDS = {
    "google/veo3": "veo3",
    "google/veo-3.1-t2v-fast": "veo-3.1-t2v-fast",
    "luma/ray-2": "ray-2",
    "veo2": "veo2",
    "gen3a_turbo": "gen3a_turbo",
    "runway/act_two": "runway/act_two",
    "veo2/image-to-video": "veo2/image-to-video",
    "magic/image-to-video": "magic/image-to-video",
    "kling-video/v1.6/pro/image-to-video": "kling-video/v1.6/pro/image-to-video",
    "": "",
    "a/b/": "a/b/",
}


def test_a_model_without_its_maker_is_still_that_model(new_page: Open, url: str) -> None:
    """No two of the catalogue read the same."""
    names = [*MODELS_IN_WORDS, *MODELS]
    module = "(names) => import('/modules/words.js').then((words) => names.map(words.model))"
    words = offer_modules(new_page(url)).evaluate(module, names)
    assert dict(zip(names, words, strict=True)) | MODELS_IN_WORDS == dict(zip(names, words, strict=True))
    assert len(set(words)) == len(set(names))


def test_one_sum_reads_the_same_everywhere(new_page: Open, night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    """Terminal, page, charts and report, for a sum that ends in half a cent."""
    path = night.path.with_name("sums.db")
    with Store(path) as store:
        life = Life(store, [make_spec("a"), make_spec("b")], start=time.time() - 500.0)
        life.video(0, usd=400.0)
        life.video(70, usd=71.835)
        life.end(200)
        written = write_report(store, night.videos / "report.html", now=time.time())
    assert status_of(["status", "--state", str(path)]) == 0
    assert "$471.84" in capsys.readouterr().out
    with running(make_app(path, keys=Secrets())) as url:
        for address in (url, written.path.as_uri()):
            page = new_page(address)
            page.locator(".figures").get_by_text("$471.84").wait_for()
            page.get_by_role("link", name="Charts").click()
            page.get_by_text("$471.84 spent in this time").wait_for()
            page.close()


@pytest.mark.parametrize("locale", ["en-US", "de-DE", "ja-JP"])
def test_times_have_one_form_in_every_view(new_page: Open, url: str, night: Night, locale: str) -> None:
    """Whatever language the browser speaks; the report too."""
    with Store(night.path, writing=False) as store:
        written = write_report(store, night.videos / "report.html", now=time.time())
    page = new_page(url, locale=locale, timezone_id="Europe/Berlin")
    for base in (url, written.path.as_uri()):
        for view, shown in (
            ("videos", "time"),
            (f"job/{night.named('fox').id}", ".life li"),
            ("charts", ".chart-choice"),
        ):
            page.goto(f"{base}#/{view}")
            told = page.locator(shown).first
            told.wait_for()
            text = f"{told.get_attribute('title')} {told.inner_text()}"
            assert TIME.search(text), (view, text)
            assert not OTHER_TIME.search(page.locator("body").inner_text())


def test_what_is_near_is_told_by_its_distance(new_page: Open, url: str) -> None:
    """With the moment itself under the pointer."""
    told = offer_modules(new_page(url, timezone_id="Asia/Tokyo")).evaluate("""async () => {
        const { ago, moment } = await import("/modules/moments.js");
        const now = 1728079200;
        const distances = [59, 61, 3599, 3600, 86399, 86400, 90000, -30, -3600];
        const node = moment(now - 90000);
        return [distances.map((seconds) => ago(now - seconds, now)), node.title, node.dateTime];
    }""")
    assert told == [
        [
            *("just now", "1 min ago", "59 min ago", "1 h ago", "23 h ago"),
            *("Fri 4 Oct 2024 07:00", "Fri 4 Oct 2024 06:00", "just now", "Sat 5 Oct 2024 08:00"),
        ],
        "Fri 4 Oct 2024 06:00:00",
        "2024-10-03T21:00:00.000Z",
    ]


def test_a_day_of_another_year_has_its_year(new_page: Open, url: str) -> None:
    """Of this year it has none."""
    page = offer_modules(new_page(url, timezone_id="Asia/Tokyo"))
    long_ago, now = page.evaluate("""async () => {
        const { when } = await import("/modules/moments.js");
        return [when(1728079200), when(Date.now() / 1000)];
    }""")
    assert long_ago == "Sat 5 Oct 2024 07:00:00"
    assert re.fullmatch(r"\w{3} \d{1,2} \w{3,4} \d\d:\d\d:\d\d", now)
    later = page.evaluate("""async () => {
        const { hour } = await import("/modules/moments.js");
        return [hour(1728079200, 1728079100), hour(1728079200, 1728000000)];
    }""")
    assert later == ["07:00", "Sat 07:00"]

"""Finding jobs: counts that follow the search, a way out of an empty result, names that are told apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from batchveo.core.models import CatalogInfo
from batchveo.sandbox.asgi_server import running
from batchveo.store import Store
from batchveo.web.app import make_app
from batchveo.web.security import Secrets
from batchveo.web.static_report import write_report
from tests.helpers.factories import make_spec
from tests.web.conftest import Client, Night

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]


@pytest.mark.parametrize(
    ("query", "counts"),
    [
        ("q=refused", {"failed": 2}),
        ("q=refused&state=succeeded", {"failed": 2}),
        ("split=train", {"succeeded": 1}),
        ("q=zzz", {}),
        ("state=failed", {"succeeded": 2, "failed": 2, "in_doubt": 1, "pending": 1}),
        ("model=google/veo2", {"failed": 1}),
    ],
)
def test_what_fits_a_search_is_counted_by_state(client: Client, query: str, counts: dict[str, int] | None) -> None:
    """Whichever states are wanted."""
    assert client.get(f"/api/jobs?{query}").json()["counts"]["state"] == counts


@pytest.mark.parametrize("kind", ["page", "report"])
def test_the_counts_follow_the_search_and_it_can_be_cleared(new_page: Open, url: str, night: Night, kind: str) -> None:
    """On the page and in the report."""
    from playwright.sync_api import expect

    with Store(night.path, writing=False) as store:
        written = write_report(store, night.videos / "report.html", now=99.0)
    page = new_page(url if kind == "page" else written.path.as_uri())
    page.get_by_role("button", name="Done 2").wait_for()
    page.get_by_role("searchbox").fill("refused")
    page.get_by_role("button", name="Failed 2").wait_for()
    page.get_by_role("button", name="Done").wait_for(state="hidden")
    page.get_by_role("searchbox").fill("zzz")
    page.get_by_role("button", name="Clear the filters").click()
    page.get_by_role("button", name="Done 2").wait_for()
    assert page.get_by_role("searchbox").input_value() == ""
    expect(page.locator(".card")).to_have_count(6)  # cards are drawn a frame after their number is told


@pytest.mark.parametrize("kind", ["page", "report"])
def test_jobs_of_any_model_are_found_and_shown(new_page: Open, night: Night, kind: str) -> None:
    """By the whole name of the model; nested parameters on lines of their own, data URIs by their beginning."""
    frame = {"frame0": {"type": "image", "url": "https://e.org/x.png"}, "frame1": {"type": "generation", "id": "g-9"}}
    request = {"keyframes": frame, "image_list": [{"image_url": "data:image/png;base64," + "QUJD" * 50_000}]}
    models = ["veo2/image-to-video", "kling-video/v1.6/pro/image-to-video", "magic/image-to-video"]
    with Store(night.path) as store:
        specs = [make_spec(f"job of {n}", model=model, request=request) for n, model in enumerate(models)]
        specs[1] = replace(specs[1], unchecked=("keyframes", "image_list"))
        catalog = CatalogInfo(digest="0123456789ab")
        store.imports.add_jobs(specs, run=night.run, now=1.0, catalog=catalog, unknown=models[2:])
        written = write_report(store, night.videos / "report.html", now=99.0)
    assert written.bytes < 500_000
    with running(make_app(night.path, keys=Secrets())) as url:
        page = new_page(url if kind == "page" else written.path.as_uri())
        page.get_by_role("button", name="Filters").click()
        choice = page.get_by_label("Model", exact=True)
        choice.select_option(models[1])
        page.get_by_text("1 job found").wait_for()
        page.get_by_role("link", name="job of 1", exact=True).click()
        panel = page.locator("#job")
        panel.get_by_text("0123456789ab").wait_for()
        panel.get_by_text("keyframes, image_list").wait_for()
        panel.get_by_text("(no prompt)").wait_for()
        shown = panel.get_by_label("Request").inner_text()
    assert json.loads(shown)["keyframes"] == frame
    assert '    "frame0": {\n      "type": "image",' in shown
    assert "… (200,022 characters)" in shown
    assert len(shown) < 1_000


def test_long_names_are_cut_in_the_middle(new_page: Open, url: str, night: Night) -> None:
    """Their ends, by which they differ, are seen; they are read out whole."""
    names = [f"{'a red fox walks through fresh snow ' * 3}take {number:03}" for number in range(2)]
    night.add(*(make_spec(name, stem=f"take {number}") for number, name in enumerate(names)))
    page = new_page(f"{url}/#/videos?q=take")
    page.get_by_text("2 jobs found").wait_for()
    for name in names:
        link = page.get_by_role("link", name=name, exact=True)
        link.wait_for()
        ends = link.locator("span").last.bounding_box()
        card = page.locator(".card", has=link).bounding_box()
        assert ends is not None
        assert card is not None
        assert ends["x"] + ends["width"] < card["x"] + card["width"]
        assert link.locator("span").last.inner_text().endswith(name[-8:])

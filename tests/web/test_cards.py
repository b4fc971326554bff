"""Cards and filters of clips in several shapes, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchveo.core.models import JobSpec
from batchveo.sandbox.sample_clips import sample_video
from tests.helpers.factories import make_spec
from tests.web.conftest import Night, shows_cards

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]


def clip_spec(name: str, aspect: str, **meta: object) -> JobSpec:
    request = {"model": "google/veo3", "prompt": name, "aspect_ratio": aspect, "duration": 8, "resolution": "720p"}
    return make_spec(name, request={**request, "seed": 7}, meta=meta)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """Three upright clips and a wide one."""
    made = Night(tmp_path)
    made.add(
        *(clip_spec(f"portrait {n}", "9:16", style="ink", split="train") for n in range(3)),
        clip_spec("landscape", "16:9", style="clay"),
    )
    for portrait in (True, True, True, False):
        made.content = sample_video("sea", label="any", seconds=1, portrait=portrait)
        made.succeed()
    return made


def test_the_frame_of_cards_has_the_shape_of_the_clips(new_page: Open, url: str) -> None:
    """Nothing but the clip is in it, and it has its size before any picture is there."""
    page = new_page(f"{url}/#/videos?q=portrait")
    page.locator(".card").nth(2).wait_for()
    box = page.locator(".card-media").first.bounding_box()
    assert box is not None
    assert box["height"] / box["width"] == pytest.approx(16 / 9, abs=0.02)
    page.goto(f"{url}/#/videos?q=landscape")
    shows_cards(page, "landscape")
    box = page.locator(".card-media").first.bounding_box()
    assert box is not None
    assert box["height"] / box["width"] == pytest.approx(9 / 16, abs=0.02)


def test_a_clip_of_another_shape_stands_before_its_own_picture(new_page: Open, url: str) -> None:
    """Blurred, instead of bars."""
    page = new_page(url)
    page.locator(".card", has_text="landscape").locator(".card-backdrop").wait_for()
    assert page.locator(".card", has_text="portrait").locator(".card-backdrop").count() == 0


def test_a_card_names_length_picture_and_meta(new_page: Open, url: str) -> None:
    page = new_page(url)
    page.locator(".card", has_text="landscape").get_by_text("8 s · 720p · 16:9 · clay · seed 7").wait_for()


def test_a_filter_is_made_of_a_field_and_a_value(new_page: Open, url: str) -> None:
    """Of any key of meta, any parameter, a measure or a date; each can be taken back, and is in the address."""
    page = new_page(url)
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Field").select_option("meta.style")
    page.get_by_label("Value").fill("clay")
    page.get_by_role("button", name="Add filter").click()
    shows_cards(page, "landscape")
    assert "where=meta.style+%3D%3D+%22clay%22" in page.url
    page.get_by_label("Field").select_option("duration")
    page.get_by_label("Comparison").select_option("is at least")
    page.get_by_label("Value").fill("9")
    page.get_by_role("button", name="Add filter").click()
    page.get_by_text("Nothing matches.").wait_for()
    again = new_page(page.url)
    again.get_by_text("0 jobs found").wait_for()
    again.get_by_role("button", name="Remove the filter").click()
    again.locator(".card").nth(3).wait_for()
    again.get_by_label("Field").select_option("finished_at")
    again.get_by_label("Value").fill("2030-01-01T00:00")
    again.get_by_role("button", name="Add filter").click()
    again.get_by_text("0 jobs found").wait_for()
    again.get_by_role("button", name="Clear the filters").click()
    again.locator(".card").nth(3).wait_for()

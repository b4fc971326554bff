"""The panel of a job, the keys of the page, and the strip of what is in flight, in a real browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from batchveo.core.state_machine import Move
from batchveo.sandbox.asgi_server import running
from batchveo.store import Store
from batchveo.web.app import make_app
from batchveo.web.security import Secrets
from batchveo.web.static_report import write_report
from tests.helpers.factories import make_spec
from tests.web.conftest import Night, S, look_again
from tests.web.test_gallery import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
WORDS = {"model": "google/veo3", "prompt": "a fox", "seed": 7, "duration": 8}


@pytest.fixture
def url(night: Night) -> Iterator[str]:
    night.add(make_spec("withheld", model="google/veo-3.1-t2v-fast", request={**WORDS, "model": MODEL}))
    with Store(night.path) as store:
        (job,) = store.queries.find_jobs("withheld")
        lost = {"error": "withheld", "finished_at": 9.0}
        job = store.transitions.claim_job(run=night.run, now=2.0, price=lambda _: 1.0) or job
        while job.name != "withheld":
            store.transitions.apply_move(job, Move(to=S.FAILED, set=lost), run=night.run, now=5.0)
            job = store.transitions.claim_job(run=night.run, now=2.0, price=lambda _: 1.0) or job
        store.transitions.apply_move(
            job, Move(to=S.FAILED, detail="withheld", released=True, set=lost), run=night.run, now=9.8
        )
    with running(make_app(night.path, keys=Secrets())) as url:
        yield url


MODEL = "google/veo-3.1-t2v-fast"


def open_job(new_page: Open, url: str, night: Night, name: str) -> Page:
    page = new_page(f"{url}/#/job/{night.named(name).id}")
    page.get_by_role("dialog", name=name).wait_for()
    return page


def test_times_are_relative_and_have_the_moment_under_the_pointer(new_page: Open, url: str, night: Night) -> None:
    page = open_job(new_page, url, night, "withheld")
    panel = page.get_by_role("dialog", name="withheld")
    for title in ("Details", "History", "Request"):
        panel.get_by_role("heading", name=title, exact=True).wait_for()
    step = panel.locator(".life time", has_text="+7.8 s")
    assert step.get_attribute("title").endswith(":09")  # type: ignore[union-attr]
    assert step.get_attribute("datetime") == "1970-01-01T00:00:09.800Z"


def test_prompt_path_and_command_are_copied(new_page: Open, url: str, night: Night) -> None:
    page = open_job(new_page, url, night, "withheld")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the prompt").click()
    page.get_by_text("Prompt copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "a fox"
    page.get_by_role("button", name="Copy the command").click()
    page.get_by_text("Command copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == f"batchveo retry withheld --state {night.path}"


def test_the_prompt_of_a_failed_job_is_edited_and_tried_again(new_page: Open, url: str, night: Night) -> None:
    """After a question with the price; the new job takes the place of the old one."""
    page = open_job(new_page, url, night, "withheld")
    page.get_by_role("button", name="Edit the prompt").click()
    question = page.get_by_role("dialog", name="Another prompt")
    question.get_by_text("Its price is not known.").wait_for()
    question.get_by_label("Prompt").fill("a gentle fox")
    question.get_by_role("button", name="Retry with this prompt").click()
    page.get_by_text("A job with the other prompt is pending.").wait_for()
    with Store(night.path, writing=False) as store:
        jobs = {(job.state.value, job.prompt) for job in store.jobs() if job.name == "withheld"}
    assert jobs == {("cancelled", "a fox"), ("pending", "a gentle fox")}


def test_three_more_takes_are_added_after_a_question(new_page: Open, url: str, night: Night) -> None:
    """Each with a seed of its own."""
    page = open_job(new_page, url, night, "withheld")
    page.get_by_role("button", name="3 more takes").click()
    question = page.get_by_role("dialog", name="3 more takes")
    question.get_by_role("button", name="Add 3 takes").click()
    page.get_by_text("3 takes added.").wait_for()
    with Store(night.path, writing=False) as store:
        takes = [job for job in store.jobs(S.PENDING) if job.take_of == night.named("withheld").seq]
        assert len({job.request["seed"] for job in takes} | {7}) == 4


def test_a_double_click_asks_one_question(new_page: Open, url: str, night: Night) -> None:
    """One yes adds three takes, not six."""
    page = open_job(new_page, url, night, "withheld")
    page.get_by_role("button", name="3 more takes").dblclick()
    page.get_by_role("dialog", name="3 more takes").get_by_role("button", name="Add 3 takes").click()
    page.get_by_text("3 takes added.").wait_for()
    page.wait_for_load_state("networkidle")
    with Store(night.path, writing=False) as store:
        assert len([job for job in store.jobs(S.PENDING) if job.take_of is not None]) == 3


def test_the_keys_of_a_job_work_after_it_has_changed(new_page: Open, url: str, night: Night) -> None:
    """Its buttons are new ones then: the focus is not left behind them."""
    page = new_page(url)
    page.locator(".card").nth(6).wait_for()
    page.locator(".card-link", has_text="withheld").click()
    panel = page.get_by_role("dialog", name="withheld", exact=True)
    panel.get_by_role("button", name="Retry").click()
    page.get_by_role("dialog", name="Retry “withheld”?").get_by_role("button", name="Retry").click()
    panel.get_by_text("Waits for its turn to be submitted.").wait_for()
    page.keyboard.press("k")
    page.get_by_role("dialog", name="waiting").wait_for()


def test_the_arrows_choose_a_speed(new_page: Open, url: str, night: Night) -> None:
    """They do not go to the next job."""
    page = new_page(url)
    page.locator(".card").nth(6).wait_for()
    page.locator(".card-link", has_text="fox").click()
    speed = page.get_by_label("Speed")
    speed.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("dialog", name="fox").wait_for()
    assert speed.input_value() == "1.5"


def test_a_name_does_not_turn_a_question_around(new_page: Open, url: str, night: Night) -> None:
    """A mark that reverses what follows would hide what is asked."""
    night.add(make_spec("\u202eabc\u2067"))
    page = open_job(new_page, url, night, "\u202eabc\u2067")
    page.get_by_role("button", name="Cancel the job").click()
    assert page.locator("#ask-title").text_content() == "Cancel “abc”?"


def test_a_video_is_shown_without_bars_and_stepped_frame_by_frame(new_page: Open, url: str, night: Night) -> None:
    """By buttons and keys; the speed and the repetition too."""
    page = open_job(new_page, url, night, "fox")
    until(page, "() => document.querySelector('#job video').readyState >= 2")
    box = page.locator("#job video").bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(320 / 180, abs=0.02)
    page.keyboard.press(".")
    until(page, "() => document.querySelector('#job video').currentTime > 0")
    page.keyboard.press(">")
    assert page.evaluate("document.querySelector('#job video').playbackRate") == 1.5
    page.keyboard.press("l")
    assert page.evaluate("document.querySelector('#job video').loop") is False
    page.get_by_role("button", name="Repeat").click()
    assert page.evaluate("document.querySelector('#job video').loop") is True
    with page.expect_download() as found:
        page.get_by_role("link", name="Download").click()
    assert found.value.suggested_filename == "fox.mp4"


def test_keys_move_search_select_and_are_listed(new_page: Open, url: str) -> None:
    """They do nothing while one types, and can be switched off."""
    page = new_page(url)
    page.locator(".card").nth(6).wait_for()
    for _ in range(3):
        page.keyboard.press("j")
    page.keyboard.press("k")
    until(page, "() => document.activeElement.closest('.card')?.getAttribute('aria-posinset') === '2'")
    page.keyboard.press("x")
    page.get_by_text("1 selected").first.wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("region", name="Selected jobs").wait_for(state="hidden")
    page.keyboard.press("/")
    page.keyboard.type("fox j")
    assert page.get_by_role("searchbox").input_value() == "fox j"
    page.locator("#show-keys").click()
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    dialog.get_by_text("Play, stop the video in focus").wait_for()
    dialog.get_by_label("Use single keys").uncheck()
    page.keyboard.press("Escape")
    page.locator("#theme").focus()
    page.keyboard.press("?")
    assert dialog.is_hidden()
    page.goto(f"{url}/#/videos")
    page.reload()
    page.locator(".card").first.wait_for()
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.closest('.card')") is None


def test_what_is_in_flight_is_shown_with_its_time(new_page: Open, url: str, night: Night) -> None:
    """As long as a run is going on."""
    night.add(make_spec("on its way"))
    now = time.time()
    with Store(night.path) as store:
        run = store.runs.begin_run(command="run", service="https://s.example", now=now)
        job = store.transitions.claim_job(run=night.run, now=now)
        assert job is not None
        begun = {"generation_id": "g-77", "submitted_at": now - 30}
        store.transitions.apply_move(job, Move(to=S.GENERATING, set=begun), run=run, now=now)
        page = new_page(url)
        strip = page.get_by_role("region", name="In flight")
        strip.get_by_text("In flight: 1").wait_for()
        assert "usually 58 s" in strip.locator("li", has_text="on its way").inner_text()
        store.runs.end_run(run, status=0, now=now)
        look_again(page)
        strip.wait_for(state="hidden")


def test_a_report_names_no_command(night: Night) -> None:
    """It has a path of this machine."""
    with Store(night.path, writing=False) as store:
        text = write_report(store, night.videos / "report.html", now=99.0).path.read_text()
    assert "batchveo retry" not in text

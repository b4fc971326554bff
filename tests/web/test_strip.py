"""The strip of a chain, and the film that plays it through, in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("av", reason="the clips are made by the extra media")

from batchveo.core.models import Job
from batchveo.operations.further_takes import add_takes, plan_takes
from batchveo.provider.catalog import MODELS
from batchveo.sandbox.asgi_server import running
from batchveo.store import Store
from batchveo.web.app import make_app
from batchveo.web.security import Secrets
from batchveo.web.static_report import write_report
from tests.helpers.chains import make_chain, make_link
from tests.helpers.video_clips import MOVING, STILL, TONE, write_clip
from tests.web.conftest import HOSTILE, Night, look_again
from tests.web.test_gallery import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
FPS = 12
WATCH = """
    window.shown = [];
    const note = (video, what) => window.shown.push([new URL(video.src).pathname.split("/").pop(), what]);
    document.addEventListener("playing", ({ target }) => {
        if (!target.matches(".film-video")) return;
        note(target, "playing");
    }, true);
    document.addEventListener("ended", ({ target }) => note(target, "ended"), true);
"""
"""Notes what the film's two elements do; media events do not bubble, but are captured."""
AT = "() => [...document.querySelectorAll('.film-video')].find((video) => video.matches('.front'))?.currentTime"


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """A chain of four short clips with sound: red, then others, of which the last is not made."""
    night = Night(tmp_path)
    night.content = write_clip(tmp_path / "clip.mp4", [(MOVING, 0.5)], [(TONE, 0.5)], fps=FPS).read_bytes()
    shots = make_chain(4)
    night.add(*shots, make_link(f"side {HOSTILE}", {"last": shots[1]}))
    for _ in range(3):
        make_next(night)
    return night


@pytest.fixture
def url(night: Night) -> Iterator[str]:
    with running(make_app(night.path, keys=Secrets())) as url:
        yield url


def make_next(night: Night) -> Job:
    """The next job, and the links of those that wait for its video are filled."""
    job = night.succeed()
    with Store(night.path) as store:
        for link in store.links.list_open_links(job.seq):
            store.links.fill_text(link, job, "x", run=night.run, now=70.0)
    return job


def open_job(new_page: Open, url: str, night: Night, name: str) -> Page:
    page = new_page(f"{url}/#/job/{night.named(name).id}")
    page.locator(".strip-link[aria-current]").wait_for()
    return page


def play_film(page: Page) -> list[list[str]]:
    """Play from the beginning until it stops; what was shown, by the names of the files."""
    page.evaluate(WATCH)
    page.get_by_role("button", name="Play the chain").click()
    page.locator(".film-said:not(:empty)").wait_for()
    return page.evaluate("window.shown")  # type: ignore[no-any-return]


def test_the_film_plays_all_links_one_after_the_other(new_page: Open, url: str, night: Night) -> None:
    """To the end; the marks go along, and the panel stays with its job."""
    make_next(night)
    page = open_job(new_page, url, night, "shot 1")
    page.evaluate("""() => {
        window.marks = [];
        new MutationObserver(() => {
            const name = document.querySelector(".playing b")?.textContent;
            if (name && marks.at(-1) !== name) marks.push(name);
        }).observe(document.querySelector(".strip-list"), { subtree: true, attributes: true });
    }""")
    shown = play_film(page)
    ids = [f"{night.named(f'shot {number}').id}.mp4" for number in range(4)]
    assert [name for name, what in shown if what == "ended"] == ids
    assert page.locator(".film-said").text_content() == "The end of the chain."
    assert page.evaluate("marks") == ["1", "2", "3", "4"]
    assert page.locator("#job-title").get_attribute("title") == "shot 1"
    page.keyboard.press(" ")  # once more, from the beginning
    page.locator(".film-said:not(:empty)").wait_for()
    assert [name for name, what in page.evaluate("window.shown") if what == "ended"] == ids * 2


def test_a_clip_begins_after_the_frame_that_it_repeats(new_page: Open, url: str, night: Night) -> None:
    """The second and later ones begin at their second frame."""
    page = open_job(new_page, url, night, "shot 0")
    page.evaluate("""() => {
        window.begins = [];
        document.addEventListener("play", ({ target }) => begins.push(target.currentTime > 0), true);
    }""")
    play_film(page)
    assert page.evaluate("begins.slice(0, 3)") == [False, True, True]


def test_the_film_stops_before_a_missing_link_with_a_word(new_page: Open, url: str, night: Night) -> None:
    """And continues from there once it has come."""
    page = open_job(new_page, url, night, "shot 0")
    shown = play_film(page)
    assert len([what for _, what in shown if what == "ended"]) == 3
    said = page.locator(".film-said")
    assert "The film stops before link 4, shot 3: Pending." in str(said.text_content())
    make_next(night)
    look_again(page)
    page.locator(".strip-link[aria-label='Link 4: shot 3, Done']").wait_for()
    page.get_by_role("button", name="Play", exact=True).click()
    page.get_by_text("The end of the chain.").wait_for()
    assert [name for name, what in page.evaluate("window.shown") if what == "ended"][3:] == [
        f"{night.named('shot 3').id}.mp4"
    ]


def test_a_position_anywhere_in_the_chain_is_reached(new_page: Open, url: str, night: Night) -> None:
    """By the keyboard too; Space plays and pauses."""
    page = open_job(new_page, url, night, "shot 0")
    play_film(page)
    seek = page.get_by_role("slider", name="Position in the chain")
    seek.focus()
    page.keyboard.press("Home")
    until(page, "() => document.querySelector('.playing b').textContent === '1'")
    seek.fill("0.7")
    until(page, "() => document.querySelector('.playing b').textContent === '2'")
    assert str(seek.get_attribute("aria-valuetext")).startswith("Link 2 of 4")
    until(page, f"() => ({AT})() > 0.2")
    page.get_by_role("button", name="Close the film").click()
    page.get_by_role("button", name="Play the chain").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Play the chain"
    assert page.locator(".player video[controls]").count() == 1
    assert page.locator(".playing").count() == 0


def test_the_strip_is_one_stop_of_the_keyboard(new_page: Open, url: str, night: Night) -> None:
    """Arrows go from link to link, Enter goes to one; the next job of the gallery is not meant."""
    page = open_job(new_page, url, night, "shot 1")
    assert page.locator(".strip-link[tabindex='0']").count() == 1
    page.locator(".strip-link[aria-current]").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Link 3: shot 2, Done"
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Link 4: shot 3, Pending"
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="shot 3").wait_for()
    until(page, "() => document.querySelector('.strip-link[aria-current] b').textContent === '4'")


def test_the_focus_stays_on_a_link_while_the_strip_fills(new_page: Open, url: str, night: Night) -> None:
    """During a run: what comes is shown in its place, with its picture."""
    page = open_job(new_page, url, night, "shot 0")
    page.locator(".strip-link").nth(3).focus()
    page.locator(".strip-link").nth(3).locator(".strip-sign", has_text="Pending").wait_for()
    make_next(night)
    look_again(page)
    page.locator(".strip-link").nth(3).locator("img, video").wait_for()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Link 4: shot 3, Done"


def test_a_blocked_link_says_why_and_leads_to_the_cause(new_page: Open, url: str, night: Night) -> None:
    """In the panel, on its card and in the list; a filter finds it."""
    night.fail("refused")  # the side branch, or the next link: whichever is claimed first
    states = night.states()
    failed = next(name for name, state in states.items() if state == "failed")
    night.add(make_link("after it", {"last": make_link(failed, {"last": make_chain(2)[1]})}))
    page = new_page(f"{url}/#/videos?waits=blocked&as=list")
    page.locator(".card-why", has_text=f"{failed} failed").wait_for()
    page.get_by_role("button", name="Blocked 1").wait_for()
    page.locator(".card-link").click()
    panel = page.get_by_role("dialog", name="after it")
    panel.get_by_text(f"Needs the video of {failed}, which failed.").wait_for()
    panel.get_by_role("link", name="Open that job").click()
    page.get_by_role("dialog", name=failed[:20]).wait_for()


def test_hostile_names_are_texts_in_the_strip(new_page: Open, url: str, night: Night) -> None:
    """On its links, its branches, and in what the film says."""
    page = open_job(new_page, url, night, "shot 0")
    assert HOSTILE in str(page.locator(".strip-beside").text_content())
    page.locator(".strip-beside a").click()
    until(page, "() => document.querySelector('.strip-link[aria-current]')?.title.startsWith('side')")
    shown = play_film(page)
    assert len([what for _, what in shown if what == "ended"]) == 2
    assert HOSTILE.strip() in str(page.locator(".film-said").text_content())
    assert page.title() != "owned"
    assert page.locator(".panel script, .panel img[src='x']").count() == 0


def test_of_two_hundred_links_those_in_sight_have_pictures(new_page: Open, url: str, night: Night) -> None:
    """The one that is shown is in sight; both ends are reached."""
    night.add(*make_chain(200, "long"))
    page = open_job(new_page, url, night, "long 100")
    assert page.locator(".strip-link").count() == 200
    current = page.locator(".strip-link[aria-current]")
    current.locator(".strip-sign").wait_for()
    box, strip = current.bounding_box(), page.locator(".strip-list").bounding_box()
    assert box is not None
    assert strip is not None
    assert strip["x"] <= box["x"] <= strip["x"] + strip["width"] - box["width"]
    assert page.locator(".strip-sign").count() < 50
    current.focus()
    page.keyboard.press("Home")
    page.locator(".strip-link").first.locator(".strip-sign", has_text="Pending").wait_for()


def test_a_chain_is_looked_at_in_the_gallery(new_page: Open, url: str, night: Night) -> None:
    """From the strip; the filter is named by the first job of the chain."""
    night.add(*make_chain(2, "other"))
    page = open_job(new_page, url, night, "shot 2")
    page.get_by_role("link", name="Show the chain in the gallery").click()
    page.get_by_text("5 jobs found").wait_for()
    page.get_by_role("button", name="Remove the filter Chain of shot 0").wait_for()
    page.locator(".group-title", has_text="shot 0 chain, 5 jobs").wait_for()
    page.locator(".card-clip", has_text="Link 4").wait_for()


def test_a_report_shows_chains_in_order_and_plays_them(new_page: Open, night: Night, tmp_path: Path) -> None:
    """As the page does, without a server."""
    make_next(night)
    night.add(*make_chain(2, "other"))
    with Store(night.path, writing=False) as store:
        report = write_report(store, night.videos / "report.html", now=99.0)
    page = new_page(report.path.as_uri())
    page.locator(".group-title", has_text="shot 0 chain, 5 jobs").wait_for()
    page.goto(f"{report.path.as_uri()}#/job/{night.named('shot 1').id}")
    page.get_by_text("m.yaml, line 1").wait_for()
    assert page.locator(".strip-link").count() == 4
    shown = play_film(page)
    assert len([what for _, what in shown if what == "ended"]) == 4
    page.goto(f"{report.path.as_uri()}#/videos?waits=waiting")
    page.get_by_text("1 job found").wait_for()


def test_a_question_about_a_link_says_what_becomes_of_the_next(new_page: Open, url: str, night: Night) -> None:
    """Cancelled, they are blocked; retried, they go on; those that were made can be made anew."""
    chain = make_chain(3, "long")
    night.cancel_pending()
    night.add(*chain)
    page = open_job(new_page, url, night, "long 0")
    page.get_by_role("button", name="Cancel the job").click()
    question = page.get_by_role("dialog", name="Cancel “long 0”?")
    question.get_by_text("2 jobs of the chain are blocked then, until it is made again.").wait_for()
    question.get_by_role("button", name="Cancel the job").click()
    page.locator(".strip-sign", has_text="Blocked").nth(1).wait_for()
    page.get_by_role("button", name="Retry").click()
    question = page.get_by_role("dialog", name="Retry “long 0”?")
    question.get_by_text("2 jobs of the chain wait for this, and are made afterwards.").wait_for()
    question.get_by_role("button", name="Retry").click()
    page.locator(".strip-sign", has_text="Waiting").nth(1).wait_for()


def test_a_link_and_what_follows_are_made_anew(new_page: Open, url: str, night: Night) -> None:
    """After a question with the number of videos; the last link has nothing that follows."""
    night.cancel_pending()
    page = open_job(new_page, url, night, "shot 1")
    page.get_by_role("button", name="Make anew from here").click()
    question = page.get_by_role("dialog", name="Make “shot 1” and what follows anew?")
    question.get_by_role("button", name="Make 4 videos").click()  # the cancelled ones are made again
    page.get_by_text("4 videos are to be made anew.").wait_for()
    assert night.states()["shot 1-take2"] == "pending"


def test_a_retry_leaves_what_was_made_before_or_makes_it_anew(new_page: Open, url: str, night: Night) -> None:
    """The question names how many jobs that are, and what making them anew costs."""
    night.cancel_pending()
    with Store(night.path) as store:
        (take,) = add_takes(store, plan_takes(store, [night.named("shot 1")], 1, catalog=MODELS), now=2.0)
    night.fail("refused")
    page = open_job(new_page, url, night, take.name)
    page.get_by_role("button", name="Retry").click()
    question = page.get_by_role("dialog", name=f"Retry “{take.name}”?")
    question.get_by_text("1 job was made from an earlier video:").wait_for()
    question.get_by_label("Make all that follows anew as well: 4 videos.").check()
    question.get_by_role("button", name="Retry").click()
    page.get_by_text("4 videos are to be made anew.").wait_for()
    assert {state for name, state in night.states().items() if "take" in name} == {"failed", "pending"}


@pytest.mark.parametrize(("picture", "begin"), [(MOVING, 0.5), (STILL, 0.0)])
def test_of_an_extended_clip_only_what_is_new_is_shown(
    new_page: Open, url: str, night: Night, tmp_path: Path, picture: str, begin: float
) -> None:
    """If it begins with all of the one before; a model may return what is new only."""
    first = make_link("first", {})
    night.cancel_pending()
    night.add(first, make_link("longer", {"video": first}))
    make_next(night)
    night.content = write_clip(tmp_path / "longer.mp4", [(picture, 1.0)], fps=FPS).read_bytes()
    make_next(night)
    page = open_job(new_page, url, night, "first")
    page.evaluate("""() => {
        window.begins = [];
        document.addEventListener("play", ({ target }) => begins.push(target.currentTime), true);
    }""")
    shown = play_film(page)
    assert len([what for _, what in shown if what == "ended"]) == 2
    assert page.evaluate("begins[1]") == pytest.approx(begin, abs=0.06)

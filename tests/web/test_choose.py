"""Choosing in a real browser: by keys alone, played in step, blind; the comparison and the filters beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from batchveo.core.gates import Judgement, Verdict
from batchveo.core.votes import Vote, VoteKind
from batchveo.sandbox.sample_clips import sample_video
from batchveo.store import Store
from tests.helpers.factories import make_spec
from tests.web.conftest import Night, shows_cards
from tests.web.test_browser import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open = Callable[..., "Page"]
K = VoteKind
TIMES = "[...document.querySelectorAll('.take video')].map((video) => video.currentTime)"
READY = "[...document.querySelectorAll('.take video')].every((video) => video.readyState >= 3)"


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """Three prompts: of the first two two clips, of 3 and 5 seconds; of the last four."""
    made = Night(tmp_path)
    for prompt, clips in (("fox", 2), ("owl", 2), ("elk", 4)):
        for number in range(clips):
            model = ("google/veo2", "google/veo3")[number % 2]
            made.content = sample_video("sea", label=f"{prompt} {number}", seconds=3 + 2 * (number % 2), portrait=False)
            request = {"model": model, "prompt": f"a {prompt}", "seed": number // 2}
            made.add(make_spec(f"{prompt}-{number}", model=model, request=request))
            made.succeed()
    return made


def votes(night: Night) -> list[Vote]:
    with Store(night.path, writing=False) as store:
        return list(store.votes.list_votes())


def open_as(new_page: Open, url: str, person: str, address: str = "", **settings: Any) -> Page:
    """The page of a person who has said a name before."""
    page = new_page(f"{url}/#/charts", **settings)
    page.evaluate(f"localStorage.setItem('batchveo-person', '{person}')")
    page.goto(f"{url}/#/choose{address}")
    page.reload()
    page.locator(".take").first.wait_for()
    return page


def prompt_shown(page: Page, text: str) -> None:
    page.get_by_role("heading", level=2, name=text).wait_for()


def test_keys_alone_choose_among_two_and_among_four(new_page: Open, url: str, night: Night) -> None:
    """The name is asked once; a comparison goes on to the next group, picks and ratings stay."""
    page = new_page(f"{url}/#/choose")
    prompt_shown(page, "a fox")
    page.keyboard.press("ArrowRight")
    page.get_by_label("Your name").fill("Ann")
    page.keyboard.press("Enter")
    prompt_shown(page, "a owl")
    page.keyboard.press("b")
    prompt_shown(page, "a elk")
    page.get_by_text("2 of 3 chosen").wait_for()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("p")
    page.locator(".take.active").get_by_text("You picked it").wait_for()
    page.keyboard.press("4")
    page.locator(".take.active").get_by_text("you rated it 4").wait_for()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("x")
    page.locator(".take.active").get_by_text("You rejected it").wait_for()
    page.get_by_text("3 of 3 chosen").wait_for()
    elks = tuple(night.named(f"elk-{number}").seq for number in range(4))
    assert [(vote.kind, vote.job, vote.other, vote.rating) for vote in votes(night)] == [
        (K.BETTER, 2, 1, None),
        (K.BOTH_BAD, 3, 4, None),
        (K.PICK, elks[2], None, None),
        (K.RATE, elks[2], None, 4),
        (K.REJECT, elks[1], None, None),
    ]
    assert {vote.person for vote in votes(night)} == {"Ann"}
    assert votes(night)[-1].shown == elks


def test_buttons_do_what_the_keys_do_and_keep_the_focus(new_page: Open, url: str, night: Night) -> None:
    """Also on a clip that was not in focus before."""
    page = open_as(new_page, url, "Ann", f"?group={night.named('elk-0').id}")
    third = page.locator(".take").nth(2)
    third.get_by_role("button", name="Reject").click()
    third.get_by_text("You rejected it").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Reject"
    third.get_by_role("button", name="5 of 5").click()
    third.get_by_text("you rated it 5").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Your latest vote is undone.").wait_for()
    page.get_by_role("button", name="Previous").click()
    page.get_by_role("button", name="Right is better").click()
    prompt_shown(page, "a elk")
    assert [(vote.kind, vote.job) for vote in votes(night)] == [(K.REJECT, 7), (K.BETTER, 4)]


def test_undo_goes_back_to_the_clip_that_it_was_about(new_page: Open, url: str, night: Night) -> None:
    page = open_as(new_page, url, "Ann")
    prompt_shown(page, "a fox")
    page.keyboard.press("ArrowLeft")
    prompt_shown(page, "a owl")
    page.keyboard.press("u")
    prompt_shown(page, "a fox")
    page.get_by_text("0 of 3 chosen").wait_for()
    assert votes(night) == []
    page.keyboard.press("n")
    prompt_shown(page, "a owl")
    page.keyboard.press("Shift+N")
    prompt_shown(page, "a fox")


def test_the_keys_are_shown_and_do_nothing_meanwhile(new_page: Open, url: str, night: Night) -> None:
    page = open_as(new_page, url, "Ann")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    dialog.get_by_text("Of two clips: both are bad").wait_for()
    page.keyboard.press("b")
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    page.get_by_label("Condition", exact=True).nth(1).fill("b p x 1")
    assert votes(night) == []
    prompt_shown(page, "a fox")


def test_clips_play_in_step_and_one_is_heard(new_page: Open, url: str) -> None:
    """A shorter one waits at its end; a seek moves all."""
    page = open_as(new_page, url, "Ann")
    until(page, READY)
    until(page, f"Math.min(...{TIMES}) > 0.3")
    first, second = page.evaluate(TIMES)
    assert abs(first - second) < 0.3
    assert page.evaluate("[...document.querySelectorAll('.take video')].map((video) => video.muted)") == [True, True]
    page.keyboard.press("m")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("[...document.querySelectorAll('.take video')].map((video) => video.muted)") == [True, False]
    page.keyboard.press(" ")
    page.get_by_role("button", name="Play").wait_for()
    seek = page.get_by_role("slider", name="Time")
    seek.evaluate("(node) => { node.value = 1.5; node.dispatchEvent(new Event('input')); }")
    assert page.evaluate(TIMES) == pytest.approx([1.5, 1.5], abs=0.05)
    seek.evaluate("(node) => { node.value = 4.5; node.dispatchEvent(new Event('input')); }")
    short, long = page.evaluate(TIMES)
    assert short < 3.2 < long == pytest.approx(4.5, abs=0.05)
    page.keyboard.press(" ")
    until(page, f"{TIMES}[1] < 1.2")  # from the beginning again, all of them
    until(page, f"Math.abs({TIMES}[0] - {TIMES}[1]) < 0.3 && {TIMES}[0] > 0.2")


def test_blind_hides_what_tells_clips_apart_and_records_the_order_on_the_screen(
    new_page: Open, url: str, night: Night
) -> None:
    """Of 4 clips one order in 24 is that of the manifest: at least one of five visits has another one."""
    orders = set()
    for visit in range(5):
        page = open_as(new_page, url, f"Ann {visit}", f"?blind=1&group={night.named('elk-0').id}")
        assert page.locator(".take h3").all_inner_texts() == ["Clip A", "Clip B", "Clip C", "Clip D"]
        text = "".join(page.locator(".choose-head, .takes").evaluate_all("nodes => nodes.map(n => n.innerHTML)"))
        for told in ("veo2", "veo3", "elk-", "seed", "$"):
            assert told not in text
        page.keyboard.press("2")
        page.locator(".take").first.get_by_text("You rated it 2").wait_for()
        vote = votes(night)[-1]
        shown = page.locator(".take video").evaluate_all("videos => videos.map((video) => video.getAttribute('src'))")
        with Store(night.path, writing=False) as store:
            assert shown == [f"/videos/{store.queries.read_job(seq).id}.mp4" for seq in vote.shown]
        assert (vote.blind, vote.job) == (True, vote.shown[0])
        orders.add(vote.shown)
        page.close()
    assert len(orders) > 1


def test_groups_follow_the_axis_and_the_condition_in_the_address(new_page: Open, url: str, night: Night) -> None:
    """Which can be sent to others, and gone back to after a job was looked at."""
    page = open_as(new_page, url, "Ann")
    page.get_by_label("Group by").select_option("seed")
    prompt_shown(page, "a elk")
    page.get_by_text("Group 1 of 2 ·").wait_for()
    condition = page.locator("#choose").get_by_label("Condition")
    condition.fill('model == "google/veo3"')
    condition.press("Enter")
    page.get_by_text("Group 1 of 1 ·").wait_for()
    assert "by=seed" in page.url
    page.get_by_role("link", name="elk-1").click()
    page.get_by_role("dialog", name="elk-1").wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("Group 1 of 1 ·").wait_for()
    assert f"group={night.named('elk-1').id}" in page.url


def test_a_condition_that_cannot_be_read_is_explained_below_it(browser_page: Page, url: str) -> None:
    """In the gallery too, where the cards of before stay."""
    page = browser_page
    page.goto(f"{url}/#/choose?where=sed+%3D%3D+1")
    page.locator("#choose").get_by_role("alert").get_by_text("did you mean seed").wait_for()
    page.goto(f"{url}/#/videos")
    page.locator(".card").nth(7).wait_for()
    page.get_by_role("button", name="Filters").click()
    condition = page.locator("#filters").get_by_label("Condition")
    condition.fill("seed > 0 an")
    condition.press("Enter")
    page.locator("#filters").get_by_role("alert").get_by_text("an is not expected here").wait_for()
    assert page.locator(".card").count() == 8
    condition.fill("seed > 0")
    condition.press("Enter")
    shows_cards(page, "elk-2", "elk-3")
    assert page.locator("#filters").get_by_role("alert").count() == 0


def test_the_gallery_shows_and_filters_what_gates_and_people_say(new_page: Open, url: str, night: Night) -> None:
    with Store(night.path) as store:
        store.votes.record_vote(Vote(person="ann", kind=K.PICK, job=1, at=5.0))
        store.votes.record_vote(Vote(person="bob", kind=K.RATE, rating=4, job=1, at=6.0))
        rejected = Judgement(verdict=Verdict.REJECTED, gate="cuts == 0", values={"cuts": 3})
        store.verdicts.record_verdict(store.queries.read_job(2), rejected, run=night.run, now=5.0)
    page = new_page(f"{url}/#/videos")
    page.locator(".card", has_text="fox-0").get_by_text("Picked · 4 of 5").wait_for()
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Verdict").select_option("Rejected by a gate")
    shows_cards(page, "fox-1")
    assert page.url.endswith("?gate=rejected")
    page.locator(".card").get_by_text("Gate failed").wait_for()
    page.locator(".card-link").click()
    panel = page.get_by_role("dialog", name="fox-1")
    panel.get_by_text("cuts is 3").wait_for()
    page.goto(f"{url}/#/job/{night.named('fox-0').id}")
    page.get_by_role("dialog", name="fox-0").get_by_text("rated it 4 of 5").wait_for()


def test_the_comparison_is_a_table_of_any_field(new_page: Open, url: str, night: Night) -> None:
    with Store(night.path) as store:
        for winner, loser in ((2, 1), (4, 3), (6, 5)):
            store.votes.record_vote(Vote(person="ann", kind=K.BETTER, job=winner, other=loser))
    page = new_page(f"{url}/#/compare")
    row = page.get_by_role("row", name="google/veo3")
    assert "4" in row.locator("td").first.inner_text()
    assert "%" in row.locator("td").last.inner_text()
    page.get_by_text("Too few votes").wait_for()
    page.get_by_label("Compare by").fill("seed")
    page.get_by_label("Compare by").press("Enter")
    page.get_by_role("row", name="1", exact=False).first.wait_for()
    assert page.url.endswith("#/compare?by=seed")


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (1800, "dark")])
def test_nothing_sticks_out_and_everything_has_a_name(new_page: Open, url: str, width: int, scheme: str) -> None:
    page = open_as(new_page, url, "Ann", "?by=prompt", width=width, color_scheme=scheme)
    for view, shown in (("choose", ".take"), ("compare", "#compare tbody tr")):
        page.goto(f"{url}/#/{view}")
        page.locator(shown).first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        nameless = "node => !(node.ariaLabel || node.innerText || node.title || node.labels?.length)"
        found = page.locator("main :is(button, a, input, select)").evaluate_all(
            f"nodes => nodes.filter({nameless}).length"
        )
        assert found == 0

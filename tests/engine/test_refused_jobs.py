"""One job's or one model's trouble is not the night's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchveo.core.errors import OutOfCredits
from batchveo.core.events import Message
from batchveo.core.hints import format_remake
from batchveo.core.models import JobSpec, JobState
from batchveo.sandbox import Settings
from batchveo.sandbox.http_messages import Request, Response, json_response
from tests.helpers.factories import make_spec
from tests.helpers.virtual_run import Night, specs

pytestmark = pytest.mark.anyio
S = JobState
OTHER = "google/veo-3.0-fast"


def night(folder: Path, **settings: Any) -> Night:
    faults = settings.pop("faults", {})
    return Night(folder, Settings(faults=faults, **settings))


def others(count: int, model: str = OTHER) -> list[JobSpec]:
    return [make_spec(f"other {n}", model=model, request={"model": model, "prompt": f"o {n}"}) for n in range(count)]


def only_for(n: Night, fault: str, model: str) -> list[str]:
    """Let ``fault`` strike this model and no other, as long as it is not in the list that is returned."""
    faults = n.service._state.faults
    has_fault = faults.has_fault
    served: list[str] = []

    def has_only_this(name: str, *event: object) -> bool:
        return event[0] == model and model not in served if name == fault else has_fault(name, *event)

    faults.has_fault = has_only_this  # type: ignore[method-assign]
    return served


def warnings(n: Night) -> list[str]:
    return [event.text for event in n.events if isinstance(event, Message) and event.warning]


# -- polls


@pytest.mark.parametrize(
    ("fault", "words"),
    [("no-url", "completed, but without a video URL"), ("poll-403", "HTTP 403: The request was moderated")],
)
async def test_a_generation_without_a_video_gives_its_slot_back(tmp_path: Path, fault: str, words: str) -> None:
    """Within a minute; its words are kept, and the run ends without it."""
    n = night(tmp_path, faults={fault: 1.0}, generation_median=30.0, log_lag=1e6)
    result = await n.run(specs(3), concurrency=1, patience=7200.0, settle=1e7, poll_rate=1.0)
    stuck = n.jobs(S.GENERATING)
    assert [job.error for job in stuck] == [words] * 3
    assert result.exit_status == 3
    assert result.put_aside == {words: 3}
    begun = [job.submitted_at or 0.0 for job in stuck]
    ready = [g.ready_at for g in n.service.generations]
    assert begun[1] - ready[0] < 60
    assert begun[2] - ready[1] < 60
    assert len([text for text in warnings(n) if words in text]) == 1  # once for each cause


async def test_others_are_made_beside_them(tmp_path: Path) -> None:
    """As if they were not there."""
    n = night(tmp_path, faults={"no-url": 0.4}, generation_median=30.0)
    await n.run(specs(20), concurrency=2)
    good = [g for g in n.service.generations if not g.ending]
    assert 5 < len(good) < 20
    assert len(n.jobs(S.SUCCEEDED)) == len(good)
    assert len(n.jobs(S.GENERATING)) == 20 - len(good)


async def test_what_was_charged_without_a_video_is_said(tmp_path: Path) -> None:
    """The money counts, and the words tell of it."""
    n = night(tmp_path, faults={"no-url": 1.0})
    await n.run([*specs(1)])
    (job,) = n.jobs()
    assert job.error == "completed, but without a video URL; the service charged $2.28"
    assert job.cost_usd == 2.275
    with n.store() as store:
        assert store.spend() == (2.275, 0)
        assert store.queries.read_committed() == pytest.approx(2.275)


async def test_what_the_log_calls_failed_fails_and_frees_its_price(tmp_path: Path) -> None:
    """A poll that says nothing but "moderated" is settled by the log."""
    n = night(tmp_path, faults={"poll-403": 1.0})
    result = await n.run(specs(1))
    (job,) = n.jobs()
    assert (job.state, result.exit_status) == (S.FAILED, 1)
    assert job.error == "HTTP 403: The request was moderated; the usage log shows that it was not charged"
    with n.store() as store:
        assert store.queries.read_committed() == 0.0


async def test_the_next_run_fetches_what_has_a_video_by_then(tmp_path: Path) -> None:
    """Nothing is given up that was paid for."""
    n = night(tmp_path, faults={"no-url": 1.0})
    await n.run(specs(2))
    account = n.service.account()
    for generation in list(account.generations.values()):
        object.__setattr__(generation, "ending", "")
    result = await n.run(None)
    assert result.exit_status == 0
    assert [job.error for job in n.jobs(S.SUCCEEDED)] == [None, None]
    assert n.service.calls["submit"] == 2


async def test_a_video_that_comes_while_the_run_goes_on_is_fetched_in_it(tmp_path: Path) -> None:
    """What is put aside is polled seldom, not never."""
    n = night(tmp_path, faults={"no-url": 1.0}, generation_median=10.0)

    def handle(request: Request, answer: Any = n.service.handle) -> Response:
        if n.clock.now() > 1_800_000_000.0 + 300:
            for generation in n.service.generations:
                object.__setattr__(generation, "ending", "")
        response: Response = answer(request)
        return response

    n.service.handle = handle  # type: ignore[method-assign]
    slow = [make_spec(f"late {i}", model="veo2", request={"model": "veo2", "prompt": f"l {i}"}) for i in range(60)]
    result = await n.run(slow, concurrency=1)
    assert result.exit_status == 0
    assert len(n.jobs(S.SUCCEEDED)) == 60


async def test_a_word_that_nobody_knows_is_no_reason_to_wait_for_ever(tmp_path: Path) -> None:
    """After some minutes it gives its slot back, its word in ``error``."""
    n = night(tmp_path)

    def handle(request: Request, answer: Any = n.service.handle) -> Response:
        response: Response = answer(request)
        if request.method == "GET" and "generation_id" in dict(request.query):
            first = n.service.generations[0].id
            if dict(request.query)["generation_id"] == first:
                return json_response({"id": first, "status": "frobnicating"})
        return response

    n.service.handle = handle  # type: ignore[method-assign]
    result = await n.run(specs(3), concurrency=1)
    assert n.clock.now() - 1_800_000_000.0 < 900
    assert len(n.jobs(S.SUCCEEDED)) == 2
    (job,) = n.jobs(S.GENERATING)
    assert str(job.error).startswith("status 'frobnicating', which the service does not document")
    assert result.exit_status == 3


@pytest.mark.parametrize("fault", ["content-filtered", "canceled", "odd-error"])
async def test_words_of_failure_fail_at_once(tmp_path: Path, fault: str) -> None:
    """With the whole reason."""
    n = night(tmp_path, faults={fault: 1.0})
    result = await n.run(specs(2))
    assert result.exit_status == 1
    assert all(job.error for job in n.jobs(S.FAILED))
    assert n.clock.now() - 1_800_000_000.0 < 60


@pytest.mark.parametrize("fault", ["video-list", "video-addresses", "usd-only", "generation-id", "priced-answer"])
async def test_every_shape_of_an_answer_is_read(tmp_path: Path, fault: str) -> None:
    """Those of the service's own pages."""
    n = night(tmp_path, faults={fault: 1.0})
    result = await n.run(specs(2))
    assert result.exit_status == 0
    assert [job.cost_usd for job in n.jobs(S.SUCCEEDED)] == [2.275, 2.275]


async def test_the_exact_price_enters_the_budget_at_once(tmp_path: Path) -> None:
    """Not the quoted one: so more, or less, fits into the budget."""
    n = night(tmp_path, faults={"priced-answer": 1.0}, generation_median=1000.0)
    n.prices = None
    result = await n.run(specs(3), budget=5.0, assume_price=1.0)
    assert result.exit_status == 3
    assert len(n.service.generations) == 2
    with n.store() as store:
        assert store.queries.read_committed() == pytest.approx(4.55)


# -- refusals of submits


async def test_a_model_outside_the_plan_does_not_stop_the_others(tmp_path: Path) -> None:
    """A few of its jobs are tried, the rest put aside with its words."""
    n = night(tmp_path, faults={"403-plan": 1e-9})
    only_for(n, "403-plan", OTHER)
    jobs = [job for pair in zip(others(20), specs(20), strict=True) for job in pair]
    result = await n.run(jobs, concurrency=4)
    assert len(n.jobs(S.SUCCEEDED)) == 20
    words = "HTTP 403: Your plan does not include this model"
    assert [job.error for job in n.jobs(S.PENDING)] == [words] * 20
    assert (result.exit_status, result.stopped) == (3, None)
    assert result.put_aside == {words: 20}
    assert n.service.calls["submit"] < 20 + 8


@pytest.mark.parametrize("waits", [False, True])
async def test_money_on_the_account_is_not_waited_for(tmp_path: Path, waits: bool) -> None:
    """``--wait-for-credits`` asks the balance as well."""
    n = night(tmp_path, faults={"403-plan": 1.0})
    await n.run(others(5), wait_for_credits=waits)
    assert n.clock.now() - 1_800_000_000.0 < 60


def refuse_as_moderated(n: Night, bad: set[str]) -> list[str]:
    """Refuse the prompts in ``bad`` as moderated; returns the prompts of all submits, as they come."""
    has_fault = n.service._state.faults.has_fault
    asked: list[str] = []

    def has_fault_if_bad(name: str, *event: object) -> bool:
        return asked[-1] in bad if name == "403-moderated" else has_fault(name, *event)

    def handle(request: Request, answer: Any = n.service.handle) -> Response:
        if request.method == "POST":
            asked.append(json.loads(request.body)["prompt"])
        response: Response = answer(request)
        return response

    n.service._state.faults.has_fault = has_fault_if_bad  # type: ignore[method-assign]
    n.service.handle = handle  # type: ignore[method-assign]
    return asked


async def test_a_moderated_submit_is_put_aside_alone(tmp_path: Path) -> None:
    """One refusal says nothing about the model."""
    n = night(tmp_path, faults={"403-moderated": 1e-9})
    bad = {f"p {number}" for number in (3, 4, 11, 20)}
    asked = refuse_as_moderated(n, bad)
    result = await n.run(specs(30), concurrency=2)
    aside = n.jobs(S.PENDING)
    assert {job.prompt for job in aside} == bad
    assert {job.error for job in aside} == {"HTTP 403: The request was moderated"}
    assert len(n.jobs(S.SUCCEEDED)) == 26
    assert result.exit_status == 3
    assert len(asked) == 30


@pytest.mark.parametrize("concurrency", [1, 2, 10])
async def test_moderated_submits_at_the_head_of_the_manifest_hold_up_no_other(tmp_path: Path, concurrency: int) -> None:
    """However many are refused in a row: others of the model are tried before it is given up."""
    n = night(tmp_path, faults={"403-moderated": 1e-9})
    bad = {f"p {number}" for number in range(5)}
    asked = refuse_as_moderated(n, bad)
    result = await n.run(specs(30), concurrency=concurrency)
    assert {job.prompt for job in n.jobs(S.PENDING)} == bad
    assert len(n.jobs(S.SUCCEEDED)) == 25
    assert result.exit_status == 3
    assert len(asked) <= 30 + 5 * 2


async def test_a_withdrawn_model_is_put_aside_with_its_replacement(tmp_path: Path) -> None:
    """By the deprecation feed; other models go on."""
    n = night(tmp_path, faults={"404-withdrawn": 1e-9})
    only_for(n, "404-withdrawn", OTHER)
    result = await n.run([*others(10), *specs(3)], concurrency=2)
    assert len(n.jobs(S.SUCCEEDED)) == 3
    (words,) = {job.error for job in n.jobs(S.PENDING)}
    assert words is not None
    assert words.startswith(
        "HTTP 404: This model has been withdrawn (google/veo-3.0-fast was withdrawn on 2026-06-30; use "
    )
    assert f": `batchveo retry --model {OTHER} --to " in words
    (notice,) = [text for text in warnings(n) if text.startswith(f"{OTHER} is put aside with its pending jobs, ")]
    assert notice.endswith(f" now: {words}")
    assert (result.exit_status, result.stopped) == (3, None)
    assert n.service.calls["submit"] <= 3 + 2


async def test_a_missing_feed_keeps_nothing_from_being_put_aside(tmp_path: Path) -> None:
    """The service's own words are enough."""
    n = night(tmp_path, faults={"404-withdrawn": 1.0})

    def handle(request: Request, answer: Any = n.service.handle) -> Response:
        response: Response = answer(request)
        return Response(status=500, body=b"") if "deprecations" in request.path else response

    n.service.handle = handle  # type: ignore[method-assign]
    await n.run(others(2))
    (words,) = {job.error for job in n.jobs(S.PENDING)}
    change = format_remake(OTHER, None, state=n.state)
    assert words == f"HTTP 404: This model has been withdrawn: `{change}` makes its jobs under another model"


async def test_an_empty_account_still_stops_the_run(tmp_path: Path) -> None:
    """402 and 403 alike, if the balance says so."""
    n = night(tmp_path, balance=0.0)
    result = await n.run(specs(3))
    assert isinstance(result.stopped, OutOfCredits)
    assert [job.error for job in n.jobs(S.PENDING)] == [None] * 3


async def test_what_says_money_is_believed_if_the_balance_cannot_be_read(tmp_path: Path) -> None:
    """402 does; a plan does not."""
    for fault, stopped in (("402", OutOfCredits), ("403-plan", type(None))):
        n = night(tmp_path / fault, faults={fault: 1.0})
        (tmp_path / fault).mkdir()

        def handle(request: Request, answer: Any = n.service.handle) -> Response:
            response: Response = answer(request)
            return Response(status=500, body=b"") if request.path == "/v2/billing" else response

        n.service.handle = handle  # type: ignore[method-assign]
        result = await n.run(specs(2))
        assert type(result.stopped) is stopped


async def test_the_next_run_tries_again_what_was_put_aside(tmp_path: Path) -> None:
    """And makes it, if the model is served by then."""
    n = night(tmp_path, faults={"403-plan": 1.0})
    await n.run(others(6))
    n.heal()
    result = await n.run(None)
    assert result.exit_status == 0
    assert [job.error for job in n.jobs(S.SUCCEEDED)] == [None] * 6


async def test_a_refused_model_is_tried_again_while_the_run_goes_on(tmp_path: Path) -> None:
    """One of its jobs, seldom; accepted, all of them go."""
    n = night(tmp_path, faults={"403-plan": 1e-9}, generation_median=60.0)
    served = only_for(n, "403-plan", OTHER)

    def handle(request: Request, answer: Any = n.service.handle) -> Response:
        if n.clock.now() > 1_800_000_000.0 + 900:
            served.append(OTHER)
        response: Response = answer(request)
        return response

    n.service.handle = handle  # type: ignore[method-assign]
    result = await n.run([*others(10), *specs(40)], concurrency=1)
    assert result.exit_status == 0
    assert n.service.calls["submit"] < 50 + 10


# -- a service that does not answer


async def test_an_hour_without_an_answer_leaves_few_doubts(tmp_path: Path) -> None:
    """One probe at a time, seldom, until one is answered."""
    n = night(tmp_path, faults={"page-503": 1.0}, log_lag=1e6)

    def handle(request: Request, answer: Any = n.service.handle) -> Response:
        if n.clock.now() > 1_800_000_000.0 + 3600:
            n.heal()
        response: Response = answer(request)
        return response

    n.service.handle = handle  # type: ignore[method-assign]
    result = await n.run(specs(60), concurrency=10, settle=300.0)
    doubts = n.jobs(S.IN_DOUBT)
    assert len(doubts) < 10 + 15
    assert len(n.jobs(S.SUCCEEDED)) == 60 - len(doubts)
    assert result.exit_status == 1


async def test_a_page_in_the_middle_of_the_night_is_not_another_address(tmp_path: Path) -> None:
    """A gateway's 404 for some seconds; only a run that never was accepted stops at once."""
    n = night(tmp_path)
    struck: list[float] = []

    def handle(request: Request, answer: Any = n.service.handle) -> Response:
        response: Response = answer(request)
        if request.method == "POST" and len(n.service.generations) == 3 and len(struck) < 2:
            struck.append(n.clock.now())
            n.service.account().generations.popitem()
            return Response(status=404, headers={"content-type": "text/html"}, body=b"<html>gone</html>")
        return response

    n.service.handle = handle  # type: ignore[method-assign]
    result = await n.run(specs(6), concurrency=1)
    assert len(struck) == 2
    assert result.exit_status == 0


async def test_slots_that_are_all_full_of_unreadable_generations_are_not_held_for_hours(tmp_path: Path) -> None:
    """Nobody else is asked about then, so that it may be the service: one slot finds out."""
    n = night(tmp_path, generation_median=60.0)
    bad: list[str] = []
    good_at: list[float] = []

    def handle(request: Request, answer: Any = n.service.handle) -> Response:
        response: Response = answer(request)
        if request.method == "POST":
            if int(json.loads(request.body)["prompt"].split()[1]) < 10:
                bad.append(json.loads(response.body)["id"].partition(":")[0])
            else:
                good_at.append(n.clock.now() - 1_800_000_000.0)
        elif any(generation in str(request) for generation in bad):
            body = json.dumps({"message": "Internal server error", "statusCode": 500}).encode()
            return replace(response, status=500, body=body)
        return response

    n.service.handle = handle  # type: ignore[method-assign]
    result = await n.run(specs(15), concurrency=10)
    assert len(n.jobs(S.SUCCEEDED)) == 5
    assert max(good_at) < 1200
    assert n.clock.now() - 1_800_000_000.0 < 2400
    assert result.exit_status == 3


async def test_each_later_run_tries_a_withdrawn_model_once_and_makes_the_rest(tmp_path: Path) -> None:
    """The feed and an earlier 404 may be wrong; a refused request costs nothing."""
    n = night(tmp_path, faults={"404-withdrawn": 1e-9})
    served = only_for(n, "404-withdrawn", OTHER)
    await n.run([*others(10), *specs(3)], concurrency=1)
    for _ in range(2):
        before = n.service.calls["submit"]
        assert (await n.run(concurrency=1)).exit_status == 3
        assert n.service.calls["submit"] == before + 1
    with n.store() as store:
        spent, _ = store.spend()
        assert store.queries.read_committed() == pytest.approx(spent)
    served.append(OTHER)
    assert (await n.run()).exit_status == 0

"""What takes of rejected clips cost, and the money of several keys, together."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from batchveo.core.gates import CheckPolicy, Judgement, Verdict
from batchveo.core.measures import CheckLevel
from batchveo.core.models import JobState
from batchveo.core.outcomes import Accepted, Completed, Downloaded
from batchveo.core.settings import RunSettings
from batchveo.engine.price_book import PriceBook
from batchveo.operations.quote import (
    BALANCE_SECONDS,
    Balance,
    ModelPlan,
    PurchaseQuote,
    Tally,
    count_purchases,
    fetch_balances,
    open_if_exists,
)
from batchveo.provider import ApiClient, ApiKey
from batchveo.provider.catalog.price_list import PriceList
from batchveo.store import LastTake, Store
from tests.helpers.factories import make_spec
from tests.helpers.virtual_run import BASE_URL
from tests.store.steps import claimed, move

pytestmark = pytest.mark.anyio

SLOW = -1.0


async def asked(balances: Mapping[str, float | None]) -> Balance:
    """What is made of the balance of each key; ``None`` is a key that is refused."""

    async def answer(request: httpx.Request) -> httpx.Response:
        usd = balances[request.headers["authorization"].removeprefix("Bearer sk-").removesuffix(".")]
        if usd == SLOW:
            await anyio.sleep(10 * BALANCE_SECONDS)
        return (
            httpx.Response(401, json={"message": "no"})
            if usd is None
            else httpx.Response(200, json={"current_balance": usd})
        )

    async with AsyncExitStack() as stack:
        opened = {
            label: await stack.enter_async_context(
                ApiClient(ApiKey(f"sk-{label}."), base_url=BASE_URL, transport=httpx.MockTransport(answer))
            )
            for label in balances
        }
        return await fetch_balances(opened)


async def test_balances_add_up() -> None:
    """Each is told, and their sum."""
    told = await asked({"a": 5.0, "b": 7.5})
    assert (told.usd, dict(told.by_key), list(told.notes)) == (12.5, {"a": 5.0, "b": 7.5}, [])


async def test_keys_of_one_account_count_once() -> None:
    """Money that is counted twice is not there; the assumption is said."""
    told = await asked({"a": 5.0, "b": 5.0, "c": 1.0})
    assert told.usd == 6.0
    assert list(told.notes) == ["the same balance with 'a', 'b': taken for one account, and counted once"]
    assert not (await asked({"a": 0.0, "b": 0.0})).notes


async def test_a_key_that_does_not_tell_counts_as_nothing() -> None:
    """And is named; where none tells, nothing is known."""
    told = await asked({"a": None, "b": 5.0})
    assert told.usd == 5.0
    assert "key 'a'" in told.notes[0]
    assert (await asked({"": None})).usd is None


async def test_nobody_waits_for_ever() -> None:
    """All keys share one deadline."""
    with anyio.fail_after(2 * BALANCE_SECONDS):
        told = await asked({"a": 5.0, "b": SLOW, "c": 1.0})
    assert told.usd == 5.0
    assert list(told.notes) == ["no balance: no answer in time"]


async def test_without_a_key_nobody_is_asked() -> None:
    """There is no account to ask for."""
    assert await fetch_balances({}, has_key=False) == Balance(notes=["no API key, so no balance"])


def test_an_empty_file_is_no_database(tmp_path: Path) -> None:
    """A plan, or a question that is declined, leaves it as it is."""
    state = tmp_path / "batchveo.db"
    state.touch()
    with open_if_exists(state) as store:
        assert store is None
    assert state.stat().st_size == 0


GATES = CheckPolicy(gates=("has_sound",)).to_json()
USUAL = RunSettings(tries=3)


def last(state: JobState | None = None, number: int = 1, **changes: Any) -> LastTake:
    fields: dict[str, Any] = {"policy": GATES, **changes}
    return LastTake(number=number, state=state, **fields)


DONE = JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("take", "settings", "expected"),
    [
        (last(), USUAL, (True, 2)),
        (last(JobState.PENDING), USUAL, (True, 2)),
        (last(tries=5), USUAL, (True, 4)),
        (last(tries=1), USUAL, (True, 0)),
        (last(), RunSettings(), (True, 0)),
        (last(policy=None), USUAL, (True, 0)),
        (last(policy=CheckPolicy(level=CheckLevel.ALL).to_json()), USUAL, (True, 0)),
        (last(), RunSettings(tries=3, checks=False), (True, 0)),
        (last(JobState.GENERATING), USUAL, (False, 2)),
        (last(DONE), USUAL, (False, 2)),
        (last(DONE, verdict="accepted"), USUAL, (False, 0)),
        (last(DONE, verdict="open"), USUAL, (False, 0)),
        (last(DONE, verdict="rejected"), USUAL, (True, 1)),
        (last(DONE, 3, verdict="rejected"), USUAL, (False, 0)),
        (last(JobState.PENDING, 2), USUAL, (True, 1)),
        (last(JobState.PENDING, 2), RunSettings(checks=False), (True, 0)),
        (last(JobState.SUBMITTING, 2), USUAL, (False, 1)),
        (last(JobState.CANCELLED, 2), USUAL, (False, 0)),
        (last(JobState.FAILED), USUAL, (False, 0)),
    ],
)
def test_what_a_run_buys_for_a_job(take: LastTake, settings: RunSettings, expected: tuple[bool, int]) -> None:
    """In any case, and at most because of its gates."""
    assert count_purchases(take, settings) == expected


def test_takes_cost_their_price_at_most_and_the_rate_of_rejections_on_average() -> None:
    """With a rate of a quarter, two more takes are 1/4 + 1/16 on average."""
    model = ModelPlan(model="m", jobs=3, new=3, usd=30.0, further_usd={2: 16.0, 1: 4.0}, judged=8, rejected=2)
    assert model.most_usd == 30.0 + 2 * 16.0 + 4.0
    assert model.average_usd == 30.0 + 16.0 * (1 / 4 + 1 / 16) + 4.0 / 4
    other = ModelPlan(model="n", jobs=1, new=1, usd=5.0)
    quote = PurchaseQuote(models=[model, other])
    assert (quote.most_usd, quote.average_usd) == (71.0, 41.0)


def test_without_a_judged_clip_the_average_is_not_known() -> None:
    """Of any model that may need more takes."""
    known = ModelPlan(model="m", usd=1.0, further_usd={1: 1.0}, judged=1, rejected=1)
    unknown = ModelPlan(model="n", usd=1.0, further_usd={1: 1.0})
    assert (known.average_usd, unknown.average_usd) == (2.0, None)
    assert PurchaseQuote(models=[known, unknown]).average_usd is None
    assert PurchaseQuote(models=[known, unknown]).most_usd == 4.0


def test_the_rates_are_those_of_the_database(tmp_path: Path) -> None:
    """By model; asked for only if a job may need more takes."""
    with Store(tmp_path / "s.db") as store:
        run = store.runs.begin_run(command="run", service="x", now=1.0)
        store.imports.add_jobs([make_spec(name, policy=GATES, tries=1) for name in "abc"], run=run, now=1.0)
        for name, verdict in (("a", Verdict.REJECTED), ("b", Verdict.ACCEPTED), ("c", Verdict.OPEN)):
            job = claimed(store, run)
            for outcome in (
                Accepted(generation_id=name),
                Completed(url="https://x/v", cost_usd=1.0),
                Downloaded(folder="/v", file=f"{name}.mp4", bytes=3, sha256="00"),
            ):
                job = move(store, job, outcome)
            store.verdicts.record_verdict(job, Judgement(verdict=verdict), run=run, now=9.0)
        tally = Tally(PriceBook(PriceList({}), None, 2.0), store)
        tally.add_job("google/veo3", {})
        assert [(model.judged, model.rejected) for model in tally.list_models()] == [(0, 0)]
        tally.add_job("google/veo3", {}, due=0, further=2)
        tally.add_job("veo2", {}, further=1)
        veo3, veo2 = tally.list_models()
    assert (veo3.jobs, veo3.new, veo3.usd, veo3.judged, veo3.rejected) == (2, 1, 2.0, 2, 1)
    assert (veo3.most_usd, veo3.average_usd) == (6.0, 2.0 + 2.0 * 0.75)
    assert (veo2.most_usd, veo2.average_usd) == (4.0, None)


def test_a_take_without_a_price_is_counted_once() -> None:
    """As the job that has none."""
    tally = Tally(PriceBook(PriceList({})))
    tally.add_job("m", {}, further=2)
    tally.add_job("m", {}, due=0, further=2)
    [model] = tally.list_models()
    assert (model.new, model.unpriced, model.usd, model.most_usd) == (1, 1, 0.0, 0.0)

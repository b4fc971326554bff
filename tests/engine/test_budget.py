"""What a run may spend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from batchveo.core.errors import BudgetReached, PricesUnknown
from batchveo.core.models import JobSpec, JobState
from batchveo.core.notices import BudgetExceeded, ModelPutAside, Notice, SeenPriceReserved
from batchveo.operations.import_generations import import_from_log
from batchveo.operations.manage import resolve_jobs
from batchveo.provider.catalog.price_list import PriceList
from batchveo.sandbox import Settings
from tests.helpers.factories import make_spec
from tests.helpers.virtual_run import BASE_URL, Night, specs

pytestmark = pytest.mark.anyio
S = JobState
PRICE = 2.275  # five seconds of veo2 in the sandbox's list


def night(folder: Path, **settings: Any) -> Night:
    return Night(folder, Settings(**{"generation_median": 90.0, "log_lag": 20.0, **settings}))


async def test_a_budget_is_never_exceeded(tmp_path: Path) -> None:
    """What is in flight counts as spent; the run stops and fails nothing."""
    n = night(tmp_path)
    result = await n.run(specs(10), budget=4 * PRICE + 1)
    assert isinstance(result.stopped, BudgetReached)
    assert result.exit_status == 3
    assert (len(n.jobs(S.SUCCEEDED)), len(n.jobs(S.PENDING))) == (4, 6)
    assert len(n.service.generations) == 4


async def test_an_exact_budget_buys_exactly(tmp_path: Path) -> None:
    """No cent is lost to rounding."""
    n = night(tmp_path)
    assert (await n.run(specs(4), budget=4 * PRICE)).exit_status == 0


async def test_the_same_command_again_spends_nothing_more(tmp_path: Path) -> None:
    """The budget is for all runs with a database, not for each."""
    n = night(tmp_path)
    for _ in range(3):
        await n.run(specs(10), budget=3 * PRICE)
    assert len(n.service.generations) == 3
    assert (await n.run(specs(10), budget=5 * PRICE)).exit_status == 3
    assert len(n.service.generations) == 5


async def test_failed_generations_give_their_money_back(tmp_path: Path) -> None:
    """They cost nothing, so the budget buys others."""
    n = night(tmp_path, faults={"generation-error": 0.5})
    await n.run(specs(30), budget=5 * PRICE)
    charged = sum(1 for job in n.jobs(S.SUCCEEDED))
    assert charged == 5
    assert len(n.service.generations) > 5


async def test_refused_submits_reserve_nothing(tmp_path: Path) -> None:
    """A 429 or a 500 leaves no reservation behind."""
    n = night(tmp_path, faults={"throttle": 0.3, "answer-500": 0.3})
    assert (await n.run(specs(6), budget=6 * PRICE)).exit_status == 0


@pytest.mark.parametrize("after", [0.2, 30.0, 100.0])
async def test_the_budget_holds_through_kills_and_doubts(tmp_path: Path, after: float) -> None:
    """At the moment of a crash, what may have been bought counts as bought."""
    n = night(tmp_path, latency=0.3, faults={"lose-answer": 0.3})
    for _ in range(5):
        await n.killed(specs(20), after=after, concurrency=4, budget=7 * PRICE)
        assert len(n.service.generations) <= 7
    await n.run(specs(20), concurrency=4, budget=7 * PRICE)
    assert len(n.service.generations) == 7


async def test_imported_generations_count_while_they_are_in_flight(tmp_path: Path) -> None:
    """As those that the database asked for itself: after a lost one, too, no more is spent than may be."""
    n = night(tmp_path, log_lag=1.0)
    await n.killed(specs(2), after=10.0, budget=2 * PRICE)
    for file in tmp_path.glob("b.db*"):
        file.unlink()
    with n.store() as store:
        run = store.runs.begin_run(command="adopt", service=BASE_URL, now=n.clock.now())
        store.imports.add_jobs(specs(4), run=run, now=n.clock.now())
        async with n.make_api() as api:
            assert len((await import_from_log(store, {"": api}, hours=1, now=n.clock.now())).jobs) == 2
    result = await n.run(specs(4), budget=3 * PRICE)
    assert isinstance(result.stopped, BudgetReached)
    assert len(n.service.generations) == 3
    assert (len(n.jobs(S.SUCCEEDED)), len(n.jobs(S.PENDING))) == (3, 1)


async def test_what_a_person_gave_up_counts_until_it_may_be_over(tmp_path: Path) -> None:
    """It goes on at the service, which charges it in the end: until then a ledger that is silent shows nothing."""
    n = night(tmp_path, log_lag=1.0, generation_median=300.0)
    await n.killed(specs(1), after=10.0, budget=2 * PRICE)
    with n.store() as store:
        resolve_jobs(store, n.jobs(S.GENERATING), now=n.clock.now(), fail=True)
    for _ in range(2):
        await n.run(specs(3), budget=2 * PRICE, settle=5.0)
    assert len(n.service.generations) == 2
    assert [job.state for job in n.jobs()] == [S.FAILED, S.SUCCEEDED, S.PENDING]


async def test_held_doubts_that_use_up_the_budget_are_looked_up(tmp_path: Path) -> None:
    """At the end of a run that may buy nothing: else no run would ever fetch their videos, or free their dollars."""
    n = night(tmp_path, faults={"lose-answer": 1.0}, log_lag=5000.0, latency=1.0)
    assert (await n.run(specs(2), settle=600.0, budget=2 * PRICE)).exit_status == 1
    n.heal()
    await anyio.sleep(5000.0)
    result = await n.run(specs(3), settle=600.0, budget=2 * PRICE)
    assert isinstance(result.stopped, BudgetReached)
    assert [job.state for job in n.jobs()] == [S.SUCCEEDED, S.SUCCEEDED, S.PENDING]


async def test_an_unpriced_model_needs_an_assumption(tmp_path: Path) -> None:
    """The run says so, and buys with it."""
    n = night(tmp_path)
    n.prices = PriceList({})
    result = await n.run(specs(3), budget=100.0)
    assert result.exit_status == 3
    assert "--assume-price" in str(result.stopped)
    assert not n.service.generations
    assert (await n.run(specs(3), budget=100.0, assume_price=3.0)).exit_status == 0


async def test_an_empty_account_can_be_waited_for(tmp_path: Path) -> None:
    """With --wait-for-credits the run continues after a top-up."""
    n = night(tmp_path, balance=2 * PRICE)

    async def top_up() -> None:
        await anyio.sleep(1000)
        n.service.account().opening += 200_000_000  # credits

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(top_up)
        result = await n.run(specs(6), wait_for_credits=True)
    assert result.exit_status == 0
    assert len(n.service.generations) == 6
    assert result.seconds > 1000


FAST = "google/veo-3.1-t2v-fast"  # the sandbox charges $0.195 a second with sound, 8 s by default
FORMULA = PriceList(
    {
        "veo2": {"kind": "fixed", "units": [{"measure": "second", "price": 0.455}]},
        FAST: {"kind": "variable"},
    }
)


def fast(count: int, **request: Any) -> list[JobSpec]:
    """Jobs of a model whose price is a formula."""
    body = {"model": FAST, "prompt": "x", **request}
    return [make_spec(f"fast {n} {request}", model=FAST, request={**body, "prompt": f"p {n}"}) for n in range(count)]


def read_committed(n: Night) -> float:
    with n.store() as store:
        return store.queries.read_committed()


def find_notices(n: Night, kind: type[Notice]) -> list[Any]:
    return [event for event in n.events if isinstance(event, kind)]


@pytest.mark.parametrize("unpriced_first", [True, False])
async def test_a_model_without_a_price_does_not_stop_the_others(tmp_path: Path, unpriced_first: bool) -> None:
    """Its jobs are skipped, said once, and left pending; the next run tries them again."""
    n = night(tmp_path)
    n.prices = FORMULA
    jobs = [*fast(3), *specs(3)] if unpriced_first else [*specs(3), *fast(3)]
    result = await n.run(jobs, budget=100.0, concurrency=2)
    assert result.exit_status == 3
    assert [job.model for job in n.jobs(S.PENDING)] == [FAST] * 3
    assert [job.model for job in n.jobs(S.SUCCEEDED)] == ["veo2"] * 3
    (notice,) = find_notices(n, ModelPutAside)
    assert (notice.model, notice.jobs) == (FAST, 3)
    assert result.put_aside == {f"no price is known for {FAST}; give --assume-price USD": 3}
    assert (await n.run(jobs, budget=100.0, assume_price=2.0)).exit_status == 0
    assert not n.jobs(S.PENDING)


async def test_no_budget_is_reached_if_no_price_is_known(tmp_path: Path) -> None:
    """If only such jobs are left: a larger budget would not help."""
    n = night(tmp_path)
    n.prices = FORMULA
    result = await n.run(fast(2), budget=100.0)
    assert isinstance(result.stopped, PricesUnknown)
    assert result.exit_status == 3
    assert not n.service.generations


async def test_what_a_model_has_cost_is_reserved(tmp_path: Path) -> None:
    """A run without a budget teaches the price to the runs after it; a longer video reserves more."""
    n = night(tmp_path)
    n.prices = FORMULA
    assert (await n.run(fast(1, duration=4))).exit_status == 0
    assert not find_notices(n, SeenPriceReserved)
    cost = 4 * 0.195
    assert read_committed(n) == pytest.approx(cost)
    result = await n.run(fast(9, duration=8), budget=7.5 * cost)
    assert isinstance(result.stopped, BudgetReached)
    assert len(n.jobs(S.SUCCEEDED)) == 4
    assert read_committed(n) == pytest.approx(7 * cost)
    (notice,) = find_notices(n, SeenPriceReserved)
    assert (notice.model, notice.usd, notice.assumed_usd) == (FAST, pytest.approx(2 * cost), None)


async def test_an_assumption_that_is_too_low_is_replaced(tmp_path: Path) -> None:
    """By the first answer that names a cost; the excess is at most that of what was in flight, and is said."""
    n = night(tmp_path)
    n.prices = FORMULA
    result = await n.run(fast(20), budget=5.0, assume_price=0.5, concurrency=2)
    assert isinstance(result.stopped, BudgetReached)
    (notice,) = find_notices(n, SeenPriceReserved)
    assert (notice.usd, notice.assumed_usd) == (pytest.approx(1.56), 0.5)
    assert not find_notices(n, BudgetExceeded)
    assert read_committed(n) <= 5.0
    assert len(n.jobs(S.SUCCEEDED)) == 3


async def test_a_budget_that_is_exceeded_is_said(tmp_path: Path) -> None:
    """Once; nothing more is bought."""
    n = night(tmp_path)
    n.prices = FORMULA
    result = await n.run(fast(20), budget=2.0, assume_price=0.5, concurrency=4)
    assert isinstance(result.stopped, BudgetReached)
    (notice,) = find_notices(n, BudgetExceeded)
    assert notice.budget_usd == 2.0
    assert notice.committed_usd > 2.0
    assert len(n.jobs(S.SUCCEEDED)) == 4
    assert read_committed(n) == pytest.approx(4 * 1.56)
    assert (await n.run(fast(20), budget=2.0, assume_price=0.5)).exit_status == 3
    assert len(n.service.generations) == 4


async def test_a_cost_that_comes_late_releases_the_skipped_jobs(tmp_path: Path) -> None:
    """A generation of an earlier run without a budget ends in this one: from then on its model has a price."""
    n = night(tmp_path)
    n.prices = FORMULA
    await n.killed(fast(1), after=20.0)
    assert [job.state for job in n.jobs()] == [S.GENERATING]
    result = await n.run(fast(4), budget=100.0)
    assert result.exit_status == 0
    assert len(n.jobs(S.SUCCEEDED)) == 4
    assert len(find_notices(n, ModelPutAside)) == 1

"""What a run may spend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from batchveo.core.errors import BudgetReached
from batchveo.core.models import JobState
from batchveo.provider.price_list import PriceList
from batchveo.sandbox import Settings
from tests.helpers.virtual_run import Night, specs

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

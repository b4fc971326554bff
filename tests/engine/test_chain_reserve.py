"""A budget that ends in the middle of chains: as many as it can pay for are finished, and `resume` makes the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import BudgetReached
from batchveo.core.gates import CheckPolicy
from batchveo.core.models import JobSpec, JobState
from batchveo.core.votes import VoteKind
from batchveo.operations.votes import record_votes
from tests.helpers.chains import LITE, make_chain
from tests.helpers.factories import make_spec
from tests.helpers.fake_clips import FakeClips
from tests.helpers.virtual_run import Night

S = JobState


@pytest.fixture
async def night(tmp_path: Path) -> Night:
    return Night(tmp_path, clips=FakeClips())


def make_chains(count: int, length: int) -> list[JobSpec]:
    return [job for number in range(count) for job in make_chain(length, f"chain {number}")]


async def find_price(night: Night) -> float:
    """What a video of a chain costs."""
    await night.run(make_chain(1, "trial"))
    (job,) = night.jobs()
    assert job.cost_usd is not None
    return job.cost_usd


def count_whole(night: Night, length: int) -> int:
    made: dict[int | None, int] = {}
    for job in night.jobs(S.SUCCEEDED):
        made[job.chain] = made.get(job.chain, 0) + 1
    return sum(videos == length for chain, videos in made.items() if chain is not None)


@pytest.mark.anyio
@pytest.mark.parametrize("videos", [2, 3, 5, 9, 10, 17])
@pytest.mark.parametrize("concurrency", [1, 2, 20])
async def test_as_many_chains_as_the_budget_pays_for(night: Night, videos: int, concurrency: int) -> None:
    price = await find_price(night)
    chains = make_chains(5, 3)
    result = await night.run(chains, budget=(1 + videos) * price, concurrency=concurrency)
    assert count_whole(night, 3) == min(videos // 3, 5)
    assert len(night.jobs(S.SUCCEEDED)) == 1 + min(videos, 15)
    if videos < 15:
        assert isinstance(result.stopped, BudgetReached)
        result = await night.run(budget=16 * price, concurrency=concurrency)
    assert result.exit_status == 0
    assert count_whole(night, 3) == 5
    assert len(night.service.generations) == 16


@pytest.mark.anyio
async def test_money_of_begun_chains_is_not_spent_on_other_jobs(night: Night) -> None:
    price = await find_price(night)
    singles = [make_spec(f"single {n}", model=LITE, request={"model": LITE, "prompt": f"{n}"}) for n in range(9)]
    await night.run([*make_chains(2, 3), *singles], budget=8 * price, concurrency=20)
    assert count_whole(night, 3) == 2
    assert len(night.jobs(S.SUCCEEDED)) == 8


@pytest.mark.anyio
async def test_links_of_several_models_have_their_own_prices(night: Night) -> None:
    """A cent less than two chains cost makes one of them, and begins the other."""
    await night.run(make_chain(3, "trial", part="id"))
    costs = [job.cost_usd or 0.0 for job in night.jobs()]
    assert len(set(costs)) == 2
    chains = [job for number in range(4) for job in make_chain(3, f"chain {number}", part="id")]
    result = await night.run(chains, budget=3 * sum(costs) - 0.01, concurrency=20)
    assert count_whole(night, 3) == 1 + 1
    assert isinstance(result.stopped, BudgetReached)
    await night.run(budget=3 * sum(costs), concurrency=20)
    assert count_whole(night, 3) == 1 + 2


@pytest.mark.anyio
async def test_a_begun_chain_comes_before_jobs_of_a_higher_priority(night: Night) -> None:
    """With the last of the money; else the priority decides."""
    price = await find_price(night)
    chains = make_chains(1, 3)
    await night.run(chains[:1], budget=2 * price)
    singles = [
        make_spec(f"single {n}", model=LITE, request={"model": LITE, "prompt": f"{n}"}, priority=9) for n in range(9)
    ]
    await night.run([*chains, *singles], budget=5 * price, concurrency=1)
    assert count_whole(night, 3) == 1
    assert sum(job.name.startswith("single") for job in night.jobs(S.SUCCEEDED)) == 1


@pytest.mark.anyio
async def test_a_chain_that_waits_for_a_verdict_keeps_its_money(night: Night) -> None:
    """The run ends, and says what it keeps; what is blocked keeps nothing."""
    price = await find_price(night)
    gated = make_chain(2, policy=CheckPolicy(gates=("score.beauty > 0.5",)).to_json())
    single = make_spec("single", model=LITE, request={"model": LITE, "prompt": "one"})
    await night.run(gated[:1], budget=9 * price)
    result = await night.run([*gated, single], budget=3 * price)
    assert "kept for chains that have begun" in str(result.stopped)
    with night.store() as store:
        (parent,) = store.queries.find_jobs("shot 0")
        record_votes(store, [parent], VoteKind.REJECT, person="ann", now=1.0)
    await night.run([*gated, single], budget=3 * price)
    assert [job.name for job in night.jobs(S.SUCCEEDED)] == ["trial 0", "shot 0", "single"]

"""Which worker looks after which job: names, adopted jobs, fair shares."""

from __future__ import annotations

import pytest

from batchveo.core.models import JobState
from batchveo.engine.assignments import LATECOMERS_SECONDS
from batchveo.engine.broker import Fenced
from tests.helpers.coordinator_at_work import URL, CoordinatorOpener, all_of, bought, names

pytestmark = pytest.mark.anyio
S = JobState


async def test_a_name_is_used_once(open_coordinator: CoordinatorOpener) -> None:
    """No other worker may have it, neither while the first one works nor after."""
    async with open_coordinator() as at_work:
        await at_work.broker("a")
        with pytest.raises(Fenced):
            await at_work.broker("a")
        at_work.give_up("a")
        with pytest.raises(Fenced):
            await at_work.broker("a")
        await at_work.broker("b")


async def test_what_a_dead_worker_looked_after_is_taken_over(open_coordinator: CoordinatorOpener) -> None:
    """Its generations and downloads, once, by the workers that are left."""
    async with open_coordinator(4) as at_work:
        one, two = await at_work.broker("one"), await at_work.broker("two")
        jobs = [await bought(one) for _ in range(4)]
        jobs[0] = await one.record_outcome(jobs[0], URL)
        adopting = at_work.begin(two.take_over)
        assert await adopting.waits()
        at_work.give_up("one")
        assert names(await adopting.ended()) == names(jobs)
        assert await at_work.begin(two.take_over).waits()


async def test_orphans_are_shared_fairly(open_coordinator: CoordinatorOpener) -> None:
    """The first worker takes only its share; what the others do not come for is taken after a while."""
    async with open_coordinator(20, workers=3, concurrency=20) as at_work:
        dead = await at_work.broker("dead")
        for _ in range(20):
            await bought(dead)
        at_work.give_up("dead")
        one, two = await at_work.broker("one"), await at_work.broker("two")
        got = [len(await one.take_over()), len(await two.take_over())]
        assert got == [7, 7]
        begun = at_work.clock.now()
        rest = await all_of(one.take_over, two.take_over)
        assert [len(jobs) for jobs in rest] == [3, 3]
        assert at_work.clock.now() - begun > LATECOMERS_SECONDS - 10

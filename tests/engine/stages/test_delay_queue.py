"""What is due first comes first."""

from __future__ import annotations

import anyio
import pytest

from batchveo.core.clock import Clock
from batchveo.core.models import Job
from batchveo.engine.stages.delay_queue import DelayQueue
from tests.helpers.factories import make_job


@pytest.mark.anyio
async def test_the_earliest_due_comes_first_and_none_too_soon() -> None:
    """Ties keep their order; what is due sooner than all else wakes who waits."""
    clock = Clock(wall=lambda: 0.0)
    queue: DelayQueue[Job] = DelayQueue()
    jobs = [make_job(seq=n) for n in range(4)]
    queue.put(jobs[0], 50.0)
    taken: list[tuple[Job, float]] = []

    async def take() -> None:
        taken.extend([(await queue.take(clock), clock.now()) for _ in jobs])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await clock.sleep_until(10.0)
        queue.put(jobs[1], 30.0)
        queue.put(jobs[2], 30.0)
        queue.put(jobs[3], 5.0)
    assert taken == [(jobs[3], 10.0), (jobs[1], 30.0), (jobs[2], 30.0), (jobs[0], 50.0)]


@pytest.mark.anyio
async def test_several_may_take_at_the_same_time() -> None:
    """An item wakes one that waits, while another one is at work."""
    clock = Clock(wall=lambda: 0.0)
    queue: DelayQueue[str] = DelayQueue()
    taken: list[tuple[str, float]] = []

    async def take() -> None:
        taken.append((await queue.take(clock), clock.now()))
        await anyio.sleep(100.0)

    with anyio.fail_after(1000.0):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take)
            tasks.start_soon(take)
            for number, item in enumerate("ab", 1):
                await clock.sleep_until(10.0 * number)
                queue.put(item, 0.0)
    assert taken == [("a", 10.0), ("b", 20.0)]

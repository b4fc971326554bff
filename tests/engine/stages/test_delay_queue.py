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

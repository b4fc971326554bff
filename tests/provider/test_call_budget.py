"""The usage log answers only so many calls a minute."""

from __future__ import annotations

import anyio
import pytest

from batchveo.provider.client import CallBudget

pytestmark = pytest.mark.anyio


async def test_never_more_than_the_budget_in_any_minute() -> None:
    """Whoever asks, and however many at once."""
    budget = CallBudget(10, 60.0)
    times: list[float] = []

    async def caller() -> None:
        for _ in range(12):
            await budget.wait_for_call()
            times.append(anyio.current_time())

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(caller)
    times.sort()
    assert len(times) == 36
    assert all(later - earlier >= 60.0 for earlier, later in zip(times, times[10:], strict=False))
    assert times[-1] - times[0] <= 180.0

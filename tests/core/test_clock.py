"""The time a run lives by."""

from __future__ import annotations

import anyio
import pytest

from batchveo.core.clock import Clock

pytestmark = pytest.mark.anyio


async def test_a_wall_clock_that_jumps_moves_nothing() -> None:
    """An hour back or ahead: within a run only the time that passes counts."""
    wall = [1_000_000.0]
    clock = Clock(wall=lambda: wall[0])
    await anyio.sleep(5)
    for jump in (3600.0, -7200.0):
        wall[0] += jump
        assert clock.now() == pytest.approx(1_000_005.0)


async def test_sleeping_until_a_moment() -> None:
    """At once where it is past."""
    clock = Clock(wall=lambda: 100.0)
    await clock.sleep_until(160.0)
    assert clock.now() == pytest.approx(160.0)
    await clock.sleep_until(10.0)
    assert clock.now() == pytest.approx(160.0)

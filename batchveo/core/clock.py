"""The clock of a run."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio
import sniffio


class Clock:
    """Seconds since the epoch that never jump: the wall clock once, then the event loop's clock.

    So no deadline moves if the system clock is set during a run, and tests get virtual time from a virtual event loop.
    Make one inside the event loop.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._loop_time = _loop_time()
        self._offset = wall() - self._loop_time()

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._offset + self._loop_time()

    async def sleep_until(self, when: float) -> None:
        """Sleep until ``now()`` reaches ``when``; at once if it has."""
        await anyio.sleep(max(0.0, when - self.now()))


def _loop_time() -> Callable[[], float]:
    # anyio looks for the event loop at each reading, and a job has dozens of them
    if sniffio.current_async_library() != "asyncio":
        return anyio.current_time
    import asyncio

    return asyncio.get_running_loop().time

"""The time a run lives by."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio
import sniffio


class Clock:
    """Seconds since the epoch that never jump: the wall clock once, the event loop's clock from then on.

    So a system clock set an hour back or ahead in the middle of a run moves no deadline, and tests get
    virtual time from a virtual event loop without another switch. Make one inside the event loop.
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
    """The clock of this event loop, which anyio would look for anew at each of the dozens of readings a job."""
    if sniffio.current_async_library() != "asyncio":
        return anyio.current_time
    import asyncio

    return asyncio.get_running_loop().time

"""A queue of jobs, or their numbers, in the order in which they are due."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Generic, TypeVar

import anyio

from batchveo.core.clock import Clock

T = TypeVar("T")


class DelayQueue(Generic[T]):
    """Items by the time they are due; of those that are due, the one with the smallest ``rank``, else the earliest."""

    def __init__(self, rank: Callable[[T], float] | None = None) -> None:
        self._rank = rank
        self._later: list[tuple[float, int, T]] = []
        self._ready: list[tuple[float, int, T]] = []
        """Those that are due, by rank; empty without a rank."""
        self._ties = count()
        self._sooner = anyio.Event()
        """Set when a new item is due before all others."""

    def __len__(self) -> int:
        return len(self._later) + len(self._ready)

    def put(self, item: T, due: float) -> None:
        """Add ``item``, due at ``due``."""
        entry = (due, next(self._ties), item)
        heapq.heappush(self._later, entry)
        if self._later[0] is entry:
            self._sooner.set()

    async def take(self, clock: Clock) -> T:
        """Wait until an item is due, and remove it."""
        while not self._ready and (not self._later or self._later[0][0] > clock.now()):
            if self._sooner.is_set():  # several may wait for the same one
                self._sooner = anyio.Event()
            with anyio.move_on_after(self._later[0][0] - clock.now() if self._later else float("inf")):
                await self._sooner.wait()
        if self._rank is None:
            return heapq.heappop(self._later)[2]
        while self._later and self._later[0][0] <= clock.now():
            _, tie, item = heapq.heappop(self._later)
            heapq.heappush(self._ready, (self._rank(item), tie, item))
        return heapq.heappop(self._ready)[2]

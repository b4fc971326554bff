"""A queue of jobs in the order in which they are due."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import anyio

from batchveo.core.clock import Clock
from batchveo.core.models import Job

Rank = Callable[[Job], float]
"""Orders the jobs that are due: the smallest comes first."""


class DelayQueue:
    """Jobs by the time they are due; of those that are due, the first by ``rank``, else the earliest."""

    def __init__(self, rank: Rank | None = None) -> None:
        self._rank = rank
        self._later: list[tuple[float, int, Job]] = []
        self._ready: list[tuple[float, int, Job]] = []
        """The jobs that are due, by rank; empty without a rank."""
        self._ties = count()
        self._sooner = anyio.Event()
        """Set when a new job is due before all others."""

    def __len__(self) -> int:
        return len(self._later) + len(self._ready)

    def put(self, job: Job, due: float) -> None:
        """Add ``job``, due at ``due``."""
        item = (due, next(self._ties), job)
        heapq.heappush(self._later, item)
        if self._later[0] is item:
            self._sooner.set()

    async def take(self, clock: Clock) -> Job:
        """Wait until a job is due, and remove it."""
        while not self._ready and (not self._later or self._later[0][0] > clock.now()):
            self._sooner = anyio.Event()
            with anyio.move_on_after(self._later[0][0] - clock.now() if self._later else float("inf")):
                await self._sooner.wait()
        if self._rank is None:
            return heapq.heappop(self._later)[2]
        while self._later and self._later[0][0] <= clock.now():
            _, tie, job = heapq.heappop(self._later)
            heapq.heappush(self._ready, (self._rank(job), tie, job))
        return heapq.heappop(self._ready)[2]

"""Jobs in the order in which they are due."""

from __future__ import annotations

import heapq
from itertools import count

import anyio

from batchveo.clock import Clock
from batchveo.models import Job


class DueQueue:
    """Jobs ordered by the time they are due, earliest first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Job]] = []
        self._ties = count()
        self._sooner = anyio.Event()
        """Set when what was put is due before all else."""

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, job: Job, due: float) -> None:
        """Add ``job``, due at ``due``."""
        item = (due, next(self._ties), job)
        heapq.heappush(self._heap, item)
        if self._heap[0] is item:
            self._sooner.set()

    async def take(self, clock: Clock) -> Job:
        """Wait until the first is due, and take it."""
        while not self._heap or self._heap[0][0] > clock.now():
            self._sooner = anyio.Event()
            with anyio.move_on_after(self._heap[0][0] - clock.now() if self._heap else float("inf")):
                await self._sooner.wait()
        return heapq.heappop(self._heap)[2]

"""The loop that settles doubts: one sweep of the usage log serves them all."""

from __future__ import annotations

from collections.abc import Sequence

from batchveo.api import ServiceTrouble
from batchveo.errors import KeyRejected
from batchveo.events import Noted
from batchveo.models import Job
from batchveo.outcomes import AbsentFromLog, LogOutcome
from batchveo.runner.desk import UNEXPECTED, Desk
from batchveo.stages.reconciler import Reconciler

FAILURES_BELIEVED = 5
"""Failed readings in a row after which doubts that have had their time are held."""
SHORTEST_GAP, LONGEST_GAP, GROWTH = 1.0, 60.0, 1.6


class ReconcileLoop:
    """Sweeps while there are doubts, with growing gaps; a new doubt shortens them again.

    Held doubts are looked up too, whenever a sweep runs: a row that came later than anyone thought still heals
    them. They cause no sweeps beyond the first.
    """

    def __init__(self, desk: Desk, reconciler: Reconciler, *, settle: float) -> None:
        self._desk = desk
        self._reconciler = reconciler
        self._settle = settle
        self._known: set[int] = set()
        self._gap = SHORTEST_GAP
        self._next = 0.0
        self._failures = 0

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            doubts = self._desk.board.doubts
            if doubts.keys() - self._known:
                self._gap = SHORTEST_GAP
                self._next = min(self._next, self._desk.now() + self._gap)
                self._known = set(doubts)
            elif not self._desk.board.open_doubts():
                await self._desk.wait()
                continue
            if self._desk.now() < self._next:
                await self._desk.wait(self._next)
                continue
            await self._sweep()

    async def _sweep(self) -> None:
        doubts = list(self._desk.board.doubts.values())
        if not doubts:
            return
        try:
            outcomes = await self._reconciler.sweep(doubts)
            self._failures = 0
        except (ServiceTrouble, KeyRejected, *UNEXPECTED) as error:
            outcomes = self._unread(doubts, error)
        for job, outcome in outcomes:
            if self._desk.board.doubts.get(job.seq) is job and not _says_nothing(outcome):
                await self._desk.commit(job, outcome)
        self._known = set(self._desk.board.doubts)
        self._gap = min(self._gap * GROWTH, LONGEST_GAP)
        self._next = self._next_sweep()

    def _unread(self, doubts: Sequence[Job], error: Exception) -> list[tuple[Job, LogOutcome]]:
        """Nothing is known where the log cannot be read; but a run must not wait for it for ever."""
        self._failures += 1
        if self._failures == 1:
            self._desk.tell(Noted(text=f"the usage log cannot be read yet: {error}", warning=True))
        if self._failures < FAILURES_BELIEVED:
            return []
        since = self._desk.now() - self._settle
        return [(job, AbsentFromLog(settled=True)) for job in doubts if (job.doubted_at or 0.0) <= since]

    def _next_sweep(self) -> float:
        """After the gap, yet not later than the moment at which the first silence counts."""
        now = self._desk.now()
        settles = [
            job.doubted_at + self._settle
            for job in self._desk.board.open_doubts()
            if job.doubted_at is not None and job.doubted_at + self._settle > now
        ]
        return min([now + self._gap, *(when + 0.01 for when in settles)])


def _says_nothing(outcome: LogOutcome) -> bool:
    return isinstance(outcome, AbsentFromLog) and not outcome.settled

"""The loop that settles doubts: one sweep of each key's usage log serves them all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from batchveo.api import Api, ServiceTrouble
from batchveo.by_key import Label
from batchveo.coordinator.board import Board
from batchveo.coordinator.recorder import Recorder
from batchveo.errors import KeyRejected
from batchveo.events import Noted
from batchveo.models import Job
from batchveo.outcomes import AbsentFromLog, LogOutcome
from batchveo.settings import Doubt, RunSettings
from batchveo.stages.reconciler import LogKey, Reconciler
from batchveo.stages.unexpected import UNEXPECTED

FAILURES_BELIEVED = 5
"""Failed readings in a row after which doubts that have had their time are held."""
SHORTEST_GAP, LONGEST_GAP, GROWTH = 1.0, 60.0, 1.6


class ReconcileLoop:
    """Sweeps while there are doubts, with growing gaps; a new doubt shortens them again.

    Held doubts are looked up too, whenever a sweep runs: a row that came later than anyone thought still heals
    them. They cause no sweeps beyond the first. ``record`` takes what the log says; ``apis`` are the service by
    the labels of the keys; ``key_of`` names the key whose log is read for a job, and ``left_with`` tells whether
    the job left with that one.
    """

    def __init__(
        self,
        recorder: Recorder,
        board: Board,
        apis: Mapping[Label, Api],
        settings: RunSettings,
        *,
        key_of: Callable[[Job], Label],
        left_with: Callable[[Job, Label], LogKey],
        record: Callable[[Job, LogOutcome], Awaitable[None]],
    ) -> None:
        self._recorder = recorder
        self._board = board
        self._settle = settings.settle
        resubmit = settings.when_in_doubt is Doubt.RESUBMIT
        self._reconcilers = {
            key: Reconciler(
                api,
                settle=settings.settle,
                resubmit=resubmit,
                now=recorder.now,
                left_with=partial(_with_label, left_with, key),
            )
            for key, api in apis.items()
        }
        self._key_of = key_of
        self._record = record
        self._known: set[int] = set()
        self._looked: set[int] = set()
        self._gap = SHORTEST_GAP
        self._next = 0.0
        self._failures: Counter[Label] = Counter()

    def owes(self) -> bool:
        """Whether a doubt was not looked up yet by this run."""
        return bool(self._board.doubts.keys() - self._looked)

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            doubts = self._board.doubts
            if doubts.keys() - self._known:
                self._gap = SHORTEST_GAP
                self._next = min(self._next, self._recorder.now() + self._gap)
                self._known = set(doubts)
            elif not self._board.open_doubts():
                await self._recorder.wait()
                continue
            if self._recorder.now() < self._next:
                await self._recorder.wait(self._next)
                continue
            await self._sweep()

    async def _sweep(self) -> None:
        by_key: defaultdict[Label, list[Job]] = defaultdict(list)
        for job in self._board.doubts.values():
            by_key[self._key_of(job)].append(job)
        if not by_key:
            return
        for key, doubts in by_key.items():
            for job, outcome in await self._looked_up(key, doubts):
                if self._board.doubts.get(job.seq) is job and not _says_nothing(outcome):
                    await self._record(job, outcome)
        self._known = set(self._board.doubts)
        self._looked.update(job.seq for doubts in by_key.values() for job in doubts)
        self._recorder.notify()
        self._gap = min(self._gap * GROWTH, LONGEST_GAP)
        self._next = self._next_sweep()

    async def _looked_up(self, key: Label, doubts: Sequence[Job]) -> Sequence[tuple[Job, LogOutcome]]:
        try:
            outcomes = await self._reconcilers[key].sweep(doubts)
        except (ServiceTrouble, KeyRejected, *UNEXPECTED) as error:
            return self._unread(key, doubts, error)
        self._failures[key] = 0
        return outcomes

    def _unread(self, key: Label, doubts: Sequence[Job], error: Exception) -> list[tuple[Job, LogOutcome]]:
        """Nothing is known where the log cannot be read; but a run must not wait for it for ever."""
        self._failures[key] += 1
        if self._failures[key] == 1:
            self._recorder.tell(Noted(text=f"the usage log cannot be read yet: {error}", warning=True))
        if self._failures[key] < FAILURES_BELIEVED:
            return []
        since = self._recorder.now() - self._settle
        unread = AbsentFromLog(settled=True, reason="the usage log cannot be read")
        return [(job, unread) for job in doubts if (job.doubted_at or 0.0) <= since]

    def _next_sweep(self) -> float:
        """After the gap, yet not later than the moment at which the first silence counts."""
        now = self._recorder.now()
        settles = [
            job.doubted_at + self._settle
            for job in self._board.open_doubts()
            if job.doubted_at is not None and job.doubted_at + self._settle > now
        ]
        return min([now + self._gap, *(when + 0.01 for when in settles)])


def _with_label(left_with: Callable[[Job, Label], LogKey], label: Label, job: Job) -> LogKey:
    return left_with(job, label)


def _says_nothing(outcome: LogOutcome) -> bool:
    return isinstance(outcome, AbsentFromLog) and not outcome.settled

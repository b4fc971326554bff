"""Where every outcome is recorded, and where the loops of a run learn that something has changed."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from batchveo.api.faults import describe
from batchveo.clock import Clock
from batchveo.errors import DiskTrouble, KeyRejected, OutOfCredits, ServiceMisplaced, StoppedEarly
from batchveo.events import Event, Moved, Noted, Reporter
from batchveo.models import Job, JobState
from batchveo.outcomes import Accepted, Blocked, DiskRefused, FoundInLog, Lost, Outcome, Stop
from batchveo.runner.board import Board
from batchveo.runner.groups import GroupCommit
from batchveo.states import Move, next_state
from batchveo.store import GenerationTaken, MoveLost, Store

UNEXPECTED = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, OSError, MemoryError)
"""What a stage does not raise, unless an answer was so strange that nobody thought of it: one job's trouble, never
the end of a night. Errors of the state are not among them; those end the run."""

_STOPS: dict[Stop, type[StoppedEarly]] = {
    Stop.KEY: KeyRejected,
    Stop.CREDITS: OutOfCredits,
    Stop.SERVICE: ServiceMisplaced,
}


@dataclass(slots=True)
class Desk:
    """What the loops of one run share."""

    store: Store
    board: Board
    clock: Clock
    report: Reporter
    run: int
    jitter: Callable[[], float] = random.random
    waits_for_credits: bool = False
    out_of_credits: str | None = None
    """The service's words, while the account is empty and waited for."""
    stopped: StoppedEarly | None = None
    finished: set[JobState] = field(default_factory=set)
    """The states that jobs reached in this run."""
    _changed: anyio.Event = field(default_factory=anyio.Event)
    _groups: GroupCommit = field(init=False)

    def __post_init__(self) -> None:
        self._groups = GroupCommit(self.store)

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.clock.now()

    async def durable(self) -> None:
        """Wait until all that was recorded so far is safe on disk; each call to the service begins with this."""
        await self._groups.durable()

    async def commit(self, job: Job, outcome: Outcome, *, due: float | None = None) -> Job:
        """Record what came of a step, for good, and put the job where it belongs next; returns it as it is now.

        ``due`` is when its next poll or download may begin; the job's own ``not_before`` without it. Between the
        outcome and its record there is no await, so no cancellation falls there; nor does one before it is safe.
        """
        now = self.now()
        events: list[Event] = []
        try:
            moved = self._moved(job, outcome, now, events)
            self._heed(outcome)
            # the board follows the state at once: others may take the job from there in this very moment
            if self.board.place(moved, due=moved.not_before if due is None else due, now=now):
                self.notify()
            await self.durable()
        except sqlite3.Error:
            if isinstance(outcome, Accepted | FoundInLog):  # the last trace of a purchase, should the log lose it
                text = f"{job.name}: generation {outcome.generation_id} was accepted, but cannot be recorded"
                self.tell(Noted(text=text, warning=True))
            raise
        self.finished.add(moved.state)
        for event in events:
            self.tell(event)
        return moved

    def _heed(self, outcome: Outcome) -> None:
        """Stop the run where an outcome is not about its job alone."""
        if isinstance(outcome, Blocked):
            self._blocked(outcome)
        if isinstance(outcome, DiskRefused):
            self.stop(DiskTrouble(outcome.reason))

    def _blocked(self, outcome: Blocked) -> None:
        if outcome.stop is Stop.CREDITS and self.waits_for_credits:
            self.out_of_credits = outcome.reason
        else:
            self.stop(_STOPS[outcome.stop](outcome.reason))

    def _moved(self, job: Job, outcome: Outcome, now: float, events: list[Event]) -> Job:
        move = next_state(job, outcome, now=now, jitter=self.jitter())
        if move is None:
            return job
        try:
            return self._recorded(job, move, now, events)
        except MoveLost:
            return self.store.job(job.seq)
        except GenerationTaken as taken:
            return self._taken(job, outcome, str(taken), now, events)

    def _recorded(self, job: Job, move: Move, now: float, events: list[Event]) -> Job:
        moved = self.store.apply(job, move, run=self.run, now=now)
        events.append(Moved(job=moved, was=job.state, detail=move.detail))
        twin = self.store.same_file(moved) if moved.state is JobState.SUCCEEDED else None
        if twin is not None:
            text = f"{moved.name}: byte for byte the same video as {twin.name}"
            events.append(Noted(text=text, warning=True))
        return moved

    def _taken(self, job: Job, outcome: Outcome, generation: str, now: float, events: list[Event]) -> Job:
        """One generation never serves two jobs; the second of them stays, or becomes, in doubt."""
        reason = f"the service names generation {generation}, which is another job's"
        if isinstance(outcome, FoundInLog):
            if job.held:
                return job
            hold = Move(to=JobState.IN_DOUBT, detail=reason, set={"held": True, "error": reason})
            return self._recorded(job, hold, now, events)
        return self._moved(job, Lost(reason=reason), now, events)

    async def mark_sent(self, job: Job) -> None:
        """Record, for good, that the request of ``job`` is about to leave; where that fails, it does not leave."""
        self.store.mark_sent(job, now=self.now())
        await self.durable()

    def stop(self, why: StoppedEarly) -> None:
        """Take no more jobs; the first reason stands."""
        if self.stopped is None:
            self.stopped = why
            self.tell(Noted(text=f"no more jobs are submitted: {why}", warning=True))
        self.notify()

    def tell(self, event: Event) -> None:
        """Hand an event to whoever watches; their troubles are theirs, and never the run's."""
        with contextlib.suppress(Exception):
            self.report(event)

    def unexpected(self, job: Job, error: Exception) -> str:
        """Say that a stage raised what it should not; returns the reason in words."""
        reason = f"unexpected {describe(error)}"
        self.tell(Noted(text=f"{job.name}: {reason}; please report this", warning=True))
        return reason

    def notify(self) -> None:
        """Wake everyone who waits for a change."""
        self._changed.set()
        self._changed = anyio.Event()

    async def wait(self, until: float | None = None) -> None:
        """Wait for a change, at the longest until ``until`` (seconds since the epoch)."""
        changed = self._changed
        if until is None:
            await changed.wait()
            return
        with anyio.move_on_after(max(0.0, until - self.now())):
            await changed.wait()

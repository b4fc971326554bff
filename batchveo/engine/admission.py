"""Gives out the next job as soon as one may be submitted: a place first, then the pace, then a claim."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import anyio
import anyio.lowlevel

from batchveo.core.events import ThrottleReason
from batchveo.core.models import Job
from batchveo.engine.budget import Budget
from batchveo.engine.event_bus import EventBus
from batchveo.engine.in_flight import InFlightTable
from batchveo.engine.key_limits import KeyThrottle, KeyThrottles
from batchveo.engine.run_context import RunContext
from batchveo.engine.throttle_report import ThrottleReporter
from batchveo.store import BudgetShort

Hold = Callable[[], Awaitable[None]]
"""Waits for what keeps the next job from being submitted."""

LOOK_AGAIN_SECONDS = 5.0
"""How often an idle run looks whether another process has made work (``retry``, say)."""


class Admission:
    """Keeps as many generations in flight as the user, the service and the downloads allow.

    One claim at a time, whoever asks: so limits hold over all workers. ``backlog``: finished videos that may wait
    for their download; paid videos that cannot be fetched must not pile up, since hosts do not keep them for ever.
    """

    def __init__(
        self,
        context: RunContext,
        bus: EventBus,
        board: InFlightTable,
        lines: KeyThrottles,
        wallet: Budget,
        *,
        backlog: int,
    ) -> None:
        self._context = context
        self._bus = bus
        self._board = board
        self._lines = lines
        self._wallet = wallet
        self._backlog = backlog
        self._turn = anyio.Lock()
        self.gauge = ThrottleReporter(bus, lines)

    async def claim(self, check: Callable[[], None], claimed: Callable[[Job], None], *, most: int = 1) -> Sequence[Job]:
        """The next job as soon as there may be one, and what else may leave in that moment; at most ``most``.

        There is no await between ``check``, the claims and ``claimed``, which is called for each. ``check`` raises
        where whoever waits is not to have one any more.
        """
        async with self._turn:
            while True:
                await anyio.lowlevel.checkpoint()  # others act between two claims, none between look and claim
                check()
                found = self._several(claimed, most)
                if isinstance(found, list):
                    return found
                await found()

    def _several(self, claimed: Callable[[Job], None], most: int) -> list[Job] | Hold:
        """The jobs that may leave now, claimed; where there are none, how to wait for what holds them up."""
        jobs: list[Job] = []
        while len(jobs) < most:
            found = self._next()
            if not isinstance(found, Job):
                return jobs or found
            claimed(found)
            jobs.append(found)
        return jobs

    def _next(self) -> Job | Hold:
        """A job, claimed; or how to wait for what holds it up."""
        now = self._context.now()
        if self._bus.stopped is not None:
            return self._bus.wait
        self._try_refused_again(now)
        lines, brake, until = self._ready(now)
        if not lines:
            return self._held(brake, until, said=until if brake is ThrottleReason.PAUSE else None)
        for line in lines[:-1]:
            found = self._job(line, now)
            if isinstance(found, Job) or not line.refusals.models():  # another key would find no more than this
                return found
        return self._job(lines[-1], now)

    def _try_refused_again(self, now: float) -> None:
        """Let one job of each model that was refused long enough ago see whether it still is."""
        for line in self._lines:
            for model in line.refusals.due(now):
                line.refusals.try_one(model)
                self._context.store.take_one_back(model, run=self._context.run)

    def _held(self, brake: ThrottleReason, until: float | None, *, said: float | None = None) -> Hold:
        """Wait for a change, at the longest until ``until``; ``said`` is what a person is told of that."""

        async def wait() -> None:
            self.gauge.tell(brake, said)
            await self._bus.wait(until)

        return wait

    def _ready(self, now: float) -> tuple[list[KeyThrottle], ThrottleReason, float | None]:
        """The keys to submit with, the soonest first; else what keeps them all, and until when."""
        if self._board.downloads_waiting() >= self._backlog:
            return [], ThrottleReason.DOWNLOADS, self._board.place_frees_at(now)
        free = self._with_places(now)
        if not free:
            return [], ThrottleReason.PLACES, self._board.place_frees_at(now)
        able = [line for line in free if line.out_of_credits is None]
        if not able:
            return [], ThrottleReason.CREDITS, None
        able.sort(key=lambda line: max(line.pause.until, self._lines.free_at(line, now)))
        ready = [line for line in able if line.pause.until <= now]
        return (ready, ThrottleReason.NOTHING, None) if ready else ([], ThrottleReason.PAUSE, able[0].pause.until)

    def _with_places(self, now: float) -> list[KeyThrottle]:
        """The keys that may have one more in flight; none if the run may not."""
        taken = {line: self._board.places_taken(line.name, now) for line in self._lines}
        if sum(taken.values()) >= self._lines.ceiling or (self._lines.probing and self._board.submitting()):
            return []
        return [line for line in self._lines if line.closed is None and taken[line] < line.limit.value]

    def _job(self, line: KeyThrottle, now: float) -> Job | Hold:
        refused = line.refusals.models()
        when = self._context.store.next_pending(self._context.run, now=now, refused=refused)
        if when is None:
            return self._held(ThrottleReason.NOTHING, now + LOOK_AGAIN_SECONDS)
        if when > now:
            return self._held(ThrottleReason.LATER, when, said=when)
        turn = self._lines.free_at(line, now)
        if turn > now:
            return self._held(ThrottleReason.RATE, turn)
        try:
            job = self._wallet.claim(line.name, refused)
        except BudgetShort as short:
            return self._short(short)
        if job is None:  # another process was faster
            return anyio.lowlevel.checkpoint
        self._lines.reserve(line, now)
        return job

    def _short(self, short: BudgetShort) -> Hold:
        async def wait() -> None:
            self.gauge.tell(ThrottleReason.BUDGET)
            await self._wallet.await_room(short)

        return wait

"""Gives out the next job as soon as one may be submitted: a place first, then the pace, then a claim."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.lowlevel

from batchveo.coordinator.board import Board
from batchveo.coordinator.gauge import Gauge
from batchveo.coordinator.lines import Line, Lines
from batchveo.coordinator.recorder import Recorder
from batchveo.coordinator.wallet import Wallet
from batchveo.events import Brake
from batchveo.models import Job
from batchveo.store import BudgetShort

LOOK_AGAIN_SECONDS = 5.0
"""How often an idle run looks whether another process has made work (``retry``, say)."""


class Admission:
    """Keeps as many generations in flight as the user, the service and the downloads allow.

    One claim at a time, whoever asks: so limits hold over all workers. ``backlog``: finished videos that may wait
    for their download; paid videos that cannot be fetched must not pile up, since hosts do not keep them for ever.
    """

    def __init__(self, recorder: Recorder, board: Board, lines: Lines, wallet: Wallet, *, backlog: int) -> None:
        self._recorder = recorder
        self._board = board
        self._lines = lines
        self._wallet = wallet
        self._backlog = backlog
        self._turn = anyio.Lock()
        self.gauge = Gauge(recorder, lines)

    async def claim(self, check: Callable[[], None], claimed: Callable[[Job], None]) -> Job:
        """The next job, as soon as there may be one; with no await between ``check``, its claim and ``claimed``.

        ``check`` raises where whoever waits is not to have one any more.
        """
        async with self._turn:
            while True:
                await anyio.lowlevel.checkpoint()  # others act between two claims, none between look and claim
                check()
                job = await self._next()
                if job is not None:
                    claimed(job)
                    return job

    async def _next(self) -> Job | None:
        """A job, or ``None`` after waiting for what held it up."""
        now = self._recorder.now()
        if self._recorder.stopped is not None:
            await self._recorder.wait()
            return None
        line, brake, until = self._line(now)
        if line is None:
            self.gauge.tell(brake, until if brake is Brake.PAUSE else None)
            await self._recorder.wait(until)
            return None
        return await self._job(line, now)

    def _line(self, now: float) -> tuple[Line | None, Brake, float | None]:
        """The key to submit with, the one that may go on soonest; else what keeps them all, and until when."""
        if self._board.downloads_waiting() >= self._backlog:
            return None, Brake.DOWNLOADS, self._board.place_frees_at(now)
        free = self._with_places(now)
        if not free:
            return None, Brake.PLACES, self._board.place_frees_at(now)
        able = [line for line in free if line.out_of_credits is None]
        if not able:
            return None, Brake.CREDITS, None
        line = min(able, key=lambda line: max(line.pause.until, self._lines.free_at(line, now)))
        if line.pause.until > now:
            return None, Brake.PAUSE, line.pause.until
        return line, Brake.NOTHING, None

    def _with_places(self, now: float) -> list[Line]:
        """The keys that may have one more in flight; none where the run may not."""
        taken = {line: self._board.places_taken(line.name, now) for line in self._lines}
        if sum(taken.values()) >= self._lines.ceiling:
            return []
        return [line for line in self._lines if line.closed is None and taken[line] < line.limit.value]

    async def _job(self, line: Line, now: float) -> Job | None:
        when = self._recorder.store.next_pending(self._recorder.run, now=now)
        if when is None or when > now:
            self.gauge.tell(Brake.NOTHING if when is None else Brake.LATER, when)
            await self._recorder.wait(now + LOOK_AGAIN_SECONDS if when is None else when)
            return None
        turn = self._lines.free_at(line, now)
        if turn > now:
            self.gauge.tell(Brake.RATE)
            await self._recorder.wait(turn)
            return None
        try:
            job = self._wallet.claim(line.name)
        except BudgetShort as short:
            self.gauge.tell(Brake.BUDGET)
            await self._wallet.await_room(short)
            return None
        if job is not None:
            self._lines.reserve(line, now)
        return job

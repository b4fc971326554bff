"""The loop that submits: room first, then pace, then a claim."""

from __future__ import annotations

from collections.abc import Callable

from anyio.abc import TaskGroup

from batchveo.events import Brake, Slowed
from batchveo.models import Job
from batchveo.outcomes import Accepted, Lost, Refused, SubmitOutcome, Throttled, TurnedAway
from batchveo.pacing import AdaptiveLimit, Pace, Pause
from batchveo.retry import backoff
from batchveo.runner.desk import UNEXPECTED, Desk
from batchveo.runner.gauge import Gauge
from batchveo.runner.settings import RunSettings
from batchveo.runner.wallet import Wallet
from batchveo.stages.submitter import Submitter
from batchveo.states import LEAST_WAIT_CAP
from batchveo.store import BudgetShort

LOOK_AGAIN_SECONDS = 5.0
"""How often an idle run looks whether another process has made work (``retry``, say)."""
PAUSE_CAP_SECONDS = 60.0


class SubmitLoop:
    """Keeps as many generations in flight as the user, the service and the downloads allow."""

    def __init__(
        self,
        desk: Desk,
        submitter: Submitter,
        wallet: Wallet,
        settings: RunSettings,
        *,
        first_poll: Callable[[Job], float],
    ) -> None:
        self._desk = desk
        self._first_poll = first_poll
        self._wallet = wallet
        self._submitter = submitter
        self._limit = AdaptiveLimit(settings.concurrency)
        self._gauge = Gauge(desk, self._limit)
        self._pace = Pace(settings.rate)
        self._pause = Pause()
        # paid videos that cannot be fetched must not pile up: hosts do not keep them for ever
        self._backlog = max(4 * settings.downloads, 2 * settings.concurrency)

    async def run(self, workers: TaskGroup) -> None:
        """Submit until cancelled or stopped."""
        while self._desk.stopped is None:
            brake = self._full()
            if brake is not None:
                self._gauge.tell(brake)
                await self._desk.wait(self._desk.board.place_frees_at(self._desk.now()))
            elif self._desk.out_of_credits is not None:
                self._gauge.tell(Brake.CREDITS)
                await self._wallet.await_credits()
            elif self._desk.now() < self._pause.until:
                self._gauge.tell(Brake.PAUSE, self._pause.until)
                await self._desk.clock.sleep_until(self._pause.until)
            else:
                await self._next(workers)

    def _full(self) -> Brake | None:
        """What there is no room for another job in; ``None`` where there is room."""
        board = self._desk.board
        if board.downloads_waiting() >= self._backlog:
            return Brake.DOWNLOADS
        return Brake.PLACES if board.places_taken(self._desk.now()) >= self._limit.value else None

    async def _next(self, workers: TaskGroup) -> None:
        now = self._desk.now()
        when = self._desk.store.next_pending(self._desk.run, now=now)
        if when is None or when > now:
            self._gauge.tell(Brake.NOTHING if when is None else Brake.LATER, when)
            await self._desk.wait(now + LOOK_AGAIN_SECONDS if when is None else when)
            return
        turn = self._pace.reserve(now)
        if turn > now:
            self._gauge.tell(Brake.RATE)
        await self._desk.clock.sleep_until(turn)
        if self._desk.stopped is not None:
            return
        try:
            job = self._wallet.claim()
        except BudgetShort as short:
            self._gauge.tell(Brake.BUDGET)
            await self._wallet.await_room(short)
            return
        if job is not None:
            self._desk.board.claimed(job)
            workers.start_soon(self._submit, job)

    async def _submit(self, job: Job) -> None:
        await self._desk.durable()
        sent_at = self._desk.now()
        try:
            outcome = await self._submitter.handle(job)
        except UNEXPECTED as error:
            outcome = Lost(reason=self._desk.unexpected(job, error))
        due = self._first_poll(job) if isinstance(outcome, Accepted) else None
        await self._desk.commit(job, outcome, due=due)
        self._adapt(outcome, sent_at)

    def _adapt(self, outcome: SubmitOutcome, sent_at: float) -> None:
        match outcome:
            case Accepted():
                self._limit.accepted()
                self._pause.clear()
            case Refused():
                self._pause.clear()
            case Throttled(reason=reason, retry_after=wait):
                running = self._desk.board.generating()
                if self._limit.throttled(sent_at=sent_at, now=self._desk.now(), in_flight=running):
                    self._gauge.lowered()
                self._slow(reason, wait, sent_at)
            case TurnedAway(reason=reason, retry_after=wait):
                self._slow(reason, wait, sent_at)
            case Lost(reason=reason):
                self._slow(reason, None, sent_at)
            case _:
                pass

    def _slow(self, reason: str, retry_after: float | None, sent_at: float) -> None:
        now = self._desk.now()
        episodes = self._pause.episode(sent_at=sent_at, now=now)
        cap = PAUSE_CAP_SECONDS if retry_after is None else LEAST_WAIT_CAP
        wait = max(retry_after or 0.0, backoff(episodes, self._desk.jitter(), cap=cap))
        if self._pause.extend(now + wait):
            self._desk.tell(Slowed(reason=reason, until=now + wait, limit=self._limit.value))
        self._desk.notify()

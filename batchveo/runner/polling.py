"""The loop that polls: every unfinished generation, when it is due, at a bounded total rate."""

from __future__ import annotations

import anyio
from anyio.abc import TaskGroup

from batchveo.durations import Durations
from batchveo.events import Noted
from batchveo.models import Job, JobState
from batchveo.outcomes import Blocked, PollOutcome, PollTrouble, StillGenerating
from batchveo.pacing import Pace
from batchveo.retry import backoff
from batchveo.runner.desk import UNEXPECTED, Desk
from batchveo.runner.schedule import PollSchedule
from batchveo.runner.settings import RunSettings
from batchveo.stages.poller import Poller

AT_ONCE = 256
"""Polls under way at the same time, at most."""
TROUBLE_CAP_SECONDS = 60.0
REFUSALS_BELIEVED = 3
TROUBLES_SAID = 5
"""Failed polls of one generation in a row after which a person is told."""


class PollLoop:
    """Polls what is generating; those of earlier runs first, since they are due at once."""

    def __init__(self, desk: Desk, poller: Poller, settings: RunSettings, durations: Durations) -> None:
        self._desk = desk
        self._poller = poller
        self._pace = Pace(None if settings.poll_interval else settings.polls_per_second * 60.0)
        self._schedule = PollSchedule(settings, durations)
        self._slots = anyio.Semaphore(AT_ONCE)
        self._troubles: dict[int, int] = {}
        self._odd_words: set[str] = set()
        self._refusals = 0

    async def run(self, workers: TaskGroup) -> None:
        """Poll until cancelled."""
        queue = self._desk.board.polls
        while True:
            await self._slots.acquire()
            job = await queue.take(self._desk.clock)
            await self._desk.clock.sleep_until(self._pace.reserve(self._desk.now()))
            workers.start_soon(self._poll, job)

    def first_due(self, job: Job) -> float:
        """When to poll a generation that was accepted this moment: it cannot be done yet."""
        return self._schedule.accepted(job, self._desk.now())

    async def _poll(self, job: Job) -> None:
        try:
            await self._desk.durable()
            outcome = self._believed(await self._asked(job))
            self._say_odd_words(job, outcome)
            polled = await self._desk.commit(job, outcome, due=self._due(job, outcome))
        finally:
            self._slots.release()
        if polled.state is not JobState.GENERATING:
            self._troubles.pop(job.seq, None)
            if polled.state is JobState.DOWNLOADING:
                self._schedule.completed(polled, self._desk.now())
            self._schedule.ended(job)

    async def _asked(self, job: Job) -> PollOutcome:
        try:
            return await self._poller.handle(job)
        except UNEXPECTED as error:
            return PollTrouble(reason=self._desk.unexpected(job, error))

    @property
    def blocked(self) -> bool:
        """Whether the service refuses to answer polls at all (401)."""
        return self._refusals >= REFUSALS_BELIEVED

    def _believed(self, outcome: PollOutcome) -> PollOutcome:
        """A single 401 may be a gateway's hiccup, and must not end a night; a row of them is the key."""
        if not isinstance(outcome, Blocked):
            self._refusals = 0
            return outcome
        self._refusals += 1
        return outcome if self.blocked else PollTrouble(reason=outcome.reason)

    def _due(self, job: Job, outcome: PollOutcome) -> float | None:
        """When to poll again; ``None`` where the job has gone on to another state."""
        now = self._desk.now()
        match outcome:
            case StillGenerating():
                self._troubles.pop(job.seq, None)
                return self._schedule.unfinished(job, now)
            case PollTrouble(retry_after=wait, reason=reason):
                wait = max(wait or 0.0, self._trouble_gap(job, reason))
                return max(now + wait, self._schedule.unknown(job, now))
            case Blocked(reason=reason):
                return now + self._trouble_gap(job, reason)
            case _:
                return None

    def _trouble_gap(self, job: Job, reason: str) -> float:
        troubles = self._troubles[job.seq] = self._troubles.get(job.seq, 0) + 1
        if troubles == TROUBLES_SAID:
            self._desk.tell(Noted(text=f"{job.name}: polls keep failing: {reason}", warning=True))
        return backoff(troubles, self._desk.jitter(), base=0.5, cap=TROUBLE_CAP_SECONDS)

    def _say_odd_words(self, job: Job, outcome: PollOutcome) -> None:
        if isinstance(outcome, StillGenerating) and not outcome.known and outcome.word not in self._odd_words:
            self._odd_words.add(outcome.word)
            text = f"{job.name}: the service says {outcome.word!r}, a status it does not document; polling on"
            self._desk.tell(Noted(text=text, warning=True))

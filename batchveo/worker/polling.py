"""The loop that polls: every unfinished generation, when it is due, at a bounded total rate."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup

from batchveo.by_key import ByKey, Label
from batchveo.desk import Desk, Fenced
from batchveo.durations import Durations
from batchveo.events import Noted
from batchveo.models import Job, JobState
from batchveo.outcomes import Blocked, PollOutcome, PollTrouble, StillGenerating
from batchveo.pacing import Pace
from batchveo.retry import backoff
from batchveo.settings import RunSettings
from batchveo.stages.poller import Poller
from batchveo.stages.unexpected import UNEXPECTED, unexpected
from batchveo.worker.outage import Outage
from batchveo.worker.queues import DueQueue
from batchveo.worker.schedule import PollSchedule

AT_ONCE = 256
"""Polls under way at the same time, at most."""
TROUBLE_CAP_SECONDS = 60.0
REFUSALS_BELIEVED = 3
TROUBLES_SAID = 5
"""Failed polls of one generation in a row after which a person is told."""


class PollLoop:
    """Polls what is generating; what it adopts first, since that is due at once."""

    def __init__(
        self,
        desk: Desk,
        pollers: ByKey[Poller],
        settings: RunSettings,
        durations: Durations,
        *,
        place: Callable[[Job], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._desk = desk
        self._pollers = pollers
        self._pace = Pace(None if settings.poll_interval else settings.polls_per_second * 60.0)
        self._schedule = PollSchedule(settings, durations)
        self._place = place
        self._jitter = jitter
        self._slots = anyio.Semaphore(AT_ONCE)
        self._troubles: dict[int, int] = {}
        self._odd_words: set[str] = set()
        self._outage = Outage()
        self._refusals: Counter[Label] = Counter()
        self.queue = DueQueue()

    async def run(self, calls: TaskGroup) -> None:
        """Poll until cancelled."""
        while True:
            await self._slots.acquire()
            job = await self.queue.take(self._desk.clock)
            await self._desk.clock.sleep_until(self._pace.reserve(self._desk.clock.now()))
            calls.start_soon(self._poll, job)

    def accepted(self, job: Job) -> None:
        """Take a generation that was accepted this moment: it cannot be done yet."""
        self.queue.put(job, self._schedule.accepted(job, self._desk.clock.now()))

    async def _poll(self, job: Job) -> None:
        try:
            with suppress(Fenced):
                await self._polled(job)
        finally:
            self._slots.release()

    async def _polled(self, job: Job) -> None:
        outcome = self._believed(job, await self._asked(job))
        if (text := self._outage.heed(outcome)) is not None:
            self._desk.tell(Noted(text=text, warning=True))
        due = self._due(job, outcome)
        if due is not None:
            self.queue.put(job, due)
        if isinstance(outcome, StillGenerating | PollTrouble):  # nothing worth a record
            self._say_odd_words(job, outcome)
            return
        moved = await self._desk.record(job, outcome)
        if due is None:
            self._leave(job, moved)

    def _leave(self, job: Job, moved: Job) -> None:
        """Hand over what is not generating any more."""
        self._troubles.pop(job.seq, None)
        if moved.state is JobState.DOWNLOADING:
            self._schedule.completed(moved, self._desk.clock.now())
        self._schedule.ended(job)
        self._place(moved)

    async def _asked(self, job: Job) -> PollOutcome:
        try:
            return await self._pollers.of(job).handle(job)
        except UNEXPECTED as error:
            reason, note = unexpected(job, error)
            self._desk.tell(note)
            return PollTrouble(reason=reason)

    def _believed(self, job: Job, outcome: PollOutcome) -> PollOutcome:
        """A single 401 may be a gateway's hiccup, and must not end a night; a row of them is the key."""
        key = job.key or ""
        if not isinstance(outcome, Blocked):
            self._refusals[key] = 0
            return outcome
        self._refusals[key] += 1
        believed = self._refusals[key] >= REFUSALS_BELIEVED
        return outcome if believed else PollTrouble(reason=outcome.reason)

    def _due(self, job: Job, outcome: PollOutcome) -> float | None:
        """When to poll again; ``None`` where the job has gone on to another state."""
        now = self._desk.clock.now()
        match outcome:
            case StillGenerating():
                self._troubles.pop(job.seq, None)
                return self._schedule.unfinished(job, now)
            case PollTrouble(retry_after=wait):
                wait = max(wait or 0.0, self._trouble_gap(job, outcome))
                return max(now + wait, self._schedule.unknown(job, now))
            case Blocked():
                return now + self._trouble_gap(job, outcome)
            case _:
                return None

    def _trouble_gap(self, job: Job, trouble: PollTrouble | Blocked) -> float:
        troubles = self._troubles[job.seq] = self._troubles.get(job.seq, 0) + 1
        outage = isinstance(trouble, PollTrouble) and trouble.unreachable  # which is said for all of them at once
        if troubles == TROUBLES_SAID and not outage:
            text = f"{job.name}: polls keep failing: {trouble.reason}{_hint(job, trouble)}"
            self._desk.tell(Noted(text=text, warning=True))
        return backoff(troubles, self._jitter(), base=0.5, cap=TROUBLE_CAP_SECONDS)

    def _say_odd_words(self, job: Job, outcome: PollOutcome) -> None:
        if isinstance(outcome, StillGenerating) and not outcome.known and outcome.word not in self._odd_words:
            self._odd_words.add(outcome.word)
            text = f"{job.name}: the service says {outcome.word!r}, a status it does not document; polling on"
            self._desk.tell(Noted(text=text, warning=True))


def _hint(job: Job, trouble: PollTrouble | Blocked) -> str:
    """What a person may look at where the service knows nothing of what was bought."""
    if not isinstance(trouble, PollTrouble) or not trouble.unknown:
        return ""
    key = f"key {job.key!r}" if job.key else "the key"
    return f"; is {key} one of the account that bought it? No other can ask for it"

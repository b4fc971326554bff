"""The stage that polls each unfinished generation when it is due, at a bounded total rate."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import anyio
from anyio.abc import TaskGroup

from batchveo.core.durations import Durations
from batchveo.core.models import Job, JobState
from batchveo.core.notices import GenerationPutAside, OtherVideosIgnored, PollsFailing, StatusUnknown
from batchveo.core.outcomes import Blocked, Completed, PollError, PollOutcome, StillGenerating, Stuck
from batchveo.core.rate_limit import RateLimit
from batchveo.core.settings import RunSettings
from batchveo.engine.broker import Broker, Fenced
from batchveo.engine.key_limits import Label, PerKey
from batchveo.engine.stages.delay_queue import DelayQueue
from batchveo.engine.stages.failures import UNEXPECTED, FailureStreak, FailureStreaks, Outage, describe_unexpected
from batchveo.engine.stages.poll_schedule import PollSchedule
from batchveo.provider import ApiClient

_log = logging.getLogger(__name__)

AT_ONCE = 256
"""Polls in progress at the same time, at most."""
REFUSALS_TO_BLOCK = 3
"""Polls with one key in a row that are answered 401, after which the key counts as refused."""
FAILURES_TO_WARN = 5
"""Failed polls of one generation in a row after which the user is warned."""


class Poller:
    """Polls generations. ``place`` gets each job that a poll has moved to another state.

    ``share``: the part of the settings' rate of polls that this poller may use.
    """

    def __init__(
        self,
        broker: Broker,
        apis: PerKey[ApiClient],
        settings: RunSettings,
        durations: Durations,
        *,
        place: Callable[[Job], None],
        share: float = 1.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._broker = broker
        self._apis = apis
        self._pace = RateLimit(None if settings.poll_interval else share * settings.polls_per_second * 60.0)
        self._schedule = PollSchedule(settings, durations, share=share)
        self._place = place
        self._slots = anyio.Semaphore(AT_ONCE, fast_acquire=True)
        self._streaks = FailureStreaks(jitter)
        self._odd_words: set[str] = set()
        self._last_words: set[str] = set()
        self._outage = Outage()
        self._refusals: Counter[Label] = Counter()
        self.queue: DelayQueue[Job] = DelayQueue()

    async def run(self, calls: TaskGroup) -> None:
        """Poll until cancelled."""
        while True:
            await self._slots.acquire()
            job = await self.queue.take(self._broker.clock)
            now = self._broker.clock.now()
            turn = self._pace.reserve(now, share=self._schedule.allowed.find_share(now))
            if turn > now:
                await self._broker.clock.sleep_until(turn)
            calls.start_soon(self._run_poll, job)

    async def handle(self, job: Job) -> PollOutcome:
        """Poll the generation of ``job`` once."""
        if job.generation_id is None:
            raise ValueError(f"job {job.id} has no generation id")
        return await self._apis.for_job(job).poll(job.generation_id)

    def add_accepted(self, job: Job) -> None:
        """Queue a generation that was accepted just now: it cannot be finished yet."""
        self.queue.put(job, self._schedule.add_accepted(job, self._broker.clock.now()))

    async def _run_poll(self, job: Job) -> None:
        try:
            with suppress(Fenced):
                await self._poll_job(job)
        finally:
            self._slots.release()

    async def _poll_job(self, job: Job) -> None:
        sent_at = self._broker.clock.now()
        outcome = self._confirm_refusal(job, await self._find_outcome(job))
        if (notice := self._outage.follow_outcome(outcome)) is not None:
            self._broker.send_event(notice)
        now = self._broker.clock.now()
        if isinstance(outcome, PollError) and outcome.throttled:
            self._schedule.allowed.decrease(sent_at=sent_at, now=now)
        match outcome:
            case StillGenerating(known=False):
                self._report_unknown_status(job, outcome)
                await self._handle_unknown_status(job, outcome, now)
            case StillGenerating():
                if self._streaks.end_streak(job, now):  # it was put aside, and is waited for again
                    await self._record_and_poll(job, outcome, self._schedule.plan_after_answer(job, now))
                else:
                    self.queue.put(job, self._schedule.plan_after_answer(job, now))
            case PollError():
                await self._handle_error(job, outcome, now)
            case Blocked():
                # queued first: a refused key ends the waiting for this generation, not the polling
                self.queue.put(job, now + self._streaks.find_gap(self._streaks.add_failure(job, outcome, now)))
                await self._broker.record_outcome(job, outcome)
            case _:
                self._streaks.end_streak(job, now)
                self._report_other_videos(job, outcome)
                moved = await self._broker.record_outcome(job, outcome)
                self._hand_over(job, moved)

    async def _handle_error(self, job: Job, trouble: PollError, now: float) -> None:
        streak = self._streaks.add_failure(job, trouble, now)
        if self._streaks.is_last_word(job, trouble, streak, now):
            await self._put_aside(job, trouble, streak, now)
            return
        if streak.count == FAILURES_TO_WARN and not (trouble.final or trouble.unreachable):
            self._report_trouble(PollsFailing, job, trouble)
        due = now + max(trouble.retry_after or 0.0, self._streaks.find_gap(streak))
        if not (streak.aside or trouble.final):
            due = max(due, self._schedule.plan_after_error(job, now))
        _log.debug(
            "job %s: poll %d in a row failed, again in %.1f s: %s", job.id, streak.count, due - now, trouble.reason
        )
        self.queue.put(job, due)

    async def _handle_unknown_status(self, job: Job, outcome: StillGenerating, now: float) -> None:
        """Treat an undocumented status as in progress at first, and as an end if it lasts."""
        trouble = PollError(reason=f"status {outcome.word!r}, which the service does not document")
        streak = self._streaks.add_failure(job, trouble, now)
        if self._streaks.is_odd_too_long(streak, now):
            await self._put_aside(job, trouble, streak, now)
        elif streak.aside:
            self.queue.put(job, now + self._streaks.find_gap(streak))
        else:
            self.queue.put(job, self._schedule.plan_after_answer(job, now))

    async def _put_aside(self, job: Job, trouble: PollError, streak: FailureStreak, now: float) -> None:
        self._streaks.put_aside(streak)
        self._schedule.remove_job(job)
        self._report_last_word(job, trouble)
        await self._record_and_poll(job, Stuck(reason=trouble.reason), now + self._streaks.find_gap(streak))

    async def _record_and_poll(self, job: Job, outcome: PollOutcome, due: float) -> None:
        """Record an outcome that keeps the job generating, and poll it again unless it was moved meanwhile."""
        moved = await self._broker.record_outcome(job, outcome)
        if _is_same_attempt(job, moved) and moved.state is JobState.GENERATING:
            self.queue.put(moved, due)

    def _hand_over(self, job: Job, moved: Job) -> None:
        """Pass on a job that is no longer generating, unless it was moved to another attempt meanwhile."""
        if moved.state is JobState.DOWNLOADING:
            self._schedule.learn_duration(moved, self._broker.clock.now())
        self._schedule.remove_job(job)
        if _is_same_attempt(job, moved):
            self._place(moved)

    async def _find_outcome(self, job: Job) -> PollOutcome:
        try:
            return await self.handle(job)
        except UNEXPECTED as error:
            reason, note = describe_unexpected(job, error)
            self._broker.send_event(note)
            return PollError(reason=reason)

    def _confirm_refusal(self, job: Job, outcome: PollOutcome) -> PollOutcome:
        """Stop by a refused poll only after several in a row: a single 401 may come from a gateway."""
        key = job.api_key_label or ""
        if not isinstance(outcome, Blocked):
            self._refusals[key] = 0
            return outcome
        self._refusals[key] += 1
        is_confirmed = self._refusals[key] >= REFUSALS_TO_BLOCK
        return outcome if is_confirmed else PollError(reason=outcome.reason)

    def _report_last_word(self, job: Job, trouble: PollError) -> None:
        """Warn once for each reason: a hundred generations may end in the same way."""
        if trouble.reason not in self._last_words:
            self._last_words.add(trouble.reason)
            self._report_trouble(GenerationPutAside, job, trouble)

    def _report_trouble(self, kind: type[PollsFailing | GenerationPutAside], job: Job, trouble: PollError) -> None:
        self._broker.send_event(
            kind(job=job.name, reason=trouble.reason, unknown=trouble.unknown, key=job.api_key_label)
        )

    def _report_other_videos(self, job: Job, outcome: PollOutcome) -> None:
        if isinstance(outcome, Completed) and outcome.others:
            self._broker.send_event(OtherVideosIgnored(job=job.name, others=outcome.others))

    def _report_unknown_status(self, job: Job, outcome: StillGenerating) -> None:
        if not outcome.known and outcome.word not in self._odd_words:
            self._odd_words.add(outcome.word)
            self._broker.send_event(StatusUnknown(job=job.name, word=outcome.word))


def _is_same_attempt(job: Job, moved: Job) -> bool:
    return job.client_request_id == moved.client_request_id

"""One line of submits for each API key: how many at once, how fast, and when to pause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from batchveo.core.errors import KeyRejected, OutOfCredits, ServiceMisplaced, StoppedEarly
from batchveo.core.events import Message, SubmitsPaused
from batchveo.core.models import Job
from batchveo.core.outcomes import (
    Accepted,
    Blocked,
    Denied,
    Refused,
    RejectedTemporarily,
    Stop,
    SubmitOutcome,
    SubmitUncertain,
    Throttled,
    Withdrawn,
)
from batchveo.core.rate_limit import AdaptiveLimit, Pause, RateLimit, compute_backoff
from batchveo.core.settings import RunSettings
from batchveo.core.state_machine import LEAST_WAIT_CAP
from batchveo.engine.model_refusals import Refusals
from batchveo.engine.per_key import Label, PerKey
from batchveo.engine.recorder import Recorder
from batchveo.provider import NamedKey

PAUSE_CAP_SECONDS = 60.0
UNANSWERED_BELIEVED = 3
"""Submits without an answer, and none accepted in between, after which one at a time probes the service: each that
stays unanswered is one more that somebody may have to settle by hand."""
PROBE_CAP_SECONDS = 600.0
MISPLACED_BELIEVED = 5
"""Answers in a row that are not the service's, after which a run stops that had jobs accepted before."""

_STOPS: dict[Stop, type[StoppedEarly]] = {
    Stop.KEY: KeyRejected,
    Stop.CREDITS: OutOfCredits,
    Stop.SERVICE: ServiceMisplaced,
    Stop.CERTIFICATE: ServiceMisplaced,
}


class KeyThrottle:
    """The submits with one key, by its label."""

    def __init__(self, name: Label, concurrency: int, rate: float | None) -> None:
        self.name = name
        self.limit = AdaptiveLimit(concurrency)
        self.pace = RateLimit(rate)
        self.pause = Pause()
        self.refusals = Refusals()
        self.out_of_credits: str | None = None
        """The service's words, while the account is empty and waited for."""
        self.closed: StoppedEarly | None = None
        """Why nothing more is submitted with this key."""
        self.lowered_at: float | None = None
        """When a 429 last lowered the limit."""

    @property
    def is_low(self) -> bool:
        """Whether the limit is below the user's own."""
        return self.limit.value < self.limit.ceiling


class KeyThrottles:
    """All of them. The run's own ``ceiling`` and ``pace`` hold over them together."""

    def __init__(self, recorder: Recorder, keys: Sequence[NamedKey], settings: RunSettings) -> None:
        self._recorder = recorder
        self._waits_for_credits = settings.wait_for_credits
        self.ceiling = settings.concurrency
        self.pace = RateLimit(settings.rate)
        self._lines = [KeyThrottle(key.name, key.concurrency or settings.concurrency, key.rate) for key in keys] or [
            KeyThrottle("", settings.concurrency, None)
        ]
        self._by_key = PerKey({line.name: line for line in self._lines})
        self._unanswered = 0
        self._misplaced = 0
        self._accepted_any = False

    def __iter__(self) -> Iterator[KeyThrottle]:
        return iter(self._lines)

    @property
    def probing(self) -> bool:
        """Whether the service no longer answers submits, so that one at a time is enough to see it return."""
        return self._unanswered >= UNANSWERED_BELIEVED

    def refuse(self, model: str) -> bool:
        """Whether the service refuses ``model`` with every key that is still in use."""
        in_use = [line for line in self if line.closed is None]
        return bool(in_use) and all(line.refusals.refuses(model) for line in in_use)

    def free_at(self, line: KeyThrottle, now: float) -> float:
        """When the rates allow the next submit with the key of ``line``."""
        return max(self.pace.free_at(now), line.pace.free_at(now))

    def reserve(self, line: KeyThrottle, now: float) -> None:
        """Count a submit with the key of ``line``."""
        self.pace.reserve(now)
        line.pace.reserve(now)

    def line_of(self, job: Job) -> KeyThrottle:
        """The line of the key that serves ``job``."""
        return self._by_key.of(job)

    def key_of(self, job: Job) -> Label:
        """The label of the key that serves ``job``."""
        return self.line_of(job).name

    def heed(self, line: KeyThrottle, job: Job, outcome: SubmitOutcome, *, running: int) -> None:
        """Learn how fast ``line`` may go on, with ``running`` generations in flight, from what came of ``job``."""
        self._count(outcome)
        match outcome:
            case Accepted():
                line.limit.accepted()
                self._answered(line)
            case Refused():
                self._answered(line)
            case Throttled(reason=reason, retry_after=wait):
                self._throttled(line, job, running)
                self._slow(line, job, reason, wait)
            case RejectedTemporarily(reason=reason, retry_after=wait, unreachable=unreachable):
                self._slow(line, job, reason, wait, unreachable=unreachable, silent=unreachable)
            case SubmitUncertain(reason=reason):
                cap = PROBE_CAP_SECONDS if self.probing else PAUSE_CAP_SECONDS
                self._slow(line, job, reason, None, cap=cap, silent=True)
            case Denied() | Withdrawn():
                line.refusals.ask(job.model)
            case Blocked(stop=Stop.SERVICE, reason=reason) if self._accepted_any and not self._is_misplaced():
                self._slow(line, job, reason, None)
            case Blocked():
                self.block(line, outcome)
            case _:
                assert_never(outcome)

    def _count(self, outcome: SubmitOutcome) -> None:
        """Follow whether the service answers at all, and as itself."""
        if isinstance(outcome, SubmitUncertain):
            self._unanswered += 1
        elif not isinstance(outcome, RejectedTemporarily):
            self._unanswered = 0
        elsewhere = isinstance(outcome, Blocked) and outcome.stop is Stop.SERVICE
        self._misplaced = self._misplaced + 1 if elsewhere else 0
        self._accepted_any = self._accepted_any or isinstance(outcome, Accepted)

    def _is_misplaced(self) -> bool:
        return self._misplaced >= MISPLACED_BELIEVED

    def _answered(self, line: KeyThrottle) -> None:
        if line.pause.clear(self._recorder.now()):
            self._recorder.notify()  # whoever waits for the end of the pause

    def _throttled(self, line: KeyThrottle, job: Job, running: int) -> None:
        now = self._recorder.now()
        if line.limit.throttled(sent_at=_sent_at(job), now=now, in_flight=running):
            line.lowered_at = now

    def _slow(
        self,
        line: KeyThrottle,
        job: Job,
        reason: str,
        retry_after: float | None,
        *,
        cap: float = PAUSE_CAP_SECONDS,
        unreachable: bool = False,
        silent: bool = False,
    ) -> None:
        now = self._recorder.now()
        episodes = line.pause.episode(sent_at=_sent_at(job), now=now)
        cap = cap if retry_after is None else LEAST_WAIT_CAP
        wait = max(retry_after or 0.0, compute_backoff(episodes, self._recorder.jitter(), cap=cap))
        if line.pause.extend(now + wait, silent=silent):
            limit = line.limit.value
            self._recorder.tell(
                SubmitsPaused(reason=reason, until=now + wait, limit=limit, wait=wait, unreachable=unreachable)
            )
        self._recorder.notify()

    def block(self, line: KeyThrottle, outcome: Blocked) -> None:
        """Submit nothing more with the key of ``line``; without any key left, the run submits no more."""
        if outcome.stop is Stop.CREDITS and self._waits_for_credits:
            line.out_of_credits = outcome.reason
            self._recorder.notify()
            return
        why = _STOPS[outcome.stop](outcome.reason)
        if outcome.stop in (Stop.SERVICE, Stop.CERTIFICATE):
            self._recorder.stop(why)
        if line.closed is None and line.name:
            text = f"no more jobs are submitted with key {line.name!r}: {outcome.reason}"
            self._recorder.tell(Message(text=text, warning=True))
        line.closed = line.closed or why
        if all(each.closed for each in self):
            self._recorder.stop(why)


def _sent_at(job: Job) -> float:
    return job.submitted_at or 0.0

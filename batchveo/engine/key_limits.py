"""Throttles the submits of each API key: how many at once, how fast, and when to pause."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, TypeVar, assert_never

from batchveo.core.errors import InputsBlocked, KeyRejected, OutOfCredits, ServiceMisplaced, StoppedEarly
from batchveo.core.events import SubmitsPaused
from batchveo.core.models import Job
from batchveo.core.notices import KeyBlocked
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
from batchveo.engine.run_context import EventBus, RunContext
from batchveo.provider import NamedKey

T = TypeVar("T")

Label = str
"""The name of an API key; empty if there is only one, which needs no name."""


class PerKey(Generic[T]):
    """One ``T`` for each API key, by label; the first also serves jobs of keys that this run does not have."""

    def __init__(self, items: Mapping[Label, T]) -> None:
        self._items = dict(items)
        self._first = next(iter(self._items.values()))

    def for_job(self, job: Job) -> T:
        """The item for the key that ``job`` was submitted with."""
        return self._items.get(job.api_key_label or "", self._first)


_log = logging.getLogger(__name__)

PAUSE_CAP_SECONDS = 60.0
UNANSWERED_TO_PROBE = 3
"""Submits without an answer, and none accepted in between, after which one at a time probes the service: each that
stays unanswered is one more that somebody may have to settle by hand."""
PROBE_CAP_SECONDS = 600.0
MISPLACED_TO_STOP = 5
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
        """The service's reason, while the account is empty and the run waits for credits."""
        self.closed: StoppedEarly | None = None
        """Why nothing more is submitted with this key."""
        self.lowered_at: float | None = None
        """When a 429 last lowered the limit."""

    @property
    def is_low(self) -> bool:
        """Whether the limit is below the user's own."""
        return self.limit.value < self.limit.ceiling


class KeyThrottles:
    """The throttles of all keys. The run's own ``ceiling`` and ``pace`` bound all of them together."""

    def __init__(self, context: RunContext, bus: EventBus, keys: Sequence[NamedKey], settings: RunSettings) -> None:
        self._context = context
        self._bus = bus
        self._waits_for_credits = settings.wait_for_credits
        self.ceiling = settings.concurrency
        self.pace = RateLimit(settings.rate)
        own = [KeyThrottle(key.name, key.concurrency or settings.concurrency, key.rate) for key in keys]
        self._throttles = own or [KeyThrottle("", settings.concurrency, None)]
        self._by_key = PerKey({throttle.name: throttle for throttle in self._throttles})
        self._unanswered = 0
        self._misplaced = 0
        self._accepted_any = False

    def __iter__(self) -> Iterator[KeyThrottle]:
        return iter(self._throttles)

    @property
    def is_probing(self) -> bool:
        """Whether the service no longer answers submits, so that one at a time is enough to see it return."""
        return self._unanswered >= UNANSWERED_TO_PROBE

    def is_model_refused(self, model: str) -> bool:
        """Whether the service refuses ``model`` with every key that is still in use."""
        in_use = [throttle for throttle in self if throttle.closed is None]
        return bool(in_use) and all(throttle.refusals.is_refused(model) for throttle in in_use)

    def find_turn(self, throttle: KeyThrottle, now: float) -> float:
        """When the rates allow the next submit with the key of ``throttle``."""
        return max(self.pace.free_at(now), throttle.pace.free_at(now))

    def reserve_turn(self, throttle: KeyThrottle, now: float) -> None:
        """Count a submit with the key of ``throttle``."""
        self.pace.reserve(now)
        throttle.pace.reserve(now)

    def find_throttle(self, job: Job) -> KeyThrottle:
        """The throttle of the key that serves ``job``."""
        return self._by_key.for_job(job)

    def find_label(self, job: Job) -> Label:
        """The label of the key that serves ``job``."""
        return self.find_throttle(job).name

    def apply_outcome(  # noqa: C901 - one arm an outcome
        self, throttle: KeyThrottle, job: Job, outcome: SubmitOutcome, *, in_flight: int
    ) -> None:
        """Adapt ``throttle``, which has ``in_flight`` generations, to the outcome of a submit of ``job``."""
        self._count_answers(outcome)
        match outcome:
            case Accepted():
                throttle.limit.increase()
                self._end_pause(throttle)
            case Refused():
                self._end_pause(throttle)
            case Throttled(reason=reason, retry_after=wait):
                self._lower_limit(throttle, job, in_flight)
                self._pause_submits(throttle, job, reason, wait)
            case RejectedTemporarily(unsent=True):
                pass  # only this job waits: a pause of the key would keep those whose inputs are there
            case RejectedTemporarily(reason=reason, retry_after=wait, unreachable=unreachable):
                self._pause_submits(throttle, job, reason, wait, unreachable=unreachable, silent=unreachable)
            case SubmitUncertain(reason=reason):
                cap = PROBE_CAP_SECONDS if self.is_probing else PAUSE_CAP_SECONDS
                self._pause_submits(throttle, job, reason, None, cap=cap, silent=True)
            case Denied() | Withdrawn():
                throttle.refusals.pause_model(job.model)
            case Blocked(stop=Stop.SERVICE, reason=reason) if self._accepted_any and not self._is_misplaced():
                self._pause_submits(throttle, job, reason, None)
            case Blocked(stop=Stop.INPUTS, reason=reason):
                self._bus.stop(InputsBlocked(reason))
            case Blocked():
                self.block_key(throttle, outcome)
            case _:
                assert_never(outcome)

    def _count_answers(self, outcome: SubmitOutcome) -> None:
        """Count submits without an answer, and answers that do not come from the service."""
        if isinstance(outcome, SubmitUncertain):
            self._unanswered += 1
        elif not isinstance(outcome, RejectedTemporarily):
            self._unanswered = 0
        elsewhere = isinstance(outcome, Blocked) and outcome.stop is Stop.SERVICE
        self._misplaced = self._misplaced + 1 if elsewhere else 0
        self._accepted_any = self._accepted_any or isinstance(outcome, Accepted)

    def _is_misplaced(self) -> bool:
        return self._misplaced >= MISPLACED_TO_STOP

    def _end_pause(self, throttle: KeyThrottle) -> None:
        if throttle.pause.clear(self._context.now()):
            self._bus.notify()  # whoever waits for the end of the pause

    def _lower_limit(self, throttle: KeyThrottle, job: Job, in_flight: int) -> None:
        now = self._context.now()
        if throttle.limit.decrease(sent_at=_sent_at(job), now=now, in_flight=in_flight):
            throttle.lowered_at = now

    def _pause_submits(
        self,
        throttle: KeyThrottle,
        job: Job,
        reason: str,
        retry_after: float | None,
        *,
        cap: float = PAUSE_CAP_SECONDS,
        unreachable: bool = False,
        silent: bool = False,
    ) -> None:
        now = self._context.now()
        # refusals of requests sent together are one episode: else each of a burst would lengthen the pause
        episodes = throttle.pause.count_episode(sent_at=_sent_at(job), now=now)
        cap = cap if retry_after is None else LEAST_WAIT_CAP
        wait = max(retry_after or 0.0, compute_backoff(episodes, self._context.jitter(), cap=cap))
        _log.debug("job %s: submits with key %r wait %.1f s: %s", job.id, throttle.name, wait, reason)
        if throttle.pause.extend(now + wait, silent=silent):
            limit = throttle.limit.value
            self._bus.emit(
                SubmitsPaused(reason=reason, until=now + wait, limit=limit, wait=wait, unreachable=unreachable)
            )
        self._bus.notify()

    def block_key(self, throttle: KeyThrottle, outcome: Blocked) -> None:
        """Submit nothing more with the key of ``throttle``; without any key left, the run submits no more."""
        if outcome.stop is Stop.CREDITS and self._waits_for_credits:
            throttle.out_of_credits = outcome.reason
            self._bus.notify()
            return
        why = _STOPS[outcome.stop](outcome.reason)
        if outcome.stop in (Stop.SERVICE, Stop.CERTIFICATE):
            self._bus.stop(why)
        if throttle.closed is None and throttle.name:
            self._bus.emit(KeyBlocked(key=throttle.name, reason=outcome.reason))
        throttle.closed = throttle.closed or why
        if all(each.closed for each in self):
            self._bus.stop(why)


def _sent_at(job: Job) -> float:
    return job.submitted_at or 0.0

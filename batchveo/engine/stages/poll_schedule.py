"""When each generation in flight is polled next: the plan of ``polls``, fed with what this run sees."""

from __future__ import annotations

from collections import Counter

from batchveo.core.durations import Durations
from batchveo.core.models import Job
from batchveo.core.settings import RunSettings
from batchveo.engine.stages.poll_density import Share, gap, share


class PollSchedule:
    """Knows what is in flight, and since when each generation was not seen to be still under way.

    A generation counts from ``accepted`` or its first poll until ``ended``. Times are seconds since the epoch.
    """

    def __init__(self, settings: RunSettings, durations: Durations) -> None:
        self._fixed = settings.poll_interval
        self._rate = settings.polls_per_second
        self._durations = durations
        self._seen: dict[int, float] = {}
        """The age at which each generation was last seen unfinished."""
        self._in_flight: Counter[str] = Counter()
        self._share: Share | None = None
        """Of those in flight, and of what is known of them; ``None`` since either has changed."""

    def accepted(self, job: Job, now: float) -> float:
        """When to poll a generation that was accepted this moment."""
        self._enter(job, 0.0)
        return now + self._gap(job, 0.0)

    def unfinished(self, job: Job, now: float) -> float:
        """When to poll again, after an answer that it is still under way."""
        age = _age(job, now)
        self._enter(job, age)
        return now + self._gap(job, age)

    def unknown(self, job: Job, now: float) -> float:
        """When to poll again, after no answer."""
        self._enter(job, self._seen.get(job.seq, 0.0))
        return now + self._gap(job, _age(job, now))

    def completed(self, job: Job, now: float) -> None:
        """Learn from a generation that a poll found finished."""
        self._durations.learn(job.model, after=self._seen.get(job.seq, 0.0), by=_age(job, now))
        self._share = None

    def ended(self, job: Job) -> None:
        """No more polls of this one."""
        if self._seen.pop(job.seq, None) is not None:
            self._in_flight[job.model] -= 1
            self._share = None

    def _enter(self, job: Job, age: float) -> None:
        if job.seq not in self._seen:
            self._in_flight[job.model] += 1
            self._share = None
        self._seen[job.seq] = age

    def _gap(self, job: Job, age: float) -> float:
        if self._fixed is not None:
            return self._fixed
        if self._share is None:
            kinds = ((self._durations.expected(model), count) for model, count in self._in_flight.items())
            self._share = share(kinds, self._rate)
        return gap(age, self._durations.expected(job.model), self._share)


def _age(job: Job, now: float) -> float:
    return 0.0 if job.submitted_at is None else max(0.0, now - job.submitted_at)

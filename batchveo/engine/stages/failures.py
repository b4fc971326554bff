"""Failures that the stages meet: unexpected errors, a service that cannot be reached, polls that keep failing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from batchveo.core.events import Message
from batchveo.core.models import Job
from batchveo.core.notices import OutageBegan, OutageEnded, UnexpectedError
from batchveo.core.outcomes import Blocked, PollError, PollOutcome
from batchveo.core.rate_limit import compute_backoff
from batchveo.provider.http_errors import describe_exception

UNEXPECTED = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, OSError, MemoryError)
"""Errors that concern one job and never end a run. Errors of the database are not among them: they do."""


def describe_unexpected(job: Job, error: Exception) -> tuple[str, Message]:
    """The reason for the job's record, and a warning for the user."""
    reason = f"unexpected {describe_exception(error)}"
    return reason, UnexpectedError(job=job.name, reason=reason)


UNREACHED_TO_WARN = 5
"""Polls in a row, of all generations together, that did not reach the service, after which the user is warned."""


class Outage:
    """Counts the polls that did not reach the service, from one answer to the next."""

    def __init__(self) -> None:
        self._polls = 0

    def follow_outcome(self, outcome: PollOutcome) -> OutageBegan | OutageEnded | None:
        """Count the outcome of a poll; returns a notice when an outage begins or ends."""
        if isinstance(outcome, PollError) and outcome.unreachable:
            self._polls += 1
            return OutageBegan(reason=outcome.reason) if self._polls == UNREACHED_TO_WARN else None
        polls, self._polls = self._polls, 0
        return OutageEnded(polls=polls) if polls >= UNREACHED_TO_WARN else None


SAME_ANSWERS = 4
"""The same useless answer this often in a row is the service's last word."""
FINAL_SECONDS = 30.0
"""Seconds that it has to last if it is about this generation alone: its slot is free within a minute."""
PASSING_SECONDS = 600.0
"""Seconds that it has to last if it may be an error of the service, which answers about others meanwhile."""
ODD_SECONDS = 600.0
"""Seconds for which an undocumented status counts as a generation in progress."""
TROUBLE_CAP_SECONDS = 60.0
SELDOM_SECONDS, SELDOM_CAP_SECONDS = 60.0, 600.0
"""Seconds between polls of a generation that is put aside: at first, and at most."""


@dataclass(slots=True)
class FailureStreak:
    """Failed polls of one generation in a row: ``count``, and ``since`` when with this ``reason`` (seconds, epoch)."""

    reason: str
    since: float
    count: int = 0
    same: int = 0
    aside: bool = False


class FailureStreaks:
    """The failure streaks by job number. A useful answer ends the streak of its generation."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._streaks: dict[int, FailureStreak] = {}
        self._useful_at = float("-inf")
        self._freed_at = float("-inf")

    def end_streak(self, job: Job, now: float) -> bool:
        """End the streak of ``job``, whose poll was answered usefully; returns whether the job was put aside."""
        self._useful_at = now
        streak = self._streaks.pop(job.seq, None)
        return streak is not None and streak.aside

    def add_failure(self, job: Job, trouble: PollError | Blocked, now: float) -> FailureStreak:
        """Count a failed poll; returns its streak."""
        streak = self._streaks.setdefault(job.seq, FailureStreak(reason=trouble.reason, since=now))
        if streak.reason != trouble.reason:
            streak.reason, streak.since, streak.same, streak.aside = trouble.reason, now, 0, False
        streak.count += 1
        streak.same += 1
        return streak

    def is_odd_too_long(self, streak: FailureStreak, now: float) -> bool:
        """Whether an undocumented status has lasted too long; it was an answer nevertheless."""
        self._useful_at = now
        return not streak.aside and now - streak.since >= ODD_SECONDS

    def is_last_word(self, job: Job, trouble: PollError, streak: FailureStreak, now: float) -> bool:
        """Whether repeated polls have shown that the service gives no other answer about this generation."""
        if trouble.throttled or streak.aside:
            return False
        if trouble.final and (job.error or "").startswith(trouble.reason):  # an earlier run has asked long enough
            return True
        lasting = now - streak.since
        # a final answer is about this generation; any other may be an outage, which others notice too, so it has to
        # last longer and others have to get useful answers meanwhile
        if trouble.final:
            return streak.same >= SAME_ANSWERS and lasting >= FINAL_SECONDS
        if streak.same < SAME_ANSWERS or lasting < PASSING_SECONDS:
            return False
        return self._useful_at > streak.since or self._may_free_one(now)

    def _may_free_one(self, now: float) -> bool:
        """Whether one slot is freed although no generation had a useful answer, since all slots may be stuck.

        The next generation in that slot shows whether the service answers about others.
        """
        if now < self._freed_at + PASSING_SECONDS:
            return False
        self._freed_at = now
        return True

    def put_aside(self, streak: FailureStreak) -> None:
        """Poll this generation seldom from now on; ``same`` restarts, so that the first gap is the shortest."""
        streak.aside = True
        streak.same = 0

    def find_gap(self, streak: FailureStreak) -> float:
        """Seconds until the next poll."""
        if streak.aside:
            return compute_backoff(streak.same + 1, 0.0, base=SELDOM_SECONDS, cap=SELDOM_CAP_SECONDS)
        return compute_backoff(streak.count, self._jitter(), base=0.5, cap=TROUBLE_CAP_SECONDS)

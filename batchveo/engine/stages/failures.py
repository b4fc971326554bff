"""Failures that the stages meet: unexpected errors, a service that cannot be reached, polls that keep failing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from batchveo.core.backoff import backoff
from batchveo.core.events import Message
from batchveo.core.models import Job
from batchveo.core.outcomes import Blocked, PollError, PollOutcome
from batchveo.provider.http_errors import describe_exception

UNEXPECTED = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, OSError, MemoryError)
"""One job's trouble, never the end of a night. Errors of the state are not among them; those end the run."""


def describe_unexpected(job: Job, error: Exception) -> tuple[str, Message]:
    """The reason in words, with what to tell a person."""
    reason = f"unexpected {describe_exception(error)}"
    return reason, Message(text=f"{job.name}: {reason}; please report this", warning=True)


POLLS_SAID = 5
"""Polls in a row, of all generations together, after which a person is told."""


class Outage:
    """Counts the polls that did not reach the service, from one answer to the next."""

    def __init__(self) -> None:
        self._polls = 0

    def follow_outcome(self, outcome: PollOutcome) -> str | None:
        """What to tell a person after this poll, if anything."""
        if isinstance(outcome, PollError) and outcome.unreachable:
            self._polls += 1
            return f"{outcome.reason}: polls go on trying" if self._polls == POLLS_SAID else None
        polls, self._polls = self._polls, 0
        return f"polls reach the service again, after {polls:,} in vain" if polls >= POLLS_SAID else None


SAME_ANSWERS = 4
"""The same useless answer so often in a row is what the service has to say."""
FINAL_SECONDS = 30.0
"""For how long, if the answer is about this generation alone: its slot is to be free within a minute."""
PASSING_SECONDS = 600.0
"""For how long, if it looks like a trouble of the service, and the service answers about others meanwhile."""
ODD_SECONDS = 600.0
"""For how long a status that is not documented is taken for a generation that is under way."""
TROUBLE_CAP_SECONDS = 60.0
SELDOM_SECONDS, SELDOM_CAP_SECONDS = 60.0, 600.0
"""How long until a generation that is put aside is polled again, first and at the most."""


@dataclass(slots=True)
class FailureStreak:
    """Failed polls of one generation: how many in a row, and since when in these words (seconds, epoch)."""

    reason: str
    since: float
    count: int = 0
    same: int = 0
    aside: bool = False


class FailureStreaks:
    """All of them, by the number of their job. A useful answer ends the streak of its generation."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._streaks: dict[int, FailureStreak] = {}
        self._useful_at = float("-inf")
        self._freed_at = float("-inf")

    def end_streak(self, job: Job, now: float) -> bool:
        """A poll of ``job`` was answered usefully; tells whether it had been put aside."""
        self._useful_at = now
        streak = self._streaks.pop(job.seq, None)
        return streak is not None and streak.aside

    def add_failure(self, job: Job, trouble: PollError | Blocked, now: float) -> FailureStreak:
        """Count a failed poll; returns the streak that it belongs to."""
        streak = self._streaks.setdefault(job.seq, FailureStreak(reason=trouble.reason, since=now))
        if streak.reason != trouble.reason:
            streak.reason, streak.since, streak.same, streak.aside = trouble.reason, now, 0, False
        streak.count += 1
        streak.same += 1
        return streak

    def is_odd_too_long(self, streak: FailureStreak, now: float) -> bool:
        """Whether an undocumented status has lasted too long; it was an answer all the same."""
        self._useful_at = now
        return not streak.aside and now - streak.since >= ODD_SECONDS

    def is_last_word(self, job: Job, trouble: PollError, streak: FailureStreak, now: float) -> bool:
        """Whether asking again and again has shown that nothing else comes, for this generation alone."""
        if trouble.throttled or streak.aside:
            return False
        if trouble.final and (job.error or "").startswith(trouble.reason):  # an earlier run has asked long enough
            return True
        lasting = now - streak.since
        if trouble.final:
            return streak.same >= SAME_ANSWERS and lasting >= FINAL_SECONDS
        if streak.same < SAME_ANSWERS or lasting < PASSING_SECONDS:
            return False
        return self._useful_at > streak.since or self._may_free_one(now)

    def _may_free_one(self, now: float) -> bool:
        """Whether one slot is given back though nobody had a useful answer, as where all slots hold such troubles.

        The next generation in it shows whether the service answers about others.
        """
        if now < self._freed_at + PASSING_SECONDS:
            return False
        self._freed_at = now
        return True

    def put_aside(self, streak: FailureStreak) -> None:
        """Poll this generation seldom from now on; ``same`` counts anew, so that the first gap is the shortest."""
        streak.aside = True
        streak.same = 0

    def find_gap(self, streak: FailureStreak) -> float:
        """Seconds until the next poll."""
        if streak.aside:
            return backoff(streak.same + 1, 0.0, base=SELDOM_SECONDS, cap=SELDOM_CAP_SECONDS)
        return backoff(streak.count, self._jitter(), base=0.5, cap=TROUBLE_CAP_SECONDS)

"""Failed polls in a row, generation by generation: which of them is a last word, and when to ask again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from batchveo.core.models import Job
from batchveo.core.outcomes import Blocked, PollError
from batchveo.core.rate_limit import compute_backoff

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
class Streak:
    """Failed polls of one generation: how many in a row, and since when in these words (seconds, epoch)."""

    words: str
    since: float
    count: int = 0
    same: int = 0
    aside: bool = False


class Streaks:
    """All of them, by the number of their job. A useful answer ends the streak of its generation."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._streaks: dict[int, Streak] = {}
        self._useful_at = float("-inf")
        self._freed_at = float("-inf")

    def end(self, job: Job, now: float) -> bool:
        """A poll of ``job`` was answered usefully; tells whether it had been put aside."""
        self._useful_at = now
        streak = self._streaks.pop(job.seq, None)
        return streak is not None and streak.aside

    def add(self, job: Job, trouble: PollError | Blocked, now: float) -> Streak:
        """Count a failed poll; returns the streak that it belongs to."""
        streak = self._streaks.setdefault(job.seq, Streak(words=trouble.reason, since=now))
        if streak.words != trouble.reason:
            streak.words, streak.since, streak.same, streak.aside = trouble.reason, now, 0, False
        streak.count += 1
        streak.same += 1
        return streak

    def is_odd_too_long(self, streak: Streak, now: float) -> bool:
        """Whether an undocumented status has lasted too long; it was an answer all the same."""
        self._useful_at = now
        return not streak.aside and now - streak.since >= ODD_SECONDS

    def is_last_word(self, job: Job, trouble: PollError, streak: Streak, now: float) -> bool:
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

    def put_aside(self, streak: Streak) -> None:
        """Poll this generation seldom from now on; ``same`` counts anew, so that the first gap is the shortest."""
        streak.aside = True
        streak.same = 0

    def gap(self, streak: Streak) -> float:
        """Seconds until the next poll."""
        if streak.aside:
            return compute_backoff(streak.same + 1, 0.0, base=SELDOM_SECONDS, cap=SELDOM_CAP_SECONDS)
        return compute_backoff(streak.count, self._jitter(), base=0.5, cap=TROUBLE_CAP_SECONDS)

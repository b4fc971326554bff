"""How fast to ask: the in-flight limit, the rate, the pauses. Callers bring the time."""

from __future__ import annotations

DECREASE = 0.7
"""What a 429 leaves of the in-flight limit (multiplicative decrease)."""

ANSWERED_SECONDS = 1.0
"""How much of a pause is left, at most, that no answer was the reason for, when there is one."""


class AdaptiveLimit:
    """How many generations may be in flight: additive increase, multiplicative decrease.

    Starts at ``ceiling``, the user's own limit, and never exceeds it. One episode of 429s lowers it once: those
    that were sent before the limit was last lowered say nothing new.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self._limit = float(ceiling)
        self._lowered_at = float("-inf")

    @property
    def value(self) -> int:
        """The limit now, at least 1."""
        return max(1, int(self._limit))

    def accepted(self) -> None:
        """A submit was taken: after a whole limit's worth of them there is room for one more."""
        self._limit = min(float(self.ceiling), self._limit + 1.0 / self._limit)

    def throttled(self, *, sent_at: float, now: float, in_flight: int) -> bool:
        """A submit got 429 with ``in_flight`` generations running; tells whether the limit was lowered."""
        if sent_at <= self._lowered_at:
            return False
        self._limit = max(1.0, min(self._limit * DECREASE, float(max(1, in_flight))))
        self._lowered_at = now
        return True


class RateLimit:
    """Spaces calls evenly: at most ``per_minute`` of them, none saved up. ``None`` sets no rate."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next = float("-inf")

    def free_at(self, now: float) -> float:
        """When the next place may be used."""
        return max(now, self._next)

    def reserve(self, now: float) -> float:
        """Take the next place; returns the time at which it may be used."""
        when = self.free_at(now)
        self._next = when + self._gap
        return when


class Pause:
    """A stretch of time in which nobody calls, because the service asked for it or does not answer."""

    def __init__(self) -> None:
        self._asked_until = float("-inf")
        self._silent_until = float("-inf")
        self._episodes = 0
        self._latest = float("-inf")

    @property
    def until(self) -> float:
        """When calls go on."""
        return max(self._asked_until, self._silent_until)

    def episode(self, *, sent_at: float, now: float) -> int:
        """Count a trouble; returns how many episodes came in a row.

        A volley of calls that left together and failed together is one.
        """
        if sent_at > self._latest:
            self._episodes += 1
            self._latest = now
        return self._episodes

    def extend(self, until: float, *, silent: bool = False) -> bool:
        """Pause at least until then; tells whether that is longer than before.

        ``silent``: because there was no answer, and so not for long once there is one.
        """
        longer = until > self.until
        if silent:
            self._silent_until = max(self._silent_until, until)
        else:
            self._asked_until = max(self._asked_until, until)
        return longer

    def clear(self, now: float) -> bool:
        """The service answers again; tells whether that shortens the pause."""
        before = self.until
        self._silent_until = min(self._silent_until, now + ANSWERED_SECONDS)
        self._episodes = 0
        return self.until < before


BASE = 1.0
"""Seconds before the second try."""
CAP = 120.0
"""Seconds that no wait exceeds."""


def compute_backoff(troubles: int, jitter: float, *, base: float = BASE, cap: float = CAP) -> float:
    """Seconds to wait after ``troubles`` failures in a row (1 or more).

    Doubles from ``base`` up to ``cap``; ``jitter`` in [0, 1) takes away up to half, so that jobs that failed
    together do not come back together.
    """
    if troubles < 1:
        return 0.0
    doublings = min(troubles - 1, 32)  # beyond this every cap is reached, and 2.0**n would overflow
    return float(min(cap, base * 2.0**doublings) * (1.0 - jitter / 2.0))

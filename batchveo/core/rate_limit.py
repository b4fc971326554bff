"""When the next call may leave: limits of concurrency and rate, pauses, back-off. Callers bring the time."""

from __future__ import annotations

from math import exp2, log2

DECREASE = 0.7
"""The part of the in-flight limit that a 429 leaves (multiplicative decrease)."""
RATE_DECREASE = 0.5
"""The part of the rate of polls that a 429 leaves."""
LEAST_RATE_SHARE = 1 / 32
"""The least part that is left: polls planned at a lower rate would still be far off when the service has recovered."""
RATE_DOUBLES_SECONDS = 30.0
"""Seconds in which a lowered rate of polls doubles."""
ANSWERED_SECONDS = 1.0
"""The longest rest of a pause once the service answers, if no answer asked for the pause."""
BASE = 1.0
"""Seconds of back-off before the second try."""
CAP = 120.0
"""Seconds of the longest back-off."""


class AdaptiveLimit:
    """The number of generations that may be in flight: additive increase, multiplicative decrease.

    It starts at ``ceiling``, the user's own limit, and never exceeds it.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self._limit = float(ceiling)
        self._lowered_at = float("-inf")

    @property
    def value(self) -> int:
        """The limit now, at least 1."""
        return max(1, int(self._limit))

    def increase(self) -> None:
        """A submit was accepted: after as many as the limit, there is room for one more."""
        self._limit = min(float(self.ceiling), self._limit + 1.0 / self._limit)

    def decrease(self, *, sent_at: float, now: float, in_flight: int) -> bool:
        """A submit got 429 with ``in_flight`` generations running; returns whether that lowered the limit."""
        if sent_at <= self._lowered_at:
            # sent before the limit was lowered: it belongs to the same episode, and proves nothing about the new limit
            return False
        # more than what is running was refused, so the limit is not above that either
        self._limit = max(1.0, min(self._limit * DECREASE, float(max(1, in_flight))))
        self._lowered_at = now
        return True


class AdaptiveRate:
    """The part of the usual rate of calls that the service bears: a 429 halves it, and with time it grows again.

    It grows by a factor, not by steps, so that 429s come about twice a minute whatever the service's limit is.
    """

    def __init__(self) -> None:
        self._lowered_to = 1.0
        self._lowered_at = float("-inf")

    def find_share(self, now: float) -> float:
        """The part now, above 0 and at most 1."""
        doublings = (now - self._lowered_at) / RATE_DOUBLES_SECONDS
        # compared first: the power of a long time would overflow
        return 1.0 if doublings >= -log2(self._lowered_to) else self._lowered_to * exp2(doublings)

    def decrease(self, *, sent_at: float, now: float) -> None:
        """Lower the rate: a call that left at ``sent_at`` got 429."""
        # one that left before the rate was lowered proves nothing about the new rate
        if sent_at > self._lowered_at:
            self._lowered_to = max(self.find_share(now) * RATE_DECREASE, LEAST_RATE_SHARE)
            self._lowered_at = now


class RateLimit:
    """Spaces calls evenly: at most ``per_minute`` of them, none saved up. ``None``: no limit."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next = float("-inf")

    def free_at(self, now: float) -> float:
        """When the next call may leave."""
        return max(now, self._next)

    def reserve(self, now: float, *, share: float = 1.0) -> float:
        """Reserve the next call; returns when it may leave. ``share``: the part of the rate that may be used."""
        when = self.free_at(now)
        self._next = when + self._gap / share
        return when


class Pause:
    """A time without calls, because the service asks for it or does not answer."""

    def __init__(self) -> None:
        # two ends, because an answer of the service shortens only the pause that the missing answers caused
        self._asked_until = float("-inf")
        self._silent_until = float("-inf")
        self._episodes = 0
        self._latest = float("-inf")

    @property
    def until(self) -> float:
        """When calls may leave again."""
        return max(self._asked_until, self._silent_until)

    def count_episode(self, *, sent_at: float, now: float) -> int:
        """Count a failed call; returns the number of failed episodes in a row.

        Calls that left together and failed together are one episode.
        """
        if sent_at > self._latest:
            self._episodes += 1
            self._latest = now
        return self._episodes

    def extend(self, until: float, *, silent: bool = False) -> bool:
        """Pause at least until then; returns whether that is longer than before.

        ``silent``: the service did not answer, and the pause may end soon after it does.
        """
        longer = until > self.until
        if silent:
            self._silent_until = max(self._silent_until, until)
        else:
            self._asked_until = max(self._asked_until, until)
        return longer

    def clear(self, now: float) -> bool:
        """The service answers again; returns whether that shortens the pause."""
        before = self.until
        # not at once: a second of the pause remains, so that the waiting calls do not all leave at the first answer
        self._silent_until = min(self._silent_until, now + ANSWERED_SECONDS)
        self._episodes = 0
        return self.until < before


def compute_backoff(troubles: int, jitter: float, *, base: float = BASE, cap: float = CAP) -> float:
    """Seconds to wait after ``troubles`` failures in a row (1 or more).

    Doubles from ``base`` up to ``cap``; ``jitter`` in [0, 1) takes away up to half, so that jobs that failed
    together do not try again together.
    """
    if troubles < 1:
        return 0.0
    doublings = min(troubles - 1, 32)  # by then every cap is reached, and 2.0**n would overflow at 1,024
    return float(min(cap, base * 2.0**doublings) * (1.0 - jitter / 2.0))

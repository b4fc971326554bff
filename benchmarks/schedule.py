"""The shortest time in which given generations can be made, so many at once."""

from __future__ import annotations

import heapq
from collections.abc import Sequence


def ideal_makespan(seconds: Sequence[float], places: int) -> float:
    """Seconds that a scheduler without any overhead needs: each job starts, in order, when a place is free."""
    free_at = [0.0] * places
    for takes in seconds:
        heapq.heapreplace(free_at, free_at[0] + takes)
    return max(free_at)


def packed_makespan(seconds: Sequence[float], places: int) -> float:
    """Seconds that they need where no place is ever empty: what a few jobs of a long night take of it."""
    return sum(seconds) / places


def busiest_rate(times: Sequence[float], window: float) -> float:
    """The most events a second in any stretch of ``window`` seconds, of ascending ``times``."""
    first, most = 0, 0
    for count, time in enumerate(times, start=1):
        while time - times[first] >= window:
            first += 1
        most = max(most, count - first)
    return most / window

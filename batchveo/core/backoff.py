"""How long to wait before the next try, as arithmetic."""

from __future__ import annotations

BASE = 1.0
"""Seconds before the second try."""
CAP = 120.0
"""Seconds that no wait exceeds."""


def backoff(troubles: int, jitter: float, *, base: float = BASE, cap: float = CAP) -> float:
    """Seconds to wait after ``troubles`` failures in a row (1 or more).

    Doubles from ``base`` up to ``cap``; ``jitter`` in [0, 1) takes away up to half, so that jobs that failed
    together do not come back together.
    """
    if troubles < 1:
        return 0.0
    doublings = min(troubles - 1, 32)  # beyond this every cap is reached, and 2.0**n would overflow
    return float(min(cap, base * 2.0**doublings) * (1.0 - jitter / 2.0))

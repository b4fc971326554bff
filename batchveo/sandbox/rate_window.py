"""A count of what happened in the last minute."""

from __future__ import annotations

from collections import deque

_SECONDS = 60.0


class RateWindow:
    """Sliding window over the last 60 seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def wait(self, limit: int, now: float) -> float:
        """Seconds until another call keeps within the limit; 0 if it does so now."""
        while self._times and self._times[0] <= now - _SECONDS:
            self._times.popleft()
        if len(self._times) < limit:
            return 0.0
        return self._times[-limit] + _SECONDS - now if limit else _SECONDS

    def add(self, now: float) -> None:
        """Count a call."""
        self._times.append(now)

"""How many calls of one kind may be made in a stretch of time."""

from __future__ import annotations

from collections import deque

import anyio


class CallBudget:
    """At most ``most`` calls in any ``seconds``; who comes too early waits."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._times: deque[float] = deque()

    async def take(self) -> None:
        """Wait until one more call is within the budget, and count it."""
        while True:
            now = anyio.current_time()
            while self._times and self._times[0] <= now - self._seconds:
                self._times.popleft()
            if len(self._times) < self._most:
                self._times.append(now)
                return
            await anyio.sleep(self._times[0] + self._seconds - now)

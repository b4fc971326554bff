"""Connections that are made ahead of expected requests, so that a request need not wait for names, TCP and TLS."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Collection

from batchveo.provider.http_connection import Connection

logger = logging.getLogger(__name__)

LIFE_SECONDS = 2.0
"""A spare is used within this time or closed: servers close connections on which nothing comes."""
RENEW_SECONDS = 1.5
"""The age at which the next spare is made in place of this one."""
MOST_SPARES = 4
REQUESTS_SEEN = 4
"""Requests that are expected to go on as the last so many did."""
MOST_GAP_SECONDS = 10.0
"""The mean time between requests above which none is expected: too few spares would be used."""


PAUSE_SECONDS = 60.0
"""How long none is made after one that the server did not leave open: it might close the next as it is used."""


class SpareConnections:
    """Keeps as many spares as requests are expected within ``LIFE_SECONDS``; none after a while without requests.

    All lead to one server. ``connect`` makes one. A spare that cannot be made is no error: the next request makes a
    connection of its own, and shows what is wrong.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._requests: deque[float] = deque(maxlen=REQUESTS_SEEN)
        self._spares: deque[Connection] = deque()
        """The oldest first."""
        self._making: set[asyncio.Task[None]] = set()
        self._renewal: asyncio.TimerHandle | None = None
        self._paused_until = -math.inf

    def take(self) -> Connection | None:
        """Count a request; returns a spare for it if one is there: open, silent and young."""
        self._requests.append(self._loop.time())
        taken = None
        while self._spares and taken is None:
            spare = self._spares.popleft()
            if self._is_usable(spare):
                taken = spare
            else:
                self._discard(spare)
        self._renew()
        return taken

    def close(self) -> Collection[asyncio.Task[None]]:
        """Close all spares, and make no more; returns the tasks that end because of that."""
        self._requests.clear()
        if self._renewal is not None:
            self._renewal.cancel()
        for task in self._making:
            task.cancel()
        while self._spares:
            self._spares.popleft().abort()
        return frozenset(self._making)

    def _count_expected(self) -> int:
        """How many requests are expected within the life of a spare."""
        if len(self._requests) < REQUESTS_SEEN or self._paused_until > self._loop.time():
            return 0
        gap = (self._loop.time() - self._requests[0]) / REQUESTS_SEEN
        if gap > MOST_GAP_SECONDS:
            return 0
        return MOST_SPARES if gap * MOST_SPARES < LIFE_SECONDS else math.ceil(LIFE_SECONDS / gap)

    def _renew(self) -> None:
        """Make the spares that are missing; looks again when the next one has to be replaced or closed."""
        if self._renewal is not None:
            self._renewal.cancel()
            self._renewal = None
        self._drop_old()
        now = self._loop.time()
        # also one that the server has closed: to replace it at once would be to knock again and again
        young = sum(spare.since + RENEW_SECONDS > now for spare in self._spares)
        for _ in range(young + len(self._making), self._count_expected()):
            task = self._loop.create_task(self._make_spare())
            self._making.add(task)
            task.add_done_callback(self._end_making)
        ages = (RENEW_SECONDS, LIFE_SECONDS)
        turns = [spare.since + age for spare in self._spares for age in ages if spare.since + age > now]
        if turns:
            self._renewal = self._loop.call_at(min(turns), self._renew)

    async def _make_spare(self) -> None:
        try:
            spare = await self._connect()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next request meets and shows it
            logger.debug("no spare connection: %s", type(error).__name__)
            self._requests.clear()  # to try again and again would not help a server that is down
            return
        self._spares.append(spare)

    def _end_making(self, task: asyncio.Task[None]) -> None:
        self._making.discard(task)
        self._renew()

    def _drop_old(self) -> None:
        while self._spares and self._spares[0].since + LIFE_SECONDS <= self._loop.time():
            self._discard(self._spares.popleft())

    def _is_usable(self, spare: Connection) -> bool:
        now = self._loop.time()
        return spare.is_open and spare.since + LIFE_SECONDS > now > self._paused_until

    def _discard(self, spare: Connection) -> None:
        if not spare.is_open:
            self._paused_until = self._loop.time() + PAUSE_SECONDS
        spare.abort()

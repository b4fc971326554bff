"""What happens in a run, kept until whoever watches it from another process has it."""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass

import anyio

from batchveo.core.events import Event
from batchveo.engine.cluster.protocol import LONG_POLL_SECONDS

MOST = 10_000
"""Events that are kept; older ones are dropped, since a run does not wait for those who watch."""
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBuffer:
    """Events from number ``first`` on, of ``edition``: a coordinator that starts anew counts anew."""

    edition: str
    first: int
    events: tuple[Event, ...] = ()


class News:
    """A reporter that others can read."""

    def __init__(self) -> None:
        self._edition = secrets.token_hex(4)
        self._events: deque[Event] = deque(maxlen=MOST)
        self._count = 0
        self._more = anyio.Event()

    def __call__(self, event: Event) -> None:
        """Keep ``event``."""
        self._events.append(event)
        self._count += 1
        self._more.set()

    async def since(self, edition: str, number: int) -> EventBuffer:
        """The events from ``number`` on, which a reader of ``edition`` has not seen: waits for some, not long."""
        number = number if edition == self._edition else 0
        if number >= self._count:
            self._more = anyio.Event()
            with anyio.move_on_after(LONG_POLL_SECONDS):
                await self._more.wait()
        first = max(number, self._count - len(self._events))
        skip = first - (self._count - len(self._events))
        events = tuple(self._events)[skip : skip + AT_ONCE]
        return EventBuffer(edition=self._edition, first=first, events=events)

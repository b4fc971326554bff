"""Events for those who watch a run, and the wake-up call for those who wait in it."""

from __future__ import annotations

import contextlib

import anyio

from batchveo.core.clock import Clock
from batchveo.core.errors import StoppedEarly
from batchveo.core.events import Event, Message, Reporter


class EventBus:
    """Hands events to ``report``, wakes who waits for a change, and keeps why the run stopped, if it did."""

    def __init__(self, report: Reporter, clock: Clock) -> None:
        self._report = report
        self._clock = clock
        self._changed = anyio.Event()
        self.stopped: StoppedEarly | None = None
        """Why no more jobs are submitted; ``None`` while they are."""

    def emit(self, event: Event) -> None:
        """Hand ``event`` to whoever watches; an error there never reaches the run."""
        with contextlib.suppress(Exception):
            self._report(event)

    def warn(self, text: str) -> None:
        """Emit ``text`` as a warning."""
        self.emit(Message(text=text, warning=True))

    def stop(self, why: StoppedEarly) -> None:
        """Submit no more jobs; the first reason counts."""
        if self.stopped is None:
            self.stopped = why
            self.warn(f"no more jobs are submitted: {why}")
        self.notify()

    def notify(self) -> None:
        """Wake everyone who waits for a change."""
        self._changed.set()
        self._changed = anyio.Event()

    async def wait(self, until: float | None = None) -> None:
        """Wait for a change, at the longest until ``until`` (seconds since the epoch)."""
        changed = self._changed
        if until is None:
            await changed.wait()
            return
        with anyio.move_on_after(max(0.0, until - self._clock.now())):
            await changed.wait()

"""A view of a run in a thread of its own: a slow terminal or a bug in the view never delays the run."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from batchveo.core.events import Event, Message, RunInterrupted, RunStarted
from batchveo.core.shutdown import ShutdownBudget

MOST_WAITING = 10_000
"""Events kept for a slow view; later ones are dropped, and the view shows how many."""
LEAVE_SECONDS = 2.0
"""Seconds that the end of a run waits for a slow view."""

LONGEST_WAIT = 3600.0


class View(Protocol):
    """Shows events, and something at certain times."""

    due: float
    """When ``tick`` is wanted next, by ``time.monotonic()``."""

    def show(self, event: Event) -> None:
        """Show one event."""

    def tick(self) -> None:
        """Do what is due."""

    def close(self) -> None:
        """Leave everything clean."""


class BackgroundReporter:
    """A reporter that passes events to ``view``; ``plain`` makes the view that takes over if ``view`` fails.

    Use as a context manager around the run. Calls return at once, whatever the view does.
    """

    def __init__(self, view: View, plain: Callable[[], View]) -> None:
        self._view = view
        self._plain = plain
        self._failed = False
        self._began: RunStarted | None = None
        self._lost = 0
        self._shutdown: ShutdownBudget | None = None
        self._events: queue.Queue[Event | None] = queue.Queue(MOST_WAITING)
        self._leaving = threading.Event()
        # a daemon: a terminal that takes nothing any more must not keep the process
        self._thread = threading.Thread(target=self._work, name="display", daemon=True)

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, RunInterrupted) and self._shutdown is None:
            self._shutdown = ShutdownBudget(time.monotonic())
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self._lost += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        with contextlib.suppress(queue.Full):
            self._events.put_nowait(None)
        left = LEAVE_SECONDS
        if self._shutdown is not None:
            left = min(left, self._shutdown.count_seconds(ShutdownBudget.EXIT, now=time.monotonic()))
        self._thread.join(left)

    @property
    def stuck(self) -> bool:
        """Whether the view is still busy after the end: its terminal or pipe accepts no output."""
        return self._thread.is_alive()

    def _work(self) -> None:
        while (event := self._next()) is not None or not self._leaving.is_set():
            self._say_lost()
            if isinstance(event, RunStarted):
                self._began = event
            if event is not None:
                self._try(lambda event=event: self._view.show(event))  # type: ignore[misc]
            if time.monotonic() >= self._view.due:
                self._try(self._view.tick)
        with contextlib.suppress(Exception):
            self._view.close()

    def _next(self) -> Event | None:
        left = 0.0 if self._leaving.is_set() else self._view.due - time.monotonic()
        try:
            return self._events.get(timeout=max(0.0, min(left, LONGEST_WAIT)))
        except queue.Empty:
            return None

    def _say_lost(self) -> None:
        if self._lost and self._events.empty():
            text, self._lost = f"{self._lost:,} events came too fast to be shown; the database has all of them", 0
            self._try(lambda: self._view.show(Message(text=text, warning=True)))

    def _try(self, step: Callable[[], None]) -> None:
        """A view that fails is replaced by a plain one; if that fails as well, there is nothing to see."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - whatever a display runs into, the run goes on
            if self._failed:
                return
            self._failed = True
            with contextlib.suppress(Exception):
                self._view.close()
            self._view = self._plain()
            with contextlib.suppress(Exception):
                if self._began is not None:
                    self._view.show(self._began)
                text = f"the display failed ({type(error).__name__}: {error}); plain lines from here on"
                self._view.show(Message(text=text, warning=True))

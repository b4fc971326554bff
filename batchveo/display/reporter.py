"""Shows a run in a thread of its own, by the view that fits: live figures at a terminal, else lines or JSON."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, TextIO

from batchveo.core.events import Event, Message, RunInterrupted, RunStarted
from batchveo.core.shutdown import ShutdownBudget
from batchveo.display.event_text import WRONG
from batchveo.display.line_views import JsonView, LineView
from batchveo.display.run_view import RunView

MOST_WAITING = 10_000
"""Events kept for a slow view; later ones are dropped, and the view shows how many."""
LEAVE_SECONDS = 2.0
"""Seconds that the end of a run, or a question before it, waits for a slow view."""
LONGEST_WAIT = 3600.0


class BackgroundReporter:
    """A reporter that passes events to ``view``; ``make_plain`` makes the view that replaces it if it fails.

    Use it as a context manager around the run. Calls return at once: neither a slow terminal nor a bug in the view
    delays the run.
    """

    def __init__(self, view: RunView, make_plain: Callable[[], RunView]) -> None:
        self._view = view
        self._make_plain = make_plain
        self._failed = False
        self._start: RunStarted | None = None
        self._lost = 0
        self._shutdown: ShutdownBudget | None = None
        # a simple one takes a tenth of the time, for several events of each job
        self._events: queue.SimpleQueue[Event | threading.Event | None] = queue.SimpleQueue()
        """What to show; a ``threading.Event`` is set in its turn, ``None`` wakes the thread for the end."""
        self._leaving = threading.Event()
        # a daemon: a terminal that accepts no output must not keep the process alive
        self._thread = threading.Thread(target=self._work, name="display", daemon=True)

    def __call__(self, event: Event) -> None:
        """Queue an event."""
        if isinstance(event, RunInterrupted) and self._shutdown is None:
            self._shutdown = ShutdownBudget(time.monotonic())
        if self._events.qsize() < MOST_WAITING:
            self._events.put(event)
        else:
            self._lost += 1

    def wait_shown(self) -> None:
        """Wait until the view has shown all events so far, so that what follows comes below them.

        At most ``LEAVE_SECONDS``: the view may be stuck.
        """
        shown = threading.Event()
        self._events.put(shown)
        shown.wait(LEAVE_SECONDS)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._events.put(None)
        seconds = LEAVE_SECONDS
        if self._shutdown is not None:  # after a stop signal the process must end in time
            seconds = min(seconds, self._shutdown.count_seconds(ShutdownBudget.EXIT, now=time.monotonic()))
        self._thread.join(seconds)

    @property
    def is_stuck(self) -> bool:
        """Whether the view is still busy after the end: its terminal or pipe accepts no output."""
        return self._thread.is_alive()

    def _work(self) -> None:
        while (event := self._take_event()) is not None or not self._leaving.is_set():
            self._show_lost()
            if isinstance(event, RunStarted):
                self._start = event
            if isinstance(event, threading.Event):
                event.set()
            elif event is not None:
                self._try(lambda event=event: self._view.show(event))  # type: ignore[misc]
            if time.monotonic() >= self._view.due:
                self._try(self._view.tick)
        with contextlib.suppress(Exception):
            self._view.close()

    def _take_event(self) -> Event | threading.Event | None:
        seconds = 0.0 if self._leaving.is_set() else self._view.due - time.monotonic()
        try:
            return self._events.get(timeout=max(0.0, min(seconds, LONGEST_WAIT)))
        except queue.Empty:
            return None

    def _show_lost(self) -> None:
        if self._lost and self._events.empty():
            text, self._lost = f"{self._lost:,} events came too fast to be shown; the database has all of them", 0
            self._try(lambda: self._view.show(Message(text=text, warning=True)))

    def _try(self, step: Callable[[], None]) -> None:
        """Run ``step``; if it raises, replace the view by a plain one. A second failure is ignored."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - no error of a display may end the run
            if self._failed:
                return
            self._failed = True
            with contextlib.suppress(Exception):
                self._view.close()
            self._view = self._make_plain()
            with contextlib.suppress(Exception):
                if self._start is not None:  # the new view opens the database by this event
                    self._view.show(self._start)
                text = f"the display failed ({type(error).__name__}: {error}); plain lines from here on"
                self._view.show(Message(text=text, warning=True))


def open_reporter(
    out: TextIO,
    *,
    verbosity: int = 0,
    plain: bool = False,
    log_json: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> BackgroundReporter:
    """A reporter that shows a run on ``out``; use it as a context manager around the run."""

    def make_plain() -> RunView:
        return LineView(out, verbosity=verbosity, colours=accepts_colours(out, environ))

    if log_json:
        view: RunView = JsonView(out, verbosity=verbosity)
    elif plain or verbosity <= WRONG or not can_draw(out, environ):
        view = make_plain()
    else:
        from batchveo.display.live_view import LiveView  # rich is slow to import, and only figures need it
        from batchveo.display.terminal import Terminal

        view = LiveView(Terminal(out, environ), verbosity=verbosity)
    return BackgroundReporter(view, make_plain)


def can_draw(out: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether ``out`` is a terminal on which the cursor can be moved."""
    if environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return False
    try:
        if not out.isatty() or out.fileno() < 0:
            return False
    except OSError:  # the stream of an editor, which claims to be a terminal but has no file descriptor
        return False
    if sys.platform == "win32":
        from rich.console import detect_legacy_windows

        return not detect_legacy_windows()
    return True


def accepts_colours(out: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether to write colours: no if ``NO_COLOR`` is set, yes if ``FORCE_COLOR`` is, else if ``out`` can draw.

    An empty variable counts as unset.
    """
    if environ.get("NO_COLOR"):
        return False
    return bool(environ.get("FORCE_COLOR")) or can_draw(out, environ)

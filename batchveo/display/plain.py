"""A run as plain timestamped lines, for logs and pipes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TextIO

from batchveo.core.events import Event, JobStateChanged, RunStarted
from batchveo.core.formatting import describe_wait, format_forecast, format_timestamp, format_usd, state_words
from batchveo.core.models import JobState
from batchveo.display.event_text import USUAL, Tone, describe_event
from batchveo.display.repeat_counter import RepeatCounter
from batchveo.display.run_view import RunView
from batchveo.operations.status import Snapshot

PROGRESS_SECONDS = 300.0
PROGRESS_SHARE = 0.05
"""The share of all jobs after which progress is told in any case."""
LEAST_GAP = 10.0
"""Seconds between two lines of progress, so that a short run is not drowned in them."""
_COLOURS = {Tone.GOOD: "32", Tone.DOUBT: "33", Tone.WARNING: "33", Tone.BAD: "31"}


class LineReporter:
    """Writes one line an event worth a person's attention.

    ``verbosity``: -1 warnings and failures only, 0 what finished too, 1 every move. ``colours``: with ANSI ones.
    """

    def __init__(
        self,
        out: TextIO,
        *,
        verbosity: int = 0,
        clock: Callable[[], float] = time.time,
        colours: bool = False,
    ) -> None:
        self._out = out
        self._verbosity = verbosity
        self._clock = clock
        self._colours = colours
        self._teller = RepeatCounter()

    def __call__(self, event: Event) -> None:
        """Write the line of ``event``, if it has one."""
        for news in self._teller.news(event):
            if news.rank <= self._verbosity:
                self.write(news.text, news.tone)

    def write(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Write one line with its time."""
        if self._colours and tone in _COLOURS:
            text = f"\x1b[{_COLOURS[tone]}m{text}\x1b[0m"
        with contextlib.suppress(OSError, ValueError):  # whoever read along has gone; the run goes on
            self._out.write(f"{format_timestamp(self._clock())} {text}\n")
            self._out.flush()


def line_of(event: Event, *, verbosity: int = 0) -> str | None:
    """What to say of ``event``; ``None`` where ``verbosity`` does not ask for it."""
    news = describe_event(event)
    return news.text if news is not None and news.rank <= verbosity else None


class LineView:
    """The lines of a run, with one of progress now and then."""

    def __init__(self, lines: LineReporter, sight: RunView, *, verbosity: int = 0) -> None:
        self._lines = lines
        self._sight = sight
        self._progress = verbosity >= USUAL
        self._settled = 0
        self._begun = 0.0
        self._step = 0.0
        self.due = float("inf")

    def show(self, event: Event) -> None:
        """Write the event's line."""
        self._sight.heed(event)
        self._lines(event)
        if isinstance(event, RunStarted) and self._progress:
            shot = self._sight.look()
            self._step = max(shot.counts.total * PROGRESS_SHARE, 1.0) if shot else 1.0
            self._rest()
        elif isinstance(event, JobStateChanged) and event.job.state in (JobState.SUCCEEDED, JobState.FAILED):
            self._settled += 1
            if self._progress and self._settled >= self._step:
                self.due = min(self.due, self._begun + LEAST_GAP)

    def tick(self) -> None:
        """Write a line of progress."""
        shot = self._sight.look()
        if shot is None:
            self.due = float("inf")
            return
        self._lines.write(format_progress(shot))
        self._rest()

    def close(self) -> None:
        """Let go of the state."""
        self._sight.close()

    def _rest(self) -> None:
        self._settled, self._begun = 0, time.monotonic()
        self.due = self._begun + PROGRESS_SECONDS


def format_progress(shot: Snapshot) -> str:
    """How far the state is, in one line."""
    counts = shot.counts
    settled = counts.total - shot.left
    states = [f"{counts[state]:,} {state_words(state)}" for state in JobState if counts[state]]
    spent = f"spent {format_usd(shot.spent)}" + (f" of {format_usd(shot.budget)}" if shot.budget is not None else "")
    parts = [f"{settled:,} of {counts.total:,} ({shot.settled * 100:.0f} %): {', '.join(states)}", spent]
    if shot.videos_per_hour:
        parts.append(f"{shot.videos_per_hour:,.0f} videos an hour")
    if shot.waits_since is not None:
        parts.append(_waiting(shot, shot.waits_since))
    if shot.ahead is not None:
        parts.append(f"{format_forecast(shot.ahead)} left")
    return "; ".join(parts)


def _waiting(shot: Snapshot, since: float) -> str:
    return describe_wait(shot.open_doubts, since, shot.waits_until, shot.now, failures=shot.waits_failures)

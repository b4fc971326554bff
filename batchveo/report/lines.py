"""A run as plain timestamped lines, for logs and pipes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TextIO

from batchveo.events import Event, Moved, Noted, Slowed, Waiting
from batchveo.models import Job, JobState


class LineReporter:
    """Writes one line an event worth a person's attention.

    ``verbosity``: -1 warnings and failures only, 0 what finished too, 1 every move.
    """

    def __init__(self, out: TextIO, *, verbosity: int = 0, clock: Callable[[], float] = time.time) -> None:
        self._out = out
        self._verbosity = verbosity
        self._clock = clock

    def __call__(self, event: Event) -> None:
        """Write the line of ``event``, if it has one."""
        text = line_of(event, verbosity=self._verbosity)
        if text is not None:
            stamp = time.strftime("%H:%M:%S", time.localtime(self._clock()))
            with contextlib.suppress(OSError, ValueError):  # whoever read along has gone; the run goes on
                self._out.write(f"{stamp} {text}\n")
                self._out.flush()


def line_of(event: Event, *, verbosity: int = 0) -> str | None:
    """What to say of ``event``; ``None`` where ``verbosity`` does not ask for it."""
    match event:
        case Moved(job=job, was=was, detail=detail):
            return _move_line(job, was, detail, verbosity)
        case Slowed(reason=reason, limit=limit):
            return f"slower: {reason}; up to {limit} in flight" if verbosity >= 0 else None
        case Noted(text=text, warning=warning):
            return text if warning or verbosity >= 0 else None
        case Waiting(doubts=doubts, until=until):
            when = time.strftime("%H:%M:%S", time.localtime(until))
            return f"nothing left but {doubts} submits in doubt; waiting for the log, until {when} at the latest"


_QUIET = {JobState.FAILED, JobState.IN_DOUBT}


def _move_line(job: Job, was: JobState, detail: str, verbosity: int) -> str | None:
    name = shorten(job.name)
    if job.state is JobState.SUCCEEDED:
        return f"done: {shorten(str(job.file), 100)}{_cost(job)}" if verbosity >= 0 else None
    if job.state in _QUIET or was is JobState.IN_DOUBT:
        word = "held in doubt" if job.held else str(job.state).replace("_", " ")
        return f"{word}: {name}: {detail}"
    if was is JobState.DOWNLOADING:
        return f"fetching again: {name}: {detail}" if verbosity >= 0 else None
    return f"{was} -> {job.state}: {name}: {detail}" if verbosity > 0 else None


def _cost(job: Job) -> str:
    return "" if job.cost_usd is None else f" (${job.cost_usd:.2f})"


def duration(seconds: float) -> str:
    """``1 h 05 min``, ``2 min 07 s``, ``3.2 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"


def shorten(text: str, width: int = 60, *, squeeze: bool = True) -> str:
    """``text`` on one line, cut to ``width`` characters; ``squeeze`` makes one blank of several."""
    line = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(line.split()) if squeeze else line
    return line if len(line) <= width else line[: width - 1] + "…"

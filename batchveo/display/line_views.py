"""A run as lines: timestamped text for logs and pipes, or JSON Lines for machines that watch it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO, assert_never

from batchveo.core.events import (
    Event,
    JobStateChanged,
    Message,
    RunFinished,
    RunStarted,
    SubmitsPaused,
    ThrottleChanged,
    WaitingForLog,
)
from batchveo.core.formatting import format_forecast, format_timestamp, format_usd, list_counts
from batchveo.core.models import JobState
from batchveo.core.notices import DatabaseCreated
from batchveo.display.event_text import USUAL, WRONG, RepeatCounter, Tone, describe_event
from batchveo.display.run_view import NEVER, RunView
from batchveo.display.wrapped_text import INDENT, wrap_line
from batchveo.operations.status import Snapshot, describe_open_wait, make_progress_row

PROGRESS_SECONDS = 60.0
"""Seconds between two text lines of progress."""
WAIT_SECONDS = 600.0
"""The same while a run only waits for the usage log."""
PROGRESS_SHARE = 0.05
"""The share of all jobs after which progress is written in any case."""
LEAST_GAP = 10.0
"""Seconds between two text lines of progress at the least, so that they do not flood a short run."""
JSON_PROGRESS_SECONDS = 60.0
_COLOURS = {Tone.GOOD: "32", Tone.DOUBT: "33", Tone.WARNING: "33", Tone.BAD: "31"}


class LineView(RunView):
    """Writes one line for each event worth a person's attention, and a line of progress now and then.

    ``verbosity``: -1 warnings, failures and waits only, 0 progress too, 1 every move. ``colours``: use ANSI colours.
    """

    def __init__(
        self, out: TextIO, *, verbosity: int = 0, colours: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(clock)
        self._out = out
        self._verbosity = verbosity
        self._colours = colours
        self._counter = RepeatCounter()
        self._settled = 0
        self._progress_at = 0.0
        self._step = 0.0

    def show(self, event: Event) -> None:
        """Write the line of ``event``, if it has one."""
        super().show(event)
        for line in self._counter.describe_next(event):
            if line.rank <= self._verbosity:
                self._write(line.text, line.tone)
        if isinstance(event, WaitingForLog):
            self.due = time.monotonic() + WAIT_SECONDS
        if self._verbosity < USUAL:
            return
        if isinstance(event, RunStarted):
            shot = self.read_snapshot()
            self._step = max(shot.counts.total * PROGRESS_SHARE, 1.0) if shot else 1.0
            self._schedule_progress()
        elif isinstance(event, JobStateChanged) and event.job.state in (JobState.SUCCEEDED, JobState.FAILED):
            self._settled += 1
            if self._settled >= self._step:
                self.due = min(self.due, self._progress_at + LEAST_GAP)

    def tick(self) -> None:
        """Write a line of progress; if only warnings are wanted, of how long the run has waited for the usage log."""
        shot = self.read_snapshot()
        waits = shot is not None and shot.waits_since is not None
        if shot is None or (self._verbosity < USUAL and not waits):
            self.due = NEVER
            return
        self._write(format_progress(shot) if self._verbosity >= USUAL else describe_open_wait(shot))
        self._schedule_progress(WAIT_SECONDS if waits else PROGRESS_SECONDS)

    def _schedule_progress(self, seconds: float = PROGRESS_SECONDS) -> None:
        self._settled, self._progress_at = 0, time.monotonic()
        self.due = self._progress_at + seconds

    def _write(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        at = format_timestamp(self.clock(), zone=True)
        line = wrap_line(f"{at} {text}", self._out, indent=INDENT)
        if self._colours and tone in _COLOURS:
            line = f"{at} \x1b[{_COLOURS[tone]}m{line.removeprefix(at)[1:]}\x1b[0m"
        _write_line(self._out, line)


class JsonView(RunView):
    """Writes one JSON object a line; with ``verbosity`` -1 only warnings, failures, doubts and the end."""

    def __init__(self, out: TextIO, *, verbosity: int = 0, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._out = out
        self._quiet = verbosity <= WRONG

    def show(self, event: Event) -> None:
        """Write the object of ``event``."""
        super().show(event)
        line = describe_event(event)
        if not self._quiet or isinstance(event, RunFinished) or (line is not None and line.rank <= WRONG):
            self._write(make_event_row(event))
        if isinstance(event, RunStarted) and not self._quiet:
            self.due = time.monotonic() + JSON_PROGRESS_SECONDS

    def tick(self) -> None:
        """Write how far the run is."""
        shot = self.read_snapshot()
        self.due = time.monotonic() + JSON_PROGRESS_SECONDS if shot else NEVER
        if shot is not None:
            self._write({"event": "progress", **make_progress_row(shot)})

    def _write(self, row: dict[str, object]) -> None:
        _write_line(self._out, json.dumps({"at": format_moment(self.clock()), **row}))


def _write_line(out: TextIO, line: str) -> None:
    # the reader of a pipe may be gone: the run continues without it
    with contextlib.suppress(OSError, ValueError):
        out.write(line + "\n")
        out.flush()


def format_progress(shot: Snapshot) -> str:
    """Counts, money, speed and time left, in one line."""
    counts = shot.counts
    states = list_counts(counts.by_state, waiting=shot.waiting, blocked=shot.blocked_jobs)
    spent = f"spent {format_usd(shot.spent)}" + (f" of {format_usd(shot.budget)}" if shot.budget is not None else "")
    parts = [f"{shot.settled_jobs:,} of {counts.total:,} ({shot.settled * 100:.0f} %): {', '.join(states)}", spent]
    if shot.videos_per_hour:
        parts.append(f"{shot.videos_per_hour:,.0f} videos an hour")
    if shot.waits_since is not None:
        parts.append(describe_open_wait(shot))
    if shot.ahead is not None:
        parts.append(f"{format_forecast(shot.ahead)} left")
    return "; ".join(parts)


def format_moment(at: float) -> str:
    """ISO 8601, UTC, to the millisecond."""
    return datetime.fromtimestamp(at, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_event_row(event: Event) -> dict[str, object]:
    """The JSON fields of an event. Fields are added over time, never removed."""
    match event:
        case RunStarted():
            return {
                "event": "began",
                "run": event.run,
                "state": str(event.state),
                "output": str(event.output),
                "concurrency": event.concurrency,
                "rate_per_minute": event.rate,
                "budget_usd": event.budget,
            }
        case JobStateChanged():
            return _make_move_row(event)
        case SubmitsPaused(reason=reason, until=until, limit=limit, unreachable=unreachable):
            row = {"event": "slowed", "reason": reason, "until": format_moment(until), "limit": limit}
            return {**row, "unreachable": unreachable}
        case ThrottleChanged():
            return {
                "event": "paced",
                "brake": event.brake.value,
                "limit": event.limit,
                "ceiling": event.ceiling,
                "lowered_at": _format_optional(event.lowered_at),
                "until": _format_optional(event.until),
            }
        case DatabaseCreated(text=text, warning=warning, state=state):
            return {"event": "noted", "text": text, "warning": warning, "new_state": str(state)}
        case Message(text=text, warning=warning):
            return {"event": "noted", "text": text, "warning": warning}
        case WaitingForLog(doubts=doubts, failures=failures, until=until, since=since):
            row = {"event": "waiting", "doubts": doubts, "until": format_moment(until)}
            return {**row, "failures": failures, "since": _format_optional(since)}
        case RunFinished():
            return {
                "event": "ended",
                "run": event.run,
                "exit_status": event.exit_status,
                "seconds": round(event.seconds, 3),
                "stopped": event.stopped,
            }
        case _:
            assert_never(event)


def _make_move_row(event: JobStateChanged) -> dict[str, object]:
    job = event.job
    return {
        "event": "moved",
        "id": job.id,
        "name": job.name,
        "from": event.was.value,
        "to": job.state.value,
        "held": job.held,
        "detail": event.detail,
        "model": job.model,
        "attempts": job.attempts,
        "client_request_id": job.client_request_id,
        "generation_id": job.generation_id,
        "cost_usd": job.cost_usd,
        "file": job.file,
        "bytes": job.bytes,
        "key": job.api_key_label,
    }


def _format_optional(at: float | None) -> str | None:
    return None if at is None else format_moment(at)

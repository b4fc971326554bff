"""A run as JSON Lines: one object an event, for machines that watch."""

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
from batchveo.core.notices import DatabaseCreated
from batchveo.display.event_text import WRONG, describe_event
from batchveo.display.run_view import RunView
from batchveo.operations.status import make_progress_row

PROGRESS_SECONDS = 60.0


class JsonView:
    """Writes an object a line; ``verbosity`` -1 leaves all but warnings, failures, doubts and the end out."""

    def __init__(
        self, out: TextIO, sight: RunView, *, verbosity: int = 0, clock: Callable[[], float] = time.time
    ) -> None:
        self._out = out
        self._sight = sight
        self._quiet = verbosity <= WRONG
        self._clock = clock
        self.due = float("inf")

    def show(self, event: Event) -> None:
        """Write the object of ``event``."""
        self._sight.heed(event)
        news = describe_event(event)
        if not self._quiet or isinstance(event, RunFinished) or (news is not None and news.rank <= WRONG):
            self._write(make_event_row(event))
        if isinstance(event, RunStarted) and not self._quiet:
            self.due = time.monotonic() + PROGRESS_SECONDS

    def tick(self) -> None:
        """Write how far the run is."""
        shot = self._sight.look()
        self.due = time.monotonic() + PROGRESS_SECONDS if shot else float("inf")
        if shot is not None:
            self._write({"event": "progress", **make_progress_row(shot)})

    def close(self) -> None:
        """Let go of the state."""
        self._sight.close()

    def _write(self, row: dict[str, object]) -> None:
        line = json.dumps({"at": format_moment(self._clock()), **row})
        with contextlib.suppress(OSError, ValueError):  # whoever read along has gone; the run goes on
            self._out.write(line + "\n")
            self._out.flush()


def format_moment(at: float) -> str:
    """ISO 8601, UTC, to the millisecond."""
    return datetime.fromtimestamp(at, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_event_row(event: Event) -> dict[str, object]:
    """The fields of an event. Fields are added over time, never taken away."""
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
            return _moved(event)
        case SubmitsPaused(reason=reason, until=until, limit=limit, unreachable=unreachable):
            row = {"event": "slowed", "reason": reason, "until": format_moment(until), "limit": limit}
            return {**row, "unreachable": unreachable}
        case ThrottleChanged():
            return {
                "event": "paced",
                "brake": event.brake.value,
                "limit": event.limit,
                "ceiling": event.ceiling,
                "lowered_at": _maybe(event.lowered_at),
                "until": _maybe(event.until),
            }
        case DatabaseCreated(text=text, warning=warning, state=state):
            return {"event": "noted", "text": text, "warning": warning, "new_state": str(state)}
        case Message(text=text, warning=warning):
            return {"event": "noted", "text": text, "warning": warning}
        case WaitingForLog(doubts=doubts, failures=failures, until=until, since=since):
            row = {"event": "waiting", "doubts": doubts, "until": format_moment(until)}
            return {**row, "failures": failures, "since": _maybe(since)}
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


def _moved(event: JobStateChanged) -> dict[str, object]:
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


def _maybe(at: float | None) -> str | None:
    return None if at is None else format_moment(at)

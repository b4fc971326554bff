"""What every view of a run has in common: events come in, and a snapshot of the database can be read at any time."""

from __future__ import annotations

import time
from collections.abc import Callable

from batchveo.core.events import (
    Event,
    JobStateChanged,
    RunFinished,
    RunStarted,
    SubmitsPaused,
    ThrottleChanged,
    WaitingForLog,
)
from batchveo.core.models import JobState
from batchveo.operations.status import Snapshot, SnapshotReader
from batchveo.store import Store

NEVER = float("inf")


class RunView:
    """A view of a run; subclasses write or draw. It belongs to the thread that uses it.

    ``due`` is the time of the next ``tick`` by ``time.monotonic()``. ``clock`` returns seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.due = NEVER
        self.clock = clock
        self._store: Store | None = None
        self._reader: SnapshotReader | None = None
        self._pace: ThrottleChanged | None = None
        self._slowed: SubmitsPaused | None = None
        self._waiting: WaitingForLog | None = None

    @property
    def is_open(self) -> bool:
        """Whether a run is in progress."""
        return self._reader is not None

    def show(self, event: Event) -> None:
        """Take one event: open the database with the run, close it with the run, remember what slows the run."""
        match event:
            case RunStarted():
                self._close_store()
                # a connection of its own: reads neither wait for the run nor delay it
                self._store = Store(event.state, writing=False)
                self._reader = SnapshotReader(store=self._store, places=event.concurrency, per_minute=event.rate)
            case ThrottleChanged():
                self._pace = event
            case SubmitsPaused():
                self._slowed = event
            case WaitingForLog():
                self._waiting = event
            case JobStateChanged(was=JobState.SUBMITTING, job=job) if job.state is not JobState.PENDING:
                self._slowed = None
            case RunFinished():
                self._close_store()
            case _:
                pass

    def tick(self) -> None:
        """Do what is due."""

    def close(self) -> None:
        """Release what the view holds."""
        self._close_store()

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()
        self._store = self._reader = self._pace = self._slowed = self._waiting = None

    def read_snapshot(self, *, most_flights: int = 0) -> Snapshot | None:
        """The state of the run now; ``None`` before its beginning and after its end."""
        if self._reader is None:
            return None
        return self._reader.read_snapshot(
            self.clock(), pace=self._pace, slowed=self._slowed, waiting=self._waiting, most_flights=most_flights
        )

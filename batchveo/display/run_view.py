"""A look at the state of a run by a connection of its own, which neither waits for the run nor makes it wait."""

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


class RunView:
    """Open from a run's beginning to its end. Belongs to the thread that uses it."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._store: Store | None = None
        self._lookout: SnapshotReader | None = None
        self._pace: ThrottleChanged | None = None
        self._slowed: SubmitsPaused | None = None
        self._waiting: WaitingForLog | None = None

    @property
    def open(self) -> bool:
        """Whether there is a run to look at."""
        return self._lookout is not None

    def heed(self, event: Event) -> None:
        """Open and close with the run; remember what sets its pace."""
        match event:
            case RunStarted():
                self.close()
                self._store = Store(event.state, writing=False)
                self._lookout = SnapshotReader(store=self._store, places=event.concurrency, per_minute=event.rate)
            case ThrottleChanged():
                self._pace = event
            case SubmitsPaused():
                self._slowed = event
            case WaitingForLog():
                self._waiting = event
            case JobStateChanged(was=JobState.SUBMITTING, job=job) if job.state is not JobState.PENDING:
                self._slowed = None
            case RunFinished():
                self.close()
            case _:
                pass

    def look(self) -> Snapshot | None:
        """The moment; ``None`` before the run's beginning and after its end."""
        return (
            None
            if self._lookout is None
            else self._lookout.read_snapshot(self.clock(), pace=self._pace, slowed=self._slowed, waiting=self._waiting)
        )

    def close(self) -> None:
        """Let go of the state; harmless when there is none."""
        if self._store is not None:
            self._store.close()
        self._store = self._lookout = self._pace = self._slowed = self._waiting = None

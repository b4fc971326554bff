"""Tells people who are not there how a run goes: an observer of its events."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from batchveo.core.errors import Declined
from batchveo.core.events import (
    Event,
    JobStateChanged,
    Message,
    Reporter,
    RunInterrupted,
    RunStarted,
    WaitingForLog,
)
from batchveo.core.models import Job, JobState
from batchveo.core.shutdown import ShutdownBudget
from batchveo.display import notification_text
from batchveo.display.notification_channels import SEND_SECONDS, Messengers
from batchveo.display.notification_text import Notification, Tally
from batchveo.engine.result import RunResult

STUCK_SECONDS = 15 * 60.0
STUCK_GENERATIONS = 3.0
"""A run is stuck when nothing has moved for this many times its slowest generation, but at least the above."""
LOOK_SECONDS = 30.0

_ACCEPTED_FROM = {JobState.SUBMITTING, JobState.IN_DOUBT}


class Notifier:
    """A reporter that hands each event on to ``reporter``, and posts messages about what matters.

    Use it as a context manager around the run and tell it the result with ``ended``; an error that leaves the
    block is told as well. Without messengers it only hands on. ``clock`` counts seconds that never jump.
    """

    def __init__(
        self,
        messengers: Messengers,
        reporter: Reporter,
        *,
        state: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._messengers = messengers
        self._reporter = reporter
        self._place = notification_text.format_place(state, socket.gethostname())
        self._state = state
        self._clock = clock
        self._tally = Tally()
        self._moved_at: float | None = None
        self._slowest = 0.0
        self._fetching: set[int] = set()
        self._stuck = False
        self._waiting: WaitingForLog | None = None
        self._shutdown: ShutdownBudget | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()

    def __enter__(self) -> Self:
        if self._messengers:
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if isinstance(error, KeyboardInterrupt):
            self._interrupted("SIGINT")
        elif error is not None and not isinstance(error, Declined):  # whoever said no is there
            self._post(notification_text.describe_error(error, self._tally, state=self._state))
        self._warn(self._messengers.flush(self._time_left()))

    def __call__(self, event: Event) -> None:
        """Hand ``event`` on, and heed it."""
        self._reporter(event)
        if not self._messengers:
            return
        match event:
            case RunStarted():
                self._moved_at = self._clock()
            case JobStateChanged(job=job, was=was):
                self._moved(job, was)
            case WaitingForLog():
                self._waiting = event
            case RunInterrupted(signal=name):
                self._interrupted(name)
            case _:
                pass
        self._warn(self._messengers.failures())

    def ended(self, result: RunResult) -> None:
        """The run is over; one that a signal ended has been told of already."""
        self._over.set()
        if self._shutdown is None:
            self._post(notification_text.describe_end(result, self._tally, state=self._state))

    def look(self) -> None:
        """Tell, once, that nothing has moved for long; a question before the run may wait as long as it likes."""
        with self._lock:
            if self._moved_at is None:
                return
            quiet = self._clock() - self._moved_at
            if self._stuck or self._over.is_set() or quiet < self.patience:
                return
            self._stuck = True
        doubts, until = (self._waiting.doubts, self._waiting.until) if self._waiting else (0, 0.0)
        self._post(notification_text.describe_stall(quiet, self._tally, doubts=doubts, until=until, state=self._state))

    @property
    def patience(self) -> float:
        """Seconds without a move after which a run is stuck."""
        return max(STUCK_SECONDS, STUCK_GENERATIONS * self._slowest)

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.look()

    def _moved(self, job: Job, was: JobState) -> None:
        if job.state is JobState.SUCCEEDED:
            self._tally = replace(
                self._tally,
                made=self._tally.made + 1,
                usd=self._tally.usd + (job.cost_usd or 0.0),
                unpriced=self._tally.unpriced + (job.cost_usd is None),
            )
        if job.state is JobState.FAILED:
            self._tally = replace(self._tally, failed=self._tally.failed + 1)
        if self._is_progress(job, was):
            self._progress()

    def _is_progress(self, job: Job, was: JobState) -> bool:
        """Whether a move leads on: a refusal that is tried again for hours does not."""
        if job.state is JobState.DOWNLOADING:
            first = job.seq not in self._fetching
            self._fetching.add(job.seq)
            if job.completed_at is not None and job.submitted_at is not None:
                self._slowest = max(self._slowest, job.completed_at - job.submitted_at)
            return first
        if job.state in (JobState.SUCCEEDED, JobState.FAILED):
            self._fetching.discard(job.seq)
            return True
        return job.state is JobState.GENERATING and was in _ACCEPTED_FROM

    def _progress(self) -> None:
        with self._lock:
            now = self._clock()
            quiet = 0.0 if self._moved_at is None else now - self._moved_at
            self._moved_at = now
            was_stuck, self._stuck, self._waiting = self._stuck, False, None
        if was_stuck:
            self._post(notification_text.describe_recovery(quiet, self._tally))

    def _interrupted(self, name: str) -> None:
        if self._shutdown is None:
            self._shutdown = ShutdownBudget(self._clock())
            self._post(notification_text.describe_interruption(name, self._tally))

    def _post(self, message: Notification) -> None:
        self._messengers.post(message.title, f"{message.body}\n{self._place}")

    def _time_left(self) -> float:
        if self._shutdown is None:
            return SEND_SECONDS
        return self._shutdown.count_seconds(ShutdownBudget.EXIT, now=self._clock())

    def _warn(self, failures: list[str]) -> None:
        for kind in failures:
            self._reporter(Message(text=f"a message was not accepted by {kind}; the run is not affected", warning=True))

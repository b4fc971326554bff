"""How a run begins, when it is over, and how it ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from signal import Signals

import anyio

from batchveo.core.errors import (
    BatchveoError,
    BudgetReached,
    ClusterTrouble,
    DiskTrouble,
    OutOfCredits,
    StateLocked,
    StoppedEarly,
)
from batchveo.core.events import RunFinished, RunInterrupted, RunStarted, WaitingForLog
from batchveo.core.hints import address_options, format_command
from batchveo.core.models import JobState
from batchveo.core.notices import ChecksAwaited
from batchveo.core.settings import RunSettings
from batchveo.engine.in_flight import InFlightTable
from batchveo.engine.recorder import Recorder
from batchveo.engine.result import RunResult
from batchveo.engine.run_context import EventBus, RunContext
from batchveo.engine.stages.checker import Checker
from batchveo.engine.stages.linker import Linker
from batchveo.store import Counts, Store

MANY_CHECKS = 20
"""Clips to be checked from which on a person is told why a run does not end yet."""
BUGS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
"""Errors of the database that come from our code, not from the disk."""


class RunLifecycle:
    """Finds the end of a run, and sets ``over`` then.

    ``awaits_log``: whether the run has to wait for the usage log.
    """

    def __init__(
        self,
        context: RunContext,
        bus: EventBus,
        recorder: Recorder,
        in_flight: InFlightTable,
        settings: RunSettings,
        *,
        begun: float,
        awaits_log: Callable[[], bool],
        checker: Checker,
        linker: Linker,
    ) -> None:
        self._context = context
        self._bus = bus
        self._recorder = recorder
        self._in_flight = in_flight
        self._settle = settings.settle
        self._begun = begun
        self._awaits_log = awaits_log
        self._checker = checker
        self._linker = linker
        self._interrupted: Signals | None = None
        self._waiting_reported = False
        self._checks_reported = False
        self._failure: Exception | None = None
        self.over = anyio.Event()

    def interrupt(self, received: Signals) -> None:
        """End the run because of the signal ``received``."""
        self._interrupted = received
        text = f"{received.name}: taking no more jobs; calls under way may end (again: stop at once)"
        self._bus.emit(RunInterrupted(signal=received.name, text=text, warning=True))
        self._bus.notify()

    @property
    def is_interrupted(self) -> bool:
        """Whether a signal has ended the run."""
        return self._interrupted is not None

    def fail(self, error: Exception) -> None:
        """End the run by ``error``; the first one counts."""
        self._failure = self._failure or error
        self._bus.notify()

    async def wait_end(self) -> None:
        """Wait for the end of the run and set ``over``; raises the error that has ended it."""
        while self._failure is None and self._interrupted is None and not self._is_done():
            self._report_waiting()
            await self._bus.wait(min(self._context.now() + 60.0, self._in_flight.find_next_deadline() + 0.01))
        self.over.set()
        if self._failure is not None:
            raise self._failure

    def _is_done(self) -> bool:
        if self._in_flight.expire_patience(self._context.now()):
            self._bus.notify()  # there are places for others
        stopped = self._bus.stopped
        if isinstance(stopped, DiskTrouble | ClusterTrouble):
            return True  # nothing can be recorded or reached: waiting helps nothing
        if self._in_flight.count_awaited():
            return False
        # what this run paid for is judged, though no take can follow; older clips may wait for the next run
        if self._checker.has_work(new_only=stopped is not None):
            return False
        if stopped is not None:
            # a run that may buy nothing ends at once, each time: without this, none would look up the held doubts,
            # which may be why the budget is too small
            return not (isinstance(stopped, BudgetReached | OutOfCredits) and self._awaits_log())
        if self._linker.has_work():
            return False
        unsettled = self._in_flight.list_open_doubts() or self._in_flight.list_retryable()
        return not unsettled and self._all_submitted() and not self._awaits_log()

    def _all_submitted(self) -> bool:
        return self._context.store.queries.find_claim_time(self._context.run, now=self._context.now()) is None

    def _report_waiting(self) -> None:
        if not self._checks_reported and self._waits_for_checks():
            self._checks_reported = True
            self._bus.emit(ChecksAwaited(clips=self._checker.count_waiting()))
        doubts, failures = self._in_flight.list_open_doubts(), self._in_flight.list_retryable()
        waits = bool(doubts or failures) and not self._in_flight.count_awaited() and self._all_submitted()
        if waits and not self._waiting_reported:
            since = [job.doubted_at or self._begun for job in doubts]
            since += [max(job.finished_at or 0.0, self._begun) for job in failures]
            self._bus.emit(self._make_waiting_event(len(doubts), len(failures), max(since)))
        self._waiting_reported = waits

    def _waits_for_checks(self) -> bool:
        """Whether nothing else is left, and more clips wait than are checked in a moment."""
        waiting = self._checker.count_waiting()
        return waiting > MANY_CHECKS and not self._in_flight.count_awaited() and self._all_submitted()

    def _make_waiting_event(self, doubts: int, failures: int, since: float) -> WaitingForLog:
        store = self._context.store
        resume = format_command("resume", state=store.path, service=address_options(store.runs.list_services()))
        until = since + self._settle
        return WaitingForLog(doubts=doubts, failures=failures, until=until, since=since, resume=resume)

    async def run_framed(self, began: RunStarted, work: Callable[[], Awaitable[None]]) -> RunResult:
        """Do the run's ``work`` between its first and its last event, and return the result. Raises only for bugs."""
        store = self._context.store
        try:
            with store.connection.sharing(), single_error():
                self._bus.emit(began)
                await work()
        except StoppedEarly as error:
            self._bus.stop(error)
        except sqlite3.DatabaseError as error:
            if isinstance(error, BUGS):
                raise
            self._bus.stop(DiskTrouble(f"the state {store.path} cannot be written: {error}"))
        finally:
            self.over.set()
        result = self._make_result()
        stopped = None if result.stopped is None else str(result.stopped)
        self._bus.emit(
            RunFinished(run=result.run, exit_status=result.exit_status, seconds=result.seconds, stopped=stopped)
        )
        return result

    def _make_result(self) -> RunResult:
        counts = self._context.store.counts(run=self._context.run)
        late = self._in_flight.count_late()
        rejected = len(self._checker.rejected)
        blocked = self._context.store.waiting.count_blocked(self._context.run)
        return RunResult(
            run=self._context.run,
            counts=counts,
            exit_status=self._choose_exit_status(counts, late, rejected, blocked=bool(blocked)),
            stopped=self._bus.stopped,
            interrupted=self._interrupted,
            late=late,
            rejected=rejected,
            put_aside=self._context.store.skipped.count_by_reason(),
            seconds=self._context.now() - self._begun,
            idle=not self._recorder.entries,
            blocked=blocked,
        )

    def _choose_exit_status(self, counts: Counts, late: int, rejected: int, *, blocked: bool) -> int:
        """The exit status of the run: by the signal, else by the early stop, else by what became of the jobs."""
        if self._interrupted is not None:
            return 128 + self._interrupted
        if self._bus.stopped is not None:
            return self._bus.stopped.exit_status
        if counts[JobState.FAILED] or counts.held or self._recorder.failed or rejected or blocked:
            return 1
        unfinished = late or any(counts[state] for state in JobState if not state.is_complete)
        return StoppedEarly.exit_status if unfinished else 0


@contextmanager
def single_error() -> Iterator[None]:
    """Raise one error instead of an exception group: the reason for an early stop, or the only bug."""
    try:
        yield
    except BaseExceptionGroup as group:
        errors = list(_flatten_group(group))
        stops = [error for error in errors if isinstance(error, StoppedEarly)]
        # one write that fails, fails for every call that shared it, and a service for all calls of that moment
        if stops or len(errors) == 1 or all(isinstance(error, sqlite3.Error | BatchveoError) for error in errors):
            raise [*stops, *errors][0] from None
        raise


def _flatten_group(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _flatten_group(error)
        else:
            yield error


LOCK_GAP_SECONDS = 0.2


async def acquire_lock(store: Store, *, patience: float = 0.0) -> None:
    """Acquire the run lock; wait at most ``patience`` seconds for the previous holder. Raises ``StateLocked``."""
    with anyio.move_on_after(patience):
        while True:
            try:
                store.runs.acquire_lock()
            except StateLocked:
                await anyio.sleep(LOCK_GAP_SECONDS)
            else:
                return
    store.runs.acquire_lock()

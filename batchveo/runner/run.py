"""One run over a state: submit, poll, download, reconcile, until nothing is left or something stops it."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from batchveo.api import Api, Videos
from batchveo.clock import Clock
from batchveo.durations import Durations
from batchveo.errors import DiskTrouble, KeyRejected, StoppedEarly
from batchveo.events import Began, Ended, Interrupting, Noted, Reporter, Waiting, silent
from batchveo.models import JobState
from batchveo.pricing import PriceList
from batchveo.runner.board import Board
from batchveo.runner.desk import Desk
from batchveo.runner.fetching import FetchLoop
from batchveo.runner.polling import PollLoop
from batchveo.runner.reconciling import ReconcileLoop
from batchveo.runner.settings import Doubt, RunSettings
from batchveo.runner.signals import stop_signals
from batchveo.runner.submitting import SubmitLoop
from batchveo.runner.wallet import Wallet
from batchveo.stages.blocks import Disk, in_thread
from batchveo.stages.downloader import Downloader
from batchveo.stages.poller import Poller
from batchveo.stages.reconciler import Reconciler
from batchveo.stages.submitter import Submitter
from batchveo.store import Counts, Store

BUGS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
"""Errors of the database that no disk is to blame for."""
GRACE_SECONDS = 4.0
"""How long calls under way may take after the first stop signal; the whole exit stays within five seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a run ended. ``counts`` are those of the jobs it took on; ``exit_status`` is the command's."""

    run: int
    counts: Counts
    exit_status: int
    stopped: StoppedEarly | None = None
    interrupted: signal.Signals | None = None
    late: int = 0
    seconds: float = 0.0


class Run:
    """A run over an open, locked ``store``. Call ``execute`` once."""

    def __init__(
        self,
        store: Store,
        api: Api,
        videos: Videos,
        settings: RunSettings,
        *,
        run: int,
        clock: Clock,
        prices: PriceList | None = None,
        durations: Durations | None = None,
        reporter: Reporter = silent,
        disk: Disk = in_thread,
    ) -> None:
        self._settings = settings
        self._store = store
        self._begun = clock.now()
        board = Board(begun=self._begun, patience=settings.patience)
        self._desk = desk = Desk(
            store=store,
            board=board,
            clock=clock,
            report=reporter,
            run=run,
            waits_for_credits=settings.wait_for_credits,
        )
        self._durations = durations or Durations()
        resubmit = settings.when_in_doubt is Doubt.RESUBMIT
        reconciler = Reconciler(api, settle=settings.settle, resubmit=resubmit, now=clock.now)
        wallet = Wallet(desk, api, prices or PriceList({}), settings)
        self._polls = PollLoop(desk, Poller(api), settings, self._durations)
        submitter = Submitter(api, store.input_file, desk.mark_sent)
        self._submits = SubmitLoop(desk, submitter, wallet, settings, first_poll=self._polls.first_due)
        self._fetches = FetchLoop(desk, Downloader(videos, settings.output, disk=disk), settings)
        self._reconciles = ReconcileLoop(desk, reconciler, settle=settings.settle)
        self._interrupted: signal.Signals | None = None
        self._said_waiting = False

    async def execute(self) -> RunResult:
        """Run to the end; raises only for bugs."""
        try:
            with self._store.sharing(), stop_signals() as signals, _single_error():
                self._desk.tell(self._beginning())
                self._take_stock()
                async with anyio.create_task_group() as watch:
                    if signals is not None:
                        watch.start_soon(self._listen, signals)
                    await self._work()
                    watch.cancel_scope.cancel()
        except StoppedEarly as error:
            self._desk.stop(error)
        except sqlite3.DatabaseError as error:
            if isinstance(error, BUGS):
                raise
            self._desk.stop(DiskTrouble(f"the state {self._store.path} cannot be written: {error}"))
        result = self._result()
        stopped = None if result.stopped is None else str(result.stopped)
        self._desk.tell(
            Ended(run=result.run, exit_status=result.exit_status, seconds=result.seconds, stopped=stopped)
        )
        return result

    def _beginning(self) -> Began:
        return Began(
            run=self._desk.run,
            state=self._store.path,
            output=self._settings.output,
            concurrency=self._settings.concurrency,
            rate=self._settings.rate,
            budget=self._settings.budget,
        )

    def _take_stock(self) -> None:
        """Put on the board what earlier runs left: doubts first, then what is generating or finished."""
        now = self._desk.now()
        recovered = self._store.recover(run=self._desk.run, now=now)
        doubts = sum(job.state is JobState.IN_DOUBT for job in recovered)
        if doubts:
            text = f"{doubts} submits were cut off by the end of the last run; looking them up in the log"
            self._desk.tell(Noted(text=text, warning=True))
        self._store.flush()
        models = set(self._store.pending_models(self._desk.run))
        for job in self._store.jobs(JobState.IN_DOUBT, JobState.GENERATING, JobState.DOWNLOADING):
            self._desk.board.place(job, due=now, now=now)
            models.add(job.model)
        for model in models:
            self._durations.recall(model, self._store.generation_seconds(model))

    async def _work(self) -> None:
        async with anyio.create_task_group() as workers:
            self._workers = workers
            async with anyio.create_task_group() as loops:
                loops.start_soon(self._submits.run, workers)
                loops.start_soon(self._polls.run, workers)
                loops.start_soon(self._fetches.run, workers)
                loops.start_soon(self._reconciles.run)
                await self._until_done()
                loops.cancel_scope.cancel()
            # whatever is still under way may end; a call cut off here heals at the next start
            workers.cancel_scope.deadline = anyio.current_time() + GRACE_SECONDS

    async def _until_done(self) -> None:
        while self._interrupted is None and not self._done():
            self._say_waiting()
            await self._desk.wait(self._desk.now() + 60.0)

    def _done(self) -> bool:
        board, stopped = self._desk.board, self._desk.stopped
        if isinstance(stopped, DiskTrouble):
            return True
        if isinstance(stopped, KeyRejected) and self._polls.blocked and not board.downloads_waiting():
            return True
        if board.waited_for():
            return False
        if stopped is not None:
            return True
        return not board.open_doubts() and self._store.next_pending(self._desk.run, now=self._desk.now()) is None

    def _say_waiting(self) -> None:
        board = self._desk.board
        doubts = board.open_doubts()
        waits = (
            bool(doubts)
            and not board.waited_for()
            and self._store.next_pending(self._desk.run, now=self._desk.now()) is None
        )
        if waits and not self._said_waiting:
            since = max(job.doubted_at or self._begun for job in doubts)
            self._desk.tell(Waiting(doubts=len(doubts), until=since + self._settings.settle))
        self._said_waiting = waits

    async def _listen(self, signals: AsyncIterator[signal.Signals]) -> None:
        async for received in signals:
            if self._interrupted is not None:
                self._workers.cancel_scope.cancel()
                return
            self._interrupted = received
            text = f"{received.name}: taking no more jobs; calls under way may end (again: stop at once)"
            self._desk.tell(Interrupting(signal=received.name, text=text, warning=True))
            self._desk.notify()

    def _result(self) -> RunResult:
        counts = self._store.counts(run=self._desk.run)
        late = self._desk.board.late()
        return RunResult(
            run=self._desk.run,
            counts=counts,
            exit_status=self._exit_status(counts, late),
            stopped=self._desk.stopped,
            interrupted=self._interrupted,
            late=late,
            seconds=self._desk.now() - self._begun,
        )

    def _exit_status(self, counts: Counts, late: int) -> int:
        if self._interrupted is not None:
            return 128 + self._interrupted
        if self._desk.stopped is not None:
            return self._desk.stopped.exit_status
        if counts[JobState.FAILED] or counts.held or JobState.FAILED in self._desk.finished:
            return 1
        return StoppedEarly.exit_status if late else 0


@contextmanager
def _single_error() -> Iterator[None]:
    """Let the reason for an early stop out of its exception group; a lone bug as itself, others together."""
    try:
        yield
    except BaseExceptionGroup as group:
        errors = list(_leaves(group))
        stops = [error for error in errors if isinstance(error, StoppedEarly)]
        # one write that fails, fails for every call that shared it
        if stops or len(errors) == 1 or all(isinstance(error, sqlite3.Error) for error in errors):
            raise [*stops, *errors][0] from None
        raise


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error

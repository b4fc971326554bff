"""The one that writes the state: gives out jobs, records what came of them, knows when the run is over."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from signal import Signals

import anyio
from anyio.abc import TaskGroup

from batchveo.core.clock import Clock
from batchveo.core.errors import DiskTrouble, NoVideos, StoppedEarly
from batchveo.core.events import Event, JobStateChanged, Reporter, RunStarted, ignore_event
from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import (
    Accepted,
    Blocked,
    Completed,
    Denied,
    DiskRefused,
    FailedInLog,
    FoundInLog,
    NotCharged,
    Outcome,
    StillGenerating,
    Stuck,
    SubmitOutcome,
    Withdrawn,
)
from batchveo.engine.admission import Admission
from batchveo.engine.assignments import Assignments
from batchveo.engine.broker import ClaimLost
from batchveo.engine.budget import Budget
from batchveo.engine.event_bus import EventBus
from batchveo.engine.in_flight import InFlightTable
from batchveo.engine.key_limits import KeyThrottles
from batchveo.engine.lifecycle import RunLifecycle
from batchveo.engine.per_key import Label
from batchveo.engine.recorder import Entry, Recorder
from batchveo.engine.refused_jobs import RefusedJobs
from batchveo.engine.result import RunResult
from batchveo.engine.run_context import RunContext
from batchveo.engine.spec import RunSpec
from batchveo.engine.stages.log_lookup import left_with
from batchveo.engine.stages.reconciler import Reconciler
from batchveo.provider import ApiClient
from batchveo.store import MoveLost, Store

_log = logging.getLogger(__name__)

FRUITLESS_BELIEVED, FRUITLESS_MORE = 25, 10
"""Generations in a row that came to no video, at the least and beyond those in flight, after which no more are
bought: each was paid for, or may have been."""
NO_VIDEOS = "generations in a row came to no video; no more are bought"


class Coordinator:
    """The run of ``spec`` over an open, locked ``store``, done by ``workers`` workers. Call ``execute`` once.

    ``apis`` are the service by the labels of its keys.
    """

    def __init__(
        self,
        store: Store,
        spec: RunSpec,
        apis: Mapping[Label, ApiClient],
        *,
        clock: Clock,
        reporter: Reporter = ignore_event,
        workers: int = 1,
    ) -> None:
        self._store = store
        self._settings = settings = spec.settings
        self._context = context = RunContext(store=store, clock=clock, run=spec.run)
        self._bus = bus = EventBus(reporter, clock)
        self._recorder = recorder = Recorder(context, bus, keeps_price=settings.budget is not None)
        self._throttles = KeyThrottles(context, bus, spec.service.keys, settings)
        self._in_flight = in_flight = InFlightTable(
            begun=spec.begun,
            patience=settings.patience,
            tries=settings.tries,
            budgeted=settings.budget is not None,
            key_of=self._throttles.key_of,
        )
        prints = spec.service.key_prints(store.keys.read_secret())
        self._budget = Budget(context, bus, in_flight, apis, spec.prices, settings, key_prints=prints)
        self._refused_jobs = RefusedJobs(context, bus, recorder, self._throttles, self._budget, apis)
        self._fruitless_in_a_row = 0
        backlog = workers * max(4 * settings.downloads, 2 * settings.concurrency)
        self._assignments = Assignments(expected=workers)
        self._admission = Admission(
            context, bus, in_flight, self._throttles, self._budget, self._assignments, backlog=backlog
        )
        self._reconciler = Reconciler(
            context,
            bus,
            in_flight,
            apis,
            settings,
            key_of=self._throttles.key_of,
            left_with=lambda job, label: left_with(store.keys.find_fingerprint(job), prints.get(label)),
            record=self._found,
        )
        self._share = -(-settings.concurrency // workers)
        self._lifecycle = RunLifecycle(
            context, bus, recorder, in_flight, settings, begun=spec.begun, owes=self._reconciler.owes
        )
        self._tasks: TaskGroup | None = None
        self.began = anyio.Event()
        """Set when stock is taken of what earlier runs left; no worker is heard before that."""

    # -- the verbs of workers

    def join(self, worker: str) -> None:
        """Take ``worker`` on, under a name that nobody has had."""
        self._assignments.join(worker)

    async def claim(self, worker: str, *, most: int = 1) -> Sequence[Job]:
        """The next job for ``worker`` to submit, and more that may leave with it: at most so many, or its share.

        A claim is safe on disk after ``mark_sent``, at the latest.
        """
        return await self._admission.claim(worker, most=min(most, self._share))

    async def mark_sent(self, worker: str, job: Job) -> None:
        """Record for good that the request of ``job`` leaves now; raises ``ClaimLost`` where it must not.

        Once the run is over nothing more is bought, by those either who were given their jobs before.
        """
        self._assignments.check(worker)
        if self.finished.is_set():
            raise ClaimLost("the run is over")
        try:
            self._store.transitions.mark_sent(job, now=self._context.now())
        except MoveLost as error:
            raise ClaimLost(str(error)) from None
        await self._recorder.durable()
        _log.debug("job %s: marked as sent, request %s", job.id, job.client_request_id)

    async def record(self, worker: str, job: Job, outcome: Outcome, *, aside: bool = False) -> Job:
        """Record for good what came of a step of ``job``; returns the job as it is then.

        Of a worker that was given up only a generation id is taken: it was paid for. Between the outcome and its
        record there is no await, so no cancellation falls there; nor does one before it is safe.
        """
        if worker not in self._assignments and isinstance(outcome, Accepted):
            return await self._recorded(self._recorder.late, job, outcome)
        self._assignments.check(worker)
        job = self._in_flight.newest(job)
        if aside:
            self._in_flight.set_aside(job)
        elif isinstance(outcome, Stuck):
            self._in_flight.set_stuck(job)
        elif isinstance(outcome, StillGenerating | Completed):
            self._in_flight.set_free(job)
        return await self._recorded(self._recorder.enter, job, outcome, worker)

    async def take_over(self, worker: str, *, most: int = 1_000_000) -> Sequence[Job]:
        """Generations and downloads that nobody looks after, and ``worker`` does from now on: waits for some."""
        while True:
            self._assignments.check(worker)  # it may be given up while it waits
            jobs = self._assignments.take_over(worker, most=most, now=self._context.now())
            if jobs:
                return jobs
            await self._bus.wait(self._assignments.shared_anew_at(self._context.now()))

    def input_file(self, worker: str, sha256: str) -> tuple[str, bytes]:
        """Media type and content of an input file."""
        self._assignments.check(worker)
        return self._store.imports.read_input_file(sha256)

    def tell(self, event: Event) -> None:
        """Hand an event to whoever watches."""
        self._bus.emit(event)

    # -- the verbs of those who run the workers

    def remove_worker(self, worker: str, why: str = "its worker was given up") -> None:
        """Give ``worker`` up: what it was submitting is in doubt, what it looked after is for others to adopt."""
        if worker not in self._assignments:
            return
        try:
            for job in map(self._store.queries.read_job, self._assignments.remove(worker)):
                if job.state is JobState.SUBMITTING:
                    self._cut_off(job, why)
                else:
                    self._place(job, None)
        except sqlite3.Error as error:
            self.fail(error)
        self._bus.notify()

    def _cut_off(self, job: Job, why: str) -> None:
        moved = self._store.transitions.recover_job(job, run=self._context.run, now=self._context.now(), why=why)
        self._place(moved, None)
        if self._tasks is not None:
            entry = Entry(job=moved, events=(JobStateChanged(job=moved, was=job.state, detail=why),))
            self._tasks.start_soon(self._recorder.publish, entry)

    def heard(self, worker: str) -> None:
        """A call of ``worker`` has come over the wire: it is alive."""
        self._assignments.heard(worker, now=self._context.now())

    def silent(self, started: Collection[str] = (), *, seconds: float) -> list[str]:
        """The workers of whom nothing was heard for so long; of those ``started``, since the first question."""
        return self._assignments.silent(started, seconds=seconds, now=self._context.now())

    def interrupt(self, received: Signals) -> None:
        """End the run: no more jobs, calls under way may end."""
        self._lifecycle.interrupt(received)

    def stop(self, why: StoppedEarly) -> None:
        """Submit no more, for a reason that shows outside of it only."""
        self._bus.stop(why)

    def fail(self, error: Exception) -> None:
        """End the run by ``error``."""
        self._lifecycle.fail(error)

    async def durable(self) -> None:
        """Wait until all that was written so far is safe on disk."""
        await self._recorder.durable()

    async def deserted(self) -> None:
        """Wait until all workers have left, or were given up."""
        while len(self._assignments):
            await self._bus.wait()

    @property
    def finished(self) -> anyio.Event:
        """Set when the run is over, and workers are to end."""
        return self._lifecycle.over

    async def execute(self, working: Callable[[], Awaitable[object]]) -> RunResult:
        """Run to the end; ``working`` returns when all workers have ended. Raises only for bugs."""
        return await self._lifecycle.framed(self._began(), lambda: self._executed(working))

    async def _executed(self, working: Callable[[], Awaitable[object]]) -> None:
        self._take_stock()
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._reconciler.run)
            tasks.start_soon(self._lifecycle.wait)
            self.began.set()
            await working()
            for worker in self._assignments.names():
                self.remove_worker(worker, "the run ended")
            await self._recorder.durable()
            self._tasks = None
            tasks.cancel_scope.cancel()

    def _began(self) -> RunStarted:
        return RunStarted(
            run=self._context.run,
            state=self._store.path,
            output=self._settings.output,
            concurrency=self._settings.concurrency,
            rate=self._settings.rate,
            budget=self._settings.budget,
        )

    def _take_stock(self) -> None:
        """Take in what earlier runs left: doubts first, then what is generating or finished."""
        now = self._context.now()
        recovered = self._store.transitions.recover_jobs(run=self._context.run, now=now)
        doubts = sum(job.state is JobState.IN_DOUBT for job in recovered)
        if doubts:
            were, them = ("was", "it") if doubts == 1 else ("were", "them")
            text = f"{doubts:,} {'submit' if doubts == 1 else 'submits'} {were} cut off by the end of the last run"
            text += f"; looking {them} up in the log"
            self._bus.warn(text)
        self._store.connection.flush()
        for job in self._store.jobs(JobState.IN_DOUBT, JobState.GENERATING, JobState.DOWNLOADING):
            self._place(job, None)
        budgeted = self._settings.budget is not None
        for job in self._store.queries.list_unsettled_failures(
            self._context.run, tries=self._settings.tries, reserved=budgeted
        ):
            self._place(job, None)

    # -- records

    async def _found(self, job: Job, outcome: Outcome) -> None:
        """Record what the usage log or the ledger says of a doubt, or of a generation without a video."""
        if isinstance(outcome, FailedInLog) and job.state is JobState.FAILED and not self._in_flight.is_made_again(job):
            outcome = NotCharged(reason=outcome.reason)
        await self._recorded(self._recorder.enter, job, outcome)

    async def _recorded(
        self, enter: Callable[[Job, Outcome], Entry], job: Job, outcome: Outcome, worker: str | None = None
    ) -> Job:
        try:
            entry = enter(job, outcome)
            # the table follows the database at once: whoever waits may act in this very moment
            self._place(entry.job, worker)
            if isinstance(outcome, FailedInLog | NotCharged) and not self._in_flight.is_made_again(entry.job):
                self._in_flight.leave_fruitless([entry.job])
            self._heed(job, outcome)
            if entry.job.state is JobState.PENDING:
                self._refused_jobs.pending_again(entry.job)
            await self._recorder.publish(entry)
        except sqlite3.Error:
            if isinstance(outcome, Accepted | FoundInLog):  # the last trace of a purchase, should the log lose it
                text = f"{job.name}: generation {outcome.generation_id} was accepted, but cannot be recorded"
                self._bus.warn(text)
            raise
        return entry.job

    def _place(self, job: Job, worker: str | None) -> None:
        """Let table and assignments follow the database; ``worker`` looks after what has to be looked after."""
        if job.state is JobState.SUBMITTING:
            pass  # it stays in the hands of whoever claimed it
        elif not job.state.is_accepted:
            self._assignments.release(job)
        elif worker is None:
            self._assignments.orphan(job, now=self._context.now())
        else:
            self._assignments.give(worker, job)
        if self._in_flight.place(job, now=self._context.now()):
            self._bus.notify()

    def _heed(self, job: Job, outcome: Outcome) -> None:
        """Follow if an outcome is not about its job alone. ``job`` is as it was before."""
        if isinstance(outcome, DiskRefused):
            self._bus.stop(DiskTrouble(outcome.reason))
        if isinstance(outcome, Stuck | Completed):
            self._count_fruitless(outcome)
        if not isinstance(outcome, SubmitOutcome):
            return
        throttle = self._throttles.find_throttle(job)
        had_credits = throttle.out_of_credits is None
        self._throttles.heed(throttle, job, outcome, running=self._in_flight.generating(throttle.name))
        self._admission.report_limit()
        if self._tasks is not None and had_credits and throttle.out_of_credits is not None:
            self._tasks.start_soon(self._budget.await_credits, throttle)
        if isinstance(outcome, Accepted):
            self._refused_jobs.accepted(throttle, job)
        elif isinstance(outcome, Denied | Withdrawn) and self._tasks is not None:
            self._tasks.start_soon(self._refused_jobs.look_into, throttle, job, outcome)
        if isinstance(outcome, Blocked) and job.state is JobState.GENERATING:
            self._in_flight.forsake(throttle.name)
            self._bus.notify()

    def _count_fruitless(self, outcome: Stuck | Completed) -> None:
        """One generation without a video frees its slot for the next; a whole row of them is the service."""
        if isinstance(outcome, Completed):
            self._fruitless_in_a_row = 0
            return
        self._fruitless_in_a_row += 1
        if self._fruitless_in_a_row >= max(FRUITLESS_BELIEVED, self._settings.concurrency + FRUITLESS_MORE):
            self._bus.stop(NoVideos(f"{self._fruitless_in_a_row} {NO_VIDEOS}: {outcome.reason}"))

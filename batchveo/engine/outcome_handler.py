"""Records the outcomes of a run's jobs, and does what each of them means beyond its own job."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from anyio.abc import TaskGroup

from batchveo.core.errors import DiskTrouble, NoVideos
from batchveo.core.models import Job, JobState
from batchveo.core.notices import GenerationUnrecorded
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
from batchveo.core.settings import RunSettings
from batchveo.engine.admission import Admission
from batchveo.engine.assignments import Assignments
from batchveo.engine.budget import Budget
from batchveo.engine.in_flight import InFlightTable
from batchveo.engine.key_limits import KeyThrottles
from batchveo.engine.recorder import Entry, Recorder
from batchveo.engine.refused_jobs import RefusedJobs
from batchveo.engine.run_context import EventBus, RunContext

LEAST_WITHOUT_VIDEO, WITHOUT_VIDEO_MORE = 25, 10
"""Generations in a row without a video, at least and beyond those in flight, after which no more are bought: each
was paid for, or may have been."""
NO_VIDEOS = "generations in a row came to no video; no more are bought"


class OutcomeHandler:
    """Records outcomes; keeps the in-flight table, the assignments and the limits of the keys in step with them.

    ``tasks`` runs what takes time, such as looking at an account's balance; ``None`` before and after the run.
    ``check`` gets every job whose video is stored.
    """

    def __init__(
        self,
        context: RunContext,
        bus: EventBus,
        recorder: Recorder,
        in_flight: InFlightTable,
        assignments: Assignments,
        throttles: KeyThrottles,
        budget: Budget,
        admission: Admission,
        refused_jobs: RefusedJobs,
        settings: RunSettings,
        *,
        check: Callable[[Job], None],
    ) -> None:
        self._context = context
        self._bus = bus
        self._recorder = recorder
        self._in_flight = in_flight
        self._assignments = assignments
        self._throttles = throttles
        self._budget = budget
        self._admission = admission
        self._refused_jobs = refused_jobs
        self._check = check
        self._no_video_limit = max(LEAST_WITHOUT_VIDEO, settings.concurrency + WITHOUT_VIDEO_MORE)
        self._without_video = 0
        self.tasks: TaskGroup | None = None

    async def record_step(self, worker: str, job: Job, outcome: Outcome, *, aside: bool) -> Job:
        """Record the outcome of a step that ``worker`` took; returns the job as it is then.

        ``aside``: this run is done with the job.
        """
        job = self._in_flight.find_newest(job)
        return await self._record(self._recorder.write_outcome, job, outcome, worker, aside=aside)

    async def record_late_accept(self, job: Job, outcome: Accepted) -> Job:
        """Record a generation id from a worker that was given up: its generation is paid for."""
        return await self._record(self._recorder.write_late_outcome, job, outcome)

    async def record_log_outcome(self, job: Job, outcome: Outcome) -> None:
        """Record what the usage log or the ledger shows about a doubt, or about a generation without a video."""
        if isinstance(outcome, FailedInLog) and job.state is JobState.FAILED and not self._in_flight.is_retryable(job):
            outcome = NotCharged(reason=outcome.reason)
        await self._record(self._recorder.write_outcome, job, outcome)

    def place_job(self, job: Job, worker: str | None) -> None:
        """Update table and assignments to the state of ``job``; ``worker`` looks after it, ``None`` if nobody does."""
        if job.state is JobState.SUBMITTING:
            pass  # it stays with the worker that claimed it
        elif not job.state.is_accepted:
            self._assignments.release_job(job)
        elif worker is None:
            self._assignments.orphan_job(job, now=self._context.now())
        else:
            self._assignments.assign_job(worker, job)
        if self._in_flight.place_job(job, now=self._context.now()):
            self._bus.notify()

    async def _record(
        self,
        write: Callable[[Job, Outcome], Entry],
        job: Job,
        outcome: Outcome,
        worker: str | None = None,
        *,
        aside: bool = False,
    ) -> Job:
        # No await before ``publish_entry``: a cancellation between an answer and its record would lose a generation
        # that is paid for, and another claim would see a slot or money that is gone.
        try:
            entry = write(job, outcome)
            if entry.job.client_request_id == job.client_request_id:
                self._mark_waiting(job, outcome, aside=aside)
                self.place_job(entry.job, worker)
            else:  # about the generation before, whose worker may not know of this one
                self.place_job(entry.job, None)
            if isinstance(outcome, FailedInLog | NotCharged) and not self._in_flight.is_retryable(entry.job):
                self._in_flight.settle_charges([entry.job])
            self._apply_outcome(job, outcome)
            if entry.job.cost_usd is not None and entry.job.cost_usd != job.cost_usd:
                self._budget.add_cost(entry.job)
            if entry.job.state is JobState.PENDING:
                self._refused_jobs.skip_if_refused(entry.job, outcome)
            if entry.job.state is JobState.SUCCEEDED:
                self._check(entry.job)
            await self._recorder.publish_entry(entry)
        except sqlite3.Error:
            if isinstance(outcome, Accepted | FoundInLog):  # the last trace of a purchase if the log loses it
                self._bus.emit(GenerationUnrecorded(job=job.name, generation=outcome.generation_id))
            raise
        return entry.job

    def _mark_waiting(self, job: Job, outcome: Outcome, *, aside: bool) -> None:
        """Note whether the run waits for ``job``, from its next ``place_job`` on."""
        if aside:
            self._in_flight.mark_put_aside(job)
        elif isinstance(outcome, Stuck):
            self._in_flight.mark_stuck(job)
        elif isinstance(outcome, StillGenerating | Completed):
            self._in_flight.mark_awaited(job)

    def _apply_outcome(self, job: Job, outcome: Outcome) -> None:
        """Do what ``outcome`` means beyond ``job``, which is as it was before."""
        if isinstance(outcome, DiskRefused):
            self._bus.stop(DiskTrouble(outcome.reason))
        if isinstance(outcome, Stuck | Completed):
            self._count_without_video(outcome)
        if not isinstance(outcome, SubmitOutcome):
            return
        throttle = self._throttles.find_throttle(job)
        had_credits = throttle.out_of_credits is None
        in_flight = self._in_flight.count_generating(throttle.name)
        self._throttles.apply_outcome(throttle, job, outcome, in_flight=in_flight)
        self._admission.report_limit()
        if self.tasks is not None and had_credits and throttle.out_of_credits is not None:
            self.tasks.start_soon(self._budget.await_credits, throttle)
        if isinstance(outcome, Accepted):
            self._refused_jobs.release_model(throttle, job)
        elif isinstance(outcome, Denied | Withdrawn) and self.tasks is not None:
            self.tasks.start_soon(self._refused_jobs.examine_refusal, throttle, job, outcome)
        if isinstance(outcome, Blocked) and job.state is JobState.GENERATING:
            self._in_flight.stop_waiting_for(throttle.name)
            self._bus.notify()

    def _count_without_video(self, outcome: Stuck | Completed) -> None:
        """Stop the run after many generations in a row without a video: one is an accident, a row is the service."""
        if isinstance(outcome, Completed):
            self._without_video = 0
            return
        self._without_video += 1
        if self._without_video >= self._no_video_limit:
            self._bus.stop(NoVideos(f"{self._without_video} {NO_VIDEOS}: {outcome.reason}"))

"""The coordinator of a run: gives out jobs, takes their outcomes, and is the only writer of the database."""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from signal import Signals
from typing import TypeVar

import anyio

from batchveo.core.clock import Clock
from batchveo.core.errors import StoppedEarly, UsageError, find_reason
from batchveo.core.events import Event, JobStateChanged, Reporter, RunStarted, ignore_event
from batchveo.core.models import Job, JobState
from batchveo.core.notices import SubmitsCutOff
from batchveo.core.outcomes import Accepted, Outcome
from batchveo.engine.admission import Admission
from batchveo.engine.assignments import Assignments
from batchveo.engine.broker import ClaimLost
from batchveo.engine.budget import Budget
from batchveo.engine.hooks.runner import HookRunner
from batchveo.engine.in_flight import InFlightTable
from batchveo.engine.input_addresses import BucketOpener
from batchveo.engine.key_limits import KeyThrottles, Label, PerKey
from batchveo.engine.lifecycle import RunLifecycle
from batchveo.engine.outcome_handler import OutcomeHandler
from batchveo.engine.recorder import Entry, Recorder
from batchveo.engine.refused_jobs import RefusedJobs
from batchveo.engine.result import RunResult
from batchveo.engine.run_context import EventBus, RunContext, RunSpec
from batchveo.engine.stages.checker import Checker
from batchveo.engine.stages.clip_inspector import ClipInspector, StoredClips
from batchveo.engine.stages.input_uploads import InputUploads
from batchveo.engine.stages.linker import Linker
from batchveo.engine.stages.log_lookup import compare_keys
from batchveo.engine.stages.reconciler import Reconciler
from batchveo.provider import ApiClient
from batchveo.storage.object_errors import StoreRefused, StoreUnavailable
from batchveo.storage.objects import open_objects
from batchveo.store import MoveLost, Store

_log = logging.getLogger(__name__)

T = TypeVar("T")

VIDEO_TYPE = "video/mp4"


class Coordinator:
    """The run of ``spec`` over an open, locked ``store``, done by ``workers`` workers. Call ``execute`` once.

    ``apis``: the clients of the provider, by the labels of the API keys. ``clips``: access to finished clips,
    by default at their destinations; ``open_bucket``: access to the bucket for inputs.
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
        clips: ClipInspector | None = None,
        open_bucket: BucketOpener = open_objects,
    ) -> None:
        self._store = store
        self._settings = settings = spec.settings
        self._context = context = RunContext(store=store, clock=clock, run=spec.run)
        self._bus = bus = EventBus(reporter, clock)
        self._recorder = recorder = Recorder(context, bus, keeps_price=settings.budget is not None)
        self._throttles = throttles = KeyThrottles(context, bus, spec.service.keys, settings)
        self._in_flight = in_flight = InFlightTable(
            begun=spec.begun,
            patience=settings.patience,
            tries=settings.tries,
            budgeted=settings.budget is not None,
            key_of=throttles.find_label,
        )
        self._assignments = assignments = Assignments(expected=workers)
        prints = spec.service.key_prints(store.keys.read_secret())
        self._budget = budget = Budget(
            context, bus, in_flight, apis, spec.prices, settings, key_prints=prints, endings=spec.endings
        )
        self._clips = inspector = clips or StoredClips(settings.sidecars)
        self._uploads = InputUploads(context, bus, recorder, settings, open_bucket)
        self._linker = linker = Linker(
            context,
            bus,
            recorder,
            PerKey(apis),
            inspector,
            judged=settings.checks,
            uploads_videos=settings.inputs is not None,
        )
        self._checker = checker = Checker(
            context, bus, recorder, settings, inspector, to_judge=spec.to_judge, accepted=linker.add_job
        )
        self._hooks = HookRunner(context, bus, recorder, spec.hooks, spec.describe_job, awaits_verdict=checker.has_work)
        refused_jobs = RefusedJobs(context, bus, recorder, throttles, budget, apis)
        backlog = workers * max(4 * settings.downloads, 2 * settings.concurrency)
        self._admission = Admission(
            context,
            bus,
            in_flight,
            throttles,
            budget,
            assignments,
            linker,
            backlog=backlog,
            inputs_come=lambda: linker.has_work() or checker.has_work(),
        )
        self._outcomes = OutcomeHandler(
            context,
            bus,
            recorder,
            in_flight,
            assignments,
            throttles,
            budget,
            self._admission,
            refused_jobs,
            settings,
            check=self._check_video,
        )
        self._reconciler = Reconciler(
            context,
            bus,
            in_flight,
            apis,
            settings,
            key_of=throttles.find_label,
            compare_key=lambda job, label: compare_keys(store.keys.find_fingerprint(job), prints.get(label)),
            record=self._outcomes.record_log_outcome,
        )
        self._lifecycle = RunLifecycle(
            context,
            bus,
            recorder,
            in_flight,
            settings,
            begun=spec.begun,
            awaits_log=self._reconciler.is_awaited,
            checker=checker,
            linker=linker,
        )
        self._share = -(-settings.concurrency // workers)
        self.ready = anyio.Event()
        """Set when the unfinished jobs of earlier runs are loaded; no worker is served before that."""

    def _check_video(self, job: Job) -> None:
        """Let the gates judge a video that is stored, and jobs take their inputs from it."""
        self._checker.add_job(job)
        self._linker.add_job(job)

    # -- calls of workers

    def add_worker(self, worker: str) -> None:
        """Add ``worker``, under a name that no worker of this run has had; raises ``Fenced`` otherwise."""
        self._assignments.add_worker(worker)

    async def claim(self, worker: str, *, most: int = 1) -> Sequence[Job]:
        """Wait for the next job for ``worker`` to submit; returns it with others that may be submitted now.

        At most ``most`` jobs, or the worker's share of the slots. A claim is safe on disk after ``mark_sent``.
        """
        return await self._admission.claim(worker, most=min(most, self._share))

    async def mark_sent(self, worker: str, job: Job) -> None:
        """Record that the request of ``job`` is about to leave; returns when that is safe on disk.

        Raises ``ClaimLost`` if the request must not leave: the claim is another's, or the run is over.
        """
        self._assignments.check_worker(worker)
        if self.finished.is_set():  # nothing is bought after the end, by a worker that claimed before it either
            raise ClaimLost("the run is over")
        try:
            # compares the claim: a worker that was frozen, and whose job another one has submitted, sends nothing
            self._store.transitions.mark_sent(job, now=self._context.now())
        except MoveLost as error:
            raise ClaimLost(str(error)) from None
        await self._recorder.wait_durable()
        _log.debug("job %s: marked as sent, request %s", job.id, job.client_request_id)

    async def record_outcome(self, worker: str, job: Job, outcome: Outcome, *, aside: bool = False) -> Job:
        """Record the outcome of a step of ``job``; returns the job as it is then, once that is safe on disk.

        ``aside``: this run is done with the job. From a worker that was given up only a generation id is accepted.
        """
        if worker not in self._assignments and isinstance(outcome, Accepted):
            # fenced or not, this generation is paid for: its id is the only way to the video
            return await self._outcomes.record_late_accept(job, outcome)
        self._assignments.check_worker(worker)
        return await self._outcomes.record_step(worker, job, outcome, aside=aside)

    async def take_over(self, worker: str, *, most: int = 1_000_000) -> Sequence[Job]:
        """Wait for generations and downloads that no worker looks after; ``worker`` does from now on."""
        while True:
            self._assignments.check_worker(worker)  # it may be given up while it waits
            jobs = self._assignments.take_over(worker, most=most, now=self._context.now())
            if jobs:
                return jobs
            await self._bus.wait(self._assignments.find_sharing_time(self._context.now()))

    async def read_input_file(self, worker: str, sha256: str) -> tuple[str, bytes]:
        """See ``Broker``."""
        self._assignments.check_worker(worker)
        video = self._store.queries.find_video(sha256)
        if video is None:
            return _require_kept(self._store.imports.find_input_file(sha256))
        try:
            return VIDEO_TYPE, await self._clips.read_clip(video)
        except (OSError, UsageError) as error:
            kind = StoreUnavailable if isinstance(error, StoreUnavailable) else StoreRefused
            raise kind(errno.EIO, f"the video of {video.name} cannot be read: {find_reason(error)}") from None

    async def begin_upload(self, worker: str, job: Job, sha256: str) -> str:
        """Record that ``job`` uses an input file in the user's bucket; returns its name there once that is safe."""
        self._assignments.check_worker(worker)
        is_video = self._store.queries.find_video(sha256) is not None
        media_type = VIDEO_TYPE if is_video else _require_kept(self._store.imports.find_media_type(sha256))
        return await self._uploads.begin_upload(job, sha256, media_type)

    def send_event(self, event: Event) -> None:
        """Hand ``event`` to the run's reporter."""
        self._bus.emit(event)

    # -- calls of the process that runs the workers

    def remove_worker(self, worker: str, why: str = "its worker was given up") -> None:
        """Give ``worker`` up: its submits are recovered, and its generations and downloads are for others to take over.

        A submit whose mark is on disk is in doubt from now on; without the mark its job is pending again.
        """
        if worker not in self._assignments:
            return
        try:
            for job in map(self._store.queries.read_job, self._assignments.remove_worker(worker)):
                if job.state is JobState.SUBMITTING:
                    self._recover_submit(job, why)
                else:
                    self._outcomes.place_job(job, None)
        except sqlite3.Error as error:
            self.fail(error)
        self._bus.notify()

    def _recover_submit(self, job: Job, why: str) -> None:
        moved = self._store.transitions.recover_job(job, run=self._context.run, now=self._context.now(), why=why)
        self._outcomes.place_job(moved, None)
        if self._outcomes.tasks is not None:
            entry = Entry(job=moved, events=(JobStateChanged(job=moved, was=job.state, detail=why),))
            self._outcomes.tasks.start_soon(self._recorder.publish_entry, entry)

    def mark_heard(self, worker: str) -> None:
        """Note that a call of ``worker`` has arrived: it is alive."""
        self._assignments.mark_heard(worker, now=self._context.now())

    def find_silent(self, started: Collection[str] = (), *, seconds: float) -> list[str]:
        """The workers without a call for ``seconds``; of those only ``started``, since this was first asked."""
        return self._assignments.find_silent(started, seconds=seconds, now=self._context.now())

    def interrupt(self, received: Signals) -> None:
        """End the run: no more jobs, requests in progress may end."""
        self._lifecycle.interrupt(received)

    def stop(self, why: StoppedEarly) -> None:
        """Submit no more jobs, for a reason that only the caller sees."""
        self._bus.stop(why)

    def fail(self, error: Exception) -> None:
        """End the run by ``error``."""
        self._lifecycle.fail(error)

    async def wait_durable(self) -> None:
        """Wait until everything that was written so far is safe on disk."""
        await self._recorder.wait_durable()

    async def wait_without_workers(self) -> None:
        """Wait until every worker has ended or was given up."""
        while len(self._assignments):
            await self._bus.wait()

    @property
    def finished(self) -> anyio.Event:
        """Set when the run is over, and workers have to end."""
        return self._lifecycle.over

    # -- the run

    async def execute(self, work: Callable[[], Awaitable[object]]) -> RunResult:
        """Run to the end; ``work`` returns when all workers have ended. Raises only for bugs."""
        return await self._lifecycle.run_framed(self._make_started(), lambda: self._run_parts(work))

    async def _run_parts(self, work: Callable[[], Awaitable[object]]) -> None:
        self._load_unfinished()
        async with anyio.create_task_group() as tasks:
            self._outcomes.tasks = tasks
            tasks.start_soon(self._reconciler.run)
            tasks.start_soon(self._checker.run)
            tasks.start_soon(self._linker.run)
            tasks.start_soon(self._uploads.run)
            tasks.start_soon(self._hooks.run)
            tasks.start_soon(self._lifecycle.wait_end)
            self.ready.set()
            await work()
            for worker in self._assignments.list_workers():
                self.remove_worker(worker, "the run ended")
            await self._recorder.wait_durable()
            await self._hooks.finish(is_interrupted=lambda: self._lifecycle.is_interrupted)
            await self._uploads.finish(is_interrupted=lambda: self._lifecycle.is_interrupted)
            self._outcomes.tasks = None
            tasks.cancel_scope.cancel()

    def _make_started(self) -> RunStarted:
        return RunStarted(
            run=self._context.run,
            state=self._store.path,
            output=self._settings.output,
            concurrency=self._settings.concurrency,
            rate=self._settings.rate,
            budget=self._settings.budget,
        )

    def _load_unfinished(self) -> None:
        """Load the unfinished jobs of earlier runs, once their cut-off submits are recovered."""
        now = self._context.now()
        recovered = self._store.transitions.recover_jobs(run=self._context.run, now=now)
        doubts = sum(job.state is JobState.IN_DOUBT for job in recovered)
        if doubts:
            self._bus.emit(SubmitsCutOff(submits=doubts))
        self._budget.reserve_imported()
        self._store.connection.flush()
        for job in self._store.jobs(JobState.IN_DOUBT, JobState.GENERATING, JobState.DOWNLOADING):
            self._outcomes.place_job(job, None)
        budgeted = self._settings.budget is not None
        for job in self._store.queries.list_unsettled_failures(
            self._context.run, tries=self._settings.tries, reserved=budgeted
        ):
            self._outcomes.place_job(job, None)


def _require_kept(found: T | None) -> T:
    """What was found of an input file. A late copy of a call may ask for a frame that was dropped since."""
    if found is None:
        raise StoreRefused(errno.ENOENT, "it is not kept any more: all jobs with this input have their videos")
    return found

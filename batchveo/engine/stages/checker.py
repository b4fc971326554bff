"""The stage that looks at finished clips: measures them, judges them by their gates, makes rejected ones again."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

import anyio

from batchveo.core.errors import UsageError, find_reason
from batchveo.core.gates import Verdict, parse_policy
from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.models import Job, JobState
from batchveo.core.notices import ChecksUnavailable, ClipNotMeasured, ClipRejected
from batchveo.core.settings import RunSettings
from batchveo.engine.clip_judgement import describe_check, is_current, judge_job, record_judgement
from batchveo.engine.recorder import Recorder
from batchveo.engine.run_context import EventBus, RunContext
from batchveo.engine.stages.clip_inspector import ClipInspector
from batchveo.store import MoveLost

_log = logging.getLogger(__name__)


def ignore_job(job: Job) -> None:
    """Do nothing."""


class Checker:
    """Checks clips of jobs with a policy: those that this run finishes, and before them nobody's.

    ``add_job`` takes a job as soon as it has succeeded. The clips of ``to_judge``, from earlier runs, come after the
    new ones (``None``: all that need it); those of other manifests are left alone, since takes of them would be bought.
    Measures, verdict and the take that follows are written in one transaction. ``accepted`` gets each job whose gates
    accept its clip, in that moment.
    """

    def __init__(
        self,
        context: RunContext,
        bus: EventBus,
        recorder: Recorder,
        settings: RunSettings,
        clips: ClipInspector,
        *,
        to_judge: Sequence[int] | None = None,
        accepted: Callable[[Job], None] = ignore_job,
    ) -> None:
        self._context = context
        self._bus = bus
        self._recorder = recorder
        self._tries = settings.tries
        self._is_on = settings.checks
        self._clips = clips
        self._to_judge = to_judge
        self._accepted = accepted
        self._new: deque[int] = deque()
        self._backlog: deque[int] = deque()
        self._busy = 0
        self._loaded = False
        self._more = anyio.Event()
        self.rejected: set[int] = set()
        """The first takes, by number, of the families of which this run rejected the last one, and none is accepted."""

    def add_job(self, job: Job) -> None:
        """Check the clip of ``job``, which has just succeeded, soon, if it has a policy."""
        # not by its verdict, which may be that of a video that this one replaces
        # a generation of another manifest is downloaded by whatever run comes; its takes are for a run that names it
        if self._is_on and job.policy is not None and self._context.store.runs.has_job(self._context.run, job.seq):
            self._new.append(job.seq)
            self._wake()

    def has_work(self, *, new_only: bool = False) -> bool:
        """Whether clips wait for their verdict; ``new_only``: of this run."""
        if not self._is_on:
            return False
        return bool(self._new or self._busy or (not new_only and (self._backlog or not self._loaded)))

    def count_waiting(self) -> int:
        """How many clips have no verdict yet."""
        return len(self._new) + self._busy + len(self._backlog)

    async def run(self) -> None:
        """Check until cancelled. A clip whose check is cut off is checked by the next run."""
        if not self._is_on or not self._is_able():
            self._is_on = False
            return
        self._backlog.extend(self._context.store.verdicts.list_to_judge(self._to_judge, run=self._context.run))
        self._loaded = True
        self._bus.notify()
        async with anyio.create_task_group() as tasks:
            for _ in range(self._clips.at_once):
                tasks.start_soon(self._check_clips)

    def _is_able(self) -> bool:
        """Whether clips can be measured; if one is to be, and none can, that is reported once."""
        if not self._context.store.verdicts.has_policies():
            return True
        try:
            self._clips.check_ready()
        except UsageError as error:
            self._bus.emit(ChecksUnavailable(error=str(error), state=self._context.store.path))
            return False
        return True

    def _wake(self) -> None:
        self._more.set()
        self._more = anyio.Event()

    async def _check_clips(self) -> None:
        while True:
            queue = self._new or self._backlog
            if not queue:
                await self._more.wait()
                continue
            seq = queue.popleft()
            self._busy += 1
            try:
                await self._check_job(self._context.store.queries.read_job(seq))
            finally:
                self._busy -= 1
                self._bus.notify()

    async def _check_job(self, job: Job) -> None:
        if not _wants_verdict(job):  # another part of the run, or a person, was faster
            return
        policy = parse_policy(job.policy)
        try:
            measures = await self._find_measures(job, policy.needed_level)
        except (OSError, UsageError) as error:  # a place that the database names may be none here
            # no verdict: the next run, or `check`, tries again
            reason = find_reason(error)
            self._bus.emit(ClipNotMeasured(job=job.name, error=reason))
            return
        judgement = judge_job(self._context.store, job, policy, measures)
        # no await from here on: what follows from a verdict is recorded with it
        try:
            judged = record_judgement(
                self._context.store,
                job,
                measures,
                judgement,
                tries=self._tries,
                run=self._context.run,
                now=self._context.now(),
            )
        except MoveLost:
            return
        _log.info("job %s: %s by %r, %s", job.id, judgement.verdict, judgement.gate, dict(judgement.values))
        first = job.family
        if judgement.verdict is Verdict.REJECTED and judged.is_last:
            self.rejected.add(first)
        elif judgement.verdict is Verdict.ACCEPTED or judged.added is not None:
            self.rejected.discard(first)
        if judgement.verdict is Verdict.ACCEPTED:
            self._accepted(job)
        await self._recorder.wait_durable()
        if judgement.verdict is Verdict.REJECTED:
            take = None if judged.added is None else judged.added.name
            self._bus.emit(ClipRejected(job=job.name, reason=judgement.sentence, take=take))
        # the database has it: a sidecar that cannot be written now costs nothing but itself
        with suppress(OSError):
            await self._clips.add_to_sidecar(job, describe_check(job, measures, judgement))

    async def _find_measures(self, job: Job, level: CheckLevel) -> Measures:
        """The measures of the clip; those that the database has, if they are of this level and version."""
        known = self._context.store.facts.read_measures(job)
        if known is not None and is_current(known, level):
            return known
        return await self._clips.measure_clip(job, level)


def _wants_verdict(job: Job) -> bool:
    # a rejected clip is judged again: it keeps its verdict until then, whatever happens to this run
    is_due = job.verdict in (None, Verdict.REJECTED)
    return job.state is JobState.SUCCEEDED and job.policy is not None and is_due

"""The stage that looks up doubts and generations without a video: one reading of a usage log serves all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from batchveo.core.errors import KeyRejected
from batchveo.core.models import Job, JobState
from batchveo.core.notices import ChargesUnknown, LogUnread
from batchveo.core.outcomes import AbsentFromLog, Charged, LogOutcome
from batchveo.core.settings import Doubt, RunSettings
from batchveo.engine.in_flight import InFlightTable
from batchveo.engine.key_limits import Label
from batchveo.engine.run_context import EventBus, RunContext
from batchveo.engine.stages.failures import UNEXPECTED
from batchveo.engine.stages.log_lookup import LogKey, LogLookup
from batchveo.provider import ApiClient, ProviderError
from batchveo.store.manual import NO_TRY_LEFT

FAILURES_TO_HOLD = 5
"""Failed readings in a row after which doubts older than the settling time are held."""
FIRST_LOOK_SECONDS = 60.0
"""Seconds that a run with nothing else to do waits for the first reading of the log about a job."""
SHORTEST_GAP, LONGEST_GAP, GROWTH = 1.0, 60.0, 1.6
"""Seconds between two readings, at first and at most, and the factor from each gap to the next."""

RequestId = str | None
"""A client request id, since the attempt is looked up, not the job; the type is that of ``Job.client_request_id``."""


class Reconciler:
    """Reads the usage logs while there are doubts, with growing gaps; a new doubt shortens the gap again.

    Held doubts are looked up in each reading too, since a late row still settles them, but cause only one reading.
    Generations without a video are looked up to learn whether they were charged; if the log does not show it within
    the settling time, the ledger is read. ``record`` gets the outcomes; ``apis``: the clients of the provider by the
    labels of the keys; ``key_of`` names the key whose log is read for a job, ``compare_key`` compares it with the key
    that the job was submitted with.
    """

    def __init__(
        self,
        context: RunContext,
        bus: EventBus,
        in_flight: InFlightTable,
        apis: Mapping[Label, ApiClient],
        settings: RunSettings,
        *,
        key_of: Callable[[Job], Label],
        compare_key: Callable[[Job, Label], LogKey],
        record: Callable[[Job, LogOutcome], Awaitable[None]],
    ) -> None:
        self._context = context
        self._bus = bus
        self._in_flight = in_flight
        self._settle = settings.settle
        self._patience = settings.patience
        resubmit = settings.when_in_doubt is Doubt.RESUBMIT
        self._lookups = {
            key: LogLookup(
                api,
                settle=settings.settle,
                resubmit=resubmit,
                now=context.now,
                compare_key=partial(_with_label, compare_key, key),
            )
            for key, api in apis.items()
        }
        self._key_of = key_of
        self._record = record
        self._known: set[RequestId] = set()
        self._looked_up: set[RequestId] = set()
        self._settled: set[RequestId] = set()
        """The generations without a video whose charge is known."""
        self._seen_at: dict[RequestId, float] = {}
        self._gap = SHORTEST_GAP
        self._next = 0.0
        self._failures: Counter[Label] = Counter()

    def is_awaited(self) -> bool:
        """Whether the run has to wait for the log, at most ``FIRST_LOOK_SECONDS`` for each job.

        It waits for the first reading about each job, and for an answer about jobs with tries left: a generation that
        is put aside while in progress ends soon after, and only then the log shows that it was free.
        """
        now = self._context.now()
        open_now = {
            job.client_request_id: job for job in self._list_open_charges() if self._in_flight.is_retryable(job)
        }
        unread = {request: job for request, job in self._list_wanted().items() if request not in self._looked_up}
        return any(now < self._find_first_sight(job) + FIRST_LOOK_SECONDS for job in (unread | open_now).values())

    def _find_first_sight(self, job: Job) -> float:
        """When this run first saw that ``job`` has to be looked up (seconds since the epoch)."""
        return self._seen_at.setdefault(job.client_request_id, self._context.now())

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            wanted = self._list_wanted()
            if wanted.keys() - self._known:
                self._gap = SHORTEST_GAP
                self._next = min(self._next, self._context.now() + self._gap)
                self._known = set(wanted)
            elif not self._in_flight.list_open_doubts() and not self._list_open_charges():
                await self._bus.wait()
                continue
            if self._context.now() < self._next:
                await self._bus.wait(self._next)
                continue
            await self._sweep_logs()

    def _list_wanted(self) -> dict[RequestId, Job]:
        jobs = [*self._in_flight.doubts.values(), *self._in_flight.charge_unknown.values()]
        return {job.client_request_id: job for job in jobs}

    def _list_open_charges(self) -> list[Job]:
        """The generations without a video whose charge the log or the ledger may still show."""
        return [job for job in self._in_flight.charge_unknown.values() if job.client_request_id not in self._settled]

    async def _sweep_logs(self) -> None:
        by_key: defaultdict[Label, list[Job]] = defaultdict(list)
        for job in self._list_wanted().values():
            by_key[self._key_of(job)].append(job)
        if not by_key:
            return
        for key, jobs in by_key.items():
            for job, outcome in await self._look_up_jobs(key, jobs):
                await self._record_if_news(job, outcome)
            await self._ask_ledger(key, [job for job in jobs if self._is_ripe(job)])
        self._known = set(self._list_wanted())
        self._looked_up.update(job.client_request_id for jobs in by_key.values() for job in jobs)
        self._bus.notify()
        self._gap = min(self._gap * GROWTH, LONGEST_GAP)
        self._next = self._find_next_sweep()

    async def _record_if_news(self, job: Job, outcome: LogOutcome) -> None:
        # the job may have moved during the reading: an outcome for its former state would be wrong
        if self._list_wanted().get(job.client_request_id) is not job or _says_nothing(outcome):
            return
        if job.seq in self._in_flight.charge_unknown and isinstance(outcome, Charged | AbsentFromLog):
            self._settled.add(job.client_request_id)
        await self._record(job, outcome)

    def _is_ripe(self, job: Job) -> bool:
        """Whether the settling time of a generation without a video is over, so that the ledger counts."""
        if self._in_flight.charge_unknown.get(job.seq) is not job or job.client_request_id in self._settled:
            return False
        return self._find_end(job) + self._settle <= self._context.now()

    def _find_end(self, job: Job) -> float:
        end = self._find_first_sight(job) if job.finished_at is None else job.finished_at
        # what a person gave up goes on at the provider, and is charged when it is finished
        return end + self._patience if job.tried >= NO_TRY_LEFT else end

    async def _ask_ledger(self, key: Label, jobs: Sequence[Job]) -> None:
        """Read the ledger for ``jobs``; those that it does not settle either stay as they are."""
        if not jobs:
            return
        try:
            outcomes = await self._lookups[key].look_up_charges(jobs)
        except (ProviderError, KeyRejected, *UNEXPECTED) as error:
            self._bus.emit(ChargesUnknown(generations=len(jobs), error=str(error)))
            self._in_flight.settle_charges(jobs)
            return
        for job, outcome in outcomes:
            await self._record_if_news(job, outcome)
        self._in_flight.settle_charges(job for job, outcome in outcomes if _says_nothing(outcome))

    async def _look_up_jobs(self, key: Label, jobs: Sequence[Job]) -> Sequence[tuple[Job, LogOutcome]]:
        try:
            outcomes = await self._lookups[key].sweep_log(jobs)
        except (ProviderError, KeyRejected, *UNEXPECTED) as error:
            return self._handle_unread_log(key, jobs, error)
        self._failures[key] = 0
        return outcomes

    def _handle_unread_log(self, key: Label, jobs: Sequence[Job], error: Exception) -> list[tuple[Job, LogOutcome]]:
        """Settle doubts as unknown if the log cannot be read again and again: a run must not wait for ever."""
        self._failures[key] += 1
        if self._failures[key] == 1:
            self._bus.emit(LogUnread(error=str(error)))
        if self._failures[key] < FAILURES_TO_HOLD:
            return []
        since = self._context.now() - self._settle
        unread = AbsentFromLog(settled=True, reason="the usage log cannot be read")
        doubts = [job for job in jobs if job.state is JobState.IN_DOUBT]
        return [(job, unread) for job in doubts if (job.doubted_at or 0.0) <= since]

    def _find_next_sweep(self) -> float:
        """The time of the next reading: after the gap, but not later than the end of the first settling time."""
        now = self._context.now()
        settles = [
            job.doubted_at + self._settle
            for job in self._in_flight.list_open_doubts()
            if job.doubted_at is not None and job.doubted_at + self._settle > now
        ]
        settles += [self._find_end(job) + self._settle for job in self._list_open_charges()]
        return min([now + self._gap, *(when + 0.01 for when in settles if when > now)])


def _with_label(compare_key: Callable[[Job, Label], LogKey], label: Label, job: Job) -> LogKey:
    return compare_key(job, label)


def _says_nothing(outcome: LogOutcome) -> bool:
    return isinstance(outcome, AbsentFromLog) and not outcome.settled

"""Gives out the next job as soon as one may be submitted: a slot first, then the rate, then a claim."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio
import anyio.lowlevel

from batchveo.core.errors import StoppedEarly
from batchveo.core.events import ThrottleChanged, ThrottleReason
from batchveo.core.models import Job
from batchveo.engine.assignments import Assignments
from batchveo.engine.budget import Budget
from batchveo.engine.in_flight import InFlightTable
from batchveo.engine.key_limits import KeyThrottle, KeyThrottles
from batchveo.engine.run_context import EventBus, RunContext
from batchveo.engine.stages.linker import Linker, LinksOutdated
from batchveo.store import BudgetShort

_log = logging.getLogger(__name__)

LOOK_AT_BUDGET_SECONDS = 60.0
"""Seconds until a run whose budget is all reserved decides again without a change."""
LOOK_AGAIN_SECONDS = 5.0
"""Seconds until an idle run looks again for jobs that another process made pending, such as ``retry``."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """``job`` is claimed, and may be submitted now."""

    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """No job may be submitted before something changes, or before ``until`` (seconds since the epoch).

    ``reason`` is emitted with the time ``shown``; ``None`` if there is nothing to show.
    """

    reason: ThrottleReason | None
    until: float | None
    shown: float | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """The run submits no more jobs, because of ``why``."""

    why: StoppedEarly


class Admission:
    """Keeps as many generations in flight as the user, the service and the downloads allow.

    One claim at a time, whoever asks: so limits hold over all workers. ``backlog``: finished videos that may wait
    for their download; paid videos that cannot be fetched must not pile up, since hosts do not keep them for ever.
    ``inputs_come``: whether a job may get its input in a moment.
    """

    def __init__(
        self,
        context: RunContext,
        bus: EventBus,
        in_flight: InFlightTable,
        throttles: KeyThrottles,
        budget: Budget,
        assignments: Assignments,
        linker: Linker,
        *,
        backlog: int,
        inputs_come: Callable[[], bool],
    ) -> None:
        self._context = context
        self._bus = bus
        self._in_flight = in_flight
        self._throttles = throttles
        self._budget = budget
        self._assignments = assignments
        self._linker = linker
        self._backlog = backlog
        self._inputs_come = inputs_come
        self._turn = anyio.Lock()
        self._shown: ThrottleChanged | None = None

    async def claim(self, worker: str, *, most: int = 1) -> Sequence[Job]:
        """Wait for the next job for ``worker``; returns it with others that may be submitted now, at most ``most``.

        Raises ``Fenced`` if the worker is given up while it waits.
        """
        async with self._turn:
            while True:
                # others act here, and nowhere between the check of the worker and the assignment of its jobs
                await anyio.lowlevel.checkpoint()
                self._assignments.check_worker(worker)
                jobs, obstacle = self._claim_now(worker, most)
                if jobs:
                    return jobs
                await self._bus.wait(self._report_obstacle(obstacle))

    def _claim_now(self, worker: str, most: int) -> tuple[list[Job], Wait | Closed | None]:
        """Claim the jobs that may be submitted now for ``worker``; returns them with the obstacle to the next one."""
        jobs: list[Job] = []
        while len(jobs) < most:
            now = self._context.now()
            decision = self.decide(now)
            if not isinstance(decision, Claimed):
                return jobs, decision
            # the next decision counts this job's slot
            self._assignments.assign_job(worker, decision.job)
            self._in_flight.place_job(decision.job, now=now)
            jobs.append(decision.job)
        return jobs, None

    def _report_obstacle(self, obstacle: Wait | Closed | None) -> float | None:
        """Emit what keeps the next job; returns when to decide again, at the latest (``None``: at a change)."""
        if isinstance(obstacle, Wait):
            if obstacle.reason is not None:
                self._report_throttle(obstacle.reason, obstacle.shown)
            return obstacle.until
        if obstacle is not None and self._bus.stopped is None:
            self._report_throttle(ThrottleReason.BUDGET)
            self._bus.stop(obstacle.why)
        return None

    # -- decisions: no await, and no effect but the claim itself

    def decide(self, now: float) -> Claimed | Wait | Closed:
        """Claim the next job if one may be submitted at ``now``; else return the obstacle."""
        if self._bus.stopped is not None:
            return Closed(self._bus.stopped)
        self._begin_trials(now)
        found = self._find_ready_keys(now)
        if isinstance(found, Wait):
            return found
        for throttle in found[:-1]:
            decision = self._decide_for_key(throttle, now)
            # without a refused model another key would find no more than this one
            if isinstance(decision, Claimed) or not throttle.refusals.list_models():
                return decision
        return self._decide_for_key(found[-1], now)

    def _begin_trials(self, now: float) -> None:
        """Release one job of each model that was refused long enough ago, to find out whether it still is."""
        for throttle in self._throttles:
            for model in throttle.refusals.list_due(now):
                throttle.refusals.begin_trial(model)
                self._context.store.skipped.release_one(model, run=self._context.run)

    def _find_ready_keys(self, now: float) -> list[KeyThrottle] | Wait:
        """The keys to submit with, the soonest first; else the obstacle to all of them."""
        if self._in_flight.count_downloads() >= self._backlog:
            return Wait(reason=ThrottleReason.DOWNLOADS, until=self._in_flight.find_slot_release(now))
        # a slot first: a rate turn that waits for a slot would be spent on nothing
        free = self._find_free_keys(now)
        if not free:
            return Wait(reason=ThrottleReason.PLACES, until=self._in_flight.find_slot_release(now))
        able = [throttle for throttle in free if throttle.out_of_credits is None]
        if not able:
            return Wait(reason=ThrottleReason.CREDITS, until=None)
        able.sort(key=lambda throttle: max(throttle.pause.until, self._throttles.find_turn(throttle, now)))
        ready = [throttle for throttle in able if throttle.pause.until <= now]
        until = able[0].pause.until
        return ready or Wait(reason=ThrottleReason.PAUSE, until=until, shown=until)

    def _find_free_keys(self, now: float) -> list[KeyThrottle]:
        """The keys that may have one more in flight; none if the run may not."""
        taken = {throttle: self._in_flight.count_slots(throttle.name, now) for throttle in self._throttles}
        # a service that answers no submit gets one at a time: each unanswered one may have to be settled by hand
        probed = self._throttles.is_probing and self._in_flight.count_submitting()
        if probed or sum(taken.values()) >= self._throttles.ceiling:
            return []
        return [each for each in self._throttles if each.closed is None and taken[each] < each.limit.value]

    def _decide_for_key(self, throttle: KeyThrottle, now: float) -> Claimed | Wait | Closed:
        refused = throttle.refusals.list_models()
        due = self._context.store.queries.find_claim_time(self._context.run, now=now, refused=refused)
        if due is None:
            return Wait(reason=ThrottleReason.NOTHING, until=now + LOOK_AGAIN_SECONDS)
        if due > now:
            return Wait(reason=ThrottleReason.LATER, until=due, shown=due)
        turn = self._throttles.find_turn(throttle, now)
        if turn > now:
            return Wait(reason=ThrottleReason.RATE, until=turn)
        # claim and price in one transaction: two processes can neither take one job nor spend the same dollar
        try:
            job = self._budget.claim_job(throttle.name, refused, self._linker.check_links)
        except BudgetShort as short:
            return self._decide_shortage(short, now)
        except LinksOutdated as outdated:
            self._linker.fill_again(outdated.links)
            return Wait(reason=None, until=now)  # others may be claimed meanwhile
        if job is None:  # another process was faster
            return Wait(reason=None, until=now)
        # counted only for a job that was claimed: a turn without a job would slow the run down
        self._throttles.reserve_turn(throttle, now)
        _log.debug("job %s: claimed as request %s with key %r", job.id, job.client_request_id, throttle.name)
        return Claimed(job)

    def _decide_shortage(self, short: BudgetShort, now: float) -> Wait | Closed:
        """Wait as long as something in flight may turn out cheaper than reserved."""
        if short.usd is None and self._budget.skip_without_price(short.job):
            left = self._context.store.queries.find_claim_time(self._context.run, now=now)
            if left is not None or self._in_flight.count_unsettled():
                # the priced jobs may be submitted, and an answer that names a cost may give the others a price
                return Wait(reason=None, until=now)
        if short.kept and (self._in_flight.count_awaited() or self._inputs_come()):
            return Wait(reason=ThrottleReason.BUDGET, until=now + LOOK_AGAIN_SECONDS)
        why = self._budget.find_end(short)
        return Closed(why) if why else Wait(reason=ThrottleReason.BUDGET, until=now + LOOK_AT_BUDGET_SECONDS)

    # -- events

    def report_limit(self) -> None:
        """Emit the limit of submits in flight if it has changed."""
        if self._shown is not None:
            self._report_throttle(self._shown.brake, self._shown.until)

    def _report_throttle(self, reason: ThrottleReason, until: float | None = None) -> None:
        """Emit that ``reason`` keeps the submits, at the longest until ``until``, unless that was the last word."""
        keys, shown = list(self._throttles), self._shown
        limit = min(self._throttles.ceiling, sum(throttle.limit.value for throttle in keys))
        if shown is not None and (reason, limit, until) == (shown.brake, shown.limit, shown.until):
            return
        lowered = [throttle.lowered_at for throttle in keys if throttle.is_low and throttle.lowered_at is not None]
        self._shown = ThrottleChanged(
            brake=reason,
            limit=limit,
            was=shown.limit if shown else limit,
            ceiling=min(self._throttles.ceiling, sum(throttle.limit.ceiling for throttle in keys)),
            lowered_at=max(lowered, default=None),
            until=until,
        )
        self._bus.emit(self._shown)

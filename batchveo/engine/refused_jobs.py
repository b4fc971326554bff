"""Finds out whether a refused submit is about money, the model or the job, and skips what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from batchveo.core.errors import KeyRejected
from batchveo.core.hints import format_remake
from batchveo.core.models import Job
from batchveo.core.notices import JobPutAside, ModelPutAside, Notice
from batchveo.core.outcomes import Blocked, Denied, Outcome, Stop, Withdrawn
from batchveo.engine.budget import Budget
from batchveo.engine.key_limits import KeyThrottle, KeyThrottles, Label
from batchveo.engine.recorder import Recorder
from batchveo.engine.run_context import EventBus, RunContext
from batchveo.provider import ApiClient, ProviderError
from batchveo.provider.catalog import MODELS
from batchveo.provider.retirement import fetch_retirements


class RefusedJobs:
    """Examines refusals one by one; meanwhile no job of the same model is submitted with that key.

    ``apis``: the clients of the provider, by the labels of the keys.
    """

    def __init__(
        self,
        context: RunContext,
        bus: EventBus,
        recorder: Recorder,
        throttles: KeyThrottles,
        budget: Budget,
        apis: Mapping[Label, ApiClient],
    ) -> None:
        self._context = context
        self._bus = bus
        self._recorder = recorder
        self._throttles = throttles
        self._budget = budget
        self._apis = apis
        self._warned: set[str] = set()

    async def examine_refusal(self, throttle: KeyThrottle, job: Job, outcome: Denied | Withdrawn) -> None:
        """Find the cause of the refusal of ``job``, which is pending again, and what it means for other jobs."""
        if isinstance(outcome, Withdrawn):
            reason = await self._add_replacement(throttle, job.model, outcome.reason)
            self._put_aside(throttle, job, reason, whole=True)
        elif await self._is_about_money(throttle, job, outcome):
            throttle.refusals.resume_model(job.model)
            await self._handle_no_credits(throttle, outcome.reason)
        else:
            self._put_aside(throttle, job, outcome.reason, whole=False)
        self._bus.notify()
        await self._recorder.wait_durable()

    async def _is_about_money(self, throttle: KeyThrottle, job: Job, outcome: Denied) -> bool:
        if throttle.out_of_credits is not None or throttle.closed is not None:
            return True  # another job has found that out
        # a refusal for lack of credits may look like one of the model: the balance decides, if it can be read
        enough = await self._budget.can_pay(throttle, job, beside=outcome.about_money)
        return outcome.about_money if enough is None else not enough

    async def _handle_no_credits(self, throttle: KeyThrottle, reason: str) -> None:
        had_credits = throttle.out_of_credits is None
        self._throttles.block_key(throttle, Blocked(stop=Stop.CREDITS, reason=reason))
        if had_credits and throttle.out_of_credits is not None:
            await self._budget.await_credits(throttle)

    async def _add_replacement(self, throttle: KeyThrottle, model: str, reason: str) -> str:
        try:
            retired = (await fetch_retirements(self._apis[throttle.name])).find(model, MODELS.find_own_name(model))
        except (ProviderError, KeyRejected):
            retired = None
        today = datetime.fromtimestamp(self._context.now(), UTC).date()
        known = f" ({retired.describe(today, name=model)})" if retired else ""
        change = format_remake(model, retired.successor if retired else None, state=self._context.store.path)
        return f"{reason}{known}: `{change}` makes its jobs under another model"

    def _put_aside(self, throttle: KeyThrottle, job: Job, reason: str, *, whole: bool) -> None:
        """Skip ``job`` in this run, and all jobs of its model if that is refused with every key."""
        refusal = throttle.refusals.add_refusal(job.model, reason, job=job.seq, now=self._context.now(), whole=whole)
        self._context.store.skipped.skip_job(job, reason, run=self._context.run)
        if refusal.whole and self._throttles.is_model_refused(job.model):
            jobs = 1 + self._context.store.skipped.skip_model(job.model, reason, run=self._context.run)
            if jobs > 1 and throttle.refusals.take_probe(job.model):
                self._context.store.skipped.release_one(job.model, run=self._context.run)
                return
            self._report_once(ModelPutAside(model=job.model, jobs=jobs, reason=reason), job.model)
        elif not refusal.whole:
            self._report_once(JobPutAside(job=job.name, reason=reason), reason)

    def release_model(self, throttle: KeyThrottle, job: Job) -> None:
        """Submit the skipped jobs of the model of ``job`` after all, since ``job`` was accepted."""
        if throttle.refusals.end_refusal(job.model, job=job.seq, now=self._context.now()):
            refused = throttle.refusals.list_refused_jobs(job.model)
            self._context.store.skipped.release_model(job.model, run=self._context.run, but=refused)

    def skip_if_refused(self, job: Job, outcome: Outcome) -> None:
        """Skip ``job``, which is pending again by ``outcome``, if it or its model was refused in the meantime.

        While the refusal with one key is examined, another key may submit the job, and be refused as well: if each
        waited for the end of its own examination, two keys could submit the job by turns without end.
        """
        by = [throttle.refusals for throttle in self._throttles if throttle.closed is None]
        if not self._throttles.is_model_refused(job.model):
            was_refused = isinstance(outcome, Denied | Withdrawn)
            by = [each for each in by if was_refused and job.seq in each.list_refused_jobs(job.model)]
        if by:
            self._context.store.skipped.skip_job(job, by[0].find_reason(job.model), run=self._context.run)

    def _report_once(self, notice: Notice, once: str) -> None:
        if once not in self._warned:
            self._warned.add(once)
            self._bus.emit(notice)

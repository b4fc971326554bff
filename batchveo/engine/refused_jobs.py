"""Finds out what a refused submit was about, money or the model or the job, and puts aside what has to be."""

from __future__ import annotations

from collections.abc import Mapping

from batchveo.core.errors import KeyRejected
from batchveo.core.models import Job
from batchveo.core.outcomes import Blocked, Denied, Stop, Withdrawn
from batchveo.engine.budget import Budget
from batchveo.engine.event_bus import EventBus
from batchveo.engine.key_limits import KeyThrottle, KeyThrottles
from batchveo.engine.per_key import Label
from batchveo.engine.recorder import Recorder
from batchveo.engine.run_context import RunContext
from batchveo.provider import ApiClient, ProviderError
from batchveo.provider.deprecations import read_replacement


class RefusedJobs:
    """Looks into refusals one by one; meanwhile no job of the same model leaves with that key.

    ``apis`` are the clients of the provider by the labels of the keys.
    """

    def __init__(
        self,
        context: RunContext,
        bus: EventBus,
        recorder: Recorder,
        lines: KeyThrottles,
        wallet: Budget,
        apis: Mapping[Label, ApiClient],
    ) -> None:
        self._context = context
        self._bus = bus
        self._recorder = recorder
        self._lines = lines
        self._wallet = wallet
        self._apis = apis
        self._said: set[str] = set()

    async def look_into(self, line: KeyThrottle, job: Job, outcome: Denied | Withdrawn) -> None:
        """Decide what the refusal of ``job``, which is pending again, means for others."""
        if isinstance(outcome, Withdrawn):
            words = await self._with_replacement(line, job.model, outcome.reason)
            self._put_aside(line, job, words, whole=True)
        elif await self._is_about_money(line, job, outcome):
            line.refusals.drop(job.model)
            await self._out_of_credits(line, outcome.reason)
        else:
            self._put_aside(line, job, outcome.reason, whole=False)
        self._bus.notify()
        await self._recorder.durable()

    async def _is_about_money(self, line: KeyThrottle, job: Job, outcome: Denied) -> bool:
        if line.out_of_credits is not None or line.closed is not None:
            return True  # another job has found that out
        enough = await self._wallet.can_pay(line, job, beside=outcome.about_money)
        return outcome.about_money if enough is None else not enough

    async def _out_of_credits(self, line: KeyThrottle, reason: str) -> None:
        had_credits = line.out_of_credits is None
        self._lines.block(line, Blocked(stop=Stop.CREDITS, reason=reason))
        if had_credits and line.out_of_credits is not None:
            await self._wallet.await_credits(line)

    async def _with_replacement(self, line: KeyThrottle, model: str, reason: str) -> str:
        try:
            replacement = await read_replacement(self._apis[line.name], model)
        except (ProviderError, KeyRejected):
            replacement = None
        return f"{reason} ({model}: {replacement})" if replacement else reason

    def _put_aside(self, line: KeyThrottle, job: Job, words: str, *, whole: bool) -> None:
        """Leave ``job`` to the next run, and with it all of its model if that is refused with every key."""
        refusal = line.refusals.add(job.model, words, job=job.seq, now=self._context.now(), whole=whole)
        self._context.store.put_job_aside(job, words, run=self._context.run)
        if refusal.whole and self._lines.refuse(job.model):
            jobs = 1 + self._context.store.put_model_aside(job.model, words, run=self._context.run)
            if jobs > 1 and line.refusals.probe(job.model):
                self._context.store.take_one_back(job.model, run=self._context.run)
                return
            self._say(f"{job.model} is put aside with its pending jobs, {jobs} now: {words}", job.model)
        elif not refusal.whole:
            self._say(f"{job.name}: put aside: {words}", words)

    def accepted(self, line: KeyThrottle, job: Job) -> None:
        """A job of a refused model was accepted: the others of that model are submitted after all."""
        if line.refusals.end(job.model, job=job.seq, now=self._context.now()):
            refused = line.refusals.refused(job.model)
            self._context.store.take_model_back(job.model, run=self._context.run, but=refused)

    def pending_again(self, job: Job) -> None:
        """A job is pending again, of a model that may be refused meanwhile."""
        if self._lines.refuse(job.model):
            words = next(line.refusals.words_about(job.model) for line in self._lines if line.closed is None)
            self._context.store.put_job_aside(job, words, run=self._context.run)

    def _say(self, text: str, once: str) -> None:
        if once not in self._said:
            self._said.add(once)
            self._bus.warn(text)

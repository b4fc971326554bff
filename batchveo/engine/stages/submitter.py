"""The loop that submits what the desk gives out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from anyio.abc import TaskGroup

from batchveo.core.models import Job
from batchveo.core.outcomes import RejectedTemporarily, SubmitOutcome, SubmitUncertain
from batchveo.engine.broker import Broker, ClaimLost, Fenced, TooLate
from batchveo.engine.per_key import PerKey
from batchveo.engine.stages.submit import Submitter
from batchveo.engine.stages.unexpected import UNEXPECTED, unexpected


class SubmitLoop:
    """Submits each job as soon as the desk gives it out; how many at once is the desk's to say."""

    def __init__(self, desk: Broker, submitters: PerKey[Submitter], *, place: Callable[[Job], None]) -> None:
        self._desk = desk
        self._submitters = submitters
        self._place = place

    async def run(self, calls: TaskGroup) -> None:
        """Submit until cancelled."""
        while True:
            calls.start_soon(self._submit, await self._desk.claim())

    async def _submit(self, job: Job) -> None:
        with suppress(ClaimLost, Fenced):
            self._place(await self._desk.record(job, await self._outcome(job)))

    async def _outcome(self, job: Job) -> SubmitOutcome:
        try:
            return await self._submitters.of(job).handle(job)
        except TooLate as error:
            return RejectedTemporarily(reason=str(error))
        except UNEXPECTED as error:
            reason, note = unexpected(job, error)
            self._desk.tell(note)
            return SubmitUncertain(reason=reason)

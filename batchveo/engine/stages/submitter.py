"""The stage that sends each claimed request to the service, once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

from anyio.abc import TaskGroup

from batchveo.core.errors import UsageError, find_reason
from batchveo.core.models import Job
from batchveo.core.outcomes import Blocked, RejectedTemporarily, Stop, SubmitOutcome, SubmitUncertain
from batchveo.engine.broker import Broker, ClaimLost, Fenced, TooLate
from batchveo.engine.input_addresses import InputAddresses
from batchveo.engine.input_files import Attachments
from batchveo.engine.key_limits import PerKey
from batchveo.engine.stages.failures import UNEXPECTED, describe_unexpected
from batchveo.provider import ApiClient
from batchveo.storage.object_errors import StoreUnavailable


class Submitter:
    """Submits each job as soon as the broker gives it out; the broker decides how many at once.

    ``place`` gets each job as it is after the submit.
    """

    def __init__(
        self,
        broker: Broker,
        apis: PerKey[ApiClient],
        addresses: InputAddresses,
        *,
        place: Callable[[Job], None],
    ) -> None:
        self._broker = broker
        self._apis = apis
        self._addresses = addresses
        self._attachments = Attachments(broker.read_input_file)
        self._place = place

    async def run(self, calls: TaskGroup) -> None:
        """Submit until cancelled."""
        while True:
            calls.start_soon(self._submit_job, await self._broker.claim())

    async def handle(self, job: Job) -> SubmitOutcome:
        """Submit ``job`` under the client request id that was committed with its claim.

        Raises ``ClaimLost``, ``Fenced`` or ``TooLate`` if the request must not leave; then nothing was sent.
        """
        if job.client_request_id is None:
            raise ValueError(f"job {job.id} was not claimed")
        async with AsyncExitStack() as sending:
            try:
                addressed = await self._addresses.fill_request(job)
                request = await sending.enter_async_context(self._attachments.fill_request(addressed))
            except StoreUnavailable as error:
                return RejectedTemporarily(reason=f"an input cannot be sent now: {find_reason(error)}", unsent=True)
            except (OSError, UsageError) as error:
                reason = find_reason(error)
                return Blocked(stop=Stop.INPUTS, reason=f"an input cannot be sent: {reason}")
            # the mark is on disk before the first byte leaves: from then on the request may have arrived
            return await self._apis.for_job(job).submit(
                request, client_request_id=job.client_request_id, before_send=lambda: self._broker.mark_sent(job)
            )

    async def _submit_job(self, job: Job) -> None:
        with suppress(ClaimLost, Fenced):
            self._place(await self._broker.record_outcome(job, await self._find_outcome(job)))

    async def _find_outcome(self, job: Job) -> SubmitOutcome:
        try:
            return await self.handle(job)
        except TooLate as error:
            return RejectedTemporarily(reason=str(error))
        except UNEXPECTED as error:
            reason, note = describe_unexpected(job, error)
            self._broker.send_event(note)
            return SubmitUncertain(reason=reason)

"""Sends a job's request to the service, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from batchveo.core.models import Job
from batchveo.core.outcomes import SubmitOutcome
from batchveo.engine.stages.attachments import Attachments
from batchveo.provider import ApiClient

MarkSent = Callable[[Job], Awaitable[None]]
"""Records for good, before the first byte leaves, that the request of a job may have arrived from now on."""


class Submitter:
    """Submits claimed jobs."""

    def __init__(self, api: ApiClient, attachments: Attachments, mark_sent: MarkSent) -> None:
        self._api = api
        self._attachments = attachments
        self._mark_sent = mark_sent

    async def handle(self, job: Job) -> SubmitOutcome:
        """Submit ``job`` under the client request id that was committed with its claim."""
        if job.client_request_id is None:
            raise ValueError(f"job {job.id} was not claimed")
        async with self._attachments.filled(job.request) as request:
            return await self._api.submit(
                request, client_request_id=job.client_request_id, before_send=lambda: self._mark_sent(job)
            )

"""Sends a job's request to the service, once."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping

from batchveo.api import Api
from batchveo.models import INPUT_PREFIX, Job
from batchveo.outcomes import SubmitOutcome

InputFiles = Callable[[str], Awaitable[tuple[str, bytes]]]
"""From the SHA-256 of an input file to its media type and content."""
MarkSent = Callable[[Job], Awaitable[None]]
"""Records for good, before the first byte leaves, that the request of a job may have arrived from now on."""


class Submitter:
    """Submits claimed jobs."""

    def __init__(self, api: Api, input_file: InputFiles, mark_sent: MarkSent) -> None:
        self._api = api
        self._input_file = input_file
        self._mark_sent = mark_sent

    async def handle(self, job: Job) -> SubmitOutcome:
        """Submit ``job`` under the client request id that was committed with its claim."""
        if job.client_request_id is None:
            raise ValueError(f"job {job.id} was not claimed")
        request = await with_inputs(job.request, self._input_file)
        return await self._api.submit(
            request, client_request_id=job.client_request_id, leaving=lambda: self._mark_sent(job)
        )


async def with_inputs(request: Mapping[str, object], input_file: InputFiles) -> dict[str, object]:
    """``request`` with every reference to an input file replaced by its data URI."""
    return {field: await _filled(value, input_file) for field, value in request.items()}


async def _filled(value: object, input_file: InputFiles) -> object:
    if isinstance(value, list):
        return [await _filled(item, input_file) for item in value]
    if isinstance(value, str) and value.startswith(INPUT_PREFIX):
        media_type, content = await input_file(value.removeprefix(INPUT_PREFIX))
        return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
    return value

"""Asks the service how a generation stands."""

from __future__ import annotations

from batchveo.core.models import Job
from batchveo.core.outcomes import PollOutcome
from batchveo.provider import ApiClient


class Poller:
    """Polls generations."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    async def handle(self, job: Job) -> PollOutcome:
        """Poll the generation of ``job`` once."""
        if job.generation_id is None:
            raise ValueError(f"job {job.id} has no generation id")
        return await self._api.poll(job.generation_id)

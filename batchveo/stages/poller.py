"""Asks the service how a generation stands."""

from __future__ import annotations

from batchveo.api import Api
from batchveo.models import Job
from batchveo.outcomes import PollOutcome


class Poller:
    """Polls generations."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def handle(self, job: Job) -> PollOutcome:
        """Poll the generation of ``job`` once."""
        if job.generation_id is None:
            raise ValueError(f"job {job.id} has no generation id")
        return await self._api.poll(job.generation_id)

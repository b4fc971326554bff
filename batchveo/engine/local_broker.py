"""The coordinator as a worker in the same process sees it."""

from __future__ import annotations

from collections.abc import Sequence

from batchveo.core.clock import Clock
from batchveo.core.events import Event
from batchveo.core.models import Job
from batchveo.core.outcomes import Outcome
from batchveo.core.shutdown import ShutdownBudget
from batchveo.engine.coordinator import Coordinator


class LocalBroker:
    """A ``Broker`` without a wire: calls are never lost."""

    def __init__(self, coordinator: Coordinator, worker: str, clock: Clock) -> None:
        self._coordinator = coordinator
        self._worker = worker
        self.clock = clock
        coordinator.join(worker)

    async def claim(self) -> Job:
        """See ``Broker``."""
        (job,) = await self._coordinator.claim(self._worker)
        return job

    async def mark_sent(self, job: Job) -> None:
        """See ``Broker``."""
        await self._coordinator.mark_sent(self._worker, job)

    async def record(self, job: Job, outcome: Outcome, *, aside: bool = False) -> Job:
        """See ``Broker``."""
        return await self._coordinator.record(self._worker, job, outcome, aside=aside)

    async def take_over(self) -> Sequence[Job]:
        """See ``Broker``."""
        return await self._coordinator.take_over(self._worker)

    async def input_file(self, sha256: str) -> tuple[str, bytes]:
        """See ``Broker``."""
        return self._coordinator.input_file(self._worker, sha256)

    async def finished(self) -> float:
        """See ``Broker``."""
        await self._coordinator.finished.wait()
        return ShutdownBudget.CALLS

    def tell(self, event: Event) -> None:
        """See ``Broker``."""
        self._coordinator.tell(event)

"""What passes between the workers of a run and its coordinator, who alone writes the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from batchveo.core.clock import Clock
from batchveo.core.events import Event
from batchveo.core.models import Job
from batchveo.core.outcomes import Outcome


class Fenced(Exception):
    """The worker was given up: others look after its jobs, and its word no longer counts."""


class ClaimLost(Exception):
    """The job is no longer this worker's to submit; its request must not leave."""


class TooLate(Exception):
    """So long after it was asked for, leave to send a request is not to be used; nothing was sent."""


class Broker(Protocol):
    """Where one worker gets its jobs and records what came of them.

    It has two faces: a local one, which calls the coordinator in the same process, and a remote one, whose calls
    may be lost, late or repeated. Each call but ``tell`` raises ``Fenced`` where the worker was given up.
    """

    clock: Clock
    """The time that all workers of a run agree on."""

    async def claim(self) -> Job:
        """The next job to submit, its fresh client request id recorded: waits until one may be."""

    async def mark_sent(self, job: Job) -> None:
        """Record for good that the request of ``job`` is about to leave.

        Raises ``ClaimLost`` or ``TooLate`` where it must not.
        """

    async def record_outcome(self, job: Job, outcome: Outcome, *, aside: bool = False) -> Job:
        """Record for good what came of a step; returns the job as it is then.

        ``aside``: this run is done with the job, the next one tries again. The outcome is on its way to its record
        before anything is awaited, and a cancelled caller does not take it back.
        """

    async def take_over(self) -> Sequence[Job]:
        """Generations and downloads that nobody looks after, and this worker does from now on: waits for some."""

    async def read_input_file(self, sha256: str) -> tuple[str, bytes]:
        """Media type and content of an input file."""

    async def wait_finished(self) -> float:
        """Wait until the run is over, or the worker fenced.

        Returns how long (seconds) the submits under way may still take: their answers may be generation ids.
        """

    def send_event(self, event: Event) -> None:
        """Hand an event to whoever watches the run."""

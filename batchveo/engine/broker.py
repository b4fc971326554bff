"""The calls that a worker makes to the coordinator of its run, which alone writes the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from batchveo.core.clock import Clock
from batchveo.core.events import Event
from batchveo.core.models import Job
from batchveo.core.outcomes import Outcome


class Fenced(Exception):
    """The worker was given up: others look after its jobs, and its writes are refused."""


class ClaimLost(Exception):
    """The job is no longer this worker's to submit; its request must not leave."""


class TooLate(Exception):
    """The permission to send a request arrived too late to be used; nothing was sent."""


class Broker(Protocol):
    """Gives jobs to one worker and takes their outcomes.

    There are two kinds: ``LocalBroker`` calls the coordinator in the same process; the calls of ``RemoteBroker`` may
    be lost, late or repeated. Each call but ``send_event`` raises ``Fenced`` if the worker was given up.
    """

    clock: Clock
    """The time that all workers of a run agree on."""

    async def claim(self) -> Job:
        """Wait for the next job to submit; its new client request id is recorded."""

    async def mark_sent(self, job: Job) -> None:
        """Record that the request of ``job`` is about to leave; returns when that is safe on disk.

        Raises ``ClaimLost`` or ``TooLate`` if it must not leave.
        """

    async def record_outcome(self, job: Job, outcome: Outcome, *, aside: bool = False) -> Job:
        """Record the outcome of a step; returns the job as it is then, once that is safe on disk.

        ``aside``: this run is done with the job, the next one tries again. The record begins before anything is
        awaited, and a cancelled caller does not undo it.
        """

    async def take_over(self) -> Sequence[Job]:
        """Wait for generations and downloads without a worker; this one looks after them from now on."""

    async def read_input_file(self, sha256: str) -> tuple[str, bytes]:
        """Media type and content of an input file, or of a finished video, by its hash.

        Raises ``StoreUnavailable`` if it cannot be read now, and ``StoreRefused`` if trying again changes nothing: a
        frame, say, that no job needs any more.
        """

    async def begin_upload(self, job: Job, sha256: str) -> str:
        """Record that ``job`` uses an input file in the user's bucket; returns its name there.

        Until the generation of the job has ended, nobody removes it.
        """

    async def wait_finished(self) -> float:
        """Wait until the run is over or the worker is fenced.

        Returns how many seconds the submits in progress may still take: their answers may hold generation ids.
        """

    def send_event(self, event: Event) -> None:
        """Hand ``event`` to the run's reporter."""

"""Which worker looks after which job. In memory: a coordinator that starts again knows no worker."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from batchveo.desk import Fenced
from batchveo.models import Job


class Roster:
    """The workers of a run, and what each has in hand; ``expected``: how many there are to be."""

    def __init__(self, *, expected: int = 1) -> None:
        self._expected = expected
        self._held: dict[str, set[int]] = {}
        self._holder: dict[int, str] = {}
        self._heard: dict[str, float] = {}
        self._gone: set[str] = set()
        self._orphans: dict[int, Job] = {}

    def __contains__(self, worker: str) -> bool:
        return worker in self._held

    def __len__(self) -> int:
        return len(self._held)

    def join(self, worker: str) -> None:
        """Take a worker on; raises ``Fenced`` where the name is not a new one."""
        if worker in self._gone or worker in self._held:
            raise Fenced(worker)
        self._held[worker] = set()

    def check(self, worker: str) -> None:
        """Raise ``Fenced`` where ``worker`` is none, or none any more."""
        if worker not in self._held:
            raise Fenced(worker)

    def heard(self, worker: str, *, now: float) -> None:
        """A call of ``worker`` has come over the wire."""
        if worker in self._held:
            self._heard[worker] = now

    def silent(self, *, since: float) -> list[str]:
        """The workers of whom nothing was heard after ``since``."""
        return [worker for worker, when in self._heard.items() if when < since]

    def give(self, worker: str, job: Job) -> None:
        """``job`` is in the hands of ``worker``, unless somebody else has it already."""
        if job.seq not in self._holder:
            self._orphans.pop(job.seq, None)
            self._held[worker].add(job.seq)
            self._holder[job.seq] = worker

    def release(self, job: Job) -> None:
        """Nobody needs to look after ``job``."""
        worker = self._holder.pop(job.seq, None)
        if worker is not None:
            self._held[worker].discard(job.seq)
        self._orphans.pop(job.seq, None)

    def orphan(self, job: Job) -> None:
        """Somebody has to look after ``job``, unless somebody does already."""
        if job.seq not in self._holder:
            self._orphans[job.seq] = job

    def adopt(self, worker: str, *, most: int) -> list[Job]:
        """A fair share of the orphans, at most so many, in the hands of ``worker`` from now on."""
        sharers = max(self._expected, len(self._held))
        share = min(most, -(-len(self._orphans) // sharers))
        jobs = list(islice(self._orphans.values(), share))
        for job in jobs:
            self.give(worker, job)
        return jobs

    def remove(self, worker: str) -> Sequence[int]:
        """Give ``worker`` up; returns the numbers of the jobs that it had in hand."""
        self._heard.pop(worker, None)
        self._gone.add(worker)
        seqs = sorted(self._held.pop(worker, ()))
        for seq in seqs:
            del self._holder[seq]
        return seqs

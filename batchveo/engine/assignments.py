"""Which worker looks after which job. In memory: a coordinator that starts again knows no worker."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice

from batchveo.core.models import Job
from batchveo.engine.broker import Fenced

LATECOMERS_SECONDS = 30.0
"""How long orphans wait for workers that are expected and have not come, before the others share them."""


class Assignments:
    """The workers of a run, and what each has in hand; ``expected``: how many there are to be."""

    def __init__(self, *, expected: int = 1) -> None:
        self._expected = expected
        self._held: dict[str, set[int]] = {}
        self._holder: dict[int, str] = {}
        self._heard: dict[str, float] = {}
        self._awaited: dict[str, float] = {}
        """Since when workers that were started, and have not joined, are waited for."""
        self._gone: set[str] = set()
        self._orphans: dict[int, tuple[Job, float]] = {}
        """With the time since when nobody looks after them; the first has waited longest."""

    def __contains__(self, worker: str) -> bool:
        return worker in self._held

    def __len__(self) -> int:
        return len(self._held)

    def list_workers(self) -> Sequence[str]:
        """Of the workers that are here."""
        return tuple(self._held)

    def add_worker(self, worker: str) -> None:
        """Take a worker on; raises ``Fenced`` where the name is not a new one."""
        if worker in self._gone or worker in self._held:
            raise Fenced(worker)
        self._held[worker] = set()

    def check_worker(self, worker: str) -> None:
        """Raise ``Fenced`` where ``worker`` is none, or none any more."""
        if worker not in self._held:
            raise Fenced(worker)

    def mark_heard(self, worker: str, *, now: float) -> None:
        """A call of ``worker`` has come over the wire."""
        if worker in self._held:
            self._heard[worker] = now

    def find_silent(self, started: Collection[str], *, seconds: float, now: float) -> list[str]:
        """The workers of whom nothing was heard for so long: those who joined, and those who were ``started``.

        Of a worker that is not known, and may be frozen since before it was, the silence begins with the first
        question.
        """
        self._awaited = {name: self._awaited.get(name, now) for name in started if name not in self._heard}
        return [worker for worker, when in {**self._heard, **self._awaited}.items() if when < now - seconds]

    def assign_job(self, worker: str, job: Job) -> None:
        """``job`` is in the hands of ``worker``, unless somebody else has it already."""
        if job.seq not in self._holder:
            self._orphans.pop(job.seq, None)
            self._held[worker].add(job.seq)
            self._holder[job.seq] = worker

    def release_job(self, job: Job) -> None:
        """Nobody needs to look after ``job``."""
        worker = self._holder.pop(job.seq, None)
        if worker is not None:
            self._held[worker].discard(job.seq)
        self._orphans.pop(job.seq, None)

    def orphan_job(self, job: Job, *, now: float) -> None:
        """Somebody has to look after ``job``, unless somebody does already."""
        if job.seq not in self._holder:
            _, since = self._orphans.get(job.seq, (job, now))
            self._orphans[job.seq] = job, since

    def find_sharing_time(self, now: float) -> float | None:
        """When orphans that are left for workers to come are left for them no longer; ``None`` where none are."""
        for _, since in self._orphans.values():
            return since + LATECOMERS_SECONDS if since + LATECOMERS_SECONDS > now else None
        return None

    def take_over(self, worker: str, *, most: int, now: float) -> list[Job]:
        """Orphans, at most so many, that ``worker`` looks after from now on: up to its fair share of all jobs."""
        waits_for_more = self.find_sharing_time(now) is not None
        sharers = max(self._expected, len(self._held)) if waits_for_more else len(self._held)
        fair = -(-(len(self._orphans) + len(self._holder)) // sharers)
        room = max(0, fair - len(self._held[worker]))
        jobs = [job for job, _ in islice(self._orphans.values(), min(most, room))]
        for job in jobs:
            self.assign_job(worker, job)
        return jobs

    def remove_worker(self, worker: str) -> Sequence[int]:
        """Give ``worker`` up; returns the numbers of the jobs that it had in hand."""
        self._heard.pop(worker, None)
        self._gone.add(worker)
        seqs = sorted(self._held.pop(worker, ()))
        for seq in seqs:
            del self._holder[seq]
        return seqs

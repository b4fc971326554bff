"""Which worker looks after which job. In memory only: a coordinator that restarts knows no worker."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice

from batchveo.core.models import Job
from batchveo.engine.broker import Fenced

LATECOMERS_SECONDS = 30.0
"""How long orphaned jobs wait for expected workers that have not joined, before the others share them."""


class Assignments:
    """The workers of a run and the jobs of each; ``expected``: how many workers are started."""

    def __init__(self, *, expected: int = 1) -> None:
        self._expected = expected
        self._held: dict[str, set[int]] = {}
        self._holder: dict[int, str] = {}
        self._heard: dict[str, float] = {}
        self._awaited: dict[str, float] = {}
        """Since when workers that were started, and have not joined, are waited for."""
        self._gone: set[str] = set()
        self._orphans: dict[int, tuple[Job, float]] = {}
        """Jobs without a worker, with the time since when; the first has waited longest."""

    def __contains__(self, worker: str) -> bool:
        return worker in self._held

    def __len__(self) -> int:
        return len(self._held)

    def list_workers(self) -> Sequence[str]:
        """The names of the workers that have joined."""
        return tuple(self._held)

    def add_worker(self, worker: str) -> None:
        """Add ``worker``; raises ``Fenced`` if the name was used before."""
        if worker in self._gone or worker in self._held:
            raise Fenced(worker)
        self._held[worker] = set()

    def check_worker(self, worker: str) -> None:
        """Raise ``Fenced`` if ``worker`` has not joined or was given up."""
        if worker not in self._held:
            raise Fenced(worker)

    def mark_heard(self, worker: str, *, now: float) -> None:
        """Note that a call of ``worker`` has arrived."""
        if worker in self._held:
            self._heard[worker] = now

    def find_silent(self, started: Collection[str], *, seconds: float, now: float) -> list[str]:
        """The workers without a call for ``seconds``: those that joined, and those that were ``started``.

        The silence of a worker that never joined, and may have been frozen before, begins with the first question.
        """
        self._awaited = {name: self._awaited.get(name, now) for name in started if name not in self._heard}
        return [worker for worker, when in {**self._heard, **self._awaited}.items() if when < now - seconds]

    def assign_job(self, worker: str, job: Job) -> None:
        """Let ``worker`` look after ``job``, unless another worker does already."""
        if job.seq not in self._holder:
            self._orphans.pop(job.seq, None)
            self._held[worker].add(job.seq)
            self._holder[job.seq] = worker

    def release_job(self, job: Job) -> None:
        """Let no worker look after ``job``: there is nothing left to do."""
        worker = self._holder.pop(job.seq, None)
        if worker is not None:
            self._held[worker].discard(job.seq)
        self._orphans.pop(job.seq, None)

    def orphan_job(self, job: Job, *, now: float) -> None:
        """Offer ``job`` to the workers, unless one looks after it already."""
        if job.seq not in self._holder:
            _, since = self._orphans.get(job.seq, (job, now))
            self._orphans[job.seq] = job, since

    def find_sharing_time(self, now: float) -> float | None:
        """When orphaned jobs stop to wait for workers that have not joined; ``None`` if none of them waits."""
        for _, since in self._orphans.values():
            return since + LATECOMERS_SECONDS if since + LATECOMERS_SECONDS > now else None
        return None

    def take_over(self, worker: str, *, most: int, now: float) -> list[Job]:
        """Assign orphaned jobs to ``worker``: at most ``most``, and up to its fair share of all jobs."""
        # after a restart the first worker to join must not take all jobs: the share counts those still to come
        waits_for_more = self.find_sharing_time(now) is not None
        sharers = max(self._expected, len(self._held)) if waits_for_more else len(self._held)
        fair = -(-(len(self._orphans) + len(self._holder)) // sharers)
        room = max(0, fair - len(self._held[worker]))
        jobs = [job for job, _ in islice(self._orphans.values(), min(most, room))]
        for job in jobs:
            self.assign_job(worker, job)
        return jobs

    def remove_worker(self, worker: str) -> Sequence[int]:
        """Give ``worker`` up; returns the numbers of its jobs."""
        self._heard.pop(worker, None)
        self._gone.add(worker)
        seqs = sorted(self._held.pop(worker, ()))
        for seq in seqs:
            del self._holder[seq]
        return seqs

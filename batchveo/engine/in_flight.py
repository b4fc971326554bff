"""The jobs in motion: which hold a slot, and which the run waits for. In memory only, a copy of the database."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from batchveo.core.models import Job, JobState
from batchveo.engine.key_limits import Label

DOUBT_SLOT_SECONDS = 300.0
"""Seconds for which a submit in doubt counts as in flight: it may well be generating."""


class _Position(NamedTuple):
    """The state and key of a job in motion; ``late``: it is still polled, but this run no longer waits for it."""

    state: JobState
    key: Label
    late: bool


class InFlightTable:
    """The jobs in motion, by the API key that each was submitted with.

    ``begun`` is when the run began; ``patience`` and ``tries`` are those of ``RunSettings``, and ``budgeted``
    whether there is a budget; ``key_of`` names the key that serves a job in this run.
    """

    def __init__(
        self,
        *,
        begun: float,
        patience: float,
        tries: int = 1,
        budgeted: bool = False,
        key_of: Callable[[Job], Label] = lambda job: job.api_key_label or "",
    ) -> None:
        self._begun = begun
        self._patience = patience
        self._tries = tries
        self._budgeted = budgeted
        self._key_of = key_of
        self._positions: dict[int, _Position] = {}
        self._counts: Counter[_Position] = Counter()
        self._deadlines: list[tuple[float, int, _Position]] = []
        """When the run's patience with a job ends, soonest first; entries of jobs that have moved are skipped."""
        self._doubt_slots: dict[int, tuple[float, Label]] = {}
        self._aside: set[int] = set()
        self._stuck: set[int] = set()
        self._unawaited_keys: set[Label] = set()
        self.doubts: dict[int, Job] = {}
        self.charge_unknown: dict[int, Job] = {}
        """Generations that no video came of, while it is not known whether they were charged."""

    def place_job(self, job: Job, *, now: float) -> bool:
        """Update the table to the state of ``job``; returns whether the job has moved."""
        was = self._positions.get(job.seq)
        self._remove_job(job)
        self._put_job(job, now)
        return self._positions.get(job.seq) != was or job.state is JobState.IN_DOUBT or job.seq in self.charge_unknown

    def _put_job(self, job: Job, now: float) -> None:
        match job.state:
            case JobState.SUBMITTING:
                # a new attempt: what was put aside is the generation before, which was free
                self.mark_awaited(job)
                self._set_position(job, late=False)
            case JobState.GENERATING:
                self._wait_for(job, job.submitted_at, now)
                if job.seq in self._stuck:
                    self.charge_unknown[job.seq] = job
            case JobState.DOWNLOADING:
                self._wait_for(job, job.completed_at, now)
            case JobState.FAILED if self._is_looked_up(job):
                self.charge_unknown[job.seq] = job
            case JobState.IN_DOUBT:
                self._set_position(job, late=False)
                self._add_doubt(job, now)
            case _:
                pass

    def _is_looked_up(self, job: Job) -> bool:
        """Whether it matters what a failed generation was charged, and nobody knows yet."""
        unknown = job.generation_id is not None and job.cost_usd is None
        return unknown and (self._budgeted or self.is_retryable(job))

    def is_retryable(self, job: Job) -> bool:
        """Whether a failed generation has tries left, and nobody knows yet that it was charged."""
        # a generation that has not ended yet is one more try, once it has
        tried = job.tried + (job.state is JobState.GENERATING)
        left = tried < (self._tries if job.tries is None else job.tries)
        return left and job.generation_id is not None and job.cost_usd is None

    def _add_doubt(self, job: Job, now: float) -> None:
        self.doubts[job.seq] = job
        if not job.held:
            since = now if job.doubted_at is None else job.doubted_at
            self._doubt_slots[job.seq] = since + DOUBT_SLOT_SECONDS, self._key_of(job)

    def _wait_for(self, job: Job, since: float | None, now: float) -> None:
        until = max(self._begun, since or 0.0) + self._patience
        self._set_position(job, late=until < now or job.seq in self._aside)
        position = self._positions[job.seq]
        if not position.late:
            heapq.heappush(self._deadlines, (until, job.seq, position))

    def mark_put_aside(self, job: Job) -> None:
        """Leave ``job`` to the next run, from its next ``place_job`` on."""
        self._aside.add(job.seq)

    def mark_stuck(self, job: Job) -> None:
        """Stop waiting for ``job``, from its next ``place_job`` on: the service gives no useful answer about it."""
        self._aside.add(job.seq)
        self._stuck.add(job.seq)

    def mark_awaited(self, job: Job) -> None:
        """Wait for ``job`` again, from its next ``place_job`` on: the service gives useful answers again."""
        self._aside.discard(job.seq)
        self._stuck.discard(job.seq)

    def stop_waiting_for(self, key: Label) -> None:
        """Stop waiting for the generations of ``key``: the service refuses its polls."""
        self._unawaited_keys.add(key)

    def find_next_deadline(self) -> float:
        """When the run stops waiting for the next job, unless that moves before; infinite if it waits for none."""
        return self._deadlines[0][0] if self._deadlines else math.inf

    def expire_patience(self, now: float) -> bool:
        """Stop waiting for jobs that have outlasted the run's patience; returns whether there were any.

        They are still polled, and their slots are free.
        """
        outlasted = False
        while self._deadlines and self._deadlines[0][0] < now:
            _, seq, position = heapq.heappop(self._deadlines)
            if self._positions.get(seq) is position:
                self._counts[position] -= 1
                late = self._positions[seq] = position._replace(late=True)
                self._counts[late] += 1
                outlasted = True
        return outlasted

    def _set_position(self, job: Job, *, late: bool) -> None:
        position = self._positions[job.seq] = _Position(job.state, self._key_of(job), late)
        self._counts[position] += 1

    def _remove_job(self, job: Job) -> None:
        was = self._positions.pop(job.seq, None)
        if was is not None:
            self._counts[was] -= 1
        self.doubts.pop(job.seq, None)
        self._doubt_slots.pop(job.seq, None)
        self.charge_unknown.pop(job.seq, None)

    def _count_states(self, *states: JobState, late: bool = False) -> int:
        """How many jobs are in ``states``; ``late`` counts those too that are no longer waited for."""
        counts = self._counts.items()
        return sum(number for position, number in counts if position.state in states and (late or not position.late))

    def count_slots(self, key: Label, now: float) -> int:
        """How many generations of ``key`` hold a slot: they are in flight, or may be."""
        doubts = sum(until > now and label == key for until, label in self._doubt_slots.values())
        return self._counts[_Position(JobState.SUBMITTING, key, late=False)] + self.count_generating(key) + doubts

    def find_slot_release(self, now: float) -> float | None:
        """When the next doubt frees its slot by its age; ``None`` if no doubt holds one."""
        return min((until for until, _ in self._doubt_slots.values() if until > now), default=None)

    def count_generating(self, key: Label) -> int:
        """How many generations of ``key`` are known to be in flight."""
        return self._counts[_Position(JobState.GENERATING, key, late=False)]

    def count_downloads(self) -> int:
        """How many finished videos are not on disk yet."""
        return self._count_states(JobState.DOWNLOADING, late=True)

    def list_open_doubts(self) -> list[Job]:
        """The doubts that the usage log may still settle: those that are not held."""
        return [job for job in self.doubts.values() if not job.held]

    def settle_charges(self, jobs: Iterable[Job]) -> None:
        """Stop looking up what ``jobs`` were charged."""
        for job in jobs:
            self.charge_unknown.pop(job.seq, None)

    def find_newest(self, job: Job) -> Job:
        """``job`` with what the usage log has shown about this attempt since a worker got it.

        Only if its state is the same: an outcome of a step that another state has ended comes too late.
        """
        newer = self.charge_unknown.get(job.seq, job)
        same = (newer.client_request_id, newer.state) == (job.client_request_id, job.state)
        return newer if same else job

    def list_retryable(self) -> list[Job]:
        """The failed generations that are made again as soon as it is known that they were not charged."""
        return [job for job in self.charge_unknown.values() if job.state is JobState.FAILED and self.is_retryable(job)]

    def count_submitting(self) -> int:
        """How many requests are on their way, over all keys."""
        return self._count_states(JobState.SUBMITTING, late=True)

    def count_awaited(self) -> int:
        """How many jobs the run still waits for, without doubts."""
        unawaited = sum(self.count_generating(key) for key in self._unawaited_keys)
        return self._count_states(*(state for state in JobState if state.is_in_flight)) - unawaited

    def count_unsettled(self) -> int:
        """How many jobs may still turn out to cost less than reserved, or nothing."""
        failed = sum(job.state is JobState.FAILED for job in self.charge_unknown.values())
        return self._count_states(JobState.SUBMITTING, JobState.GENERATING) + len(self.list_open_doubts()) + failed

    def count_late(self) -> int:
        """How many jobs this run has left to the next one."""
        unawaited = sum(self.count_generating(key) for key in self._unawaited_keys)
        return unawaited + sum(number for position, number in self._counts.items() if position.late)

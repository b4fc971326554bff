"""What a run has in hand: who holds a place in flight, who is due when. In memory; the state has the truth."""

from __future__ import annotations

import heapq
from collections import Counter
from itertools import count

import anyio

from batchveo.clock import Clock
from batchveo.models import Job, JobState

DOUBT_HOLDS_A_PLACE = 300.0
"""Seconds for which a submit in doubt counts as in flight: it may well be generating."""


class DueQueue:
    """Jobs ordered by the time they are due, earliest first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Job]] = []
        self._ties = count()
        self._sooner = anyio.Event()
        """Set when what was put is due before all else."""

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, job: Job, due: float) -> None:
        """Add ``job``, due at ``due``."""
        item = (due, next(self._ties), job)
        heapq.heappush(self._heap, item)
        if self._heap[0] is item:
            self._sooner.set()

    async def take(self, clock: Clock) -> Job:
        """Wait until the first is due, and take it."""
        while not self._heap or self._heap[0][0] > clock.now():
            self._sooner = anyio.Event()
            with anyio.move_on_after(self._heap[0][0] - clock.now() if self._heap else float("inf")):
                await self._sooner.wait()
        return heapq.heappop(self._heap)[2]


class Board:
    """The jobs in motion. ``begun`` is when the run began; ``patience`` is ``RunSettings.patience``."""

    def __init__(self, *, begun: float, patience: float) -> None:
        self._begun = begun
        self._patience = patience
        self._moving: dict[int, tuple[JobState, bool]] = {}
        """Every job in motion: its state, and whether it is late."""
        self._counts: Counter[tuple[JobState, bool]] = Counter()
        self._doubt_places: dict[int, float] = {}
        self._aside: set[int] = set()
        self.polls = DueQueue()
        self.downloads = DueQueue()
        self.doubts: dict[int, Job] = {}

    def claimed(self, job: Job) -> None:
        """``job`` is being submitted."""
        self._set(job, JobState.SUBMITTING)

    def place(self, job: Job, *, due: float, now: float) -> bool:
        """Put ``job`` where its state says; ``due`` is when its next poll or download may begin.

        Tells whether it has moved, which changes what the run may do next.
        """
        was = self._moving.get(job.seq)
        self._clear(job)
        self._put(job, due=due, now=now)
        return self._moving.get(job.seq) != was or job.state is JobState.IN_DOUBT

    def _put(self, job: Job, *, due: float, now: float) -> None:
        if job.seq in self._aside and job.state in (JobState.GENERATING, JobState.DOWNLOADING):
            self._set(job, job.state, late=True)
            return
        match job.state:
            case JobState.GENERATING:
                self._set(job, job.state, late=self._is_late(job.submitted_at, now))
                self.polls.put(job, due)
            case JobState.DOWNLOADING:
                self._set(job, job.state, late=self._is_late(job.completed_at, now))
                self.downloads.put(job, due)
            case JobState.IN_DOUBT:
                self._set(job, job.state)
                self.doubts[job.seq] = job
                if not job.held:
                    since = now if job.doubted_at is None else job.doubted_at
                    self._doubt_places[job.seq] = since + DOUBT_HOLDS_A_PLACE
            case _:
                pass

    def set_aside(self, job: Job) -> None:
        """Leave ``job`` to the next run, once it is placed again."""
        self._aside.add(job.seq)

    def _is_late(self, since: float | None, now: float) -> bool:
        """Whether a job outlasts this run's patience: it is still looked after, but no longer waited for."""
        return now - max(self._begun, since or 0.0) > self._patience

    def _set(self, job: Job, state: JobState, *, late: bool = False) -> None:
        self._moving[job.seq] = (state, late)
        self._counts[state, late] += 1

    def _clear(self, job: Job) -> None:
        was = self._moving.pop(job.seq, None)
        if was is not None:
            self._counts[was] -= 1
        self.doubts.pop(job.seq, None)
        self._doubt_places.pop(job.seq, None)

    def places_taken(self, now: float) -> int:
        """How many generations are in flight, or may be."""
        doubts = sum(until > now for until in self._doubt_places.values())
        return self._counts[JobState.SUBMITTING, False] + self.generating() + doubts

    def place_frees_at(self, now: float) -> float | None:
        """When the next doubt stops to hold its place by itself."""
        return min((until for until in self._doubt_places.values() if until > now), default=None)

    def generating(self) -> int:
        """How many generations are known to be in flight."""
        return self._counts[JobState.GENERATING, False]

    def downloads_waiting(self) -> int:
        """How many finished videos are not on disk yet."""
        return self._counts[JobState.DOWNLOADING, False] + self._counts[JobState.DOWNLOADING, True]

    def open_doubts(self) -> list[Job]:
        """The doubts that may still settle by themselves."""
        return [job for job in self.doubts.values() if not job.held]

    def waited_for(self) -> int:
        """How many jobs the run still waits for, doubts aside."""
        waited = (JobState.SUBMITTING, JobState.GENERATING, JobState.DOWNLOADING)
        return sum(self._counts[state, False] for state in waited)

    def in_motion(self) -> int:
        """How many jobs may still turn out to cost less than reserved, or nothing."""
        return self._counts[JobState.SUBMITTING, False] + self.generating() + len(self.open_doubts())

    def late(self) -> int:
        """How many jobs have outlasted the run's patience."""
        return sum(number for (_, late), number in self._counts.items() if late)

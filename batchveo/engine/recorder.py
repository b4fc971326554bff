"""Records every outcome, commits the records of one moment together, and emits them once they are safe on disk."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import anyio
import anyio.lowlevel

from batchveo.core.events import Event, JobStateChanged
from batchveo.core.hints import address_options
from batchveo.core.models import Job, JobState
from batchveo.core.notices import GenerationTakenTwice, StrayGeneration, VideoRepeated
from batchveo.core.outcomes import Accepted, FoundInLog, GenerationFailed, Outcome, SubmitUncertain
from batchveo.core.sentences import describe_taken
from batchveo.core.state_machine import Move, next_state
from batchveo.engine.run_context import EventBus, RunContext
from batchveo.store import GenerationTaken, MoveLost, Store

_log = logging.getLogger(__name__)

GROUP_TURNS = 12
"""Turns of the event loop for which a group stays open: a tenth of a millisecond in a quiet run, some dozens of answers
in a busy one."""


class _Group:
    def __init__(self) -> None:
        self.ended = anyio.Event()
        self.error: BaseException | None = None


class GroupCommit:
    """Commits the writes of one moment together: the first writer of a group flushes for all.

    Writes stay synchronous, so that no cancellation falls between an answer and its record. What must not happen
    before a record is safe on disk, above all a request, awaits ``wait_durable`` first.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: _Group | None = None

    async def wait_durable(self) -> None:
        """Return when all that was written before this call is on disk, cancelled or not.

        Raises ``sqlite3.Error`` if the group cannot be written: then nothing of it is on disk, and no request that
        was claimed in it may leave.
        """
        group = self._open
        # no await before ``_lead_group`` sets it: a second leader would find nothing left to flush, and report success
        # for writes that the first one could not flush
        if group is None:
            if self._store.connection.unflushed:
                await self._lead_group()
            return
        # a follower that is cancelled has written already: it may only leave once it knows whether that is on disk
        with anyio.CancelScope(shield=True):
            await group.ended.wait()
        if group.error is not None:
            raise group.error

    async def _lead_group(self) -> None:
        group = self._open = _Group()
        try:
            with anyio.CancelScope(shield=True):  # once around all turns: a scope costs more than a turn
                for _ in range(GROUP_TURNS):
                    await anyio.lowlevel.checkpoint()
            self._store.connection.flush()
            _log.debug("the writes of one moment are committed")
        except BaseException as error:
            group.error = error
            raise
        finally:
            # writes after the flush belong to the next group, whatever became of this one
            self._open = None
            group.ended.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A written record: the job as it is now, and the events to emit once the record is safe on disk."""

    job: Job
    events: tuple[Event, ...] = ()


class Recorder:
    """Writes the outcomes of jobs, and emits events once these are safe on disk.

    ``keeps_price``: whether a failed generation counts against the budget until it is shown that it was free.
    """

    def __init__(self, context: RunContext, bus: EventBus, *, keeps_price: bool = False) -> None:
        self._context = context
        self._bus = bus
        self._keeps_price = keeps_price
        self._groups = GroupCommit(context.store)
        self.failed: set[int] = set()
        """The jobs, by number, that failed in this run and were not made again."""
        self.entries = 0
        """How many outcomes were recorded."""

    def write_outcome(self, job: Job, outcome: Outcome) -> Entry:
        """Write the outcome of a step of ``job``, as it was before; safe on disk after the next ``wait_durable``.

        If the job was moved in the meantime, only a generation id still counts: it is paid for.
        """
        now = self._context.now()
        move = next_state(job, outcome, now=now, jitter=self._context.jitter())
        if move is None:  # as it is now: it may have another attempt
            return Entry(job=self._context.store.queries.read_job(job.seq))
        if self._keeps_price and isinstance(outcome, GenerationFailed):
            move = replace(move, released=False)
        try:
            return self._write_move(job, move, now)
        except MoveLost:
            return self.write_late_outcome(job, outcome)
        except GenerationTaken as taken:
            return self._write_taken(job, outcome, str(taken), now)

    def write_late_outcome(self, job: Job, outcome: Outcome) -> Entry:
        """Write an outcome that arrives after ``job`` was moved: a new generation id, or nothing."""
        current = self._context.store.queries.read_job(job.seq)
        if not isinstance(outcome, Accepted) or current.generation_id == outcome.generation_id:
            return Entry(job=current)
        try:
            return self._adopt_late(job, current, outcome.generation_id)
        except (MoveLost, ValueError):
            return self._write_stray(job, current, outcome.generation_id)
        except GenerationTaken as taken:
            return Entry(job=current, events=(GenerationTakenTwice(job=job.name, generation=str(taken)),))

    def _adopt_late(self, job: Job, current: Job, generation: str) -> Entry:
        # the job may have been submitted again meanwhile: then this generation is a second purchase, not the job's
        if current.client_request_id != job.client_request_id:
            raise MoveLost(f"job {job.id} has another attempt")
        adopted = self._context.store.manual.adopt_generation(
            current, generation, now=self._context.now(), client_request_id=job.client_request_id
        )
        return Entry(
            job=adopted, events=(JobStateChanged(job=adopted, was=current.state, detail="accepted after all"),)
        )

    def _write_stray(self, job: Job, current: Job, generation: str) -> Entry:
        if not self._context.store.transitions.record_stray(
            job, generation, run=self._context.run, now=self._context.now()
        ):
            return Entry(job=current)
        stray = StrayGeneration(
            job=job.name,
            generation=generation,
            state=self._context.store.path,
            service=address_options(self._context.store.runs.list_services()),
        )
        return Entry(job=current, events=(stray,))

    def _write_move(self, job: Job, move: Move, now: float) -> Entry:
        moved = self._context.store.transitions.apply_move(job, move, run=self._context.run, now=now)
        events: list[Event] = [JobStateChanged(job=moved, was=job.state, detail=move.detail)]
        twin = self._context.store.queries.find_same_video(moved) if moved.state is JobState.SUCCEEDED else None
        if twin is not None:
            events.append(VideoRepeated(job=moved.name, other=twin.name))
        return Entry(job=moved, events=tuple(events))

    def _write_taken(self, job: Job, outcome: Outcome, generation: str, now: float) -> Entry:
        """Let the second job that names ``generation`` be in doubt: one generation never serves two jobs."""
        reason = describe_taken(generation)
        if not isinstance(outcome, FoundInLog):
            return self.write_outcome(job, SubmitUncertain(reason=reason))
        if job.held:
            return Entry(job=job)
        hold = Move(to=JobState.IN_DOUBT, detail=reason, set={"held": True, "error": reason})
        return self._write_move(job, hold, now)

    async def wait_durable(self) -> None:
        """Wait until everything written so far is safe on disk; each request to the service waits for this."""
        await self._groups.wait_durable()

    async def publish_entry(self, entry: Entry) -> None:
        """Wait until ``entry`` is safe on disk, then emit its events."""
        await self.wait_durable()
        self.entries += 1
        if entry.job.state is JobState.FAILED:
            self.failed.add(entry.job.seq)
        else:
            self.failed.discard(entry.job.seq)
        for event in entry.events:
            if isinstance(event, JobStateChanged):
                job = event.job
                _log.info("job %s: %s -> %s, recorded: %s", job.id, event.was, job.state, event.detail)
            self._bus.emit(event)

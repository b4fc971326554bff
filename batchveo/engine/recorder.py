"""Records every outcome, and emits it once it is safe on disk."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from batchveo.core.events import Event, JobStateChanged, Message
from batchveo.core.hints import address_options, format_command
from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import Accepted, FoundInLog, GenerationFailed, Outcome, SubmitUncertain
from batchveo.core.state_machine import Move, next_state
from batchveo.engine.event_bus import EventBus
from batchveo.engine.group_commit import GroupCommit
from batchveo.engine.run_context import RunContext
from batchveo.store import GenerationTaken, MoveLost

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What was written: the job as it is now, and what is to be told once that is durable."""

    job: Job
    events: tuple[Event, ...] = ()


class Recorder:
    """Writes what happens to jobs, and emits it once that is safe on disk.

    ``keeps_price``: whether a failed generation counts against the budget until it is shown that it was free.
    """

    def __init__(self, context: RunContext, bus: EventBus, *, keeps_price: bool = False) -> None:
        self._context = context
        self._bus = bus
        self._keeps_price = keeps_price
        self._groups = GroupCommit(context.store)
        self.failed: set[int] = set()
        """The jobs, by number, that failed in this run and were not made again."""

    def enter(self, job: Job, outcome: Outcome) -> Entry:
        """Write what came of a step of ``job``, as it was then; on disk for good after the next ``durable``.

        Where somebody else moved the job in the meantime, only a generation id still counts: it was paid for.
        """
        now = self._context.now()
        move = next_state(job, outcome, now=now, jitter=self._context.jitter())
        if move is None:
            return Entry(job=job)
        if self._keeps_price and isinstance(outcome, GenerationFailed):
            move = replace(move, released=False)
        try:
            return self._moved(job, move, now)
        except MoveLost:
            return self.late(job, outcome)
        except GenerationTaken as taken:
            return self._taken(job, outcome, str(taken), now)

    def late(self, job: Job, outcome: Outcome) -> Entry:
        """What came of a step of ``job`` after the job was moved by others; said twice, it is known already."""
        current = self._context.store.queries.read_job(job.seq)
        if not isinstance(outcome, Accepted) or current.generation_id == outcome.generation_id:
            return Entry(job=current)
        try:
            return self._accepted_late(job, current, outcome.generation_id)
        except (MoveLost, ValueError):
            return self._stray(job, current, outcome.generation_id)
        except GenerationTaken as taken:
            return Entry(job=current, events=(_warning(job, _taken_words(str(taken))),))

    def _accepted_late(self, job: Job, current: Job, generation: str) -> Entry:
        if current.client_request_id != job.client_request_id:
            raise MoveLost(f"job {job.id} has another attempt")
        adopted = self._context.store.manual.adopt_generation(
            current, generation, now=self._context.now(), client_request_id=job.client_request_id
        )
        return Entry(
            job=adopted, events=(JobStateChanged(job=adopted, was=current.state, detail="accepted after all"),)
        )

    def _stray(self, job: Job, current: Job, generation: str) -> Entry:
        if not self._context.store.transitions.record_stray(
            job, generation, run=self._context.run, now=self._context.now()
        ):
            return Entry(job=current)
        service = address_options(self._context.store.runs.list_services())
        audit = format_command("audit", state=self._context.store.path, service=service)
        words = f"generation {generation} of an earlier attempt was accepted too; see `{audit}`"
        return Entry(job=current, events=(_warning(job, words),))

    def _moved(self, job: Job, move: Move, now: float) -> Entry:
        moved = self._context.store.transitions.apply_move(job, move, run=self._context.run, now=now)
        events: list[Event] = [JobStateChanged(job=moved, was=job.state, detail=move.detail)]
        twin = self._context.store.queries.find_same_video(moved) if moved.state is JobState.SUCCEEDED else None
        if twin is not None:
            events.append(_warning(moved, f"byte for byte the same video as {twin.name}"))
        return Entry(job=moved, events=tuple(events))

    def _taken(self, job: Job, outcome: Outcome, generation: str, now: float) -> Entry:
        """One generation never serves two jobs; the second of them stays, or becomes, in doubt."""
        reason = _taken_words(generation)
        if not isinstance(outcome, FoundInLog):
            return self.enter(job, SubmitUncertain(reason=reason))
        if job.held:
            return Entry(job=job)
        hold = Move(to=JobState.IN_DOUBT, detail=reason, set={"held": True, "error": reason})
        return self._moved(job, hold, now)

    async def durable(self) -> None:
        """Wait until all that was entered so far is safe on disk; each call to the service begins with this."""
        await self._groups.durable()

    async def publish(self, entry: Entry) -> None:
        """Wait until ``entry`` is safe on disk, and tell of it."""
        await self.durable()
        if entry.job.state is JobState.FAILED:
            self.failed.add(entry.job.seq)
        else:
            self.failed.discard(entry.job.seq)
        for event in entry.events:
            if isinstance(event, JobStateChanged):
                job = event.job
                _log.info("job %s: %s -> %s, recorded: %s", job.id, event.was, job.state, event.detail)
            self._bus.emit(event)


def _warning(job: Job, words: str) -> Message:
    return Message(text=f"{job.name}: {words}", warning=True)


def _taken_words(generation: str) -> str:
    return f"the service names generation {generation}, which is another job's"

"""The table of legal moves, with the pure function that picks the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import assert_never

from batchveo.models import Job, JobState
from batchveo.outcomes import (
    AbsentFromLog,
    Accepted,
    Blocked,
    Completed,
    DiskRefused,
    FailedInLog,
    Fetched,
    FetchTrouble,
    FoundInLog,
    GenerationFailed,
    Lost,
    Outcome,
    PollTrouble,
    Refused,
    StillGenerating,
    Throttled,
    TurnedAway,
)
from batchveo.retry import backoff

S = JobState

MOVES: Mapping[JobState, frozenset[JobState]] = MappingProxyType(
    {
        S.PENDING: frozenset({S.SUBMITTING, S.GENERATING, S.CANCELLED}),
        S.SUBMITTING: frozenset({S.PENDING, S.GENERATING, S.IN_DOUBT, S.FAILED}),
        S.IN_DOUBT: frozenset({S.IN_DOUBT, S.PENDING, S.GENERATING, S.FAILED}),
        S.GENERATING: frozenset({S.DOWNLOADING, S.FAILED}),
        S.DOWNLOADING: frozenset({S.DOWNLOADING, S.GENERATING, S.SUCCEEDED}),
        S.SUCCEEDED: frozenset({S.GENERATING}),
        S.FAILED: frozenset({S.PENDING}),
        S.CANCELLED: frozenset({S.PENDING}),
    }
)
"""From each state, the states it may become. Two moves are a person's alone: ``pending`` to ``generating``, when
a generation bought elsewhere is adopted, and ``succeeded`` to ``generating``, to fetch a lost file again."""

LEAST_WAIT_CAP = 5.0
"""Seconds up to which back-off grows where the service names a wait of its own."""
FRESH_URL_EVERY = 3
"""Failed downloads in a row after which the generation is polled again for a fresh URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step of a job: the state it goes to, and the columns that change with it.

    ``released``: the attempt bought nothing for certain, so the price reserved for it is free again.
    """

    to: JobState
    detail: str = ""
    released: bool = False
    set: Mapping[str, object] = field(default_factory=dict)


def next_state(job: Job, outcome: Outcome, *, now: float, jitter: float) -> Move | None:
    """The move that ``outcome`` makes ``job`` take, or ``None`` where nothing worth a record has changed.

    ``now`` is seconds since the epoch; ``jitter`` in [0, 1) spreads back-offs. Raises ``ValueError`` where
    the table has no such move, which is a bug in the caller.
    """
    move = _move(job, outcome, now, jitter)
    if move is not None and move.to not in MOVES[job.state]:
        raise ValueError(f"a {job.state} job cannot become {move.to} by {type(outcome).__name__}")
    return move


def _move(job: Job, outcome: Outcome, now: float, jitter: float) -> Move | None:  # noqa: C901 - one arm an outcome
    match outcome:
        case Accepted(generation_id=generation):
            return _generating(generation, now, "accepted")
        case Throttled(reason=reason, retry_after=wait):
            # the whole run's pace answers a 429; the job itself did nothing wrong
            later = {"not_before": now + max(wait or 0.0, 0.0)}
            return Move(to=S.PENDING, detail=reason, released=True, set=later)
        case TurnedAway():
            return _turned_away(job, outcome, now, jitter)
        case Blocked(reason=reason):
            return Move(to=S.PENDING, detail=reason, released=True) if job.state is S.SUBMITTING else None
        case Refused(reason=reason) | GenerationFailed(reason=reason):
            return Move(to=S.FAILED, detail=reason, released=True, set={"error": reason, "finished_at": now})
        case Lost(reason=reason):
            return Move(to=S.IN_DOUBT, detail=reason, set={"error": reason, "doubted_at": now, "held": False})
        case StillGenerating() | PollTrouble():
            return None
        case Completed():
            return _downloading(job, outcome, now)
        case Fetched():
            return _succeeded(outcome, now)
        case FetchTrouble():
            return _fetch_again(job, outcome, now, jitter)
        case DiskRefused():
            return None
        case FoundInLog(generation_id=generation):
            return _generating(generation, now, "found in the usage log")
        case FailedInLog(reason=reason):
            again = {"not_before": now, "held": False, "error": None}
            return Move(to=S.PENDING, detail=reason, released=True, set=again)
        case AbsentFromLog():
            return _absent(job, outcome, now)
        case _:
            assert_never(outcome)


def _generating(generation: str, now: float, detail: str) -> Move:
    columns = {
        "generation_id": generation,
        "troubles": 0,
        "not_before": now,
        "held": False,
        "error": None,
    }
    return Move(to=S.GENERATING, detail=detail, set=columns)


def _turned_away(job: Job, outcome: TurnedAway, now: float, jitter: float) -> Move:
    troubles = job.troubles + 1
    wait = _wait(troubles, outcome.retry_after, jitter)
    later = {"troubles": troubles, "not_before": now + wait}
    return Move(to=S.PENDING, detail=outcome.reason, released=True, set=later)


def _wait(troubles: int, retry_after: float | None, jitter: float) -> float:
    """Seconds until the next try: as the service asks, but never so short that a wrong answer makes a storm."""
    if retry_after is None:
        return backoff(troubles, jitter)
    return max(retry_after, backoff(troubles, jitter, cap=LEAST_WAIT_CAP))


def _downloading(job: Job, outcome: Completed, now: float) -> Move:
    columns: dict[str, object] = {"video_url": outcome.url, "not_before": now}
    if job.completed_at is None:
        columns["completed_at"] = now
    if outcome.cost_usd is not None:
        columns["cost_usd"] = outcome.cost_usd
    return Move(to=S.DOWNLOADING, detail="completed", set=columns)


def _succeeded(outcome: Fetched, now: float) -> Move:
    columns = {
        "folder": outcome.folder,
        "file": outcome.file,
        "bytes": outcome.bytes,
        "sha256": outcome.sha256,
        "finished_at": now,
        "troubles": 0,
        "error": None,
    }
    return Move(to=S.SUCCEEDED, detail=outcome.file, set=columns)


def _fetch_again(job: Job, outcome: FetchTrouble, now: float, jitter: float) -> Move:
    troubles = job.troubles + 1
    wait = _wait(troubles, outcome.retry_after, jitter)
    fresh = outcome.stale_url or troubles % FRESH_URL_EVERY == 0
    columns = {"troubles": troubles, "not_before": now + wait, "error": outcome.reason}
    return Move(to=S.GENERATING if fresh else S.DOWNLOADING, detail=outcome.reason, set=columns)


def _absent(job: Job, outcome: AbsentFromLog, now: float) -> Move | None:
    if not outcome.settled or (job.held and not outcome.resubmit):
        return None
    if outcome.resubmit:
        detail = "the usage log stays silent; submitted again as --when-in-doubt resubmit asks"
        return Move(to=S.PENDING, detail=detail, set={"not_before": now, "held": False})
    detail = f"{outcome.reason}; held until a person settles it"
    return Move(to=S.IN_DOUBT, detail=detail, set={"held": True})

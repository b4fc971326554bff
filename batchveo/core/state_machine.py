"""The table of legal moves, with the pure function that picks the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import assert_never

from batchveo.core.formatting import format_usd
from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import (
    AbsentFromLog,
    Accepted,
    Blocked,
    Charged,
    Completed,
    Denied,
    DiskRefused,
    Downloaded,
    DownloadError,
    FailedInLog,
    FoundInLog,
    GenerationFailed,
    NotCharged,
    Outcome,
    PollError,
    Refused,
    RejectedTemporarily,
    StillGenerating,
    Stuck,
    SubmitUncertain,
    Throttled,
    UrlExpired,
    Withdrawn,
)
from batchveo.core.rate_limit import compute_backoff
from batchveo.core.url_expiry import expires_at

S = JobState

MOVES: Mapping[JobState, frozenset[JobState]] = MappingProxyType(
    {
        S.PENDING: frozenset({S.SUBMITTING, S.GENERATING, S.SUCCEEDED, S.CANCELLED}),
        S.SUBMITTING: frozenset({S.PENDING, S.GENERATING, S.IN_DOUBT, S.FAILED}),
        S.IN_DOUBT: frozenset({S.IN_DOUBT, S.PENDING, S.GENERATING, S.FAILED}),
        S.GENERATING: frozenset({S.GENERATING, S.DOWNLOADING, S.FAILED}),
        S.DOWNLOADING: frozenset({S.DOWNLOADING, S.GENERATING, S.SUCCEEDED}),
        S.SUCCEEDED: frozenset({S.GENERATING}),
        S.FAILED: frozenset({S.FAILED, S.PENDING}),
        S.CANCELLED: frozenset({S.PENDING}),
    }
)
"""From each state, the states it may become. Two moves are a person's alone: ``pending`` to ``generating``, when
a generation bought elsewhere is adopted, and ``succeeded`` to ``generating``, to fetch a lost file again. One is
made before a run begins: ``pending`` to ``succeeded``, when a video is found that a lost database had."""

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
        case Accepted(generation_id=generation, cost_usd=cost):
            return _generating(generation, now, "accepted", cost_usd=cost)
        case Throttled(reason=reason, retry_after=wait):
            # the whole run's pace answers a 429; the job itself did nothing wrong
            later = {"not_before": now + max(wait or 0.0, 0.0)}
            return Move(to=S.PENDING, detail=reason, released=True, set=later)
        case RejectedTemporarily():
            return _turned_away(job, outcome, now, jitter)
        case Blocked(reason=reason):
            return Move(to=S.PENDING, detail=reason, released=True) if job.state is S.SUBMITTING else None
        case Denied(reason=reason) | Withdrawn(reason=reason):
            return Move(to=S.PENDING, detail=reason, released=True, set={"not_before": now})
        case Refused(reason=reason):
            return Move(to=S.FAILED, detail=reason, released=True, set={"error": reason, "finished_at": now})
        case GenerationFailed(reason=reason, cost_usd=cost):
            return _failed(job, reason, now, cost_usd=cost)
        case SubmitUncertain(reason=reason):
            return Move(to=S.IN_DOUBT, detail=reason, set={"error": reason, "doubted_at": now, "held": False})
        case StillGenerating():
            return Move(to=S.GENERATING, detail="answered again", set={"error": None}) if job.error else None
        case PollError():
            return None
        case Stuck(reason=reason):
            return Move(to=S.GENERATING, detail=f"put aside: {reason}", set={"error": reason})
        case Completed():
            return _downloading(job, outcome, now)
        case Downloaded():
            return _succeeded(outcome, now)
        case DownloadError():
            return _fetch_again(job, outcome, now, jitter)
        case UrlExpired():
            return Move(to=S.GENERATING, detail="its URL has expired", set={"not_before": now})
        case DiskRefused():
            return None
        case FoundInLog(generation_id=generation):
            return _generating(generation, now, "found in the usage log")
        case FailedInLog(reason=reason):
            return _not_charged(job, reason, now)
        case NotCharged(reason=reason):
            return Move(to=S.FAILED, detail=reason, released=True)
        case Charged(usd=usd):
            return _charged(job, usd)
        case AbsentFromLog():
            return _absent(job, outcome, now)
        case _:
            assert_never(outcome)


def _generating(generation: str, now: float, detail: str, *, cost_usd: float | None = None) -> Move:
    columns: dict[str, object] = {
        "generation_id": generation,
        "troubles": 0,
        "not_before": now,
        "held": False,
        "error": None,
    }
    if cost_usd is not None:  # the price at the moment of paying: the budget counts it instead of the quote
        columns["cost_usd"] = cost_usd
    return Move(to=S.GENERATING, detail=detail, set=columns)


def _failed(job: Job, reason: str, now: float, *, cost_usd: float | None = None) -> Move:
    """The service ended the generation with an error: by its documentation never charged, unless it says so."""
    columns = {"error": reason, "finished_at": now, "tried": job.tried + 1, "cost_usd": cost_usd}
    return Move(to=S.FAILED, detail=reason, released=cost_usd is None, set=columns)


BOUGHT_NOTHING: Mapping[str, object] = MappingProxyType(
    dict.fromkeys(("generation_id", "video_url", "error", "cost_usd", "completed_at", "finished_at"))
)
"""The columns that a job loses with a generation that was not bought."""


def _not_charged(job: Job, reason: str, now: float) -> Move:
    """What is known to be free is made again, but for a generation that nobody has called failed until now."""
    if job.state is S.GENERATING:
        return _failed(job, f"{job.error}; {reason}" if job.error else reason, now)
    again: dict[str, object] = {"not_before": now, "held": False, "error": None}
    if job.state is S.FAILED:
        again = {**BOUGHT_NOTHING, **again, "troubles": 0}
    return Move(to=S.PENDING, detail=reason, released=True, set=again)


def _free_so_far(job: Job, outcome: AbsentFromLog) -> Move | None:
    """No video came, and no charge: the price reserved for it is free, and it is still polled now and then."""
    if job.error and job.error.endswith(outcome.reason):
        return None
    words = f"{job.error or 'no video came'}; {outcome.reason}"
    return Move(to=S.GENERATING, detail=words, released=True, set={"error": words})


def _charged(job: Job, usd: float) -> Move | None:
    """Paid for, and no video: the money counts, and the job stays what it is for a person to see."""
    if job.cost_usd is not None and job.error and CHARGED_WORDS in job.error:
        return None
    words = f"{job.error or 'no video came'}; {CHARGED_WORDS} {format_usd(usd)}"
    return Move(to=job.state, detail=words, set={"error": words, "cost_usd": usd})


CHARGED_WORDS = "the service charged"
"""How the error of a job that was paid for in vain goes on."""


def _turned_away(job: Job, outcome: RejectedTemporarily, now: float, jitter: float) -> Move:
    troubles = job.troubles + 1
    wait = _wait(troubles, outcome.retry_after, jitter)
    later = {"troubles": troubles, "not_before": now + wait}
    return Move(to=S.PENDING, detail=outcome.reason, released=True, set=later)


def _wait(troubles: int, retry_after: float | None, jitter: float) -> float:
    """Seconds until the next try: as the service asks, but never so short that a wrong answer makes a storm."""
    if retry_after is None:
        return compute_backoff(troubles, jitter)
    return max(retry_after, compute_backoff(troubles, jitter, cap=LEAST_WAIT_CAP))


def _downloading(job: Job, outcome: Completed, now: float) -> Move:
    columns: dict[str, object] = {
        "video_url": outcome.url,
        "url_expires_at": expires_at(outcome.url, now),
        "not_before": now,
        "error": None,
    }
    if job.completed_at is None:
        columns["completed_at"] = now
    if outcome.cost_usd is not None:
        columns["cost_usd"] = outcome.cost_usd
    return Move(to=S.DOWNLOADING, detail="completed", set=columns)


def _succeeded(outcome: Downloaded, now: float) -> Move:
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


def _fetch_again(job: Job, outcome: DownloadError, now: float, jitter: float) -> Move:
    troubles = job.troubles + 1
    wait = _wait(troubles, outcome.retry_after, jitter)
    fresh = outcome.stale_url or troubles % FRESH_URL_EVERY == 0
    columns = {"troubles": troubles, "not_before": now + wait, "error": outcome.reason}
    return Move(to=S.GENERATING if fresh else S.DOWNLOADING, detail=outcome.reason, set=columns)


def _absent(job: Job, outcome: AbsentFromLog, now: float) -> Move | None:
    if job.state is S.GENERATING:
        return _free_so_far(job, outcome) if outcome.settled else None
    if not outcome.settled or (job.held and not outcome.resubmit):
        return None
    if outcome.resubmit:
        detail = "the usage log stays silent; submitted again as --when-in-doubt resubmit asks"
        return Move(to=S.PENDING, detail=detail, set={"not_before": now, "held": False})
    detail = f"{outcome.reason}; held until a person settles it"
    error = f"{job.error}; {outcome.reason}" if job.error else outcome.reason
    return Move(to=S.IN_DOUBT, detail=detail, set={"held": True, "error": error})

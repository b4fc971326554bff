"""The state machine of a job: the table of legal moves, and the pure function that chooses the next one."""

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
        S.FAILED: frozenset({S.FAILED, S.PENDING, S.CANCELLED}),
        S.CANCELLED: frozenset({S.PENDING, S.CANCELLED}),
    }
)
"""From each state, the states that a job may go to.

Not all of them follow from an outcome. A person makes ``pending`` to ``generating`` (a generation bought elsewhere is
imported), ``succeeded`` to ``generating`` (a lost file is downloaded again), and the moves from and to ``cancelled``.
Before a run begins, ``pending`` becomes ``succeeded`` if the video of a lost database is found.
"""

LEAST_WAIT_CAP = 5.0
"""Seconds up to which back-off grows if the service names a wait of its own."""
FRESH_URL_EVERY = 3
"""Failed downloads in a row after which the generation is polled again for a fresh URL."""
CHARGED_WORDS = "the service charged"
"""The part of a job's error that shows that the service charged for a generation without a video."""
MADE_AGAIN = "made again as"
"""The beginning of the error of a cancelled job that another job replaces."""
NOT_NEEDED = "not needed: another take was accepted"
"""The error of a cancelled take, once a clip of its family was accepted."""
JUDGED_FIRST = "not needed until the clip before is judged by what the manifest says now"
"""The error of a cancelled take, after the manifest changed the gates or the tries that led to it."""
UNNEEDED = (NOT_NEEDED, JUDGED_FIRST)
"""The errors of cancelled takes that become pending again once a rejected clip needs them."""
BOUGHT_NOTHING: Mapping[str, object] = MappingProxyType(
    dict.fromkeys(("generation_id", "video_url", "error", "cost_usd", "completed_at", "finished_at"))
)
"""The columns that become NULL if the generation of a job was free and the job is made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step of a job: the state it goes to, and the columns that change with it.

    ``released``: the attempt certainly bought nothing, so the price reserved for it is free again.
    """

    to: JobState
    detail: str = ""
    released: bool = False
    set: Mapping[str, object] = field(default_factory=dict)


def next_state(job: Job, outcome: Outcome, *, now: float, jitter: float) -> Move | None:
    """The move that follows from ``outcome``; ``None`` if nothing changes that must be recorded.

    ``now`` is seconds since the epoch; ``jitter`` in [0, 1) spreads back-offs. Raises ``ValueError`` if ``MOVES``
    does not have the move, which is a bug in the caller.
    """
    move = _choose_move(job, outcome, now, jitter)
    if move is not None and move.to not in MOVES[job.state]:
        raise ValueError(f"a {job.state} job cannot become {move.to} by {type(outcome).__name__}")
    return move


def _choose_move(job: Job, outcome: Outcome, now: float, jitter: float) -> Move | None:  # noqa: C901 - one arm an outcome
    match outcome:
        # submit
        case Accepted(generation_id=generation, cost_usd=cost):
            return _begin_generation(generation, now, "accepted", cost_usd=cost)
        case Throttled(reason=reason, retry_after=wait):
            # a 429 slows the whole run down; the job did nothing wrong, and its own back-off does not grow
            return _back_to_pending(reason, not_before=now + max(wait or 0.0, 0.0))
        case RejectedTemporarily(reason=reason, retry_after=wait):
            troubles = job.troubles + 1
            return _back_to_pending(reason, troubles=troubles, not_before=now + _compute_wait(troubles, wait, jitter))
        case Denied(reason=reason) | Withdrawn(reason=reason):
            # no back-off: the run pauses the model for this key, and the job may be submitted with another one
            return _back_to_pending(reason, not_before=now)
        case Refused(reason=reason):
            return Move(to=S.FAILED, detail=reason, released=True, set={"error": reason, "finished_at": now})
        case SubmitUncertain(reason=reason):
            # the price stays reserved: the service may have accepted the job and charge for it
            return Move(to=S.IN_DOUBT, detail=reason, set={"error": reason, "doubted_at": now, "held": False})
        # submit, poll or download
        case Blocked(reason=reason):
            # a generation that is already bought is not given up because a later request is refused
            return _back_to_pending(reason) if job.state is S.SUBMITTING else None
        # poll
        case StillGenerating():
            return Move(to=S.GENERATING, detail="answered again", set={"error": None}) if job.error else None
        case PollError():
            return None  # polled again; the poller turns one that lasts into ``Stuck``
        case Stuck(reason=reason):
            return Move(to=S.GENERATING, detail=f"put aside: {reason}", set={"error": reason})
        case Completed():
            return _begin_download(job, outcome, now)
        case GenerationFailed(reason=reason, cost_usd=cost):
            return _fail_generation(job, reason, now, cost_usd=cost)
        # download
        case Downloaded():
            return _succeed(outcome, now)
        case DownloadError():
            return _download_again(job, outcome, now, jitter)
        case UrlExpired():
            return Move(to=S.GENERATING, detail="its URL has expired", set={"not_before": now})
        case DiskRefused():
            return None  # the run stops, and the next one downloads the video
        # reconcile
        case FoundInLog(generation_id=generation):
            return _begin_generation(generation, now, "found in the usage log")
        case FailedInLog(reason=reason):
            return _settle_as_free(job, reason, now)
        case NotCharged(reason=reason):
            # the job stays failed; only the price reserved for it is free again
            return Move(to=S.FAILED, detail=reason, released=True)
        case Charged(usd=usd):
            return _settle_as_charged(job, usd)
        case AbsentFromLog():
            return _settle_absence(job, outcome, now)
        case _:
            assert_never(outcome)


def _back_to_pending(reason: str, **columns: object) -> Move:
    return Move(to=S.PENDING, detail=reason, released=True, set=columns)


def _begin_generation(generation: str, now: float, detail: str, *, cost_usd: float | None = None) -> Move:
    columns = {"generation_id": generation, "troubles": 0, "not_before": now, "held": False, "error": None}
    if cost_usd is not None:  # the price at the moment of paying: the budget counts it instead of the quote
        columns["cost_usd"] = cost_usd
    return Move(to=S.GENERATING, detail=detail, set=columns)


def _begin_download(job: Job, outcome: Completed, now: float) -> Move:
    columns = {
        "video_url": outcome.url,
        "url_expires_at": expires_at(outcome.url, now),
        "not_before": now,
        "error": None,
    }
    if job.completed_at is None:  # a generation that is polled for a fresh URL completed the first time
        columns["completed_at"] = now
    if outcome.cost_usd is not None:
        columns["cost_usd"] = outcome.cost_usd
    return Move(to=S.DOWNLOADING, detail="completed", set=columns)


def _fail_generation(job: Job, reason: str, now: float, *, cost_usd: float | None = None) -> Move:
    # the documentation says that a failed generation is never charged; only an answer with a cost contradicts it
    columns = {"error": reason, "finished_at": now, "tried": job.tried + 1, "cost_usd": cost_usd}
    return Move(to=S.FAILED, detail=reason, released=cost_usd is None, set=columns)


def _succeed(outcome: Downloaded, now: float) -> Move:
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


def _download_again(job: Job, outcome: DownloadError, now: float, jitter: float) -> Move:
    troubles = job.troubles + 1
    # a URL can be dead without an answer that says so, so every few failures ask for another one
    fresh = outcome.stale_url or troubles % FRESH_URL_EVERY == 0
    not_before = now + _compute_wait(troubles, outcome.retry_after, jitter)
    columns = {"troubles": troubles, "not_before": not_before, "error": outcome.reason}
    return Move(to=S.GENERATING if fresh else S.DOWNLOADING, detail=outcome.reason, set=columns)


def _compute_wait(troubles: int, retry_after: float | None, jitter: float) -> float:
    """Seconds until the next try: as the service asks, but never so few that a wrong answer causes a storm."""
    if retry_after is None:
        return compute_backoff(troubles, jitter)
    return max(retry_after, compute_backoff(troubles, jitter, cap=LEAST_WAIT_CAP))


def _settle_as_free(job: Job, reason: str, now: float) -> Move:
    """The log shows that the attempt was free: the job is pending again, or failed if it was generating."""
    if job.state is S.GENERATING:  # nothing has reported this generation as failed until now, so this try counts
        return _fail_generation(job, _append(job.error, reason), now)
    again: dict[str, object] = {"not_before": now, "held": False, "error": None}
    if job.state is S.FAILED:
        again = {**BOUGHT_NOTHING, **again, "troubles": 0}
    return _back_to_pending(reason, **again)


def _settle_as_charged(job: Job, usd: float) -> Move | None:
    """The log shows a charge, and there is no video: the money counts; the state stays, and a person decides."""
    if job.cost_usd is not None and job.error and CHARGED_WORDS in job.error:
        return None
    error = _append(job.error or "no video came", f"{CHARGED_WORDS} {format_usd(usd)}")
    return Move(to=job.state, detail=error, set={"error": error, "cost_usd": usd})


def _settle_absence(job: Job, outcome: AbsentFromLog, now: float) -> Move | None:
    """The log does not have the request; until the settling time is over, that proves nothing."""
    if not outcome.settled:
        return None
    if job.state is S.GENERATING:
        return _release_price(job, outcome.reason)
    if outcome.resubmit:
        detail = "the usage log stays silent; submitted again as --when-in-doubt resubmit asks"
        # not released: if the absence misleads, the first attempt is charged as well
        return Move(to=S.PENDING, detail=detail, set={"not_before": now, "held": False})
    if job.held:
        return None
    detail = f"{outcome.reason}; held until a person settles it"
    return Move(to=S.IN_DOUBT, detail=detail, set={"held": True, "error": _append(job.error, outcome.reason)})


def _release_price(job: Job, reason: str) -> Move | None:
    """No video and no charge: the reserved price is free, and the generation is still polled now and then."""
    if job.error and job.error.endswith(reason):
        return None
    error = _append(job.error or "no video came", reason)
    return Move(to=S.GENERATING, detail=error, released=True, set={"error": error})


def _append(error: str | None, reason: str) -> str:
    return f"{error}; {reason}" if error else reason

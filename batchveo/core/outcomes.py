"""What can come of one step of a job, as values.

Whether a fault is permanent, passing or of unknown outcome is decided once, where the answer is read, and
carried by the type; ``states.next_state`` then says what the job becomes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """Whom a trouble concerns: what else would fare no better."""

    JOB = "job"
    MODEL = "model"
    KEY = "key"
    DISK = "disk"
    SERVICE = "service"


class Stop(StrEnum):
    """Why the whole run, not the job, cannot go on."""

    KEY = "key"
    CREDITS = "credits"
    SERVICE = "service"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Submit: the service took the job and will bill it; ``cost_usd`` is the price, if the answer names it."""

    generation_id: str
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """Submit: 429; the job was not taken. ``retry_after`` is seconds, where the service named them."""

    reason: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedTemporarily:
    """Submit: certainly not taken, for a passing reason (no connection, or the API's own 500 or 503).

    ``unreachable``: there was no connection at all; the reason is the same for all who try.
    """

    reason: str
    retry_after: float | None = None
    unreachable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Submit: this job can never succeed as it is written."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """Submit: not taken, and only the account's balance shows whether money, the model or the job is the reason.

    ``about_money``: the answer itself says that it is about money; this counts if the balance cannot be read.
    """

    reason: str
    about_money: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """Submit: not taken, because the service no longer offers the model."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Submit, poll or download: not this job's fault, and no other would fare better."""

    stop: Stop
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitUncertain:
    """Submit: the service may or may not have taken the job."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StillGenerating:
    """Poll: not finished. ``word`` is the service's own status; ``known`` tells whether it is documented."""

    word: str
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """Poll: the video waits at ``url``. ``cost_usd`` is what the service says it charged, if it says.

    ``others``: addresses of further videos in the same answer, which no job is for.
    """

    url: str
    cost_usd: float | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationFailed:
    """Poll: the service gave up on this generation; ``cost_usd`` is what it says it charged all the same."""

    reason: str
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollError:
    """Poll: no usable answer this time. ``unknown``: the service says that it knows no such generation.

    ``final``: the answer is about this generation alone, and has the form of a last word.
    ``unreachable``: there was no connection at all; the reason is the same for all who try.
    """

    reason: str
    retry_after: float | None = None
    throttled: bool = False
    unknown: bool = False
    final: bool = False
    unreachable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """Poll: the same useless answer again and again, for this generation alone; its job is put aside."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """Download: the file stands verified under its final name. ``notes``: what to know of the disk."""

    folder: str
    file: str
    bytes: int
    sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadError:
    """Download: no whole video this time. ``stale_url`` asks for a fresh URL by polling again.

    ``tries``: how many in a row before this run sets the video aside, for the next one to try again: what a host
    sends on purpose does not change by waiting, what a network does to it may. ``None``: patience decides.
    """

    reason: str
    stale_url: bool = False
    retry_after: float | None = None
    tries: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlExpired:
    """Download: the URL had ended, by its own word, before its turn came; the generation is polled for another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRefused:
    """Download: the video cannot be written here; the run pauses."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundInLog:
    """Reconcile: the usage log knows the request; its generation is ours."""

    generation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedInLog:
    """Reconcile: the usage log, or the ledger, shows that the request was not charged."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentFromLog:
    """Reconcile: not in the log. ``settled``: the log has had its time, so its silence counts.

    ``reason`` is what there is instead of a generation, where that is not silence.
    """

    settled: bool
    resubmit: bool = False
    reason: str = "the usage log stays silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCharged:
    """Reconcile: a failed generation that has no try left was free, as the log or the ledger shows."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """Reconcile: no video came of the generation, and it was charged all the same (US dollars)."""

    usd: float


SubmitOutcome = Accepted | Throttled | RejectedTemporarily | Refused | Denied | Withdrawn | Blocked | SubmitUncertain
PollOutcome = StillGenerating | Completed | GenerationFailed | PollError | Stuck | Blocked
FetchOutcome = Downloaded | DownloadError | UrlExpired | DiskRefused | Blocked
LogOutcome = FoundInLog | FailedInLog | NotCharged | AbsentFromLog | Charged
Outcome = SubmitOutcome | PollOutcome | FetchOutcome | LogOutcome

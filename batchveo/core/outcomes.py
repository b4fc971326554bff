"""The outcomes of one step of a job, as values.

The code that reads an answer decides whether a failure is permanent, temporary or of unknown outcome; the type of the
outcome carries that decision, and ``state_machine.next_state`` chooses the move that follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a failure concerns: everything in this scope would fail in the same way."""

    JOB = "job"
    MODEL = "model"
    KEY = "key"
    DISK = "disk"
    SERVICE = "service"


class Stop(StrEnum):
    """Why the whole run, and not only the job, cannot continue."""

    KEY = "key"
    CREDITS = "credits"
    SERVICE = "service"
    CERTIFICATE = "certificate"
    INPUTS = "inputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Submit: the service accepted the job and will charge for it; ``cost_usd`` is the price if the answer names it."""

    generation_id: str
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """Submit: 429; the job was not accepted. ``retry_after`` is seconds, if the service names them."""

    reason: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedTemporarily:
    """Submit: certainly not accepted, for a temporary reason (no connection, or the API's own 500 or 503).

    ``unreachable``: there was no connection at all, so every other call would fail as well. ``unsent``: an input of
    this job cannot be had now, and the service was not asked.
    """

    reason: str
    retry_after: float | None = None
    unreachable: bool = False
    unsent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Submit: the service will never accept this request."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """Submit: not accepted, and only the account's balance shows whether money, the model or the job is the reason.

    ``about_money``: the answer itself names money as the reason; that counts if the balance cannot be read.
    """

    reason: str
    about_money: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """Submit: not accepted, because the service no longer offers the model."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Submit, poll or download: the job is not the reason, and every other job would fail as well."""

    stop: Stop
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitUncertain:
    """Submit: the service may or may not have accepted the job."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StillGenerating:
    """Poll: not finished. ``word`` is the status of the service; ``known``: it is documented."""

    word: str
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """Poll: the video is at ``url``. ``cost_usd`` is what the service charged, if the answer names it.

    ``others``: the URLs of further videos in the same answer; they belong to no job.
    """

    url: str
    cost_usd: float | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationFailed:
    """Poll: the generation ended without a video; ``cost_usd`` is what the service charged nevertheless, if it did."""

    reason: str
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollError:
    """Poll: no usable answer this time. ``unknown``: the service does not know the generation.

    ``final``: the answer is about this generation alone, and looks permanent.
    ``unreachable``: there was no connection at all, so every other call would fail as well.
    """

    reason: str
    retry_after: float | None = None
    throttled: bool = False
    unknown: bool = False
    final: bool = False
    unreachable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """Poll: the same unusable answer many times, for this generation alone; the run polls it seldom from now on."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """Download: the verified file has its final name. ``notes``: remarks on the disk."""

    folder: str
    file: str
    bytes: int
    sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadError:
    """Download: no complete video this time. ``stale_url``: poll again for a fresh URL.

    ``tries``: after so many in a row this run leaves the video to the next run. An answer that a host sends on purpose
    does not change by waiting, a network failure may. ``None``: the setting ``patience`` decides.
    """

    reason: str
    stale_url: bool = False
    retry_after: float | None = None
    tries: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlExpired:
    """Download: the URL expired before the download began; the generation is polled for another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRefused:
    """Download: the video cannot be written here; the run pauses."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundInLog:
    """Reconcile: the usage log has the request, with this generation."""

    generation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedInLog:
    """Reconcile: the usage log or the ledger shows that the request was not charged."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentFromLog:
    """Reconcile: the usage log does not show what became of the request.

    ``settled``: the settling time is over, so absence counts. ``resubmit``: the user wants a submit that is absent to
    be sent again. ``reason``: what was found instead, in words.
    """

    settled: bool
    resubmit: bool = False
    reason: str = "the usage log stays silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCharged:
    """Reconcile: the log or the ledger shows that a failed generation without a try left was free."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """Reconcile: the generation has no video, and the service charged for it (US dollars)."""

    usd: float


SubmitOutcome = Accepted | Throttled | RejectedTemporarily | Refused | Denied | Withdrawn | Blocked | SubmitUncertain
PollOutcome = StillGenerating | Completed | GenerationFailed | PollError | Stuck | Blocked
FetchOutcome = Downloaded | DownloadError | UrlExpired | DiskRefused | Blocked
LogOutcome = FoundInLog | FailedInLog | NotCharged | AbsentFromLog | Charged
Outcome = SubmitOutcome | PollOutcome | FetchOutcome | LogOutcome

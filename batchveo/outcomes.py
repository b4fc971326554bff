"""What can come of one step of a job, as values.

Whether a fault is permanent, passing or of unknown outcome is decided once, where the answer is read, and
carried by the type; ``states.next_state`` then says what the job becomes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stop(StrEnum):
    """Why the whole run, not the job, cannot go on."""

    KEY = "key"
    CREDITS = "credits"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Submit: the service took the job and will bill it."""

    generation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """Submit: 429; the job was not taken. ``retry_after`` is seconds, where the service named them."""

    reason: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedAway:
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
class Blocked:
    """Submit, poll or download: not this job's fault, and no other would fare better."""

    stop: Stop
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Submit: the service may or may not have taken the job."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StillGenerating:
    """Poll: not finished. ``word`` is the service's own status; ``known`` tells whether it is documented."""

    word: str
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """Poll: the video waits at ``url``. ``cost_usd`` is what the service says it charged, if it says."""

    url: str
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationFailed:
    """Poll: the service gave up on this generation; it charges nothing for it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PollTrouble:
    """Poll: no usable answer this time. ``unknown``: the service says that it knows no such generation.

    ``unreachable``: there was no connection at all; the reason is the same for all who try.
    """

    reason: str
    retry_after: float | None = None
    throttled: bool = False
    unknown: bool = False
    unreachable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Download: the file stands verified under its final name."""

    folder: str
    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchTrouble:
    """Download: no whole video this time. ``stale_url`` asks for a fresh URL by polling again.

    ``tries``: how many in a row before this run sets the video aside, for the next one to try again: what a host
    sends on purpose does not change by waiting, what a network does to it may. ``None``: patience decides.
    """

    reason: str
    stale_url: bool = False
    retry_after: float | None = None
    tries: int | None = None


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
    """Reconcile: the usage log says that the request failed, so nothing was bought."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentFromLog:
    """Reconcile: not in the log. ``settled``: the log has had its time, so its silence counts.

    ``reason`` is what there is instead of a generation, where that is not silence.
    """

    settled: bool
    resubmit: bool = False
    reason: str = "the usage log stays silent"


SubmitOutcome = Accepted | Throttled | TurnedAway | Refused | Blocked | Lost
PollOutcome = StillGenerating | Completed | GenerationFailed | PollTrouble | Blocked
FetchOutcome = Fetched | FetchTrouble | DiskRefused | Blocked
LogOutcome = FoundInLog | FailedInLog | AbsentFromLog
Outcome = SubmitOutcome | PollOutcome | FetchOutcome | LogOutcome

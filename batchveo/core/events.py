"""The events of a run, and the reporter that receives them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from batchveo.core.destination import Destination
from batchveo.core.models import Job, JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """Run number ``run`` begins over the file ``state``; ``rate`` is submits a minute, ``budget`` US dollars."""

    run: int
    state: Path
    output: Destination
    concurrency: int
    rate: float | None = None
    budget: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStateChanged:
    """A job changed from the state ``was`` to that of ``job``; ``detail`` is the reason in words."""

    job: Job
    was: JobState
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitsPaused:
    """Submits pause until ``until`` (seconds since the epoch); ``limit`` generations may be in flight.

    ``wait`` is the seconds until then. ``unreachable``: there is no connection to the service.
    """

    reason: str
    until: float
    limit: int
    wait: float = 0.0
    unreachable: bool = False


class ThrottleReason(StrEnum):
    """Why a run does not submit the next job at once; ``sentence`` is for a person."""

    PLACES = "places"
    RATE = "rate"
    PAUSE = "pause"
    CREDITS = "credits"
    DOWNLOADS = "downloads"
    BUDGET = "budget"
    LATER = "later"
    NOTHING = "nothing"

    @property
    def sentence(self) -> str:
        """The reason in words."""
        return _SENTENCES[self]


_SENTENCES = {
    ThrottleReason.PLACES: "all slots are in use",
    ThrottleReason.RATE: "the submit rate is used up",
    ThrottleReason.PAUSE: "submits pause",
    ThrottleReason.CREDITS: "waiting for credits",
    ThrottleReason.DOWNLOADS: "finished videos pile up at the downloads",
    ThrottleReason.BUDGET: "the remaining budget is too small for the next video",
    ThrottleReason.LATER: "the remaining jobs wait for their next try",
    ThrottleReason.NOTHING: "all jobs are submitted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleChanged:
    """The limit of the submits, or the reason for it, has changed.

    ``limit`` generations may be in flight (``was`` before), at most the user's own ``ceiling``. ``brake``: the reason
    why no job is submitted now. Seconds since the epoch: ``lowered_at`` is when a 429 last lowered the limit,
    ``until`` when the reason ends, if that is known.
    """

    brake: ThrottleReason
    limit: int
    was: int
    ceiling: int
    lowered_at: float | None = None
    until: float | None = None

    @property
    def full_again(self) -> bool:
        """Whether the limit has just reached the user's own again."""
        return self.was < self.limit == self.ceiling


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A sentence for a person; the subclasses in ``core.notices`` hold facts, from which ``text`` follows."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInterrupted(Message):
    """A signal ends the run; ``signal`` is its name."""

    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingForLog:
    """The run only waits for the usage log, at the latest until ``until``.

    ``doubts``: submits whose outcome is unknown. ``failures``: failed generations that are made again if they were
    free. ``since``: when the latest of them was sent. ``resume``: the command that resumes the run if a person ends it.
    """

    doubts: int
    until: float
    failures: int = 0
    since: float | None = None
    resume: str = "batchveo resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The run ended after ``seconds``; ``stopped`` is the reason if it stopped early."""

    run: int
    exit_status: int
    seconds: float
    stopped: str | None = None


Event = RunStarted | JobStateChanged | SubmitsPaused | ThrottleChanged | Message | WaitingForLog | RunFinished


class Reporter(Protocol):
    """Receives events as they happen; must neither block nor raise."""

    def __call__(self, event: Event, /) -> None:
        """Show or store one event."""


def ignore_event(event: Event, /) -> None:
    """The reporter that does nothing."""

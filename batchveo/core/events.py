"""What a run tells whoever watches it."""

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
    """A job went from one state to another."""

    job: Job
    was: JobState
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitsPaused:
    """Submits pause until ``until`` (seconds since the epoch); ``limit`` generations may be in flight.

    ``wait`` is how many seconds that is from now. ``unreachable``: no connection to the service could be made.
    """

    reason: str
    until: float
    limit: int
    wait: float = 0.0
    unreachable: bool = False


class ThrottleReason(StrEnum):
    """What keeps a run from submitting the next job at once; ``sentence`` says it to a person."""

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
        """What the run waits for."""
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
    """What sets the pace of the submits has changed.

    ``limit`` generations may be in flight (``was`` before), at most the user's own ``ceiling``; ``lowered_at`` is
    when a 429 last lowered it. ``until``: when the brake goes off, where that is known. Seconds since the epoch.
    """

    brake: ThrottleReason
    limit: int
    was: int
    ceiling: int
    lowered_at: float | None = None
    until: float | None = None

    @property
    def full_again(self) -> bool:
        """Whether the limit has just climbed back to the user's own."""
        return self.was < self.limit == self.ceiling


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something a person should know; the subclasses in ``core.notices`` hold facts, from which ``text`` follows."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInterrupted(Message):
    """A signal, known by its name, tells the run to end."""

    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingForLog:
    """Nothing is left but waiting for the usage log, at the latest until ``until``.

    ``doubts`` are submits whose outcome is unknown, ``failures`` generations to be made again if they were free.
    ``since``: when the latest of them was sent. ``resume``: the command that goes on, should a person end the run.
    """

    doubts: int
    until: float
    failures: int = 0
    since: float | None = None
    resume: str = "batchveo resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The run is over after ``seconds``; ``stopped`` says why it stopped early."""

    run: int
    exit_status: int
    seconds: float
    stopped: str | None = None


Event = RunStarted | JobStateChanged | SubmitsPaused | ThrottleChanged | Message | WaitingForLog | RunFinished


class Reporter(Protocol):
    """Takes events as they happen; must neither block nor raise."""

    def __call__(self, event: Event, /) -> None:
        """Show or keep one event."""


def silent(event: Event, /) -> None:
    """The reporter of those who do not watch."""

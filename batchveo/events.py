"""What a run tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from batchveo.models import Job, JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A job went from one state to another."""

    job: Job
    was: JobState
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowed:
    """Submits pause until ``until`` (seconds since the epoch); ``limit`` generations may be in flight."""

    reason: str
    until: float
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Something a person should know."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupting(Noted):
    """A signal, known by its name, tells the run to end."""

    signal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Nothing is left but waiting: for the usage log to tell of ``doubts``, at the latest until ``until``."""

    doubts: int
    until: float


Event = Moved | Slowed | Noted | Waiting


class Reporter(Protocol):
    """Takes events as they happen; must neither block nor raise."""

    def __call__(self, event: Event, /) -> None:
        """Show or keep one event."""


def silent(event: Event, /) -> None:
    """The reporter of those who do not watch."""

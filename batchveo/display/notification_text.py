"""The texts of notifications: short, and without anything that could be a secret.

No prompts, no names, no addresses, none of the service's words: such a message passes through strangers' hands.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from batchveo.core.amounts import money
from batchveo.core.errors import (
    BudgetReached,
    ClusterTrouble,
    DiskTrouble,
    KeyRejected,
    NoVideos,
    OutOfCredits,
    PricesUnknown,
    ServiceMisplaced,
    StateLocked,
    StoppedEarly,
    UsageError,
)
from batchveo.core.formatting import counted, duration
from batchveo.core.hints import pasteable
from batchveo.core.models import JobState
from batchveo.engine.result import RunResult

AGAIN = "Run the same command to resume."


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A subject and a few lines."""

    title: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What this run has made so far. ``usd`` is what the service charged, as far as it has told."""

    made: int = 0
    failed: int = 0
    usd: float = 0.0
    unpriced: int = 0

    def __str__(self) -> str:
        parts = [f"{counted(self.made, 'video')} made"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.made > self.unpriced:
            parts.append(f"{money(self.usd)} charged")
        if self.unpriced:
            parts.append(f"{self.unpriced} of unknown price")
        return ", ".join(parts)


def format_place(state: Path, host: str) -> str:
    """The line that tells which run it is about."""
    return f"{state} on {host}"


def describe_end(result: RunResult, tally: Tally, *, state: Path | None = None) -> Notification:
    """The run came to its own end, or stopped early."""
    counts = result.counts
    left = [f"{counts[state]} {state.value.replace('_', ' ')}" for state in JobState if counts[state]]
    lines = [f"{tally} in {duration(result.seconds)}.", f"Jobs: {', '.join(left) or 'none'}."]
    if result.stopped is not None:
        lines.append(f"{_advice(result.stopped)} {AGAIN}")
    if counts[JobState.FAILED]:
        listing, again = pasteable("jobs", "--state-is", "failed", state=state), pasteable("retry", state=state)
        lines.append(f"`{listing}` shows why; `{again}` sets them to pending again.")
    if counts.held:
        listing = pasteable("status", state=state)
        lines.append(
            f"{counts.held} held in doubt: `{listing}` lists them; `batchveo resolve --help` shows what to do."
        )
    if result.late:
        lines.append(f"{result.late} still generating at the service. {AGAIN}")
    return Notification(title=_title(result, tally), body="\n".join(lines))


def _title(result: RunResult, tally: Tally) -> str:
    if result.stopped is not None:
        return f"batchveo stopped early: {_reason(result.stopped)}"
    wrong = [
        f"{number} {word}"
        for number, word in (
            (result.counts[JobState.FAILED], "failed"),
            (result.counts.held, "held in doubt"),
            (result.late, "unfinished"),
        )
        if number
    ]
    if wrong:
        return f"batchveo ended: {', '.join(wrong)}"
    return f"batchveo is done: {tally.made} made" if tally.made else "batchveo is done: nothing to do"


def describe_interruption(name: str, tally: Tally) -> Notification:
    """A signal ended the run."""
    return Notification(title=f"batchveo was interrupted ({name})", body=f"{tally}. {AGAIN}")


def suggest_look(state: Path | None) -> str:
    """Where to look for more."""
    return f"`{pasteable('status', state=state)}` and `{pasteable('jobs', state=state)}` show more."


def describe_error(error: BaseException, tally: Tally, *, state: Path | None = None) -> Notification:
    """The run ended by an error, which is named by its kind only."""
    if isinstance(error, StoppedEarly):
        title = f"batchveo stopped early: {_reason(error)}"
        return Notification(title=title, body=f"{tally}. {_advice(error)} {AGAIN}")
    if isinstance(error, StateLocked):
        return Notification(title="batchveo did not start: another run uses the database", body=suggest_look(state))
    if isinstance(error, UsageError):
        body = "An option, the manifest or the database is wrong; the log shows which. Nothing was bought."
        return Notification(title="batchveo did not start", body=body)
    body = f"{type(error).__name__}, after: {tally}. Nothing is lost; the log shows more. {AGAIN}"
    return Notification(title="batchveo crashed", body=body)


def describe_stall(
    quiet: float, tally: Tally, *, doubts: int = 0, until: float = 0.0, state: Path | None = None
) -> Notification:
    """Nothing has moved for ``quiet`` seconds; with ``doubts``, since only the usage log is waited for."""
    title = f"batchveo: no progress for {duration(quiet)}"
    if doubts:
        when = time.strftime("%H:%M", time.localtime(until))
        waits = f"Only {doubts} in doubt left; waiting for the usage log until {when} at the latest."
        return Notification(title=title, body=f"{tally}. {waits}")
    return Notification(title=title, body=f"{tally}. The run keeps trying. {suggest_look(state)}")


def describe_recovery(quiet: float, tally: Tally) -> Notification:
    """The end of such a time."""
    return Notification(title="batchveo makes progress again", body=f"After {duration(quiet)}. {tally} so far.")


TEST = Notification(title="batchveo: a test", body="Messages about runs will arrive here.")

_STOPS: dict[type[StoppedEarly], tuple[str, str]] = {
    KeyRejected: ("the API key is not accepted", "Fix the key."),
    OutOfCredits: ("the account is empty", "Top it up."),
    BudgetReached: ("the budget is reached", "Raise --budget to continue."),
    DiskTrouble: ("cannot write to the disk", "Free some space, or check the folder."),
    PricesUnknown: ("there are no prices", "Try later, or give --assume-price."),
    ClusterTrouble: ("the cluster starts no more processes", "Check the machines."),
    NoVideos: ("generations end without a video", "The log shows the answers; check the service."),
    ServiceMisplaced: (
        "unexpected answers of the service",
        "Check --base-url and the network; the log shows more.",
    ),
}


def _reason(error: StoppedEarly) -> str:
    return _STOPS.get(type(error), ("see the log", ""))[0]


def _advice(error: StoppedEarly) -> str:
    return _STOPS.get(type(error), ("", "See the log."))[1]

"""What is said to a person who is far away: short, and with nothing in it that could be a secret.

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

AGAIN = "The same command goes on."


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
            parts.append(f"{self.unpriced} of a price not told yet")
        return ", ".join(parts)


def place(state: Path, host: str) -> str:
    """The line that tells which run it is about."""
    return f"{state} on {host}"


def ended(result: RunResult, tally: Tally, *, state: Path | None = None) -> Notification:
    """The run came to its own end, or stopped early."""
    counts = result.counts
    left = [f"{counts[state]} {state.value.replace('_', ' ')}" for state in JobState if counts[state]]
    lines = [f"{tally} in {duration(result.seconds)}.", f"Jobs: {', '.join(left) or 'none'}."]
    if result.stopped is not None:
        lines.append(f"{_advice(result.stopped)} {AGAIN}")
    if counts[JobState.FAILED]:
        listing, again = pasteable("jobs", "--state-is", "failed", state=state), pasteable("retry", state=state)
        lines.append(f"`{listing}` tells why; `{again}` puts them back to pending.")
    if counts.held:
        listing = pasteable("status", state=state)
        lines.append(f"{counts.held} held in doubt: `{listing}` names them; `batchveo resolve --help` tells how.")
    if result.late:
        lines.append(f"{result.late} not finished at the service yet. {AGAIN}")
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
    return f"batchveo is done: {tally.made} made" if tally.made else "batchveo is done: nothing was left to do"


def interrupted(name: str, tally: Tally) -> Notification:
    """A signal ended the run."""
    return Notification(title=f"batchveo was interrupted ({name})", body=f"{tally}. {AGAIN}")


def look(state: Path | None) -> str:
    """Where to look for more."""
    return f"`{pasteable('status', state=state)}` and `{pasteable('jobs', state=state)}` tell more."


def broken(error: BaseException, tally: Tally, *, state: Path | None = None) -> Notification:
    """The run ended by an error, which is named by its kind only."""
    if isinstance(error, StoppedEarly):
        title = f"batchveo stopped early: {_reason(error)}"
        return Notification(title=title, body=f"{tally}. {_advice(error)} {AGAIN}")
    if isinstance(error, StateLocked):
        return Notification(title="batchveo did not begin: another run holds the state", body=look(state))
    if isinstance(error, UsageError):
        body = "An option, the manifest or the state is wrong; the log says which. Nothing was bought."
        return Notification(title="batchveo did not begin", body=body)
    body = f"{type(error).__name__}, after: {tally}. Nothing is lost; the log says more. {AGAIN}"
    return Notification(title="batchveo crashed", body=body)


def stuck(
    quiet: float, tally: Tally, *, doubts: int = 0, until: float = 0.0, state: Path | None = None
) -> Notification:
    """Nothing has moved for ``quiet`` seconds; with ``doubts``, since only the usage log is waited for."""
    title = f"batchveo: nothing has moved for {duration(quiet)}"
    if doubts:
        when = time.strftime("%H:%M", time.localtime(until))
        waits = f"Nothing is left but {doubts} in doubt; the usage log is waited for, until {when} at the latest."
        return Notification(title=title, body=f"{tally}. {waits}")
    return Notification(title=title, body=f"{tally}. The run goes on trying. {look(state)}")


def moving_again(quiet: float, tally: Tally) -> Notification:
    """The end of such a time."""
    return Notification(title="batchveo moves again", body=f"After {duration(quiet)}. {tally} so far.")


TEST = Notification(title="batchveo: a test", body="This is where a run will tell how it went.")

_STOPS: dict[type[StoppedEarly], tuple[str, str]] = {
    KeyRejected: ("the API key is not accepted", "Mend the key."),
    OutOfCredits: ("the account is empty", "Top it up."),
    BudgetReached: ("the budget is reached", "Raise --budget, or leave it at that."),
    DiskTrouble: ("the disk cannot be written", "Make room, or check the folder."),
    PricesUnknown: ("there are no prices", "Try later, or give --assume-price."),
    ClusterTrouble: ("the cluster starts no more processes", "Look at the machines, then run the same command."),
    NoVideos: ("generations come to no video", "The log says what came instead; look at the service."),
    ServiceMisplaced: (
        "the service does not answer as it should",
        "Check --base-url and the network; the log says more.",
    ),
}


def _reason(error: StoppedEarly) -> str:
    return _STOPS.get(type(error), ("see the log", ""))[0]


def _advice(error: StoppedEarly) -> str:
    return _STOPS.get(type(error), ("", "See the log."))[1]

"""Sends a person short messages on a run: it observes the run's events, and words what matters."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from batchveo.core.errors import (
    BudgetReached,
    ClusterTrouble,
    Declined,
    DiskTrouble,
    InputsBlocked,
    KeyRejected,
    NoVideos,
    OutOfCredits,
    PricesUnknown,
    ServiceMisplaced,
    StateLocked,
    StoppedEarly,
    UsageError,
)
from batchveo.core.events import (
    Event,
    JobStateChanged,
    Message,
    Reporter,
    RunInterrupted,
    RunStarted,
    WaitingForLog,
)
from batchveo.core.formatting import format_count, format_duration, format_usd, list_counts
from batchveo.core.hints import format_command
from batchveo.core.models import Job, JobState
from batchveo.core.shutdown import ShutdownBudget
from batchveo.display.notification_channels import SEND_SECONDS, Messengers
from batchveo.engine.result import RunResult

STUCK_SECONDS = 15 * 60.0
STUCK_GENERATIONS = 3.0
"""A run is stuck if nothing moves for this many times its slowest generation, but at least ``STUCK_SECONDS``."""
CHECK_SECONDS = 30.0
"""Seconds between two checks whether the run is stuck."""
RESUME = "Run the same command to resume."


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A title and a few lines.

    A message passes through the hands of others, so it has no prompts, names, addresses or words of the service.
    """

    title: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What this run has made so far. ``usd`` is charged; ``unpriced`` videos have no price yet."""

    made: int = 0
    failed: int = 0
    usd: float = 0.0
    unpriced: int = 0

    def __str__(self) -> str:
        parts = [f"{format_count(self.made, 'video')} made"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.made > self.unpriced:
            parts.append(f"{format_usd(self.usd)} charged")
        if self.unpriced:
            parts.append(f"{self.unpriced} of unknown price")
        return ", ".join(parts)


TEST = Notification(title="batchveo: a test", body="Messages about runs will arrive here.")

_ACCEPTED_FROM = {JobState.SUBMITTING, JobState.IN_DOUBT}
_STOPS: dict[type[StoppedEarly], tuple[str, str]] = {
    KeyRejected: ("the API key is not accepted", "Fix the key."),
    OutOfCredits: ("the account is empty", "Top it up."),
    BudgetReached: ("the budget is reached", "Raise --budget to continue."),
    DiskTrouble: ("cannot write to the disk", "Free some space, or check the folder."),
    PricesUnknown: ("there are no prices", "Try later, or give --assume-price."),
    InputsBlocked: ("an input cannot be stored for the service", "Check the place of --inputs and its rights."),
    ClusterTrouble: ("the cluster starts no more processes", "Check the machines."),
    NoVideos: ("generations end without a video", "The log shows the answers; check the service."),
    ServiceMisplaced: (
        "unexpected answers of the service",
        "Check --base-url and the network; the log shows more.",
    ),
}


class Notifier:
    """A reporter that passes each event to ``reporter``, and posts messages about what matters.

    Use it as a context manager around the run and give it the result by ``report_end``; it reports an error that
    leaves the block too. Without messengers it only passes events. ``clock`` counts seconds and never jumps.
    """

    def __init__(
        self,
        messengers: Messengers,
        reporter: Reporter,
        *,
        state: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._messengers = messengers
        self._reporter = reporter
        self._footer = f"{state} on {socket.gethostname()}"
        self._state = state
        self._clock = clock
        self._tally = Tally()
        self._moved_at: float | None = None
        self._slowest = 0.0
        self._fetching: set[int] = set()
        self._stuck = False
        self._waiting: WaitingForLog | None = None
        self._shutdown: ShutdownBudget | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()

    def __enter__(self) -> Self:
        if self._messengers:
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if isinstance(error, KeyboardInterrupt):
            self._report_interruption("SIGINT")
        elif error is not None and not isinstance(error, Declined):  # a person who declines is at the terminal
            self._post(describe_error(error, self._tally, state=self._state))
        self._warn(self._messengers.flush(self._time_left()))

    def __call__(self, event: Event) -> None:
        """Pass ``event`` to the reporter, then handle it."""
        self._reporter(event)
        if not self._messengers:
            return
        match event:
            case RunStarted():
                self._moved_at = self._clock()
            case JobStateChanged(job=job, was=was):
                self._count_move(job, was)
            case WaitingForLog():
                self._waiting = event
            case RunInterrupted(signal=name):
                self._report_interruption(name)
            case _:
                pass
        self._warn(self._messengers.take_failures())

    def report_end(self, result: RunResult) -> None:
        """Post the result, unless a signal ended the run: that message is sent already."""
        self._over.set()
        if self._shutdown is None:
            self._post(describe_end(result, self._tally, state=self._state))

    def check_progress(self) -> None:
        """Post a message, once, if the run is stuck."""
        with self._lock:
            if self._moved_at is None:  # before the run a question may wait for its answer for hours
                return
            quiet = self._clock() - self._moved_at
            if self._stuck or self._over.is_set() or quiet < self.patience:
                return
            self._stuck = True
        doubts, until = (self._waiting.doubts, self._waiting.until) if self._waiting else (0, 0.0)
        self._post(describe_stall(quiet, self._tally, doubts=doubts, until=until, state=self._state))

    @property
    def patience(self) -> float:
        """Seconds without a move after which a run is stuck."""
        return max(STUCK_SECONDS, STUCK_GENERATIONS * self._slowest)

    def _watch(self) -> None:
        while not self._over.wait(CHECK_SECONDS):
            self.check_progress()

    def _count_move(self, job: Job, was: JobState) -> None:
        if job.state is JobState.SUCCEEDED:
            self._tally = replace(
                self._tally,
                made=self._tally.made + 1,
                usd=self._tally.usd + (job.cost_usd or 0.0),
                unpriced=self._tally.unpriced + (job.cost_usd is None),
            )
        if job.state is JobState.FAILED:
            self._tally = replace(self._tally, failed=self._tally.failed + 1)
        if self._is_progress(job, was):
            self._note_progress()

    def _is_progress(self, job: Job, was: JobState) -> bool:
        """Whether a move is progress; a refusal that is retried for hours is none."""
        if job.state is JobState.DOWNLOADING:
            first = job.seq not in self._fetching
            self._fetching.add(job.seq)
            if job.completed_at is not None and job.submitted_at is not None:
                self._slowest = max(self._slowest, job.completed_at - job.submitted_at)
            return first
        if job.state in (JobState.SUCCEEDED, JobState.FAILED):
            self._fetching.discard(job.seq)
            return True
        return job.state is JobState.GENERATING and was in _ACCEPTED_FROM

    def _note_progress(self) -> None:
        with self._lock:
            now = self._clock()
            quiet = 0.0 if self._moved_at is None else now - self._moved_at
            self._moved_at = now
            was_stuck, self._stuck, self._waiting = self._stuck, False, None
        if was_stuck:
            self._post(describe_recovery(quiet, self._tally))

    def _report_interruption(self, name: str) -> None:
        if self._shutdown is None:
            self._shutdown = ShutdownBudget(self._clock())
            self._post(describe_interruption(name, self._tally))

    def _post(self, message: Notification) -> None:
        self._messengers.post(message.title, f"{message.body}\n{self._footer}")

    def _time_left(self) -> float:
        if self._shutdown is None:
            return SEND_SECONDS
        return self._shutdown.count_seconds(ShutdownBudget.EXIT, now=self._clock())

    def _warn(self, failures: list[str]) -> None:
        for kind in failures:
            self._reporter(Message(text=f"a message was not accepted by {kind}; the run is not affected", warning=True))


def describe_end(result: RunResult, tally: Tally, *, state: Path | None = None) -> Notification:
    """The run ended by itself, or stopped early."""
    counts = result.counts
    jobs = list_counts(counts.by_state, blocked=_count_blocked(result))
    lines = [f"{tally} in {format_duration(result.seconds)}.", f"Jobs: {', '.join(jobs) or 'none'}."]
    if result.stopped is not None:
        _, advice = _explain_stop(result.stopped)
        lines.append(f"{advice} {RESUME}")
    if counts[JobState.FAILED]:
        listing, again = (
            format_command("jobs", "--state-is", "failed", state=state),
            format_command("retry", state=state),
        )
        lines.append(f"`{listing}` shows why; `{again}` sets them to pending again.")
    if result.blocked:
        listing = format_command("jobs", "--state-is", "blocked", state=state)
        lines.append(f"`{listing}` shows which jobs wait in vain for the video of another, and why.")
    if counts.held:
        listing = format_command("status", state=state)
        lines.append(
            f"{counts.held} held in doubt: `{listing}` lists them; `batchveo resolve --help` shows what to do."
        )
    if result.late:
        lines.append(f"{result.late} still generating at the service. {RESUME}")
    return Notification(title=_make_title(result, tally), body="\n".join(lines))


def _make_title(result: RunResult, tally: Tally) -> str:
    if result.stopped is not None:
        return f"batchveo stopped early: {_explain_stop(result.stopped)[0]}"
    failed, held = result.counts[JobState.FAILED], result.counts.held
    blocked = _count_blocked(result)
    numbers = ((failed, "failed"), (blocked, "blocked"), (held, "held in doubt"), (result.late, "unfinished"))
    wrong = ", ".join(f"{number} {word}" for number, word in numbers if number)
    if wrong:
        return f"batchveo ended: {wrong}"
    return f"batchveo is done: {tally.made} made" if tally.made else "batchveo is done: nothing to do"


def _count_blocked(result: RunResult) -> int:
    return sum(each.jobs for each in result.blocked)


def describe_interruption(name: str, tally: Tally) -> Notification:
    """A signal ended the run."""
    return Notification(title=f"batchveo was interrupted ({name})", body=f"{tally}. {RESUME}")


def _suggest_commands(state: Path | None) -> str:
    return f"`{format_command('status', state=state)}` and `{format_command('jobs', state=state)}` show more."


def describe_error(error: BaseException, tally: Tally, *, state: Path | None = None) -> Notification:
    """An error ended the run; its text may be secret, so the message has only its type."""
    if isinstance(error, StoppedEarly):
        reason, advice = _explain_stop(error)
        return Notification(title=f"batchveo stopped early: {reason}", body=f"{tally}. {advice} {RESUME}")
    if isinstance(error, StateLocked):
        return Notification(
            title="batchveo did not start: another run uses the database", body=_suggest_commands(state)
        )
    if isinstance(error, UsageError):
        body = "An option, the manifest or the database is wrong; the log shows which. Nothing was bought."
        return Notification(title="batchveo did not start", body=body)
    body = f"{type(error).__name__}, after: {tally}. Nothing is lost; the log shows more. {RESUME}"
    return Notification(title="batchveo crashed", body=body)


def describe_stall(
    quiet: float, tally: Tally, *, doubts: int = 0, until: float = 0.0, state: Path | None = None
) -> Notification:
    """No job has moved for ``quiet`` seconds; with ``doubts``, because the run waits only for the usage log."""
    title = f"batchveo: no progress for {format_duration(quiet)}"
    if doubts:
        when = time.strftime("%H:%M", time.localtime(until))
        waits = f"Only {doubts} in doubt left; waiting for the usage log until {when} at the latest."
        return Notification(title=title, body=f"{tally}. {waits}")
    return Notification(title=title, body=f"{tally}. The run keeps trying. {_suggest_commands(state)}")


def describe_recovery(quiet: float, tally: Tally) -> Notification:
    """A job has moved again after ``quiet`` seconds."""
    return Notification(title="batchveo makes progress again", body=f"After {format_duration(quiet)}. {tally} so far.")


def _explain_stop(error: StoppedEarly) -> tuple[str, str]:
    """Why a run stopped early, and what to do."""
    return _STOPS.get(type(error), ("see the log", "See the log."))

"""Events as lines of text, each with its importance; a cause that repeats is counted, not repeated."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from batchveo.core.destination import parse_destination
from batchveo.core.events import (
    Event,
    JobStateChanged,
    Message,
    RunFinished,
    RunStarted,
    SubmitsPaused,
    ThrottleChanged,
    ThrottleReason,
    WaitingForLog,
)
from batchveo.core.formatting import (
    blank_unprintable,
    format_count,
    format_span,
    format_time,
    format_usd,
    shorten_middle,
    shorten_text,
    state_words,
)
from batchveo.core.models import Job, JobState

WRONG, USUAL, EVERYTHING = -1, 0, 1
"""The verbosity from which a line is shown."""
LONGEST = 500
"""Characters of a reason."""
REMINDER_SECONDS = 600.0
"""Seconds after which a cause that still lasts gets a line at the usual verbosity again, so that a log shows it."""
LEAST_TRIES = 3
"""Failed tries whose end gets a line, if the service was reachable all the time."""


class Tone(StrEnum):
    """How good or bad the news is; displays choose a colour by it."""

    PLAIN = "plain"
    GOOD = "good"
    DOUBT = "doubt"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventText:
    """One line of text without control characters, shown from the verbosity ``rank`` on.

    ``passing``: a live view shows it at any verbosity, among the last events. ``replaces``: the beginning of earlier
    lines on the same cause; a live view shows this line in their place. ``file``: the video that it names.
    """

    text: str
    tone: Tone = Tone.PLAIN
    rank: int = USUAL
    passing: bool = False
    replaces: str = ""
    file: Path | None = None


def describe_event(event: Event) -> EventText | None:
    """The line for ``event``; ``None`` if only machines need it."""
    match event:
        case JobStateChanged(job=job, was=was, detail=detail):
            return _describe_move(job, was, shorten_text(detail, LONGEST))
        case SubmitsPaused(unreachable=True):
            text = f"{shorten_text(event.reason, LONGEST)}, next try in {format_span(event.wait)}"
            return EventText(text=text, tone=Tone.WARNING, rank=WRONG)
        case SubmitsPaused():
            text = f"retrying after {shorten_text(event.reason, LONGEST)}; limit {event.limit}"
            return EventText(text=text, tone=Tone.DOUBT)
        case ThrottleChanged():
            return _describe_limit(event)
        case Message(text=text, warning=warning):
            tone, rank = (Tone.WARNING, WRONG) if warning else (Tone.PLAIN, USUAL)
            return EventText(text=blank_unprintable(text), tone=tone, rank=rank)
        case WaitingForLog():
            return _describe_waiting(event)
        case RunStarted() | RunFinished():
            return None
        case _:
            assert_never(event)


def format_event(event: Event, *, verbosity: int = 0) -> str | None:
    """The text for ``event``; ``None`` if it is not shown at ``verbosity``."""
    line = describe_event(event)
    return line.text if line is not None and line.rank <= verbosity else None


class RepeatCounter:
    """Describes events one after another and counts how often submits are paused for one cause. One for each view."""

    def __init__(self) -> None:
        self._cause: SubmitsPaused | None = None
        self._count = 0
        self._since = self._shown_at = 0.0

    def describe_next(self, event: Event) -> list[EventText]:
        """The lines for ``event``; before its own one, the end of a pause that it shows."""
        ended = self._describe_end(event)
        own = self._count_pause(event) if isinstance(event, SubmitsPaused) else describe_event(event)
        return [line for line in (ended, own) if line is not None]

    def _describe_end(self, event: Event) -> EventText | None:
        cause = self._cause
        if cause is None or not _shows_end(event, cause):
            return None
        self._cause = None
        tries = f"{self._count:,} {'try' if self._count == 1 else 'tries'}"
        if cause.unreachable:
            return EventText(text=f"the service is reachable again, after {tries}", tone=Tone.WARNING, rank=WRONG)
        if self._count >= LEAST_TRIES and isinstance(event, JobStateChanged):
            return EventText(text=f"submits are accepted again, after {tries}", tone=Tone.GOOD)
        return None

    def _count_pause(self, event: SubmitsPaused) -> EventText | None:
        at = event.until - event.wait
        if self._cause is None:
            self._count, self._since = 0, at
        is_new = self._cause is None or (self._cause.reason, self._cause.limit) != (event.reason, event.limit)
        self._cause, self._count = event, self._count + 1
        is_due = is_new or at - self._shown_at >= REMINDER_SECONDS
        if is_due:
            self._shown_at = at
        if is_new:
            return describe_event(event)
        reason = shorten_text(event.reason, LONGEST)
        begun = reason if event.unreachable else f"retrying after {reason}"
        tries = f"{self._count:,} tries in {format_span(at - self._since)}"
        # between two reminders the line is for live views, which replace the earlier one by it
        rank = EVERYTHING if not is_due else WRONG if event.unreachable else USUAL
        text = f"{begun}: {tries}, next try in {format_span(event.wait)}"
        return EventText(text=text, tone=Tone.DOUBT, rank=rank, passing=True, replaces=begun)


def _shows_end(event: Event, cause: SubmitsPaused) -> bool:
    """Whether ``event`` shows that the pause for ``cause`` is over: the service has answered."""
    if isinstance(event, JobStateChanged):
        return event.was is JobState.SUBMITTING and event.job.state in (JobState.GENERATING, JobState.FAILED)
    return isinstance(event, SubmitsPaused) and cause.unreachable and not event.unreachable


def _describe_waiting(event: WaitingForLog) -> EventText:
    kinds = ((event.doubts, "submit"), (event.failures, "failed generation"))
    submits = " and ".join(format_count(number, noun) for number, noun in kinds if number)
    until = format_time(event.until)
    most = "" if event.since is None else f"{format_span(event.until - event.since)} at most, "
    what = f"waiting for {submits} to appear in the usage log ({most}until {until})"
    text = f"{what}; Ctrl-C is safe, `{blank_unprintable(event.resume)}` continues"
    return EventText(text=text, tone=Tone.DOUBT, rank=WRONG)


def _describe_limit(throttle: ThrottleChanged) -> EventText | None:
    if throttle.full_again:
        return EventText(text=f"full speed again: limit {throttle.limit}")
    if throttle.brake in (ThrottleReason.DOWNLOADS, ThrottleReason.BUDGET):
        return EventText(text=f"no submits for now: {throttle.brake.sentence}", tone=Tone.DOUBT)
    return EventText(text=f"limit {throttle.limit}: {throttle.brake.sentence}", rank=EVERYTHING)


def _describe_move(job: Job, was: JobState, detail: str) -> EventText:
    name = shorten_middle(job.name)
    if job.state is JobState.SUCCEEDED:
        cost = "" if job.cost_usd is None else f" ({format_usd(job.cost_usd)})"
        text = f"done: {shorten_middle(str(job.file))}{cost}"
        # thousands of these lines would hide what a log is read for
        return EventText(text=text, tone=Tone.GOOD, rank=EVERYTHING, passing=True, file=find_file(job.folder, job.file))
    if job.state is JobState.FAILED:
        return EventText(text=f"failed: {name}: {detail}", tone=Tone.BAD, rank=WRONG)
    if job.held:
        return EventText(text=f"held in doubt: {name}: {detail}", tone=Tone.WARNING, rank=WRONG)
    if JobState.IN_DOUBT in (job.state, was):
        return EventText(text=f"{state_words(job.state)}: {name}: {detail}", tone=Tone.DOUBT, rank=WRONG)
    if was is JobState.DOWNLOADING:
        return EventText(text=f"not downloaded yet: {name}: {detail}", tone=Tone.DOUBT)
    return EventText(text=f"{was} -> {job.state}: {name}: {detail}", rank=EVERYTHING)


def find_file(folder: str | None, name: str | None) -> Path | None:
    """A finished video on this machine; ``None`` if it is elsewhere."""
    place = parse_destination(folder) if folder and name else None
    return place / name if isinstance(place, Path) and name else None


def explain_limit(throttle: ThrottleChanged) -> tuple[str, ...]:
    """Why the in-flight limit has its value, in words of decreasing length."""
    if throttle.limit >= throttle.ceiling:
        return ("your own limit",)
    why = f"lowered from {throttle.ceiling:,} by a 429"
    when = "" if throttle.lowered_at is None else f" at {format_time(throttle.lowered_at)}"
    return f"{why}{when}, climbing again", why, "lowered by a 429"


def explain_brake(throttle: ThrottleChanged) -> str | None:
    """What delays submits besides the in-flight limit; ``None`` if nothing does."""
    match throttle.brake:
        case ThrottleReason.PLACES:
            return None
        case ThrottleReason.PAUSE:
            return f"paused{_format_until(throttle, 'until')}"
        case ThrottleReason.LATER:
            return f"the remaining jobs are retried{_format_until(throttle, 'at')}"
        case ThrottleReason.RATE:
            return "at your --rate"
        case ThrottleReason.CREDITS:
            return "waiting for credits"
        case ThrottleReason.DOWNLOADS:
            return "waiting for downloads to catch up"
        case ThrottleReason.BUDGET:
            return "the whole budget is reserved"
        case ThrottleReason.NOTHING:
            return "all jobs are submitted"
        case _:
            assert_never(throttle.brake)


def _format_until(throttle: ThrottleChanged, preposition: str) -> str:
    return "" if throttle.until is None else f" {preposition} {format_time(throttle.until)}"

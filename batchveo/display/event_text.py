"""Events in words: one line each, with how much it matters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

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
    shorten_text,
    state_words,
)
from batchveo.core.models import Job, JobState

WRONG, USUAL, EVERYTHING = -1, 0, 1
"""The verbosity from which a line is shown."""
LONGEST = 500


class Tone(StrEnum):
    """How a person should take it."""

    PLAIN = "plain"
    GOOD = "good"
    DOUBT = "doubt"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventText:
    """One line of text without control characters; shown from the verbosity ``rank``.

    ``again``: what earlier lines began with that this one is a later state of; it takes their place, where it can.
    """

    text: str
    tone: Tone = Tone.PLAIN
    rank: int = USUAL
    again: str = ""


def describe_event(event: Event) -> EventText | None:
    """The line for ``event``; ``None`` if it is for machines only."""
    match event:
        case JobStateChanged(job=job, was=was, detail=detail):
            return _describe_move(job, was, shorten_text(detail, LONGEST))
        case SubmitsPaused(unreachable=True, reason=reason, wait=wait):
            text = f"{shorten_text(reason, LONGEST)}, next try in {format_span(wait)}"
            return EventText(text=text, tone=Tone.WARNING, rank=WRONG)
        case SubmitsPaused(reason=reason, limit=limit):
            text = f"retrying after {shorten_text(reason, LONGEST)}; limit {limit}"
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


def _describe_waiting(event: WaitingForLog) -> EventText:
    kinds = ((event.doubts, "submit"), (event.failures, "failed generation"))
    submits = " and ".join(format_count(number, noun) for number, noun in kinds if number)
    until = format_time(event.until)
    most = "" if event.since is None else f"{format_span(event.until - event.since)} at most, "
    what = f"waiting for {submits} to appear in the usage log ({most}until {until})"
    text = f"{what}; Ctrl-C is safe, `{blank_unprintable(event.resume)}` continues"
    return EventText(text=text, tone=Tone.DOUBT, rank=WRONG)


def _describe_limit(paced: ThrottleChanged) -> EventText | None:
    if paced.full_again:
        return EventText(text=f"full speed again: limit {paced.limit}")
    if paced.brake in (ThrottleReason.DOWNLOADS, ThrottleReason.BUDGET):
        return EventText(text=f"no submits for now: {paced.brake.sentence}", tone=Tone.DOUBT)
    return EventText(text=f"limit {paced.limit}: {paced.brake.sentence}", rank=EVERYTHING)


def _describe_move(job: Job, was: JobState, detail: str) -> EventText:
    name = shorten_text(job.name)
    if job.state is JobState.SUCCEEDED:
        cost = "" if job.cost_usd is None else f" ({format_usd(job.cost_usd)})"
        return EventText(text=f"done: {shorten_text(str(job.file))}{cost}", tone=Tone.GOOD)
    if job.state is JobState.FAILED:
        return EventText(text=f"failed: {name}: {detail}", tone=Tone.BAD, rank=WRONG)
    if job.held:
        return EventText(text=f"held in doubt: {name}: {detail}", tone=Tone.WARNING, rank=WRONG)
    if JobState.IN_DOUBT in (job.state, was):
        return EventText(text=f"{state_words(job.state)}: {name}: {detail}", tone=Tone.DOUBT, rank=WRONG)
    if was is JobState.DOWNLOADING:
        return EventText(text=f"not downloaded yet: {name}: {detail}", tone=Tone.DOUBT)
    return EventText(text=f"{was} -> {job.state}: {name}: {detail}", rank=EVERYTHING)


def explain_limit(paced: ThrottleChanged) -> tuple[str, ...]:
    """Why the in-flight limit is what it is: the same at length and in short."""
    if paced.limit >= paced.ceiling:
        return ("your own limit",)
    why = f"lowered from {paced.ceiling:,} by a 429"
    when = "" if paced.lowered_at is None else f" at {format_time(paced.lowered_at)}"
    return f"{why}{when}, climbing again", why, "lowered by a 429"


def explain_brake(paced: ThrottleChanged) -> str | None:
    """What holds the submits besides the limit; ``None`` where nothing else does."""
    match paced.brake:
        case ThrottleReason.PLACES:
            return None
        case ThrottleReason.PAUSE:
            return "paused" + _until_words(paced)
        case ThrottleReason.LATER:
            return "the remaining jobs are retried" + _until_words(paced).replace("until", "at")
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
            assert_never(paced.brake)


def _until_words(paced: ThrottleChanged) -> str:
    return "" if paced.until is None else f" until {format_time(paced.until)}"

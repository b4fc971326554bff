"""Events in words: one line each, with how much it matters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from batchveo.amounts import money
from batchveo.events import Began, Brake, Ended, Event, Moved, Noted, Paced, Slowed, Waiting
from batchveo.models import Job, JobState
from batchveo.report.words import clock_time, printable, shorten, state_words

WRONG, USUAL, EVERYTHING = -1, 0, 1
"""The verbosity from which on something is said."""
LONGEST = 500


class Tone(StrEnum):
    """How a person should take it."""

    PLAIN = "plain"
    GOOD = "good"
    DOUBT = "doubt"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One line of text without control characters; said from the verbosity ``rank`` on."""

    text: str
    tone: Tone = Tone.PLAIN
    rank: int = USUAL


def news_of(event: Event) -> News | None:
    """What ``event`` is worth in words; ``None`` where it is for machines only."""
    match event:
        case Moved(job=job, was=was, detail=detail):
            return _move(job, was, shorten(detail, LONGEST))
        case Slowed(reason=reason, limit=limit):
            text = f"slower: {shorten(reason, LONGEST)}; up to {limit} in flight"
            return News(text=text, tone=Tone.DOUBT)
        case Paced():
            return _pace(event)
        case Noted(text=text, warning=warning):
            tone, rank = (Tone.WARNING, WRONG) if warning else (Tone.PLAIN, USUAL)
            return News(text=printable(text), tone=tone, rank=rank)
        case Waiting(doubts=doubts, until=until):
            when = clock_time(until)
            text = f"nothing left but {doubts} submits in doubt; waiting for the log, until {when} at the latest"
            return News(text=text, tone=Tone.DOUBT, rank=WRONG)
        case Began() | Ended():
            return None
        case _:
            assert_never(event)


def _pace(paced: Paced) -> News | None:
    if paced.full_again:
        return News(text=f"full speed again: up to {paced.limit} in flight")
    if paced.brake in (Brake.DOWNLOADS, Brake.BUDGET):
        return News(text=f"no submits for now: {paced.brake.sentence}", tone=Tone.DOUBT)
    return News(text=f"up to {paced.limit} in flight: {paced.brake.sentence}", rank=EVERYTHING)


def _move(job: Job, was: JobState, detail: str) -> News:
    name = shorten(job.name)
    if job.state is JobState.SUCCEEDED:
        cost = "" if job.cost_usd is None else f" ({money(job.cost_usd)})"
        return News(text=f"done: {shorten(str(job.file))}{cost}", tone=Tone.GOOD)
    if job.state is JobState.FAILED:
        return News(text=f"failed: {name}: {detail}", tone=Tone.BAD, rank=WRONG)
    if job.held:
        return News(text=f"held in doubt: {name}: {detail}", tone=Tone.WARNING, rank=WRONG)
    if JobState.IN_DOUBT in (job.state, was):
        return News(text=f"{state_words(job.state)}: {name}: {detail}", tone=Tone.DOUBT, rank=WRONG)
    if was is JobState.DOWNLOADING:
        return News(text=f"not fetched yet: {name}: {detail}", tone=Tone.DOUBT)
    return News(text=f"{was} -> {job.state}: {name}: {detail}", rank=EVERYTHING)

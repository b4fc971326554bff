"""Events in words, one after another: a cause that repeats is counted, not repeated."""

from __future__ import annotations

from batchveo.core.events import Event, JobStateChanged, SubmitsPaused
from batchveo.core.formatting import format_count, format_span, shorten_text
from batchveo.core.models import JobState
from batchveo.display.event_text import EVERYTHING, LONGEST, USUAL, WRONG, EventText, Tone, describe_event

SAID_AGAIN_SECONDS = 600.0
"""After which what still lasts is said once more, so that a log shows it."""
WORTH_AN_END = 3
"""Tries in vain after which their end is said, where the service was reached all the while."""
ANSWERED = (JobState.GENERATING, JobState.FAILED)


class RepeatCounter:
    """Remembers what has slowed the submits last. One for each view."""

    def __init__(self) -> None:
        self._cause: SubmitsPaused | None = None
        self._count = 0
        self._since = self._said_at = 0.0

    def news(self, event: Event) -> list[EventText]:
        """The lines that ``event`` is worth."""
        told = self._ended(event)
        if isinstance(event, SubmitsPaused):
            return [*told, self._slowed(event)]
        found = describe_event(event)
        return told if found is None else [*told, found]

    def _ended(self, event: Event) -> list[EventText]:
        """What is to be said where the service has answered, after all, or in another way."""
        cause = self._cause
        if cause is None or not _answers(event, cause):
            return []
        self._cause = None
        for_long = f"after {format_count(self._count, 'try').replace('trys', 'tries')}"
        if cause.unreachable:
            return [EventText(text=f"the service is reachable again, {for_long}", tone=Tone.WARNING, rank=WRONG)]
        if self._count >= WORTH_AN_END and isinstance(event, JobStateChanged):
            return [EventText(text=f"submits are accepted again, {for_long}", tone=Tone.GOOD)]
        return []

    def _slowed(self, event: SubmitsPaused) -> EventText:
        at = event.until - event.wait
        if self._cause is None:
            self._count, self._since = 0, at
        same = self._cause is not None and (self._cause.reason, self._cause.limit) == (event.reason, event.limit)
        self._cause, self._count = event, self._count + 1
        if not same:
            self._said_at = at
            found = describe_event(event)
            assert found is not None  # noqa: S101 - each pause has its words
            return found
        loud = at - self._said_at >= SAID_AGAIN_SECONDS
        if loud:
            self._said_at = at
        tries = f"{self._count:,} tries in {format_span(at - self._since)}"
        reason = shorten_text(event.reason, LONGEST)
        begun = reason if event.unreachable else f"retrying after {reason}"
        text = f"{begun}: {tries}, next try in {format_span(event.wait)}"
        rank = (WRONG if event.unreachable else USUAL) if loud else EVERYTHING
        return EventText(text=text, tone=Tone.DOUBT, rank=rank, again=begun)


def _answers(event: Event, cause: SubmitsPaused) -> bool:
    """Whether ``event`` shows that what ``cause`` was about is over."""
    if isinstance(event, JobStateChanged):
        return event.was is JobState.SUBMITTING and event.job.state in ANSWERED
    return isinstance(event, SubmitsPaused) and cause.unreachable and not event.unreachable

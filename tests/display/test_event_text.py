"""Events in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.events import (
    Event,
    JobStateChanged,
    Message,
    RunFinished,
    RunStarted,
    SubmitsPaused,
    ThrottleReason,
    WaitingForLog,
)
from batchveo.core.models import JobState
from batchveo.display.event_text import Tone, describe_event
from batchveo.display.line_views import line_of
from tests.helpers.factories import make_job
from tests.helpers.snapshots import HOSTILE, NOW, make_pace

S = JobState


def moved(state: JobState, was: JobState, **changes: object) -> JobStateChanged:
    return JobStateChanged(job=make_job(state, **changes), was=was, detail=HOSTILE)


EVENTS: list[tuple[Event, int | None, str]] = [
    (moved(S.SUCCEEDED, S.DOWNLOADING, cost_usd=0.78), 0, "done: x.mp4 ($0.78)"),
    (moved(S.FAILED, S.GENERATING), -1, "failed: a cat: "),
    (moved(S.IN_DOUBT, S.SUBMITTING), -1, "in doubt: a cat: "),
    (moved(S.IN_DOUBT, S.IN_DOUBT, held=True), -1, "held in doubt: a cat: "),
    (moved(S.GENERATING, S.IN_DOUBT), -1, "generating: a cat: "),
    (moved(S.GENERATING, S.DOWNLOADING), 0, "not downloaded yet: a cat: "),
    (moved(S.GENERATING, S.SUBMITTING), 1, "submitting -> generating: a cat: "),
    (SubmitsPaused(reason="HTTP 429", until=NOW, limit=3), 0, "retrying after HTTP 429; limit 3"),
    (Message(text=HOSTILE), 0, "[red]"),
    (Message(text="look", warning=True), -1, "look"),
    (WaitingForLog(doubts=1, until=NOW), -1, "waiting for 1 submit to appear in the usage log (until"),
    (
        WaitingForLog(doubts=2, until=NOW, since=NOW - 1800),
        -1,
        "waiting for 2 submits to appear in the usage log (30 min at",
    ),
    (
        SubmitsPaused(
            reason="cannot reach http://x (Connection refused)", until=NOW, limit=3, wait=8.2, unreachable=True
        ),
        -1,
        "cannot reach http://x (Connection refused), next try in 8 s",
    ),
    (make_pace(limit=12, was=11), 0, "full speed again: limit 12"),
    (make_pace(brake=ThrottleReason.DOWNLOADS), 0, "no submits for now: finished videos pile up"),
    (make_pace(brake=ThrottleReason.NOTHING), 1, "limit 9: all jobs are submitted"),
]


@pytest.mark.parametrize(("event", "rank", "text"), EVENTS)
def test_every_event_has_its_words_and_its_rank(event: Event, rank: int, text: str) -> None:
    """Said from its rank on, and not below it; one line, whatever names and reasons hold."""
    said = line_of(event, verbosity=rank)
    assert said is not None
    assert said.startswith(text)
    assert said.isprintable()
    assert len(said) < 700
    assert line_of(event, verbosity=rank - 1) is None


def test_what_is_for_machines_has_no_line(tmp_path: Path) -> None:
    """The frame of a run."""
    assert describe_event(RunStarted(run=1, state=tmp_path, output=tmp_path, concurrency=1)) is None
    assert describe_event(RunFinished(run=1, exit_status=0, seconds=1.0)) is None


def test_only_a_held_doubt_is_alarming() -> None:
    """The others heal by themselves."""
    tones = [news.tone for event, _, _ in EVENTS[1:5] if (news := describe_event(event))]
    assert tones == [Tone.BAD, Tone.DOUBT, Tone.WARNING, Tone.DOUBT]

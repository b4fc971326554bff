"""Events in words."""

from __future__ import annotations

import io
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
from batchveo.display.event_text import REMINDER_SECONDS, RepeatCounter, Tone, describe_event, format_event
from batchveo.display.line_views import LineView
from tests.helpers.factories import make_job
from tests.helpers.snapshots import HOSTILE, NOW, make_pace

S = JobState


def moved(state: JobState, was: JobState, **changes: object) -> JobStateChanged:
    return JobStateChanged(job=make_job(state, **changes), was=was, detail=HOSTILE)


EVENTS: list[tuple[Event, int | None, str]] = [
    (moved(S.SUCCEEDED, S.DOWNLOADING, cost_usd=0.78), 1, "done: x.mp4 ($0.78)"),
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
    said = format_event(event, verbosity=rank)
    assert said is not None
    assert said.startswith(text)
    assert said.isprintable()
    assert len(said) < 700
    assert format_event(event, verbosity=rank - 1) is None


def test_what_is_for_machines_has_no_line(tmp_path: Path) -> None:
    """The frame of a run."""
    assert describe_event(RunStarted(run=1, state=tmp_path, output=tmp_path, concurrency=1)) is None
    assert describe_event(RunFinished(run=1, exit_status=0, seconds=1.0)) is None


def test_only_a_held_doubt_is_alarming() -> None:
    """The others heal by themselves."""
    tones = [news.tone for event, _, _ in EVENTS[1:5] if (news := describe_event(event))]
    assert tones == [Tone.BAD, Tone.DOUBT, Tone.WARNING, Tone.DOUBT]


WHY = "cannot reach http://127.0.0.1:9 (Connection refused)"


def slowed(at: float, wait: float = 8.0, **changes: object) -> SubmitsPaused:
    fields = {"reason": WHY, "until": NOW + at + wait, "limit": 10, "wait": wait, "unreachable": True}
    return SubmitsPaused(**{**fields, **changes})  # type: ignore[arg-type]


def accepted() -> JobStateChanged:
    return JobStateChanged(job=make_job(S.GENERATING), was=S.SUBMITTING, detail="accepted")


def lines(*events: SubmitsPaused | JobStateChanged, verbosity: int = 0) -> list[str]:
    out = io.StringIO()
    view = LineView(out, verbosity=verbosity)
    for event in events:
        view.show(event)
    return [line[25:] for line in out.getvalue().splitlines()]


def test_an_outage_is_two_lines() -> None:
    """Its beginning, and its end with the number of tries; with -q too."""
    outage = [slowed(at=8.0 * n) for n in range(8)]
    for verbosity in (0, -1):
        said = lines(*outage, accepted(), verbosity=verbosity)
        assert said == [f"{WHY}, next try in 8 s", "the service is reachable again, after 8 tries"]


def test_what_lasts_is_said_once_more_with_its_count() -> None:
    """So that a log shows in the morning that it lasted."""
    said = lines(*(slowed(at=60.0 * n, wait=60.0) for n in range(25)))
    assert len(said) == 1 + int(24 * 60 // REMINDER_SECONDS)
    assert said[1] == f"{WHY}: 11 tries in 10 min, next try in 1 min"


def test_another_cause_is_said_and_ends_the_first() -> None:
    """An answer of any kind shows that the service is reached."""
    busy = slowed(at=9.0, reason="HTTP 503: busy", unreachable=False)
    said = lines(slowed(at=0.0), busy, busy, busy, accepted())
    assert said == [
        f"{WHY}, next try in 8 s",
        "the service is reachable again, after 1 try",
        "retrying after HTTP 503: busy; limit 10",
        "submits are accepted again, after 3 tries",
    ]


def test_a_lower_limit_is_news() -> None:
    """The words are the same, the limit is not."""
    said = lines(
        *(slowed(at=at, limit=limit, reason="HTTP 429", unreachable=False) for at, limit in [(0.0, 9), (1.0, 6)])
    )
    assert [line.rpartition("limit ")[2] for line in said] == ["9", "6"]


def test_a_refused_job_is_an_answer_too() -> None:
    """And what was given back to wait is none."""
    counter = RepeatCounter()
    counter.describe_next(slowed(at=0.0))
    back = JobStateChanged(job=make_job(S.PENDING), was=S.SUBMITTING, detail="x")
    assert not any("reachable again" in line.text for line in counter.describe_next(back))
    failed = JobStateChanged(job=make_job(S.FAILED), was=S.SUBMITTING, detail="x")
    assert any("reachable again" in line.text for line in counter.describe_next(failed))

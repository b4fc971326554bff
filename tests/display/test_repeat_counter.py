"""Causes that repeat are counted, not said again."""

from __future__ import annotations

import io

from batchveo.core.events import JobStateChanged, SubmitsPaused
from batchveo.core.models import JobState
from batchveo.display.line_views import LineReporter
from batchveo.display.repeat_counter import SAID_AGAIN_SECONDS, RepeatCounter
from tests.helpers.factories import make_job
from tests.helpers.snapshots import NOW

S = JobState
WHY = "cannot reach http://127.0.0.1:9 (Connection refused)"


def slowed(at: float, wait: float = 8.0, **changes: object) -> SubmitsPaused:
    fields = {"reason": WHY, "until": NOW + at + wait, "limit": 10, "wait": wait, "unreachable": True}
    return SubmitsPaused(**{**fields, **changes})  # type: ignore[arg-type]


def accepted() -> JobStateChanged:
    return JobStateChanged(job=make_job(S.GENERATING), was=S.SUBMITTING, detail="accepted")


def lines(*events: SubmitsPaused | JobStateChanged, verbosity: int = 0) -> list[str]:
    out = io.StringIO()
    reporter = LineReporter(out, verbosity=verbosity)
    for event in events:
        reporter(event)
    return [line[20:] for line in out.getvalue().splitlines()]


def test_an_outage_is_two_lines() -> None:
    """Its beginning, and its end with the number of tries; with -q too."""
    outage = [slowed(at=8.0 * n) for n in range(8)]
    for verbosity in (0, -1):
        said = lines(*outage, accepted(), verbosity=verbosity)
        assert said == [f"{WHY}, next try in 8 s", "the service is reachable again, after 8 tries"]


def test_what_lasts_is_said_once_more_with_its_count() -> None:
    """So that a log shows in the morning that it lasted."""
    said = lines(*(slowed(at=60.0 * n, wait=60.0) for n in range(25)))
    assert len(said) == 1 + int(24 * 60 // SAID_AGAIN_SECONDS)
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
    fields = {"reason": "HTTP 429", "unreachable": False}
    said = lines(slowed(at=0.0, limit=9, **fields), slowed(at=1.0, limit=6, **fields))
    assert [line.rpartition("limit ")[2] for line in said] == ["9", "6"]


def test_a_refused_job_is_an_answer_too() -> None:
    """And what was given back to wait is none."""
    teller = RepeatCounter()
    teller.news(slowed(at=0.0))
    back = JobStateChanged(job=make_job(S.PENDING), was=S.SUBMITTING, detail="x")
    assert not any("reachable again" in news.text for news in teller.news(back))
    failed = JobStateChanged(job=make_job(S.FAILED), was=S.SUBMITTING, detail="x")
    assert any("reachable again" in news.text for news in teller.news(failed))

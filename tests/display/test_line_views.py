"""A run as lines of text and as JSON Lines."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.core.events import (
    Event,
    JobStateChanged,
    Message,
    RunFinished,
    RunStarted,
    SubmitsPaused,
    WaitingForLog,
)
from batchveo.core.models import JobState
from batchveo.core.notices import DatabaseCreated
from batchveo.core.state_machine import Move
from batchveo.display import line_views
from batchveo.display.line_views import JsonView, LineView, format_progress, make_event_row
from batchveo.store import Store
from tests.helpers.busy_database import going, moved_on
from tests.helpers.factories import make_job
from tests.helpers.snapshots import HOSTILE, NOW, make_pace, make_shot

S = JobState


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        yield store


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic time that the views live by."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_lines_carry_the_date() -> None:
    """Runs pass midnight, and the day on which clocks change."""
    out = io.StringIO()
    LineView(out, clock=lambda: NOW).show(Message(text="hello"))
    assert re.fullmatch(r"2027-01-15 \d\d:\d\d:\d\d[+-]\d{4} hello\n", out.getvalue())


def test_colours_only_where_they_mean_something() -> None:
    """And only where they are asked for."""
    out = io.StringIO()
    view = LineView(out, colours=True)
    view.show(Message(text="plain"))
    view.show(Message(text="bad", warning=True))
    first, second = out.getvalue().splitlines()
    assert "\x1b" not in first
    assert second.endswith("\x1b[33mbad\x1b[0m")


def test_progress_in_one_line() -> None:
    """Counts, money, speed, time left."""
    line = format_progress(make_shot())
    for words in ("441 of 1,000 (44 %)", "7 failed", "$336.18 of $800.00", "196 videos an hour", "3 h 10 min"):
        assert words in line, words


@pytest.mark.parametrize(("verbosity", "videos"), [(0, []), (1, ["done", "done"])])
def test_progress_every_minute_and_every_twentieth(
    verbosity: int, videos: list[str], store: Store, now: list[float]
) -> None:
    """But not more often than every ten seconds; each video only with -v."""
    out = io.StringIO()
    view = LineView(out, clock=lambda: 1100.0, verbosity=verbosity)
    began = going(store, now=1000.0)
    view.show(began)
    assert view.due == line_views.PROGRESS_SECONDS
    for n in range(2):
        job = moved_on(store, began.run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=1000.0 + n)
        view.show(JobStateChanged(job=job, was=S.DOWNLOADING, detail=""))
    assert view.due == line_views.LEAST_GAP
    now[0] = view.due
    view.tick()
    assert view.due == now[0] + line_views.PROGRESS_SECONDS
    assert [line[25:29] for line in out.getvalue().splitlines()] == [*videos, "2 of"]
    view.show(RunFinished(run=began.run, exit_status=0, seconds=1.0))
    view.tick()
    assert view.due == float("inf")
    assert out.getvalue().count("\n") == len(videos) + 1


@pytest.mark.parametrize("verbosity", [0, -1])
def test_a_wait_for_the_log_is_told_every_ten_minutes(verbosity: int, store: Store, now: list[float]) -> None:
    """Also with -q, with how long it may take; nothing of it once the wait is over."""
    out = io.StringIO()
    clock = [1000.0]
    view = LineView(out, clock=lambda: clock[0], verbosity=verbosity)
    began = going(store, 1, now=1000.0)
    view.show(began)
    doubt = moved_on(store, began.run, S.IN_DOUBT, now=1000.0)
    view.show(WaitingForLog(doubts=1, until=2800.0, since=1000.0))
    assert view.due == line_views.WAIT_SECONDS
    now[0], clock[0] = view.due, 1600.0
    view.tick()
    assert view.due == now[0] + line_views.WAIT_SECONDS
    first, second = out.getvalue().splitlines()
    assert "waiting for 1 submit to appear in the usage log (30 min at most" in first
    assert "waiting for 1 submit to appear in the usage log (10 min of at most 30 min)" in second
    store.transitions.apply_move(
        doubt, Move(to=S.GENERATING, detail="found", set={"generation_id": "g"}), run=began.run, now=1600.0
    )
    view.tick()
    assert view.due == (float("inf") if verbosity < 0 else now[0] + line_views.PROGRESS_SECONDS)
    assert out.getvalue().count("waiting for") == 2
    view.close()


def test_quiet_means_no_progress(store: Store) -> None:
    """Only what is wrong."""
    view = LineView(io.StringIO(), verbosity=-1)
    view.show(going(store, now=1000.0))
    assert view.due == float("inf")
    view.close()


def test_a_reader_that_has_gone_is_no_error() -> None:
    """The run goes on."""
    out = io.StringIO()
    out.close()
    LineView(out).show(Message(text="hello"))


ROWS: list[tuple[Event, str, str]] = [
    (
        RunStarted(run=1, state=Path("s"), output=Path("v"), concurrency=3),
        "began",
        "run state output concurrency rate_per_minute budget_usd",
    ),
    (
        JobStateChanged(job=make_job(JobState.FAILED, name=HOSTILE), was=JobState.GENERATING, detail=HOSTILE),
        "moved",
        "id name from to held detail model attempts client_request_id generation_id cost_usd file bytes key",
    ),
    (SubmitsPaused(reason="429", until=NOW, limit=1), "slowed", "reason until limit unreachable"),
    (make_pace(), "paced", "brake limit ceiling lowered_at until"),
    (Message(text=HOSTILE, warning=True), "noted", "text warning"),
    (WaitingForLog(doubts=1, until=NOW), "waiting", "doubts until failures since"),
    (RunFinished(run=1, exit_status=3, seconds=1.0, stopped="budget"), "ended", "run exit_status seconds stopped"),
]


@pytest.mark.parametrize(("event", "name", "fields"), ROWS)
def test_the_fields_of_every_event(event: Event, name: str, fields: str) -> None:
    """Stable names, which the docs list too."""
    row = make_event_row(event)
    assert list(row) == ["event", *fields.split()]
    assert row["event"] == name
    documented = (Path(__file__).parents[2] / "docs/reference/output.md").read_text(encoding="utf-8")
    assert f"| `{name}` | {', '.join(f'`{field}`' for field in fields.split())} |" in documented


def test_a_new_database_is_told_by_a_field_of_its_own() -> None:
    """Scripts need not read the sentence; the other fields are those of every note."""
    row = make_event_row(DatabaseCreated(state=Path("/s/new.db")))
    assert row == {
        "event": "noted",
        "text": "created a new database: /s/new.db",
        "warning": False,
        "new_state": "/s/new.db",
    }
    documented = (Path(__file__).parents[2] / "docs/reference/output.md").read_text(encoding="utf-8")
    assert "`new_state`: its absolute path" in documented


def test_each_line_is_an_object_in_ascii() -> None:
    """With its time in UTC; names come back as they were."""
    out = io.StringIO()
    view = JsonView(out, clock=lambda: NOW)
    for event, _, _ in ROWS[1:]:
        view.show(event)
    lines = out.getvalue().splitlines()
    assert out.getvalue().isascii()
    rows = [json.loads(line) for line in lines]
    assert [row["event"] for row in rows] == [name for _, name, _ in ROWS[1:]]
    assert {row["at"] for row in rows} == {"2027-01-15T08:00:00.000Z"}
    assert rows[0]["name"] == HOSTILE


def test_quiet_leaves_what_is_wrong_and_the_end() -> None:
    """Failures, warnings, doubts."""
    out = io.StringIO()
    view = JsonView(out, verbosity=-1)
    for event, _, _ in ROWS[1:]:
        view.show(event)
    names = [json.loads(line)["event"] for line in out.getvalue().splitlines()]
    assert names == ["moved", "noted", "waiting", "ended"]


def test_progress_has_the_fields_of_status(tmp_path: Path) -> None:
    """Every minute, while the run goes on."""
    out = io.StringIO()
    with Store(tmp_path / "b.db") as store:
        view = JsonView(out, clock=lambda: 1100.0)
        view.show(going(store, now=1000.0))
        assert view.due < float("inf")
        view.tick()
        view.close()
    progress = json.loads(out.getvalue().splitlines()[-1])
    assert progress["event"] == "progress"
    assert progress["counts"]["pending"] == progress["total"] == 40
    assert progress["budget_usd"] == 9.0

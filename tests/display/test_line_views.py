"""A run as plain lines, with progress now and then."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.core.events import JobStateChanged, Message, RunFinished
from batchveo.core.models import JobState
from batchveo.display import line_views
from batchveo.display.line_views import LineReporter, LineView, format_progress
from batchveo.display.run_view import RunView
from batchveo.store import Store
from tests.helpers.busy_database import going, moved_on
from tests.helpers.snapshots import NOW, make_shot

S = JobState


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        yield store


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic time that the views live by."""
    now = [0.0]
    monkeypatch.setattr(line_views.time, "monotonic", lambda: now[0])
    return now


def test_lines_carry_the_date() -> None:
    """Nights pass midnight."""
    out = io.StringIO()
    LineReporter(out, clock=lambda: NOW)(Message(text="hello"))
    assert re.fullmatch(r"2027-01-15 \d\d:\d\d:\d\d hello\n", out.getvalue())


def test_colours_only_where_they_mean_something() -> None:
    """And only where they are asked for."""
    out = io.StringIO()
    reporter = LineReporter(out, colours=True)
    reporter(Message(text="plain"))
    reporter(Message(text="bad", warning=True))
    first, second = out.getvalue().splitlines()
    assert "\x1b" not in first
    assert second.endswith("\x1b[33mbad\x1b[0m")


def test_progress_in_one_line() -> None:
    """Counts, money, speed, time left."""
    line = format_progress(make_shot())
    for words in ("441 of 1,000 (44 %)", "7 failed", "$336.18 of $800.00", "196 videos an hour", "3 h 10 min"):
        assert words in line, words


def test_progress_every_few_minutes_and_every_twentieth(store: Store, now: list[float]) -> None:
    """But not more often than every ten seconds."""
    out = io.StringIO()
    view = LineView(LineReporter(out), RunView(clock=lambda: 1100.0))
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
    assert [line[20:24] for line in out.getvalue().splitlines()] == ["done", "done", "2 of"]
    view.show(RunFinished(run=began.run, exit_status=0, seconds=1.0))
    view.tick()
    assert view.due == float("inf")
    assert out.getvalue().count("\n") == 3


def test_quiet_means_no_progress(store: Store) -> None:
    """Only what is wrong."""
    view = LineView(LineReporter(io.StringIO(), verbosity=-1), RunView(), verbosity=-1)
    view.show(going(store, now=1000.0))
    assert view.due == float("inf")
    view.close()


def test_a_reader_that_has_gone_is_no_error() -> None:
    """The run goes on."""
    out = io.StringIO()
    out.close()
    LineReporter(out)(Message(text="hello"))

"""A run as JSON Lines."""

from __future__ import annotations

import io
import json
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
from batchveo.display.json_lines import JsonView, make_event_row
from batchveo.display.run_view import RunView
from batchveo.store import Store
from tests.helpers.busy_database import going
from tests.helpers.factories import make_job
from tests.helpers.snapshots import HOSTILE, NOW, make_pace

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
    view = JsonView(out, RunView(), clock=lambda: NOW)
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
    view = JsonView(out, RunView(), verbosity=-1)
    for event, _, _ in ROWS[1:]:
        view.show(event)
    names = [json.loads(line)["event"] for line in out.getvalue().splitlines()]
    assert names == ["moved", "noted", "waiting", "ended"]


def test_progress_has_the_fields_of_status(tmp_path: Path) -> None:
    """Every minute, while the run goes on."""
    out = io.StringIO()
    with Store(tmp_path / "b.db") as store:
        view = JsonView(out, RunView(clock=lambda: 1100.0))
        view.show(going(store, now=1000.0))
        assert view.due < float("inf")
        view.tick()
        view.close()
    progress = json.loads(out.getvalue().splitlines()[-1])
    assert progress["event"] == "progress"
    assert progress["counts"]["pending"] == progress["total"] == 40
    assert progress["budget_usd"] == 9.0

"""What a view knows of the run that it shows."""

from __future__ import annotations

from pathlib import Path

from batchveo.core.events import JobStateChanged, RunFinished, SubmitsPaused, WaitingForLog
from batchveo.core.models import JobState
from batchveo.display.run_view import RunView
from batchveo.store import Store
from tests.helpers.busy_database import going
from tests.helpers.factories import make_job
from tests.helpers.snapshots import NOW, make_pace


def test_a_snapshot_has_the_database_and_the_last_events(tmp_path: Path) -> None:
    """Only between the beginning and the end of the run."""
    view = RunView(clock=lambda: 1100.0)
    assert view.read_snapshot() is None
    pause = SubmitsPaused(reason="HTTP 429", until=NOW, limit=3)
    with Store(tmp_path / "b.db") as store:
        began = going(store, now=1000.0)
        for event in (began, make_pace(), pause, WaitingForLog(doubts=1, until=1300.0, since=1000.0)):
            view.show(event)
        shot = view.read_snapshot()
        assert shot is not None
        assert (shot.counts.total, shot.now, shot.pace, shot.slowed) == (40, 1100.0, make_pace(), pause)
        view.show(JobStateChanged(job=make_job(JobState.GENERATING), was=JobState.SUBMITTING, detail="accepted"))
        shot = view.read_snapshot()
        assert shot is not None
        assert shot.slowed is None
        view.show(RunFinished(run=began.run, exit_status=0, seconds=1.0))
    assert not view.is_open
    assert view.read_snapshot() is None
    view.close()

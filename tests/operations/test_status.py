"""What a look at the state finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.events import ThrottleReason
from batchveo.core.models import JobState
from batchveo.operations.status import SnapshotReader, make_status_row
from batchveo.store import Store
from tests.helpers.busy_database import going, moved_on
from tests.helpers.chains import LITE, make_chain
from tests.helpers.factories import make_spec
from tests.helpers.snapshots import make_pace

S = JobState
DONE = (S.GENERATING, S.DOWNLOADING, S.SUCCEEDED)


def test_a_run_that_goes_on(tmp_path: Path) -> None:
    """Counts, money, speed over the run's own time, doubts, and what is left with its spread."""
    with Store(tmp_path / "b.db") as store:
        began = going(store, now=1000.0)
        for n in range(10):
            moved_on(store, began.run, *DONE, now=1000.0 + n)
        moved_on(store, began.run, S.IN_DOUBT, now=1050.0)
        moved_on(store, began.run, S.GENERATING, now=1060.0)
        with Store(store.path, writing=False) as reading:
            shot = SnapshotReader(store=reading, places=4).read_snapshot(1100.0)
    assert shot.counts.total == 40
    assert (shot.left, shot.in_flight) == (30, 1)
    assert shot.settled == pytest.approx(0.25)
    assert shot.going
    assert (shot.spent, shot.committed, shot.budget) == (5.0, 6.0, 9.0)
    assert shot.videos_per_hour == pytest.approx(360.0)
    assert shot.usd_per_hour == pytest.approx(180.0)
    assert [job.name for job in shot.doubts] == ["job 10"]
    assert shot.ahead is not None
    assert 60 < shot.ahead.low < shot.ahead.likely < shot.ahead.high < 500


def test_between_two_beliefs_time_goes_on(tmp_path: Path) -> None:
    """The dear part of a look is done every ten seconds only; the time left shrinks all the same."""
    with Store(tmp_path / "b.db") as store:
        began = going(store, now=1000.0)
        moved_on(store, began.run, *DONE, now=1000.0)
        lookout = SnapshotReader(store=store, places=4)
        first, second = lookout.read_snapshot(1030.0).ahead, lookout.read_snapshot(1035.0).ahead
    assert first is not None
    assert second is not None
    assert second.likely == pytest.approx(first.likely - 5.0)


def test_an_empty_state_is_done(tmp_path: Path) -> None:
    """Nothing left, nothing to divide by."""
    with Store(tmp_path / "b.db") as store:
        shot = SnapshotReader(store=store).read_snapshot(1.0)
    assert (shot.left, shot.settled, shot.ahead, shot.begun) == (0, 1.0, None, None)


def test_a_pause_is_waited_for_first(tmp_path: Path) -> None:
    """What is left begins after it."""
    with Store(tmp_path / "b.db") as store:
        began = going(store, now=1000.0)
        moved_on(store, began.run, *DONE, now=1000.0)
        soon = SnapshotReader(store=store).read_snapshot(1030.0, pace=make_pace()).ahead
        pause = make_pace(brake=ThrottleReason.PAUSE, until=1090.0)
        later = SnapshotReader(store=store).read_snapshot(1030.0, pace=pause).ahead
    assert soon is not None
    assert later is not None
    assert later.likely == pytest.approx(soon.likely + 60.0)


def test_jobs_that_wait_and_jobs_that_wait_in_vain(tmp_path: Path) -> None:
    """The latter are not left to do, and not done either."""
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="x", now=1000.0)
        store.imports.add_jobs([*make_chain(3, "fox"), *make_chain(3, "ship")], run=run, now=1000.0)
        reader = SnapshotReader(store=store)
        shot = reader.read_snapshot(1000.0, most_flights=5)
        assert (shot.left, shot.waiting, shot.blocked, shot.chains) == (6, 4, (), (2, 0))
        moved_on(store, run, S.FAILED, now=1000.0)
        shot = reader.read_snapshot(1100.0)
        assert (shot.left, shot.waiting, shot.blocked_jobs, shot.settled_jobs, shot.chains) == (3, 2, 2, 1, None)
        row = make_status_row(store, now=1100.0)
    assert (row["waiting"], row["blocked"]) == (2, 2)
    assert row["blocked_by"] == [{"state": "failed", "jobs": 2, "example": "fox 0", "parents": 1}]


def test_the_jobs_of_a_chain_are_made_one_after_another(tmp_path: Path) -> None:
    """However many slots there are; a chain that is blocked takes no time."""
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="x", now=1000.0)
        known = make_spec("known", model=LITE, request={"model": LITE, "prompt": "x"})
        store.imports.add_jobs([known, *make_chain(9, "fox"), *make_chain(3, "ship")], run=run, now=1000.0)
        moved_on(store, run, *DONE, now=1000.0)

        def find_time_left() -> float:
            ahead = SnapshotReader(store=store, places=100).read_snapshot(1030.0).ahead
            assert ahead is not None
            return ahead.likely

        nine = find_time_left()
        moved_on(store, run, S.FAILED, now=1030.0)
        assert find_time_left() == pytest.approx(nine / 3, rel=0.1)

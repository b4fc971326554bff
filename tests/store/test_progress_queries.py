"""What a display asks of the state."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.models import JobState
from batchveo.store import Store, display_queries
from tests.helpers.busy_database import going, moved_on
from tests.helpers.factories import make_spec

S = JobState


def test_failures_are_grouped_by_their_reason(tmp_path: Path) -> None:
    """The commonest first, with a name for example."""
    with Store(tmp_path / "b.db") as store:
        began = going(store, now=1.0)
        for reason in ("rare", "often", "often"):
            moved_on(store, began.run, S.GENERATING, S.FAILED, now=2.0, error=reason)
        found = [(row["error"], row["jobs"], row["example"]) for row in store.progress.list_failures(most=5)]
        assert found == [("often", 2, "job 1"), ("rare", 1, "job 0")]
        assert len(store.progress.list_failures(most=1)) == 1


def test_the_latest_events_are_those_worth_telling(tmp_path: Path) -> None:
    """Ends and doubts, oldest first; not every step."""
    with Store(tmp_path / "b.db") as store:
        began = going(store, now=1.0)
        moved_on(store, began.run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=2.0)
        moved_on(store, began.run, S.IN_DOUBT, S.GENERATING, now=3.0)
        moved_on(store, began.run, S.GENERATING, now=4.0)
        told = [(row["name"], row["to_state"]) for row in store.progress.list_latest_moves(most=9)]
        assert told == [("job 0", "succeeded"), ("job 1", "in_doubt"), ("job 1", "generating")]
        assert [row["to_state"] for row in store.progress.list_latest_moves(most=1)] == ["generating"]


def test_held_doubts_come_first(tmp_path: Path) -> None:
    """They are what a person has to settle."""
    with Store(tmp_path / "b.db") as store:
        began = going(store, now=1.0)
        for held in (False, True, False):
            moved_on(store, began.run, S.IN_DOUBT, now=2.0, held=held)
        assert [job.name for job in store.progress.list_doubts(most=2)] == ["job 1", "job 0"]


@pytest.mark.parametrize("sample", [10, 200, 5000])
def test_what_is_left_by_model(sample: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact where they are few; else from a sample all over the state, which takes no longer for a million."""
    monkeypatch.setattr(display_queries, "SAMPLE", sample)
    monkeypatch.setattr(display_queries, "LEAST_OF_SAMPLE", 1)
    specs = [make_spec(f"job {n}", model="a" if n < 750 else "b") for n in range(1000)]
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="x", now=1.0)
        store.imports.add_jobs(specs, run=run, now=1.0)
        left = store.progress.count_left_by_model()
    assert sum(left.values()) == pytest.approx(1000, abs=2)
    assert left["a"] == pytest.approx(750, abs=0 if sample == 5000 else 60)


def test_money_and_age(tmp_path: Path) -> None:
    """Of what was made since a moment, and of what is in flight now."""
    with Store(tmp_path / "b.db") as store:
        began = going(store, now=1.0)
        assert store.progress.measure_age_in_flight(5.0) == 0.0
        moved_on(store, began.run, S.GENERATING, S.DOWNLOADING, S.SUCCEEDED, now=2.0)
        moved_on(store, began.run, S.GENERATING, now=4.0)
        assert store.progress.sum_made_since(0.0) == (1, 0.5)
        assert store.progress.sum_made_since(33.0) == (0, 0.0)
        assert store.progress.measure_age_in_flight(10.0) == 6.0

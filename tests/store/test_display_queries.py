"""What the charts ask of the state."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.models import JobState
from batchveo.store import Store, display_queries
from batchveo.store.display_queries import COSTS, MODELS
from batchveo.store.queries import GENERATION_SECONDS
from tests.helpers.busy_database import going, moved_on
from tests.helpers.factories import make_spec
from tests.helpers.job_histories import EVENING, Night

S = JobState


def lived(store: Store) -> Night:
    night = Night(store, [make_spec(f"job {n}", model=f"model {n % 2}") for n in range(6)])
    for number in range(6):
        night.video(number * 10, seconds=7)
    return night


def test_events_are_found_by_their_time(store: Store) -> None:
    """Those before it, and none of those at it."""
    lived(store)
    newest, _ = store.charts.count_states()
    assert newest == 24
    for when in (-1.0, 0.0, 0.5, 1.0, 7.0, 33.3, 59.0, 1e6):
        counted = store.connection.db.execute("SELECT count(*) FROM events WHERE at < ?", (EVENING + when,)).fetchone()[
            0
        ]
        assert store.charts.find_event_before(EVENING + when, newest=newest) == counted


def test_nothing_is_found_in_an_empty_history(store: Store) -> None:
    """No event, no attempt, no model."""
    assert store.charts.count_states() == (0, {JobState.PENDING: 0})
    assert store.charts.find_event_before(1e12, newest=0) == 0
    assert store.charts.find_attempt_before(1e12, newest=store.charts.read_newest_attempt()) == 0
    assert (store.charts.list_models(), store.charts.list_run_spans(now=1.0, most=9)) == ([], [])


def test_the_parts_of_a_history_are_the_whole(store: Store) -> None:
    """However it is cut: no price is lost."""
    lived(store)
    assert sum(store.charts.sum_committed(n, n + 1) for n in range(6)) == store.charts.sum_committed(0, 6) == 9_000_000
    models = store.charts.list_models()
    halves = [
        sum(store.charts.sum_costs(model, *ends).micros for model in models)
        for ends in ((EVENING - 1, EVENING + 27), (EVENING + 27, EVENING + 100))
    ]
    assert halves == [3_000_000, 6_000_000]


def test_the_models_are_those_with_a_video(store: Store) -> None:
    """By name."""
    lived(store)
    store.imports.add_jobs([make_spec("new", model="never used")], run=1, now=EVENING)
    assert store.charts.list_models() == ["model 0", "model 1"]
    assert store.charts.sum_costs("model 0", EVENING, EVENING + 30) == (2, 3_000_000, 0)
    assert store.queries.list_generation_seconds("model 1", since=EVENING, until=EVENING + 100, most=2) == [7.0, 7.0]


def test_one_job_in_so_many_comes_with_all_its_moves(store: Store) -> None:
    """Job by job, in the order of its moves, and never more rows than asked for."""
    lived(store)
    rows = store.charts.list_moves_of_jobs(0, 24, every=3, most=100)
    assert [row["job"] for row in rows] == [3] * 4 + [6] * 4
    assert [row["to_state"] for row in rows[:4]] == ["submitting", "generating", "downloading", "succeeded"]
    assert len(store.charts.list_moves_of_jobs(0, 24, every=1, most=5)) == 5


@pytest.mark.parametrize("moves_per_number", [0, 1_000])
@pytest.mark.parametrize(("after", "upto"), [(0, 24), (5, 17), (24, 24)])
def test_jobs_are_chosen_alike_by_their_moves_and_by_their_numbers(
    store: Store, monkeypatch: pytest.MonkeyPatch, moves_per_number: int, after: int, upto: int
) -> None:
    """Whichever is faster: of a part of the history too, where some jobs did not move."""
    lived(store)
    monkeypatch.setattr(display_queries, "MOVES_PER_NUMBER", moves_per_number)
    rows = store.charts.list_moves_of_jobs(after, upto, every=2, most=100)
    expected = "SELECT job, id FROM events WHERE id > ? AND id <= ? AND job % 2 = 0 ORDER BY job, id"
    moves = [row["job"] for row in store.connection.db.execute(expected, (after, upto))]
    assert [row["job"] for row in rows] == moves


@pytest.mark.parametrize("statement", [MODELS, GENERATION_SECONDS, COSTS])
def test_completions_are_found_by_the_index(store: Store, statement: str) -> None:
    """Not by a look at every job."""
    known = {"model": "m", "since": 1.0, "until": 2.0, "most": 1}
    plan = store.connection.db.execute(f"EXPLAIN QUERY PLAN {statement}", known).fetchall()
    told = [row["detail"] for row in plan]
    assert any("jobs_by_completion" in step for step in told)
    assert not any(step.startswith("SCAN jobs") and "INDEX" not in step for step in told)


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

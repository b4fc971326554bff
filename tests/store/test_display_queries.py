"""What the charts ask of the state."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from batchveo.core.models import JobState
from batchveo.store import Store, display_queries
from tests.helpers.factories import make_spec
from tests.helpers.job_histories import EVENING, Night


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        yield store


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
    """However it is cut: no move is counted twice, no price lost."""
    lived(store)
    whole = store.charts.count_moves(0, 24)
    for edges in ([0, 24], [0, 1, 23, 24], list(range(25))):
        parts = [store.charts.count_moves(after, upto) for after, upto in pairwise(edges)]
        assert {move: sum(part.get(move, 0) for part in parts) for move in whole} == dict(whole)
    assert sum(store.charts.sum_committed(n, n + 1) for n in range(6)) == store.charts.sum_committed(0, 6) == 9_000_000
    models = store.charts.list_models()
    halves = [
        store.charts.sum_costs(models, EVENING - 1, EVENING + 27),
        store.charts.sum_costs(models, EVENING + 27, EVENING + 100),
    ]
    assert halves == [(3_000_000, 0), (6_000_000, 0)]


def test_the_models_are_those_with_a_video(store: Store) -> None:
    """By name."""
    lived(store)
    store.imports.add_jobs([make_spec("new", model="never used")], run=1, now=EVENING)
    assert store.charts.list_models() == ["model 0", "model 1"]
    assert store.charts.count_completed("model 0", EVENING, EVENING + 30) == 2
    assert store.charts.list_seconds("model 1", EVENING, EVENING + 100, most=2) == [7.0, 7.0]


def test_one_job_in_so_many_comes_with_all_its_moves(store: Store) -> None:
    """Job by job, in the order of its moves, and never more rows than asked for."""
    lived(store)
    rows = store.charts.list_moves_of_jobs(0, 24, every=3, most=100)
    assert [row["job"] for row in rows] == [3] * 4 + [6] * 4
    assert [row["to_state"] for row in rows[:4]] == ["submitting", "generating", "downloading", "succeeded"]
    assert len(store.charts.list_moves_of_jobs(0, 24, every=1, most=5)) == 5


@pytest.mark.parametrize("statement", ["MODELS", "COMPLETED", "SECONDS", "COSTS"])
def test_completions_are_found_by_the_index(store: Store, statement: str) -> None:
    """Not by a look at every job."""
    known = {"model": "m", "models": '["m"]', "since": 1.0, "until": 2.0, "most": 1}
    plan = store.connection.db.execute(f"EXPLAIN QUERY PLAN {getattr(display_queries, statement)}", known).fetchall()
    told = [row["detail"] for row in plan]
    assert any("jobs_by_completion" in step for step in told)
    assert not any(step.startswith("SCAN jobs") and "INDEX" not in step for step in told)

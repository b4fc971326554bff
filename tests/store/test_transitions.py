"""Claims, marks and moves: each from the right state, with its record."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from batchveo.core.models import JobState
from batchveo.core.outcomes import Accepted, Completed, Downloaded, Refused
from batchveo.core.state_machine import Move
from batchveo.store import GenerationTaken, MoveLost, Store
from tests.helpers.factories import make_spec
from tests.store.steps import claimed, move

S = JobState


def test_claims_come_in_manifest_order_with_fresh_request_ids(store: Store, run: int) -> None:
    """The intent and its client request id are committed together."""
    store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
    first, second = claimed(store, run), claimed(store, run)
    assert (first.name, second.name) == ("a", "b")
    assert first.state is S.SUBMITTING
    assert first.client_request_id != second.client_request_id
    assert store.transitions.claim_job(run=run, now=5.0) is None


def test_a_higher_priority_is_claimed_first(store: Store, run: int) -> None:
    """Among those of one priority the order is that of the manifest."""
    given = {"a": 0, "b": -5, "c": 10, "d": 0, "e": 10, "f": 3}
    store.imports.add_jobs([make_spec(name, priority=priority) for name, priority in given.items()], run=run, now=1.0)
    job = claimed(store, run)
    store.transitions.apply_move(job, Move(to=S.PENDING, set={"not_before": 50.0}), run=run, now=6.0)
    assert [job.name, *(claimed(store, run).name for _ in range(5))] == ["c", "e", "f", "a", "d", "b"]
    assert store.transitions.claim_job(run=run, now=49.0) is None
    assert store.queries.find_claim_time(run, now=49.0) == 50.0
    assert claimed(store, run, now=50.0).priority == 10


def test_priorities_count_within_the_jobs_of_a_run(store: Store, run: int) -> None:
    """A job that another run left, and that this one does not name, is not claimed."""
    store.imports.add_jobs([make_spec("left", priority=9), make_spec("named", priority=1)], run=run, now=1.0)
    later = store.runs.begin_run(command="run", service="s", now=2.0)
    store.imports.add_jobs([make_spec("named", priority=1), make_spec("new")], run=later, now=2.0)
    assert [claimed(store, later).name for _ in range(2)] == ["named", "new"]
    assert store.transitions.claim_job(run=later, now=5.0) is None
    assert store.queries.find_claim_time(later, now=5.0) is None


def test_refused_models_are_passed_over_at_every_priority(store: Store, run: int) -> None:
    """So one withdrawn model does not hold up the others."""
    store.imports.add_jobs([make_spec("a", priority=1, model="gone"), make_spec("b")], run=run, now=1.0)
    job = store.transitions.claim_job(run=run, now=5.0, refused=["gone"])
    assert job is not None
    assert job.name == "b"
    assert store.queries.find_claim_time(run, now=5.0, refused=["gone"]) is None


def test_a_client_request_id_is_one_the_service_keeps(store: Store, run: int) -> None:
    """1 to 128 characters of A-Z a-z 0-9 . _ : - , or it is dropped silently."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    request = claimed(store, run).client_request_id or ""
    assert 0 < len(request) <= 128
    assert set(request) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")


def test_a_later_attempt_has_a_later_request_id(store: Store, run: int) -> None:
    """Every POST has a row and an id of its own."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    first = claimed(store, run)
    store.transitions.apply_move(first, Move(to=S.PENDING), run=run, now=6.0)
    second = claimed(store, run)
    assert (first.attempts, second.attempts) == (1, 2)
    assert first.client_request_id != second.client_request_id


def test_not_before_is_kept(store: Store, run: int) -> None:
    """A job that waits is passed over, and the time is known."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    store.transitions.apply_move(claimed(store, run), Move(to=S.PENDING, set={"not_before": 50.0}), run=run, now=6.0)
    assert store.transitions.claim_job(run=run, now=49.0) is None
    assert store.queries.find_claim_time(run, now=49.0) == 50.0
    assert claimed(store, run, now=50.0).name == "a"


def test_a_life_is_recorded_from_claim_to_file(store: Store, run: int) -> None:
    """Every move is in the history, the attempt knows its outcome."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    job = move(store, claimed(store, run), Accepted(generation_id="g-1"))
    job = move(store, job, Completed(url="https://x/v.mp4", cost_usd=0.4), now=70.0)
    job = move(store, job, Downloaded(folder="/v", file="a.mp4", bytes=3, sha256="ab"), now=80.0)
    assert [row["to_state"] for row in store.queries.list_moves(job)] == [
        "submitting",
        "generating",
        "downloading",
        "succeeded",
    ]
    assert store.queries.read_job(job.seq) == job
    assert store.spend() == (0.4, 0)
    assert store.queries.list_generation_seconds("google/veo3") == [65.0]
    with closing(sqlite3.connect(store.path)) as db:
        attempt = db.execute("SELECT outcome, generation_id FROM attempts").fetchone()
    assert attempt == ("generating", "g-1")


def test_a_stale_job_cannot_be_moved(store: Store, run: int) -> None:
    """Compare and set: who comes second changes nothing."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    job = claimed(store, run)
    move(store, job, Accepted(generation_id="g-1"))
    with pytest.raises(MoveLost):
        move(store, job, Refused(reason="late"))
    assert store.queries.read_job(job.seq).state is S.GENERATING


def test_a_move_outside_the_table_is_refused(store: Store, run: int) -> None:
    """Not even the store's own callers may make one."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    with pytest.raises(ValueError, match="table of moves"):
        store.transitions.apply_move(claimed(store, run), Move(to=S.SUCCEEDED), run=run, now=2.0)


def test_one_generation_serves_one_job(store: Store, run: int) -> None:
    """The second job that is told the same id does not get it."""
    store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
    first, second = claimed(store, run), claimed(store, run)
    move(store, first, Accepted(generation_id="g-1"))
    with pytest.raises(GenerationTaken):
        move(store, second, Accepted(generation_id="g-1"))
    assert store.queries.read_job(second.seq).state is S.SUBMITTING


def test_what_a_dead_run_left_submitting_is_in_doubt(store: Store, run: int) -> None:
    """Never pending: its request may have arrived."""
    store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
    store.transitions.mark_sent(claimed(store, run), now=6.0)
    recovered = store.transitions.recover_jobs(run=run, now=99.0)
    assert [(job.name, job.state, job.doubted_at) for job in recovered] == [("a", S.IN_DOUBT, 99.0)]
    assert store.counts()[S.PENDING] == 1


def test_what_certainly_never_left_is_pending_again(store: Store, run: int) -> None:
    """The mark is made before the first byte leaves; without it nothing did, and no price stays reserved."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    store.transitions.claim_job(run=run, now=2.0, price=lambda job: 3.0)
    assert store.queries.read_committed() == pytest.approx(3.0)
    assert [job.state for job in store.transitions.recover_jobs(run=run, now=99.0)] == [S.PENDING]
    assert store.queries.read_committed() == 0.0


def test_a_wait_from_a_clock_ahead_is_clamped(store: Store, run: int) -> None:
    """A job written under a clock that ran hours ahead does not sleep for hours."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    store.transitions.apply_move(claimed(store, run), Move(to=S.PENDING, set={"not_before": 1e9}), run=run, now=6.0)
    store.transitions.recover_jobs(run=run, now=100.0)
    assert store.queries.find_claim_time(run, now=100.0) == 100.0

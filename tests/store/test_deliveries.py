"""Finished videos that are due, noted in the transaction in which they succeed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.core.gates import CheckPolicy, Judgement, Verdict
from batchveo.core.models import JobState
from batchveo.core.state_machine import Move
from batchveo.store import MoveLost, Store
from tests.helpers.busy_database import going, moved_on
from tests.helpers.store_rows import set_policy

S = JobState
MADE = (S.GENERATING, S.DOWNLOADING, S.SUCCEEDED)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        yield store


def due(store: Store, kind: str = "exec", *, run: int = 1, judged: bool = False) -> list[int]:
    return store.deliveries.list_due(kind, run=run, judged=judged, most=100)


def test_only_what_succeeds_while_a_hook_is_wanted(store: Store) -> None:
    """For each kind of its own; failures and steps are none of it."""
    run = going(store, 5, now=1.0).run
    moved_on(store, run, *MADE, now=1.0)
    store.deliveries.set_hooks(["exec", "webhook"])
    job = moved_on(store, run, *MADE, now=1.0)
    moved_on(store, run, S.GENERATING, S.FAILED, now=1.0)
    moved_on(store, run, S.GENERATING, S.DOWNLOADING, now=1.0)
    assert due(store, "exec") == due(store, "webhook") == [job.seq]
    store.deliveries.record_success(job, "exec")
    assert (due(store, "exec"), due(store, "webhook")) == ([], [job.seq])
    store.deliveries.set_hooks([])
    moved_on(store, run, *MADE, now=1.0)
    assert due(store, "webhook") == [job.seq]


def test_the_note_and_the_move_are_one(store: Store) -> None:
    """A move that is lost notes nothing."""
    run = going(store, 1, now=1.0).run
    store.deliveries.set_hooks(["exec"])
    job = moved_on(store, run, S.GENERATING, S.DOWNLOADING, now=1.0)
    made = Move(to=S.SUCCEEDED, detail="", set={"file": "x.mp4", "folder": "/v", "sha256": "1", "bytes": 1})
    store.transitions.apply_move(job, Move(to=S.GENERATING, detail="again"), run=run, now=2.0)
    with pytest.raises(MoveLost):
        store.transitions.apply_move(job, made, run=run, now=2.0)
    assert due(store) == []
    back = store.queries.read_job(job.seq)
    again = store.transitions.apply_move(back, Move(to=S.DOWNLOADING, detail=""), run=run, now=3.0)
    store.transitions.apply_move(again, made, run=run, now=3.0)
    assert due(store) == [job.seq]


def test_a_failure_is_for_the_next_run(store: Store) -> None:
    """This one does not try for ever."""
    run = going(store, 2, now=1.0).run
    store.deliveries.set_hooks(["exec"])
    first, second = (moved_on(store, run, *MADE, now=1.0) for _ in range(2))
    store.deliveries.record_failure(first, "exec", run=run)
    assert due(store, run=run) == [second.seq]
    assert due(store, run=run + 1) == [first.seq, second.seq]
    assert store.deliveries.count_due(run=run) == [("exec", 2, 1)]
    assert store.deliveries.count_due(run=run + 1) == [("exec", 2, 0)]


def test_a_clip_comes_after_its_verdict(store: Store) -> None:
    """If one is awaited."""
    run = going(store, 2, now=1.0).run
    store.deliveries.set_hooks(["exec"])
    judged, plain = (moved_on(store, run, *MADE, now=1.0) for _ in range(2))
    set_policy(store, [judged], CheckPolicy(gates=("has_sound",)))
    assert due(store, judged=True) == [plain.seq]
    assert due(store, judged=False) == [judged.seq, plain.seq]
    verdict = Judgement(verdict=Verdict.ACCEPTED, gate="", values={})
    store.verdicts.record_verdict(judged, verdict, run=run, now=3.0)
    assert due(store, judged=True) == [judged.seq, plain.seq]


def test_a_video_that_is_made_again_is_due_again(store: Store) -> None:
    """Its file is another one; meanwhile nobody is told of a file that is not there."""
    run = going(store, 1, now=1.0).run
    store.deliveries.set_hooks(["exec"])
    job = moved_on(store, run, *MADE, now=1.0)
    again = store.transitions.apply_move(job, Move(to=S.GENERATING, detail="missing"), run=run, now=2.0)
    assert due(store) == []
    again = store.transitions.apply_move(again, Move(to=S.DOWNLOADING, detail=""), run=run, now=3.0)
    store.transitions.apply_move(again, Move(to=S.SUCCEEDED, detail=""), run=run, now=3.0)
    assert due(store) == [job.seq]

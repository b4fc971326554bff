"""Verdicts of gates, and policies."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

import pytest

from batchveo.core.gates import CheckPolicy
from batchveo.core.job_row import JobRow
from batchveo.core.measures import CheckLevel
from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import Completed, Downloaded
from batchveo.core.state_machine import NOT_NEEDED, Move
from batchveo.store import LastTake, MoveLost, StagingTable, Store, preview_jobs
from batchveo.store.takes import make_take_id
from tests.helpers.factories import make_spec
from tests.helpers.store_rows import set_policy
from tests.store.judged_jobs import ACCEPTED, OPEN, POLICY, REJECTED, TAKE, finish, make_policed, reject
from tests.store.steps import assert_agrees, begun, claimed, move, names_claimed


def test_a_policy_makes_a_clip_wait_for_a_verdict(store: Store) -> None:
    run = begun(store, make_policed("a"), make_spec("b"))
    finish(store, run, generation="g")
    finish(store, run, generation="h")
    (job,) = store.verdicts.iter_unjudged()
    assert (job.name, job.policy, job.verdict) == ("a", POLICY, None)
    judged = store.verdicts.record_verdict(job, ACCEPTED, run=run, now=20.0)
    assert judged.job.verdict == "accepted"
    assert list(store.verdicts.iter_unjudged()) == []
    assert store.verdicts.count_verdicts() == {"accepted": 1}


def test_verdicts_are_kept_and_the_latest_counts(store: Store) -> None:
    run = begun(store, make_policed())
    job = finish(store, run, generation="g")
    for judgement in (OPEN, REJECTED, ACCEPTED):
        store.verdicts.record_verdict(job, judgement, run=run, now=20.0)
    assert [judgement for _, judgement in store.verdicts.list_verdicts(job)] == [OPEN, REJECTED, ACCEPTED]
    assert store.verdicts.read_verdict(job) == ACCEPTED
    for statement in ("DELETE FROM verdicts", "UPDATE verdicts SET gate = ''"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            store.connection.db.execute(statement)


def test_a_verdict_on_a_clip_that_was_replaced_is_refused(store: Store) -> None:
    run = begun(store, make_policed())
    job = finish(store, run, generation="g")
    with pytest.raises(MoveLost):
        store.verdicts.record_verdict(replace(job, sha256="other"), REJECTED, run=run, now=20.0, take=TAKE)
    assert store.verdicts.list_verdicts(job) == []
    assert [each.name for each in store.jobs()] == ["a"]


def test_a_rejected_clip_gets_one_take_however_often_it_is_judged(store: Store) -> None:
    run = begun(store, make_policed())
    job = finish(store, run, generation="g")
    take = reject(store, job, run)
    assert take is not None
    assert (take.name, take.stem, take.state, take.take, take.take_of) == ("a-take2", "a-take2", "pending", 2, job.seq)
    assert (take.request, take.meta, take.policy, take.tries) == ({"prompt": "a", "seed": 8}, job.meta, POLICY, 2)
    assert take.id == make_take_id(job.id, 2)
    assert reject(store, job, run) is None
    assert_agrees(store)
    assert names_claimed(store, run) == ["a-take2"]


def test_without_a_take_nothing_is_made_again(store: Store) -> None:
    run = begun(store, make_policed())
    job = finish(store, run, generation="g")
    assert reject(store, job, run, take=None) is None
    assert names_claimed(store, run) == []


def test_an_accepted_clip_cancels_takes_that_are_not_submitted(store: Store) -> None:
    run = begun(store, make_policed())
    first = finish(store, run, generation="g")
    take = reject(store, first, run)
    assert take is not None
    judged = store.verdicts.record_verdict(first, ACCEPTED, run=run, now=21.0)
    assert [(job.name, job.state, job.error) for job in judged.cancelled] == [("a-take2", "cancelled", NOT_NEEDED)]
    assert names_claimed(store, run) == []
    again = reject(store, first, run)  # by other gates
    assert again is not None
    assert (again.seq, again.state) == (take.seq, JobState.PENDING)
    assert_agrees(store)


def test_an_accepted_clip_leaves_a_take_alone_that_is_submitted(store: Store) -> None:
    run = begun(store, make_policed())
    first = finish(store, run, generation="g")
    reject(store, first, run)
    take = claimed(store, run)
    judged = store.verdicts.record_verdict(first, ACCEPTED, run=run, now=21.0)
    assert judged.cancelled == []
    assert store.queries.read_job(take.seq).state is JobState.SUBMITTING


def test_a_video_that_is_fetched_anew_is_judged_anew_if_it_is_another(store: Store) -> None:
    run = begun(store, make_policed())
    job = store.verdicts.record_verdict(finish(store, run, generation="g"), ACCEPTED, run=run, now=20.0).job
    for sha256, verdict in (("00", "accepted"), ("99", None)):
        again = store.transitions.apply_move(job, _fetch_again(job), run=run, now=30.0)
        again = move(store, again, Completed(url="https://x/v", cost_usd=1.0))
        job = move(store, again, Downloaded(folder="/v", file="a.mp4", bytes=3, sha256=sha256))
        assert store.queries.read_job(job.seq).verdict == verdict


def _fetch_again(job: Job) -> Any:
    return Move(to=JobState.GENERATING, detail="its file is gone")


def test_rejection_rates_are_those_of_each_model(store: Store) -> None:
    run = begun(store, make_policed("a"), make_policed("b"), make_policed("c", model="m"))
    for number, judgement in enumerate((ACCEPTED, REJECTED, REJECTED)):
        job = finish(store, run, generation=f"g{number}", sha256=f"{number}")
        store.verdicts.record_verdict(job, judgement, run=run, now=20.0)
    assert store.verdicts.list_rejection_rates() == {"google/veo3": (2, 1), "m": (1, 1)}


def test_the_history_has_each_verdict_of_gates(store: Store) -> None:
    run = begun(store, make_policed(), make_spec("b", policy=CheckPolicy(level=CheckLevel.BASIC).to_json()))
    job, other = finish(store, run, generation="g"), finish(store, run, generation="h", sha256="01")
    for judgement in (OPEN, REJECTED, REJECTED):
        store.verdicts.record_verdict(job, judgement, run=run, now=20.0)
    store.verdicts.record_verdict(other, ACCEPTED, run=run, now=20.0)
    assert [row["detail"] for row in store.queries.list_moves(job)][-2:] == [
        "not decided: clip.score > 1 (clip.score = unknown)",
        "rejected by black_seconds < 0.5 (black_seconds = 2.0)",
    ]
    assert store.queries.list_moves(other)[-1]["from_state"] == "downloading"


def test_a_take_that_was_not_needed_may_be_bought_after_all(store: Store) -> None:
    """By other gates: what is foreseen counts from the last take that was made."""
    run = begun(store, make_policed())
    job = finish(store, run, generation="g")
    reject(store, job, run)
    store.verdicts.record_verdict(job, ACCEPTED, run=run, now=21.0)
    other = CheckPolicy(gates=("black_seconds < 0.1",)).to_json()
    with StagingTable() as staged:
        staged.add_rows([JobRow.from_spec(make_policed(policy=other))])
        (seen,) = preview_jobs(staged, store.path)
    assert seen.last == LastTake(other, 3, 1, JobState.SUCCEEDED)
    set_policy(store, [job], CheckPolicy(gates=("black_seconds < 0.1",)))
    assert [last for _, _, last in store.queries.list_last_takes()] == [LastTake(other, 3, 1, JobState.SUCCEEDED)]

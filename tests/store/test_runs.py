"""Whose jobs a run takes, and which run holds the database."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import StateLocked
from batchveo.core.models import JobState
from batchveo.core.outcomes import (
    Accepted,
    Completed,
    Downloaded,
    Outcome,
    Refused,
    Throttled,
)
from batchveo.store import Store
from tests.helpers.factories import make_spec
from tests.store.steps import assert_agrees, begun, moved, names_claimed

S = JobState


def test_a_second_run_is_refused_with_the_firsts_pid(store: Store, run: int) -> None:
    """One run a state."""
    store.runs.acquire_lock()
    with Store(store.path) as second, pytest.raises(StateLocked, match=r"pid \d+ on "):
        second.runs.acquire_lock()


def test_the_lock_is_free_after_close(tmp_path: Path) -> None:
    """And reading never takes it."""
    path = tmp_path / "b.db"
    with Store(path) as first:
        first.runs.acquire_lock()
        Store(path, writing=False).close()
    with Store(path) as second:
        second.runs.acquire_lock()


def test_running_is_told_by_the_last_run(store: Store) -> None:
    """A run that ended, or whose process is gone, does not go on."""
    assert not store.runs.is_running()
    run = store.runs.begin_run(command="run", service="s", now=1.0)
    assert store.runs.is_running()
    store.runs.end_run(run, status=0, now=2.0)
    assert not store.runs.is_running()


def test_another_manifests_run_takes_only_what_it_names(store: Store) -> None:
    """Whatever is left of the first."""
    begun(store, make_spec("a 1"), make_spec("a 2"))
    b = begun(store, make_spec("b 1", manifest="b"), make_spec("b 2", manifest="b"))
    assert store.counts(run=b).total == 2
    assert store.queries.list_pending_models(b) == ["google/veo3"]
    assert names_claimed(store, b) == ["b 1", "b 2"]
    assert store.queries.find_claim_time(b, now=5.0) is None


def test_resume_takes_everything(store: Store) -> None:
    """The oldest run's jobs first."""
    begun(store, make_spec("a"))
    begun(store, make_spec("b", manifest="b"))
    resumed = store.runs.begin_run(command="resume", service="s", now=2.0)
    assert store.transitions.claim_job(run=resumed, now=5.0) is None
    store.runs.take_on_all(resumed)
    assert store.counts(run=resumed).total == 2
    assert names_claimed(store, resumed) == ["a", "b"]


def test_the_same_manifest_again_takes_all_by_one_row(store: Store) -> None:
    """Where everything unfinished is named, no job is written to."""
    specs = [make_spec(f"job {n}") for n in range(5)]
    begun(store, *specs)
    again = begun(store, *specs, make_spec("new"))
    assert [row[0] for row in store.connection.db.execute("SELECT DISTINCT run FROM jobs ORDER BY run")] == [1, again]
    assert names_claimed(store, again) == [f"job {n}" for n in range(5)] + ["new"]


def test_a_part_that_is_named_is_taken_alone(store: Store) -> None:
    """The rest waits for a run that names it."""
    begun(store, make_spec("a"), make_spec("b"), make_spec("c"))
    part = begun(store, make_spec("c"), make_spec("a"))
    assert store.counts(run=part).total == 2
    assert names_claimed(store, part) == ["a", "c"]
    assert names_claimed(store, begun(store, make_spec("b"))) == ["b"]


def test_a_failed_job_that_is_not_named_stays_out(store: Store) -> None:
    """Retried while another manifest's run goes on, it waits; and it does not count in that run's exit status."""
    a = begun(store, make_spec("a"))
    job = store.transitions.claim_job(run=a, now=5.0)
    assert job is not None
    failed = moved(store, job, Refused(reason="no"), a)
    b = begun(store, make_spec("b", manifest="b"))
    assert store.counts(run=b)[S.FAILED] == 0
    store.manual.retry_job(failed, now=1.0)
    assert names_claimed(store, b) == ["b"]
    assert names_claimed(store, begun(store, make_spec("a"))) == ["a"]


def test_a_cancelled_job_that_is_retried_waits_for_a_run_that_names_it(store: Store) -> None:
    """Also where nothing else was unfinished when another manifest's run began."""
    begun(store, make_spec("a"))
    withdrawn = store.manual.cancel_job(store.queries.read_job(1), now=2.0)
    b = begun(store, make_spec("b", manifest="b"))
    store.manual.retry_job(withdrawn, now=3.0)
    assert names_claimed(store, b) == ["b"]


def test_a_job_put_off_keeps_its_place(store: Store) -> None:
    """What was refused for now is submitted before what comes after it, in this run and the next."""
    specs = [make_spec(name) for name in "abc"]
    run = begun(store, *specs)
    for _ in range(2):
        first = store.transitions.claim_job(run=run, now=5.0)
        assert first is not None
        moved(store, first, Throttled(reason="slow"), run)
        run = begun(store, *specs)
    assert names_claimed(store, run) == ["a", "b", "c"]


def test_a_taken_on_job_that_ends_counts_for_the_run_that_ended_it(store: Store) -> None:
    """And no longer for the one that began it."""
    a = begun(store, make_spec("a"), make_spec("b"))
    again = begun(store, make_spec("a"), make_spec("b"))
    job = store.transitions.claim_job(run=again, now=5.0)
    assert job is not None
    steps: list[Outcome] = [
        Accepted(generation_id="g"),
        Completed(url="https://cdn.example/v.mp4", cost_usd=1.0),
        Downloaded(folder="/v", file="f.mp4", bytes=1, sha256="h"),
    ]
    for outcome in steps:
        job = moved(store, job, outcome, again)
    assert dict(store.counts(run=again).by_state) == {S.PENDING: 1, S.SUCCEEDED: 1}
    assert store.counts(run=a)[S.SUCCEEDED] == 0


def test_an_adopted_generation_changes_no_run(store: Store) -> None:
    """A stranger's job, made while another run goes on, is polled by it, and neither's pending jobs move."""
    a = begun(store, make_spec("a"))
    adopting = store.runs.begin_run(command="adopt", service="s", now=2.0)
    store.manual.adopt_new_job(make_spec("stranger"), "g", run=adopting, now=2.0)
    assert names_claimed(store, adopting) == []
    assert names_claimed(store, a) == ["a"]
    assert_agrees(store)

"""With which API key a job went out, by its label."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import Accepted, Outcome, Refused, SubmitUncertain
from batchveo.core.state_machine import next_state
from batchveo.operations.status import make_job_row
from batchveo.store import MoveLost, Store
from batchveo.store.database import APPLICATION_ID
from batchveo.store.migrations import list_migrations
from tests.helpers.factories import make_spec
from tests.helpers.store_rows import list_attempts

NOW = 5.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
        yield store


def claimed(store: Store, key: str | None) -> Job:
    job = store.transitions.claim_job(run=1, now=NOW, key=key)
    assert job is not None
    return job


def moved(store: Store, job: Job, outcome: Outcome) -> Job:
    step = next_state(job, outcome, now=NOW, jitter=0.0)
    assert step is not None
    return store.transitions.apply_move(job, step, run=1, now=NOW)


def keys_of_attempts(store: Store) -> list[str | None]:
    return [row["key"] for row in list_attempts(store)]


def test_a_claim_says_with_which_key(store: Store) -> None:
    """In the job, its attempt and the JSON; later moves leave it."""
    job = moved(store, claimed(store, "team-a"), Accepted(generation_id="g1"))
    assert (job.key, store.queries.read_job(job.seq).key, make_job_row(job)["key"]) == ("team-a",) * 3
    assert keys_of_attempts(store) == ["team-a"]


@pytest.mark.parametrize("only", [None, ""])
def test_the_only_key_has_no_label(store: Store, only: str | None) -> None:
    """Nor have the jobs of before there were several."""
    assert claimed(store, only).key is None
    assert keys_of_attempts(store) == [None]
    assert store.keys.count_by_label() == {"": 1}


def test_a_retry_may_go_out_with_another_key(store: Store) -> None:
    """The history keeps the first; the job tells of the latest."""
    refused = moved(store, claimed(store, "team-a"), Refused(reason="no"))
    again = store.manual.retry_job(refused, now=NOW)
    assert (again.state, again.key) == (JobState.PENDING, "team-a")
    assert claimed(store, "team-b").key == "team-b"
    assert keys_of_attempts(store) == ["team-a", "team-b"]


def test_after_several_keys_the_only_one_takes_the_label_away(store: Store) -> None:
    """What goes out without a label is not asked for with one."""
    store.manual.retry_job(moved(store, claimed(store, "team-a"), Refused(reason="no")), now=NOW)
    assert claimed(store, None).key is None


def test_a_doubt_submitted_again_keeps_what_was(store: Store) -> None:
    """The attempt that may have bought is still that of the first key."""
    doubt = moved(store, claimed(store, "team-a"), SubmitUncertain(reason="reset"))
    assert store.keys.count_by_label() == {"team-a": 1}
    store.manual.resubmit_job(doubt, now=NOW)
    assert not store.keys.count_by_label()
    claimed(store, "team-b")
    assert keys_of_attempts(store) == ["team-a", "team-b"]


@pytest.mark.parametrize(("key", "kept"), [("team-b", "team-b"), ("", None), (None, "team-a")])
def test_an_adopted_generation_is_asked_for_with_the_key_that_knows_it(
    store: Store, key: str | None, kept: str | None
) -> None:
    """Of a doubtful job as of a pending one; nobody's word leaves the key as it is."""
    doubt = moved(store, claimed(store, "team-a"), SubmitUncertain(reason="reset"))
    assert store.manual.adopt_generation(doubt, "g1", now=NOW, key=key).key == kept
    assert store.queries.read_job(doubt.seq).key == kept
    pending = next(store.jobs(JobState.PENDING))
    assert store.manual.adopt_generation(pending, "g2", now=NOW, key=key).key == (key or None)
    assert keys_of_attempts(store) == ["team-a", key or None]


def test_an_adoption_that_comes_too_late_changes_no_key(store: Store) -> None:
    """The job has moved on."""
    doubt = moved(store, claimed(store, "team-a"), SubmitUncertain(reason="reset"))
    store.manual.resubmit_job(doubt, now=NOW)
    with pytest.raises(MoveLost):
        store.manual.adopt_generation(doubt, "g1", now=NOW, key="team-b")
    assert store.queries.read_job(doubt.seq).key == "team-a"


def test_what_is_at_its_end_needs_no_key(store: Store) -> None:
    """Only what is under way or in doubt is counted."""
    moved(store, claimed(store, "team-a"), Refused(reason="no"))
    moved(store, claimed(store, "team-b"), Accepted(generation_id="g1"))
    assert store.keys.count_by_label() == {"team-b": 1}


@pytest.mark.parametrize("writing", [True, False])
def test_a_state_of_before_has_one_key_without_a_label(tmp_path: Path, writing: bool) -> None:
    """Opened for writing or for reading: its jobs and attempts are all there."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        list_migrations().apply(Database(db), stop_before="keys")
        with db:
            db.execute("INSERT INTO runs VALUES (1, 'run', 's', '0', 'h', 1, 1.0, 2.0, 0, NULL, NULL)")
            db.execute(
                """INSERT INTO jobs (seq, id, name, stem, fold, state, model, request, run, attempts,
                       client_request_id, generation_id, created_at)
                   VALUES (1, 'i', 'a', 'a', 'a', 'generating', 'm', '{}', 1, 1, 'r', 'g', 1)"""
            )
            db.execute(
                "INSERT INTO attempts (job, run, number, client_request_id, started_at) VALUES (1, 1, 1, 'r', 1)"
            )
    with Store(path, writing=writing) as store:
        assert [job.key for job in store.jobs()] == [None]
        assert keys_of_attempts(store) == [None]
        assert store.keys.count_by_label() == {"": 1}

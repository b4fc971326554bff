"""Which key an attempt left with, and who is asked for it when labels change."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import Accepted, Outcome, SubmitUncertain
from batchveo.core.state_machine import next_state
from batchveo.operations.preflight import check_keys, follow_keys
from batchveo.provider import ApiKey, NamedKey
from batchveo.provider.service import Service
from batchveo.store import Store
from batchveo.store.database import APPLICATION_ID
from batchveo.store.migrations import list_migrations
from tests.helpers.virtual_run import specs

NOW = 1_800_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        store.runs.begin_run(command="run", service="https://x.example", now=NOW)
        store.imports.add_jobs(specs(4), run=1, now=NOW)
        yield store


def service(**keys: str) -> Service:
    """A service with these keys by their labels; ``only`` is the only one, without a label."""
    named = {"" if label == "only" else label: ApiKey(key) for label, key in keys.items()}
    return Service(base_url="https://x.example", keys=tuple(NamedKey(name=n, key=k) for n, k in named.items()))


def claimed(store: Store, using: Service, label: str = "") -> Job:
    job = store.transitions.claim_job(
        run=1, now=NOW, key=label or None, key_print=using.key_prints(store.keys.read_secret())[label]
    )
    assert job is not None
    return job


def moved(store: Store, job: Job, outcome: Outcome) -> Job:
    move = next_state(job, outcome, now=NOW, jitter=0.0)
    assert move is not None
    return store.transitions.apply_move(job, move, run=1, now=NOW)


def test_the_key_is_not_in_the_database(store: Store, tmp_path: Path) -> None:
    """Nor is a plain hash of it, which could be looked up; two databases tell nothing of each other's keys."""
    using = service(only="sk-secret-key")
    job = claimed(store, using)
    key_print = store.keys.find_fingerprint(job)
    assert key_print == using.key_prints(store.keys.read_secret())[""]
    with Store(tmp_path / "other.db") as other:
        assert using.key_prints(other.keys.read_secret())[""] != key_print
    store.close()
    assert b"sk-secret-key" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_the_fingerprint_is_of_the_attempt(store: Store) -> None:
    """A second attempt of the job with another key has its own."""
    before, after = service(only="sk-a"), service(only="sk-b")
    doubt = moved(store, claimed(store, before), SubmitUncertain(reason="reset"))
    store.manual.resubmit_job(doubt, now=NOW)
    again = claimed(store, after)
    assert again.seq == doubt.seq
    assert store.keys.find_fingerprint(again) != store.keys.find_fingerprint(doubt)


@pytest.mark.parametrize(
    ("then", "label"),
    [
        ({"b": "sk-a", "a": "sk-b"}, "b"),  # two labels changed places
        ({"main": "sk-a"}, "main"),
        ({"only": "sk-a"}, None),
    ],
)
@pytest.mark.parametrize("outcome", [Accepted(generation_id="g"), SubmitUncertain(reason="reset")])
def test_what_is_under_way_follows_its_key(
    store: Store, then: dict[str, str], label: str | None, outcome: Outcome
) -> None:
    """Whatever the key is called now: a generation is asked for with the key that bought it."""
    job = moved(store, claimed(store, service(a="sk-a", c="sk-c"), "a"), outcome)
    using = service(**then)
    assert follow_keys(store, using) == 0
    assert store.queries.read_job(job.seq).key == label
    check_keys(store, using)


def test_a_label_with_another_key_is_counted(store: Store) -> None:
    """The same label, another value: the jobs keep the label, and are told apart from those of this key."""
    moved(store, claimed(store, service(a="sk-old"), "a"), Accepted(generation_id="g"))
    moved(store, claimed(store, service(a="sk-new"), "a"), Accepted(generation_id="h"))
    assert follow_keys(store, service(a="sk-new", b="sk-b")) == 1
    assert [job.key for job in store.jobs(JobState.GENERATING)] == ["a", "a"]


def test_what_has_ended_keeps_the_label_that_it_had(store: Store) -> None:
    """Nobody needs to ask for it any more."""
    job = moved(store, claimed(store, service(a="sk-a"), "a"), Accepted(generation_id="g"))
    store.connection.db.execute("UPDATE jobs SET state = 'failed' WHERE seq = ?", (job.seq,))
    assert follow_keys(store, service(z="sk-a")) == 0
    assert store.queries.read_job(job.seq).key == "a"


def test_attempts_of_before_have_no_fingerprint(tmp_path: Path) -> None:
    """A database of the version before is brought up to date; what is under way is not taken for another key's."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        list_migrations().apply(Database(db), stop_before="run_options_and_key_prints")
        with db:
            db.execute("INSERT INTO runs VALUES (1, 'run', 's', '0', 'h', 1, 1.0, 2.0, 0, NULL, NULL)")
            db.execute(
                """INSERT INTO jobs (seq, id, name, stem, fold, state, model, request, run, attempts,
                       client_request_id, created_at)
                   VALUES (1, 'i', 'a', 'a', 'a', 'in_doubt', 'm', '{}', 1, 1, 'r', 1)"""
            )
            db.execute(
                "INSERT INTO attempts (job, run, number, client_request_id, started_at) VALUES (1, 1, 1, 'r', 1)"
            )
    with Store(path) as store:
        assert store.keys.find_fingerprint(store.queries.read_job(1)) is None
        assert follow_keys(store, service(only="sk-a")) == 0
        assert len(store.keys.read_secret()) == 32
        assert store.runs.read_last_options() is None

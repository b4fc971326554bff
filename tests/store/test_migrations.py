"""Migrations of older databases, and the counts and sums that triggers keep."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from sqlite_utils import Database

from batchveo.core.models import CatalogInfo, JobSpec, JobState
from batchveo.store import Store
from batchveo.store.database import APPLICATION_ID
from batchveo.store.migrations import list_migrations
from tests.helpers.factories import make_spec
from tests.helpers.samples import sample_cases
from tests.store.steps import Walk, assert_agrees, begun, names_claimed

S = JobState
RUN = """INSERT INTO runs (id, command, service, version, host, pid, started_at)
    VALUES (1, 'run', 'x', '1', 'h', 1, 1)"""
JOB = """INSERT INTO jobs (id, name, stem, fold, state, model, request, run, created_at)
    VALUES (?, ?, ?, ?, 'pending', 'veo2', '{}', 1, 1.0)"""


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("seed", sample_cases(range(4), size=1))
def test_whatever_is_done_the_totals_are_those_of_the_rows(store: Store, seed: int, shares: bool) -> None:
    """Every verb in any order, many of them refused half-way."""
    walk = Walk(store, seed)
    seen: set[JobState] = set()
    for _ in range(350):
        with store.connection.sharing() if shares else nullcontext():
            for _ in range(3):
                walk.step()
        assert_agrees(store)
        seen |= {state for state in S if store.counts()[state]}
    assert seen == set(S)


def test_namesakes_and_known_jobs_are_counted_once(store: Store) -> None:
    """From a scratch as from a list."""
    begun(store, make_spec("Cat"), make_spec("cat"), make_spec("dog"))
    begun(store, make_spec("cat"), make_spec("cow"), make_spec("COW"))
    assert store.counts().total == 5
    assert_agrees(store)


def test_an_expansion_that_fails_leaves_the_totals(store: Store) -> None:
    """They are part of its transaction."""

    def specs() -> Iterator[JobSpec]:
        yield make_spec("b")
        raise RuntimeError("half-way")

    run = begun(store, make_spec("a"))
    with pytest.raises(RuntimeError):
        store.imports.add_jobs(specs(), run=run, now=1.0)
    assert store.counts().total == 1
    assert_agrees(store)


def first_state(path: Path) -> None:
    """A state that only the first migration has made, with a job in most states."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        list_migrations().apply(Database(db), stop_before="totals")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("INSERT INTO runs VALUES (1, 'run', 's', '0', 'h', 1, 1.0, 2.0, 0, NULL)")
        rows = [
            ("pending", 0, None, None, None),
            ("pending", 0, None, None, None),
            ("in_doubt", 1, None, None, None),
            ("in_doubt", 0, None, None, None),
            ("generating", 0, "g1", None, None),
            ("downloading", 0, "g2", 5.0, None),
            ("succeeded", 0, "g3", 5.0, 0.1),
            ("succeeded", 0, "g4", 5.0, 0.2),
            ("succeeded", 0, "g5", 5.0, None),
        ]
        for number, (state, held, generation, completed, cost) in enumerate(rows):
            db.execute(
                """INSERT INTO jobs (id, name, stem, fold, state, held, model, request, run, generation_id,
                       completed_at, cost_usd, created_at, client_request_id, file, sha256)
                   VALUES (?1, ?1, ?1, ?1, ?2, ?3, 'm', '{}', 1, ?4, ?5, ?6, 1.0, ?1, 'f', 'h')""",
                (f"job {number}", state, held, generation, completed, cost),
            )


@pytest.mark.parametrize("writing", [True, False])
def test_a_state_of_before_is_brought_up_to_date(tmp_path: Path, writing: bool) -> None:
    """Its totals are added up once, when it is opened, be it only to look."""
    first_state(tmp_path / "b.db")
    with Store(tmp_path / "b.db", writing=writing) as store:
        assert_agrees(store)
        assert (store.counts().total, store.counts().held) == (9, 1)
        assert store.spend() == (0.3, 2)
        assert store.counts(run=1).total == 9


def test_a_job_of_before_goes_on_in_a_new_run(tmp_path: Path) -> None:
    """Named or resumed."""
    first_state(tmp_path / "b.db")
    with Store(tmp_path / "b.db") as store:
        run = begun(store, make_spec("another"))
        assert names_claimed(store, run) == ["another"]
        resumed = store.runs.begin_run(command="resume", service="s", now=2.0)
        store.runs.take_on_all(resumed)
        assert names_claimed(store, resumed) == ["job 0", "job 1"]
        assert_agrees(store)


def test_a_job_of_before_has_no_catalogue(tmp_path: Path) -> None:
    """It was validated against one that nobody recorded; to name it again does not change that."""
    first_state(tmp_path / "old.db")
    with Store(tmp_path / "old.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=2.0)
        named = [make_spec("job 0", id="job 0"), make_spec("new")]
        added = store.imports.add_jobs(named, run=run, now=2.0, catalog=CatalogInfo(digest="d"))
        assert (added.known, added.new) == (1, 1)
        found = {job.name: (job.catalog, job.unchecked) for job in store.jobs()}
    assert found.pop("new") == ("d", ())
    assert set(found.values()) == {(None, ())}


def test_a_fresh_schema_is_the_migrated_one(tmp_path: Path) -> None:
    """Table by table, column by column, index by index, trigger by trigger."""
    first_state(tmp_path / "old.db")
    schemas = []
    for name in ("old.db", "new.db"):
        with Store(tmp_path / name) as store:
            schemas.append(set(map(tuple, store.connection.db.execute("SELECT type, name, sql FROM sqlite_master"))))
    assert schemas[0] == schemas[1]


def test_an_older_database_takes_names_in_another_case(tmp_path: Path) -> None:
    """Its own jobs keep their files; a new one is no longer a namesake."""
    path = tmp_path / "b.db"
    with sqlite3.connect(path) as db:
        list_migrations().apply(Database(db), stop_before="url_expiry")
        db.execute(RUN)
        for stem, fold in (("A Cat", "a cat"), ("a cat~01234567", "a cat~01234567"), ("Ärger", "ärger")):
            db.execute(JOB, (stem, stem, stem, fold))
        db.execute("PRAGMA application_id = 0x62766A31")
    db.close()
    with Store(path) as store:
        run = store.runs.begin_run(command="run", service="x", now=2.0)
        store.imports.add_jobs(
            [make_spec("a cat"), make_spec("ärger"), make_spec("A Cat", id="f" * 20)], run=run, now=2.0
        )
        stems = [job.stem for job in store.jobs()]
    assert stems[:5] == ["A Cat", "a cat~01234567", "Ärger", "a cat", "ärger"]
    assert stems[5] == "A Cat~ffffffff"

"""Migrations of older databases, and the counts and sums that triggers keep."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext, suppress
from pathlib import Path

import pytest
from sqlite_utils import Database

from batchveo.core.models import CatalogInfo, JobSpec, JobState
from batchveo.core.outcomes import (
    AbsentFromLog,
    Accepted,
    Charged,
    Completed,
    Denied,
    Downloaded,
    DownloadError,
    FailedInLog,
    FoundInLog,
    GenerationFailed,
    Outcome,
    Refused,
    Stuck,
    SubmitUncertain,
    Throttled,
)
from batchveo.store import GenerationTaken, MoveLost, Store
from batchveo.store.database import APPLICATION_ID
from batchveo.store.migrations import list_migrations
from tests.helpers.factories import make_spec
from tests.helpers.samples import sample_cases
from tests.store.steps import assert_agrees, begun, moved, names_claimed

S = JobState
RUN = """INSERT INTO runs (id, command, service, version, host, pid, started_at)
    VALUES (1, 'run', 'x', '1', 'h', 1, 1)"""
JOB = """INSERT INTO jobs (id, name, stem, fold, state, model, request, run, created_at)
    VALUES (?, ?, ?, ?, 'pending', 'veo2', '{}', 1, 1.0)"""


class Walk:
    """A state under random verbs, lawful and unlawful."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store = store
        self.dice = random.Random(seed)
        self.generations = 0
        self.run = begun(store, *self.specs())

    def specs(self) -> list[JobSpec]:
        """Some of twelve jobs; of two of them each, the files would have one name."""
        chosen = self.dice.sample(range(12), self.dice.randint(1, 8))
        return [make_spec(f"job {n}", stem=f"stem {n // 2}", meta={"k": self.dice.random()}) for n in chosen]

    def outcome(self) -> Outcome:
        self.generations += self.dice.random() < 0.9
        generation = f"g{self.generations}"
        cost = self.dice.choice([None, 0.1234565, 2.0, 0.0])
        outcomes: list[Outcome] = [
            Accepted(generation_id=generation),
            FoundInLog(generation_id=generation),
            Completed(url="https://cdn.example/v.mp4", cost_usd=cost),
            Downloaded(folder="/v", file="f.mp4", bytes=1, sha256=f"{self.dice.random()}"),
            DownloadError(reason="odd", stale_url=True),
            GenerationFailed(reason="no"),
            Refused(reason="no"),
            SubmitUncertain(reason="late"),
            Throttled(reason="slow"),
            FailedInLog(reason="no"),
            AbsentFromLog(settled=True),
            AbsentFromLog(settled=True, resubmit=True),
            Charged(usd=2.5),
            Denied(reason="no"),
            Stuck(reason="no"),
        ]
        return self.dice.choice(outcomes)

    def step(self) -> None:
        store, dice = self.store, self.dice
        job = dice.choice(list(store.jobs()))
        verbs: Sequence[Callable[[], object]] = [
            *[lambda: moved(store, job, self.outcome(), self.run)] * 12,
            *[lambda: store.transitions.claim_job(run=self.run, now=9.0, price=lambda _: dice.choice([None, 0.7]))] * 4,
            lambda: store.manual.retry_job(job, now=1.0),
            lambda: store.manual.cancel_job(job, now=1.0),
            lambda: store.manual.resubmit_job(job, now=1.0),
            lambda: store.manual.give_up_job(job, now=1.0),
            lambda: store.manual.adopt_generation(job, f"a{dice.randint(0, 20)}", now=1.0),
            lambda: store.manual.adopt_new_job(
                make_spec(f"new {dice.random()}"), f"a{dice.randint(0, 20)}", run=1, now=1.0
            ),
            lambda: store.transitions.record_cost(job.seq, 0.5),
            lambda: store.transitions.recover_jobs(run=self.run, now=9.0),
            lambda: store.runs.take_on_all(self.run),
            self.begin,
            store.connection.flush,
        ]
        with suppress(ValueError, MoveLost, GenerationTaken, sqlite3.IntegrityError):
            dice.choice(verbs)()

    def begin(self) -> None:
        # a scratch brings a connection of its own, and comes before a run shares transactions
        self.run = begun(self.store, *self.specs(), scratch=not self.store.connection._sharing)


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("seed", sample_cases(range(4), size=2))
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

"""Shared transactions: whole or not there, told to everyone, never left open."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import Accepted
from batchveo.core.state_machine import Move, next_state
from batchveo.store import BudgetShort, GenerationTaken, MoveLost, Store
from tests.helpers.factories import make_spec

S = JobState
RUN = 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([make_spec(name) for name in "abcd"], run=RUN, now=1.0)
        yield store


def claimed(store: Store) -> Job:
    job = store.transitions.claim_job(run=RUN, now=5.0)
    assert job is not None
    return job


def accept(store: Store, job: Job, generation: str) -> Job:
    step = next_state(job, Accepted(generation_id=generation), now=6.0, jitter=0.0)
    assert step is not None
    return store.transitions.apply_move(job, step, run=RUN, now=6.0)


def seen_by_others(store: Store) -> int:
    """How many jobs a second process sees that are no longer pending."""
    with Store(store.path, writing=False) as other:
        return other.counts().total - other.counts()[S.PENDING]


def others_may_write(store: Store) -> bool:
    """Whether no write of ``store`` is under way."""
    with closing(sqlite3.connect(store.path, timeout=0, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
    return True


def strike(store: Store, when: str) -> None:
    """From now on SQLite answers such moves as a full disk: it takes everything back."""
    store.connection.db.execute(
        f"CREATE TEMP TRIGGER strike BEFORE INSERT ON main.events WHEN {when} "
        "BEGIN SELECT RAISE(ROLLBACK, 'struck'); END"
    )


@contextmanager
def lossy(store: Store) -> Iterator[None]:
    """Sharing whose end tells of a loss."""
    with pytest.raises(sqlite3.IntegrityError), store.connection.sharing():
        yield


def test_alone_each_write_is_on_disk_at_once(store: Store) -> None:
    """As for the commands that change a state by hand."""
    claimed(store)
    assert not store.connection.unflushed
    assert seen_by_others(store) == 1


def test_shared_writes_are_seen_here_at_once_and_elsewhere_after_the_flush(store: Store) -> None:
    """One commit for all of them."""
    with store.connection.sharing():
        assert claimed(store).name == "a"
        assert claimed(store).name == "b"
        assert store.connection.unflushed
        assert (store.counts()[S.SUBMITTING], seen_by_others(store)) == (2, 0)
        store.connection.flush()
        assert not store.connection.unflushed
        assert seen_by_others(store) == 2


def test_the_end_of_sharing_flushes(store: Store) -> None:
    """Also where it ends by an error."""
    with pytest.raises(KeyboardInterrupt), store.connection.sharing():  # noqa: PT012 - the end is what is tested
        claimed(store)
        raise KeyboardInterrupt
    assert seen_by_others(store) == 1


def test_a_part_that_fails_takes_back_only_itself(store: Store) -> None:
    """Its neighbours stay, before it and after it."""
    with store.connection.sharing():
        a, b = claimed(store), claimed(store)
        accept(store, a, "g")
        with pytest.raises(GenerationTaken):
            accept(store, b, "g")
        with pytest.raises(MoveLost):
            accept(store, a, "h")
        accept(store, b, "h")
    assert [job.generation_id for job in store.jobs(S.GENERATING)] == ["g", "h"]
    assert len(store.queries.list_moves(b)) == 2


def test_a_part_within_a_part_is_taken_back_with_it(store: Store) -> None:
    """Adopting a stranger makes a job and moves it: both or neither, whatever else the transaction holds."""
    with store.connection.sharing():
        accept(store, claimed(store), "g")
        with pytest.raises(GenerationTaken):
            store.manual.adopt_new_job(make_spec("stranger"), "g", run=RUN, now=7.0)
    assert store.counts().total == 4
    assert store.counts()[S.GENERATING] == 1


def test_what_sqlite_takes_back_by_itself_is_lost_for_the_whole_group(store: Store) -> None:
    """The flush tells those who were not there when it happened."""
    with lossy(store):
        a = claimed(store)
        strike(store, "NEW.to_state = 'generating'")
        with pytest.raises(sqlite3.IntegrityError, match="struck"):
            accept(store, a, "g")
        assert store.connection.unflushed
        with pytest.raises(sqlite3.IntegrityError, match="struck"):
            store.connection.flush()
    assert store.counts()[S.PENDING] == 4


@pytest.mark.parametrize("after", ["a claim of nothing", "a claim too dear", "a second loss"])
def test_what_comes_after_a_loss_does_not_hide_it(store: Store, after: str) -> None:
    """It is told to those who wrote before it, not only to whoever comes next."""
    heard: list[bool] = []
    with lossy(store):
        strike(store, "NEW.at > 5.0")
        a = claimed(store)
        with pytest.raises(sqlite3.IntegrityError):
            accept(store, a, "g")
        with suppress(sqlite3.IntegrityError, BudgetShort):
            match after:
                case "a claim of nothing":
                    store.transitions.claim_job(run=RUN, now=-1.0)
                case "a claim too dear":
                    store.transitions.claim_job(run=RUN, now=5.0, price=lambda _: 1.0, budget=0.5)
                case _:
                    store.transitions.claim_job(run=RUN, now=7.0)
        heard.append(store.connection.unflushed)
    assert heard == [True]


def test_what_is_written_after_a_loss_goes_with_it(store: Store) -> None:
    """It may follow from what is not there."""
    with lossy(store):
        a = claimed(store)
        strike(store, "NEW.to_state = 'generating'")
        with pytest.raises(sqlite3.IntegrityError):
            accept(store, a, "g")
        claimed(store)
    assert store.counts()[S.PENDING] == 4


def test_a_failed_flush_stays_failed(store: Store) -> None:
    """Whoever wrote in its group, and asks only later, must not hear that all is well."""
    with lossy(store):
        claimed(store)
        store.connection.db.execute("PRAGMA defer_foreign_keys = ON")
        store.connection.db.execute("UPDATE jobs SET run = 99")
        for _ in range(2):
            with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
                store.connection.flush()
        assert others_may_write(store)
    assert store.counts()[S.PENDING] == 4
    claimed(store)
    assert seen_by_others(store) == 1


def test_a_full_disk_loses_either_the_part_or_all_and_says_which(store: Store) -> None:
    """SQLite's own fault, not a simulated one: what the flush confirms is there, what it denies is not."""
    store.connection.db.execute(
        f"PRAGMA max_page_count = {store.connection.db.execute('PRAGMA page_count').fetchone()[0]}"
    )
    confirmed = True
    try:
        with store.connection.sharing():
            claimed(store)
            with pytest.raises(sqlite3.OperationalError, match="full"):
                store.imports.add_jobs([make_spec("large", meta={"k": "x" * 500_000})], run=RUN, now=2.0)
    except sqlite3.OperationalError:
        confirmed = False
    assert seen_by_others(store) == int(confirmed)
    assert store.counts().total == 4
    assert store.connection.db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


@pytest.mark.parametrize("verb", ["claim nothing", "too dear", "lost move", "nothing to mark"])
def test_what_changes_nothing_leaves_no_transaction_open(store: Store, verb: str) -> None:
    """A run may idle for an hour after it; other processes write meanwhile."""
    with store.connection.sharing():
        job = claimed(store)
        accept(store, job, "g")
        store.connection.flush()
        match verb:
            case "claim nothing":
                assert store.transitions.claim_job(run=RUN, now=-1.0) is None
            case "too dear":
                with pytest.raises(BudgetShort):
                    store.transitions.claim_job(run=RUN, now=5.0, price=lambda _: 1.0, budget=0.5)
            case "lost move":
                with pytest.raises(MoveLost):
                    accept(store, job, "h")
            case _:
                store.runs.set_budget(99, 1.0)
        assert not store.connection.unflushed
        assert others_may_write(store)


def test_a_state_that_another_process_writes_to_is_an_error_and_nothing_is_open(store: Store) -> None:
    """Whoever waited long enough hears of it; the next write goes on as if nothing had been."""
    store.connection.db.execute("PRAGMA busy_timeout = 0")
    with store.connection.sharing(), closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            claimed(store)
        assert not store.connection.unflushed
        other.execute("ROLLBACK")
        claimed(store)
    assert seen_by_others(store) == 1


def test_a_job_that_another_process_moved_first_is_left_alone(store: Store) -> None:
    """Between two flushes it may write, and the next move of ours compares."""
    with store.connection.sharing():
        stale = store.queries.read_job(1)
        with Store(store.path) as other:
            other.manual.cancel_job(other.queries.read_job(1), now=5.0)
        with pytest.raises(MoveLost):
            store.transitions.apply_move(stale, Move(to=S.CANCELLED), run=RUN, now=6.0)
        assert claimed(store).name == "b"


def test_a_request_does_not_leave_on_a_claim_that_is_not_there(store: Store) -> None:
    """The last look before the money: a lost claim has no attempt to mark."""
    with lossy(store):
        job = claimed(store)
        strike(store, "NEW.to_state = 'generating'")
        with pytest.raises(sqlite3.IntegrityError):
            accept(store, job, "g")
        with pytest.raises(sqlite3.DatabaseError, match="claim of job"):
            store.transitions.mark_sent(job, now=6.0)


DYING = """
import os, sys
from batchveo.store import Store
store = Store(sys.argv[1])
with store.connection.sharing():
    store.transitions.claim_job(run=1, now=5.0)
    store.connection.flush()
    store.transitions.claim_job(run=1, now=5.0)
    os._exit(9)
"""


def test_a_kill_takes_what_was_not_flushed_and_nothing_else(store: Store) -> None:
    """And leaves no lock behind."""
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    died = subprocess.run([sys.executable, "-c", DYING, str(store.path)], env=environment, check=False)
    assert died.returncode == 9
    assert store.counts()[S.SUBMITTING] == 1
    assert others_may_write(store)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's list of open files")
def test_a_run_writes_no_temporary_files(tmp_path: Path) -> None:
    """What undoes a move is kept in memory: prompts are in it, and it is more than the move itself."""

    def count_temporary_files() -> int:
        # each is deleted as soon as it is open, and stays open until the transaction ends
        return sum("etilqs" in _read_link(file) for file in Path("/proc/self/fd").iterdir())

    with Store(tmp_path / "many.db") as store:
        store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([make_spec(f"job {number}") for number in range(500)], run=RUN, now=1.0)
        with store.connection.sharing():
            for _ in range(100):
                job = claimed(store)
                accept(store, job, f"g{job.seq}")
            assert count_temporary_files() == 0
        with store.connection.transaction():
            for _ in range(100):
                job = claimed(store)
                accept(store, job, f"g{job.seq}")
            assert count_temporary_files()  # else this test would find none


def _read_link(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""


def test_many_jobs_are_changed_some_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, and no others; what undoes them would else be in memory for a million jobs."""
    monkeypatch.setattr("batchveo.store.database.JOBS_AT_ONCE", 2)
    store.imports.add_jobs([make_spec("other", model="veo3")], run=RUN, now=1.0)
    model = next(store.jobs()).model
    with store.connection.sharing():
        accept(store, claimed(store), "g")
        assert store.skipped.skip_model(model, "no access", run=RUN) == 3
        assert [job.error for job in store.jobs()] == [None, *["no access"] * 3, None]
        store.skipped.release_model(model, run=RUN, but=[2])
        assert [job.error for job in store.jobs()] == [None, "no access", None, None, None]
        store.transitions.recover_jobs(run=RUN, now=1.0)
    assert store.connection.db.execute("SELECT max(aside) FROM jobs").fetchone()[0] == 0

"""The copy of the page: always what a look at every row finds."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import nullcontext
from itertools import pairwise

import pytest

from batchveo.core.models import Job, JobState
from batchveo.store import Store
from batchveo.store.job_search import Filter, Order
from batchveo.store.page_index import PageIndex
from tests.helpers.factories import make_spec
from tests.helpers.job_histories import Night
from tests.store.page_jobs import fill
from tests.store.steps import Walk, begun


def test_a_price_that_comes_without_a_move_is_taken_over(store: Store, index: PageIndex) -> None:
    """As from the ledger, after a run."""
    night = Night(store, [make_spec("dear"), make_spec("cheap")])
    night.video(0.0, usd=None)
    night.video(10.0, usd=1.0)
    assert index.find_jobs(Filter(), Order.COST, most=9).seqs == [2, 1]
    store.transitions.record_cost(1, 9.0)
    assert index.find_jobs(Filter(), Order.COST, most=9).seqs == [1, 2]


def row_text(job: Job) -> str:
    parts = (job.name, job.prompt, job.error, job.id, job.generation_id)
    return "\n".join(part or "" for part in parts).casefold()


def assert_up_to_date(store: Store, index: PageIndex) -> None:
    jobs = list(store.jobs())
    for state in JobState:
        found = index.find_jobs(Filter(states=(state,)), most=99)
        assert (list(found.seqs), found.total) == ([j.seq for j in jobs if j.state is state], len(found.seqs))
    for split in ("train", "val"):
        expected = [job.seq for job in jobs if job.meta.get("split") == split]
        assert index.find_jobs(Filter(split=split), most=99).seqs == expected
        assert dict(index.list_choices()["splits"]).get(split, 0) == len(expected)
    for word in ("refused 0.1", "g1", "job 1", "no money"):
        expected = [job.seq for job in jobs if all(part in row_text(job) for part in word.split())]
        assert index.find_jobs(Filter.of(word), most=99).seqs == expected
    newest, _ = store.charts.count_states()
    for edges in ([0, newest], [0, 1, newest // 2, newest // 2 + 1, newest], list(range(0, newest, 5))):
        events = store.connection.db.execute("SELECT id, from_state, to_state FROM events").fetchall()
        expected_moves = [
            Counter((row["from_state"], row["to_state"]) for row in events if after < row["id"] <= upto)
            for after, upto in pairwise(edges)
        ]
        assert index.count_moves(edges) == expected_moves


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_done_the_index_follows(store: Store, index: PageIndex, seed: int, shares: bool) -> None:
    """Every verb in any order, by another connection than that of the index, many of them refused half-way."""
    walk = Walk(store, seed)
    for _ in range(40):
        with store.connection.sharing() if shares else nullcontext():
            for _ in range(5):
                walk.step()
        assert_up_to_date(store, index)
    with PageIndex(store.path) as fresh:
        assert_up_to_date(store, fresh)


def test_a_retried_job_is_found_in_its_new_state(store: Store, index: PageIndex) -> None:
    """And no longer by its error."""
    night = Night(store, [make_spec("a")])
    night.failed(night.accepted(night.claim(0), 1), 2)
    failed = Filter(states=(JobState.FAILED,))
    assert index.find_jobs(failed, most=1).total == 1
    store.manual.retry_job(store.queries.read_job(1), now=9e9)
    assert index.find_jobs(failed, most=1).total == 0
    assert index.find_jobs(Filter(states=(JobState.PENDING,)), most=1).total == 1


def test_new_names_and_labels_are_taken_over(store: Store, index: PageIndex) -> None:
    """A manifest may change them without a move of the job, and again later."""
    names, request = ("first", "second", "third"), {"prompt": "a cat"}
    for name in names:
        begun(store, make_spec(name, id="a" * 20, request=request, meta={"split": f"part {name}"}))
        assert [index.find_jobs(Filter.of(one), most=1).total for one in names] == [int(one == name) for one in names]
        assert index.find_jobs(Filter(split=f"part {name}"), most=1).total == 1
        assert index.list_choices()["splits"] == [(f"part {name}", 1)]


@pytest.mark.parametrize("in_place", [False, True])
def test_a_database_that_was_put_back_is_read_anew(store: Store, index: PageIndex, in_place: bool) -> None:
    """As another file of the name, or as other content of the file."""
    fill(store)
    store.connection.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    backup = store.path.with_name("backup.db")
    shutil.copy(store.path, backup)
    begun(store, make_spec("later"))
    assert index.find_jobs(Filter.of("later"), most=1).total == 1
    path = store.path
    store.close()
    if in_place:
        with Store(path) as restored, Store(backup, writing=False) as older:
            older.connection.db.backup(restored.connection.db)
    else:
        for name in path.parent.glob("b.db*"):
            name.unlink()
        backup.rename(path)
    assert index.find_jobs(Filter.of("later"), most=1).total == 0
    assert index.find_jobs(Filter(states=(JobState.CANCELLED,)), most=1).total == 3


def test_a_look_does_not_write(store: Store, index: PageIndex) -> None:
    """The copy is beside the database, not in it."""
    fill(store)
    before = store.connection.db.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall()
    index.list_choices()
    assert store.connection.db.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall() == before

"""Cards and errors of the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.core.gates import Judgement, Verdict
from batchveo.core.votes import Standing, Vote, VoteKind
from batchveo.store import Store
from batchveo.store.job_search import ERRORS, MOVED_SINCE, PAGE, PAGE_FROM_END, standing_of
from tests.helpers.factories import make_spec
from tests.helpers.finished_jobs import Morning

K = VoteKind


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([make_spec(f"job nr{number:02}") for number in range(30)], run=run, now=1.0)
        for job in list(store.jobs())[::10]:
            store.manual.cancel_job(job, now=2.0)
        yield store


def test_pages_follow_each_other_in_both_directions(store: Store) -> None:
    """Each begins beyond the last job of the one before."""
    assert [row["name"] for row in store.search.read_page(after=28, most=9)] == ["job nr28", "job nr29"]
    assert [row["name"] for row in store.search.read_page(most=2, newest=True)] == ["job nr29", "job nr28"]
    assert [row["name"] for row in store.search.read_page(after=2, most=9, newest=True)] == ["job nr00"]


def test_cards_come_in_the_order_of_their_numbers(store: Store) -> None:
    """A number that no job has is left out."""
    assert [row["name"] for row in store.search.read_cards([3, 99, 1])] == ["job nr02", "job nr00"]


def test_a_prompt_is_clipped(store: Store) -> None:
    """A card never carries a book."""
    book = "word " * 1000
    store.imports.add_jobs([make_spec("book", request={"prompt": book})], run=1, now=3.0)
    (row,) = store.search.read_page(newest=True, most=1)
    assert len(row["prompt"]) == 400
    assert isinstance(row["prompt"], bytes)


def test_what_moved_since(store: Store) -> None:
    """By the number of the last event one knows."""
    before = store.search.read_latest_event()
    job = store.queries.find_jobs("job nr05")[0]
    store.manual.cancel_job(job, now=4.0)
    assert [row["name"] for row in store.search.list_changes(before, most=9)] == ["job nr05"]
    assert store.search.list_changes(store.search.read_latest_event(), most=9) == []


def test_changes_are_read_up_to_a_bound(store: Store) -> None:
    """A page that slept through a night loads its cards again, and needs no list of all moves."""
    assert len(store.search.list_changes(0, most=2)) == 2
    plan = store.connection.db.execute(f"EXPLAIN QUERY PLAN {MOVED_SINCE}", {"since": 0, "most": 1, "clip": 9})
    assert any("events USING INTEGER PRIMARY KEY" in row["detail"] for row in plan)


def test_errors_are_counted_from_their_index(store: Store) -> None:
    """Without a look at the failed jobs."""
    plan = store.connection.db.execute(f"EXPLAIN QUERY PLAN {ERRORS}", {"most": 1})
    assert any("COVERING INDEX jobs_failed" in row["detail"] for row in plan)


@pytest.mark.parametrize("query", [PAGE, PAGE_FROM_END])
def test_no_page_needs_a_temporary_sort(store: Store, query: str) -> None:
    """Pages of all jobs come straight from the table."""
    columns = {"after": 0, "most": 5, "clip": 9}
    plan = [row["detail"] for row in store.connection.db.execute(f"EXPLAIN QUERY PLAN {query}", columns)]
    assert not any("TEMP B-TREE" in step for step in plan)
    assert any("INTEGER PRIMARY KEY" in step for step in plan)


def test_cards_have_what_people_and_gates_say(tmp_path: Path) -> None:
    """The same as the view counts: of each person the latest choice and rating, undone votes left out."""
    made = Morning(tmp_path)
    job = made.make("a")
    made.make("b")
    acts = [("ann", K.PICK), ("bob", K.PICK), ("bob", K.REJECT), ("eve", K.PICK), ("ann", K.RATE), ("bob", K.RATE)]
    with made.store() as store:
        rejected = Judgement(verdict=Verdict.REJECTED, gate="cuts == 0")
        store.verdicts.record_verdict(job, rejected, run=1, now=5.0)
        for number, (person, kind) in enumerate(acts):
            rating = number - 1 if kind is K.RATE else None
            store.votes.record_vote(Vote(person=person, kind=kind, job=job.seq, rating=rating))
        store.votes.record_vote(Vote(person="ann", kind=K.REJECT, job=job.seq))
        store.votes.undo_latest("ann", now=6.0)
        first, second = store.search.read_page(most=9)
        said = Standing(picks=2, rejects=1, rating=3.5)
        assert standing_of(first["votes"]) == store.votes.read_standing(job.seq) == said
    assert (first["verdict"], first["gate"]) == ("rejected", "cuts == 0")
    assert (second["gate"], standing_of(second["votes"])) == (None, Standing())

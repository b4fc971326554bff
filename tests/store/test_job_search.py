"""Looking through the jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.core.models import JobState
from batchveo.store import Store
from batchveo.store.job_search import Filter
from tests.helpers.factories import make_spec

S = JobState


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([make_spec(f"job nr{number:02}") for number in range(30)], run=run, now=1.0)
        for job in list(store.jobs())[::10]:
            store.manual.cancel_job(job, now=2.0)
        yield store


def test_rare_and_common_states_are_found_alike(store: Store) -> None:
    """Whichever way the statement goes, in both directions, page by page."""
    rare = Filter(states=(S.CANCELLED,))
    common = Filter(states=(S.CANCELLED, S.PENDING))
    assert [row["name"] for row in store.search.read_page(rare, most=9)] == ["job nr00", "job nr10", "job nr20"]
    assert [row["name"] for row in store.search.read_page(common, most=2, newest=True)] == ["job nr29", "job nr28"]
    assert [row["name"] for row in store.search.read_page(rare, most=9, after=1)] == ["job nr10", "job nr20"]
    assert [row["name"] for row in store.search.read_page(rare, most=9, after=21, newest=True)] == [
        "job nr10",
        "job nr00",
    ]
    assert (
        store.search.count_matches(rare),
        store.search.count_matches(common),
        store.search.count_matches(Filter()),
    ) == (3, 30, 30)


def test_words_are_looked_for_together(store: Store) -> None:
    """All of them, in any order and case; nothing in them is a pattern."""
    assert store.search.count_matches(Filter.of("NR07 job")) == 1
    assert store.search.count_matches(Filter.of("job nr0_")) == 0
    assert store.search.count_matches(Filter.of("' OR 1=1 --")) == 0
    assert store.search.count_matches(Filter.of("")) == 30


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("fox", "%fox%"),
        ("桜の木", "%桜の木%"),
        ("ÜBER uns", "%ber%"),
        ("лиса", None),
        ("50%_off", "%off%"),
        ("ς", None),
        ("क्या", "%क%"),
        ("\ud83d", None),
    ],
)
def test_the_hint_is_the_longest_piece_that_has_no_case(text: str, hint: str | None) -> None:
    """What SQLite would fold otherwise, or take for a pattern, is left to the slow look."""
    assert Filter.of(text).hint == hint


@pytest.mark.parametrize("text", ["桜の木", "über", "ÜBER", "ЛИСА", "лис", "क्या", "σοφοσ", "50%_off", "🐉", 'say "hi"'])
def test_words_of_every_script_are_found(store: Store, text: str) -> None:
    """In prompts as in names, whatever the case."""
    prompt = 'Über die 桜の木, лиса क्या σοφος 50%_off 🐉 say "hi"'
    store.imports.add_jobs([make_spec("many", request={"prompt": prompt})], run=1, now=3.0)
    assert [row["name"] for row in store.search.read_page(Filter.of(text), most=5)] == ["many"]


def test_a_prompt_is_clipped(store: Store) -> None:
    """A card never carries a book; the search reads all of it."""
    book = "word " * 1000 + "needle"
    store.imports.add_jobs([make_spec("book", request={"prompt": book})], run=1, now=3.0)
    (row,) = store.search.read_page(Filter.of("needle"), most=5)
    assert len(row["prompt"]) == 400
    assert isinstance(row["prompt"], bytes)


def test_what_moved_since(store: Store) -> None:
    """By the number of the last event one knows."""
    before = store.search.read_latest_event()
    job = store.queries.find_jobs("job nr05")[0]
    store.manual.cancel_job(job, now=4.0)
    assert [row["name"] for row in store.search.list_changes(before, most=9)] == ["job nr05"]
    assert store.search.list_changes(store.search.read_latest_event(), most=9) == []


def test_no_question_needs_a_temporary_sort(store: Store) -> None:
    """Pages of all jobs and of common states come straight from the table."""
    from batchveo.store import job_search

    for query in (*job_search.PAGE_OF_ALL, *job_search.PAGE_OF_COMMON):
        columns = {**store.search._make_columns(Filter()), "after": 0, "most": 5, "clip": 9}
        plan = [row["detail"] for row in store.connection.db.execute(f"EXPLAIN QUERY PLAN {query}", columns)]
        assert not any("TEMP B-TREE" in step and "ORDER" in step for step in plan)
        assert any("INTEGER PRIMARY KEY" in step for step in plan)

"""Searches of the page by words, conditions and choices."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.fields import parse_condition
from batchveo.core.gates import Judgement, Verdict
from batchveo.core.models import JobState
from batchveo.core.votes import Vote, VoteKind
from batchveo.store import Store, page_searches
from batchveo.store.job_search import Choice, Filter, Order
from batchveo.store.page_index import PageIndex
from tests.helpers.factories import make_spec
from tests.helpers.finished_jobs import Morning
from tests.store.page_jobs import fill, finished, names_found
from tests.store.steps import begun

BOOK = "word " * 1000 + "needle"


def test_words_are_looked_for_together(store: Store, index: PageIndex) -> None:
    """All of them, in any order and case; nothing in them is a pattern."""
    fill(store)
    totals = [index.find_jobs(Filter.of(text), most=1).total for text in ("NR07 job", "job nr0_", "' OR 1=1 --", "")]
    assert totals == [1, 0, 0, 30]


@pytest.mark.parametrize(
    "text",
    ["桜の木", "über", "ÜBER", "ЛИСА", "лис", "क्या", "σοφοσ", "50%_off", "🐉", 'say "hi"', "ς", "needle"],
)
def test_words_of_every_script_are_found(store: Store, index: PageIndex, text: str) -> None:
    """In prompts as in names, whatever the case; in all of a long prompt."""
    prompt = f'Über die 桜の木, лиса क्या σοφος 50%_off 🐉 say "hi" {BOOK}'
    begun(store, make_spec("other"), make_spec("many", request={"prompt": prompt}), scratch=False)
    assert names_found(store, index, Filter.of(text)) == ["many"]


def test_a_search_that_depends_on_votes_is_made_again(
    store: Store, index: PageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many jobs not at once: it would never come to its end while a run goes on."""
    finished(store)
    picked = Filter(where=parse_condition("picked"))
    assert index.find_jobs(picked, most=9).total == 0
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.PICK, job=2))
    assert index.find_jobs(picked, most=9).seqs == [2]
    monkeypatch.setattr(page_searches, "SEARCH_SECONDS", 0.0)
    monkeypatch.setattr(page_searches, "REST_FACTOR", 1e9)
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.PICK, job=3))
    assert index.find_jobs(picked, most=9).seqs == [2]
    monkeypatch.setattr(page_searches, "REST_FACTOR", 0.0)
    monkeypatch.setattr(page_searches, "SEARCH_SECONDS", 9.0)
    assert index.find_jobs(picked, most=9).seqs == [2, 3]


def test_few_searches_are_kept(store: Store, index: PageIndex) -> None:
    """The latest ones; an older one is made again."""
    fill(store)
    for number in range(page_searches.MOST_SEARCHES + 2):
        assert index.find_jobs(Filter.of(f"nr0{number}"), most=9).seqs == [number + 1]
    assert index._copy is not None
    assert len(index._copy.searches._kept) == page_searches.MOST_SEARCHES
    kept = index._copy.db.execute("SELECT count(*) FROM found.matches").fetchone()[0]
    assert kept == page_searches.MOST_SEARCHES
    assert index.find_jobs(Filter.of("nr00"), most=9).seqs == [1]


def test_a_search_for_a_whole_prompt_of_thousands_of_words(store: Store, index: PageIndex) -> None:
    """Every word counts."""
    words = [f"word{number}" for number in range(3_000)]
    prompt = " ".join([*words, "Ёлка"])
    begun(store, make_spec("long", request={"model": "google/veo3", "prompt": prompt}), make_spec("word1"))
    assert names_found(store, index, Filter.of(prompt)) == ["long"]
    assert names_found(store, index, Filter.of(f"{' '.join(words)} \ud800")) == []
    assert names_found(store, index, Filter.of(f"{prompt} nowhere")) == []


def test_a_condition_is_one_more_filter(store: Store, index: PageIndex) -> None:
    """Beside words and states, in both directions, page by page."""
    fill(store)
    where = parse_condition('name in ["job nr03", "job nr10", "job nr20", "job nr21"] and model == "google/veo3"')
    assert names_found(store, index, Filter(where=where)) == ["job nr03", "job nr10", "job nr20", "job nr21"]
    assert names_found(store, index, Filter.of("nr2", where=where)) == ["job nr20", "job nr21"]
    assert names_found(store, index, Filter(where=where, states=(JobState.CANCELLED,))) == ["job nr10", "job nr20"]
    found = index.find_jobs(Filter(where=where, states=(JobState.CANCELLED,)), Order.ADDED, most=1)
    assert (found.seqs, found.total, found.compared) == ([21], 2, None)
    assert found.counts["state"] == {"cancelled": 2, "pending": 2}
    assert index.find_jobs(Filter(where=where), at=1, most=2).seqs == [11, 21]


def test_a_search_that_takes_too_long_is_resumed_where_it_stopped(
    store: Store, index: PageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer shows how far it came; jobs that change meanwhile are found in their new state."""
    fill(store)
    monkeypatch.setattr(page_searches, "SEARCH_STEP", 16)
    cancelled = Filter(where=parse_condition('state == "cancelled"'))
    monkeypatch.setattr(page_searches, "SEARCH_SECONDS", -1.0)
    assert index.find_jobs(cancelled, most=9).compared == 0
    ticks = iter(range(1000))
    monkeypatch.setattr("batchveo.store.page_searches.time.monotonic", lambda: next(ticks))
    monkeypatch.setattr(page_searches, "SEARCH_SECONDS", 2.0)
    first = index.find_jobs(cancelled, most=9)
    assert (first.compared, first.seqs, first.total) == (8, [1], 1)
    for job in (store.queries.read_job(2), store.queries.read_job(20)):
        store.manual.cancel_job(job, now=3.0)
    found = first
    while found.compared is not None:
        found = index.find_jobs(cancelled, most=9)
    assert found.seqs == [1, 2, 11, 20, 21]


def test_rejected_and_chosen_clips_are_found(tmp_path: Path) -> None:
    """By gates, and by people."""
    made = Morning(tmp_path)
    for name in ("good", "black", "dull"):
        made.make(name)
    with made.store() as store, PageIndex(made.state) as index:
        rejected = Judgement(verdict=Verdict.REJECTED, gate="black_seconds < 1")
        store.verdicts.record_verdict(made.job("black"), rejected, run=1, now=5.0)
        for name, kind in (("good", VoteKind.PICK), ("dull", VoteKind.REJECT)):
            store.votes.record_vote(Vote(person="ann", kind=kind, job=made.job(name).seq))
        assert names_found(store, index, Filter(rejected=True)) == ["black"]
        assert names_found(store, index, Filter(choice=Choice.PICKED)) == ["good"]
        assert names_found(store, index, Filter(choice=Choice.REJECTED)) == ["dull"]
        assert names_found(store, index, Filter(choice=Choice.PICKED, rejected=True)) == []

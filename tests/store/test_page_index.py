"""The index of the page: always what a look at every row finds."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import pytest

from batchveo.core.fields import parse_condition
from batchveo.core.gates import Judgement, Verdict
from batchveo.core.models import Job, JobState
from batchveo.core.votes import Vote, VoteKind
from batchveo.store import Store, page_index
from batchveo.store.job_search import Choice, Filter
from batchveo.store.page_index import PageIndex
from tests.helpers.factories import make_spec
from tests.helpers.finished_jobs import Morning
from tests.helpers.job_histories import Night
from tests.store.steps import Walk, begun

S = JobState
BOOK = "word " * 1000 + "needle"


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pieces of a few rows, so that their bounds are met."""
    monkeypatch.setattr(page_index, "BLOCK", 4)
    monkeypatch.setattr(page_index, "ROWS_AT_ONCE", 3)


@pytest.fixture
def index(store: Store) -> Iterator[PageIndex]:
    with PageIndex(store.path) as index:
        yield index


def names_found(store: Store, index: PageIndex, wanted: Filter) -> list[str]:
    return [row["name"] for row in store.search.read_cards(index.find_jobs(wanted, most=99).seqs)]


def fill(store: Store) -> None:
    """Thirty jobs, of which every tenth is cancelled."""
    begun(store, *(make_spec(f"job nr{number:02}") for number in range(30)))
    for job in list(store.jobs())[::10]:
        store.manual.cancel_job(job, now=2.0)


def test_states_are_found_in_both_directions_page_by_page(store: Store, index: PageIndex) -> None:
    """In manifest order and from the end."""
    fill(store)
    cancelled, two = Filter(states=(S.CANCELLED,)), Filter(states=(S.CANCELLED, S.PENDING))
    assert names_found(store, index, cancelled) == ["job nr00", "job nr10", "job nr20"]
    assert index.find_jobs(two, most=2, newest=True).seqs == [30, 29]
    assert index.find_more_jobs(cancelled, after=1, most=9) == ([11, 21], None)
    assert index.find_more_jobs(cancelled, after=21, newest=True, most=9) == ([11, 1], None)
    assert (index.find_jobs(cancelled, most=1).total, index.find_jobs(two, most=1).total) == (3, 30)


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


def test_matches_are_counted_up_to_a_bound(store: Store, index: PageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond, no state is counted, but every wanted job is found."""
    fill(store)
    jobs, wanted = Filter.of("job"), Filter.of("job", states=(S.CANCELLED,))
    assert index.find_jobs(wanted, most=2).by_state == {"cancelled": 3, "pending": 27}
    monkeypatch.setattr(page_index, "MOST_COUNTED", 25)
    assert (index.find_jobs(jobs, most=2).total, index.find_jobs(jobs, most=2).by_state) == (25, None)
    assert index.find_jobs(wanted, most=2).seqs == [1, 11]
    assert index.find_jobs(wanted, most=2).total == 3


def test_no_states_are_counted_for_states_alone(store: Store, index: PageIndex) -> None:
    """The counts of all jobs are known anyway."""
    fill(store)
    assert index.find_jobs(Filter(states=(S.CANCELLED,)), most=2).by_state is None


def row_text(job: Job) -> str:
    parts = (job.name, job.prompt, job.error, job.id, job.generation_id)
    return "\n".join(part or "" for part in parts).casefold()


def assert_up_to_date(store: Store, index: PageIndex) -> None:
    jobs = list(store.jobs())
    for state in S:
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
    failed = Filter(states=(S.FAILED,))
    assert index.find_jobs(failed, most=1).total == 1
    store.manual.retry_job(store.queries.read_job(1), now=9e9)
    assert index.find_jobs(failed, most=1).total == 0
    assert index.find_jobs(Filter(states=(S.PENDING,)), most=1).total == 1


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
    assert index.find_jobs(Filter(states=(S.CANCELLED,)), most=1).total == 3


def test_a_failure_leaves_no_damaged_copy(store: Store, index: PageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next use begins anew."""
    fill(store)
    monkeypatch.setattr(page_index, "COPY", "SELECT no_such_column WHERE ")
    with pytest.raises(sqlite3.OperationalError):
        index.list_choices()
    monkeypatch.undo()
    assert index.list_choices()["models"] == [("google/veo3", 30)]


def test_the_index_is_made_in_the_background(store: Store, index: PageIndex) -> None:
    """A database that cannot be read is reported by the answer that needs it."""
    fill(store)
    index.refresh_soon()
    assert index.find_jobs(Filter.of("nr07"), most=1).total == 1
    with PageIndex(Path(store.path.parent / "none.db")) as missing:
        missing.refresh_soon()
        with pytest.raises(FileNotFoundError):
            missing.list_choices()


def test_a_look_does_not_write(store: Store, index: PageIndex) -> None:
    """The copy is beside the database, not in it."""
    fill(store)
    before = store.connection.db.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall()
    index.list_choices()
    assert store.connection.db.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall() == before


def test_a_search_for_a_whole_prompt_of_thousands_of_words(store: Store, index: PageIndex) -> None:
    """Every word counts."""
    words = [f"word{number}" for number in range(3_000)]
    prompt = " ".join([*words, "Ёлка"])
    begun(store, make_spec("long", request={"model": "google/veo3", "prompt": prompt}), make_spec("word1"))
    assert names_found(store, index, Filter.of(prompt)) == ["long"]
    assert names_found(store, index, Filter.of(f"{' '.join(words)} \ud800")) == []
    assert names_found(store, index, Filter.of(f"{prompt} nowhere")) == []


def test_a_full_disk_is_not_filled_again_and_again(
    store: Store, index: PageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page asks every few seconds; after a search that succeeds the index is kept up to date again."""
    fill(store)
    tries = 0
    take_over = page_index._Copy.take_over

    def refuse(copy: page_index._Copy) -> None:
        nonlocal tries
        tries += 1
        raise sqlite3.OperationalError("database or disk is full")

    def refresh() -> None:
        index.refresh_soon()
        if index._thread is not None:
            index._thread.join()

    monkeypatch.setattr(page_index._Copy, "take_over", refuse)
    for _ in range(3):
        refresh()
    assert tries == 1
    with pytest.raises(sqlite3.OperationalError, match="full"):
        index.find_jobs(Filter(states=(S.PENDING,)), most=1)
    assert tries == 2
    monkeypatch.setattr(page_index._Copy, "take_over", take_over)
    assert index.find_jobs(Filter(states=(S.PENDING,)), most=1).total == 27
    thread = index._thread
    refresh()
    assert index._thread is not thread


def test_a_condition_is_one_more_filter(store: Store, index: PageIndex) -> None:
    """Beside words and states, in both directions, page by page."""
    fill(store)
    where = parse_condition('name in ["job nr03", "job nr10", "job nr20", "job nr21"] and model == "google/veo3"')
    assert names_found(store, index, Filter(where=where)) == ["job nr03", "job nr10", "job nr20", "job nr21"]
    assert names_found(store, index, Filter.of("nr2", where=where)) == ["job nr20", "job nr21"]
    assert names_found(store, index, Filter(where=where, states=(S.CANCELLED,))) == ["job nr10", "job nr20"]
    found = index.find_jobs(Filter(where=where, states=(S.CANCELLED,)), most=1, newest=True)
    assert (found.seqs, found.total, found.by_state, found.upto) == ([21], 2, {"cancelled": 2, "pending": 2}, None)
    assert index.find_more_jobs(Filter(where=where), after=4, most=2) == ([11, 21], None)
    assert index.find_more_jobs(Filter(where=where), after=21, newest=True, most=9) == ([11, 4], None)


@pytest.mark.parametrize("newest", [False, True])
def test_a_condition_that_takes_too_long_is_resumed_where_it_stopped(
    store: Store, index: PageIndex, monkeypatch: pytest.MonkeyPatch, *, newest: bool
) -> None:
    """Nothing is left out between two pages, and nothing comes twice."""
    fill(store)
    monkeypatch.setattr(page_index, "CONDITION_STEP", 4)
    where = parse_condition('state == "cancelled"')
    monkeypatch.setattr(page_index, "CONDITION_SECONDS", -1.0)
    assert index.find_jobs(Filter(where=where), most=9, newest=newest).upto == (31 if newest else 0)
    ticks = iter(range(1000))
    monkeypatch.setattr("batchveo.store.page_index.time.monotonic", lambda: next(ticks))
    monkeypatch.setattr(page_index, "CONDITION_SECONDS", 2.0)
    first = index.find_jobs(Filter(where=where), most=9, newest=newest)
    assert first.upto == (23 if newest else 8)
    found = list(first.seqs)
    upto: int | None = first.upto
    while upto is not None:
        more, upto = index.find_more_jobs(Filter(where=where), after=upto, newest=newest, most=9)
        found += more
    assert found == ([21, 11, 1] if newest else [1, 11, 21])


def test_rejected_and_chosen_clips_are_found(tmp_path: Path) -> None:
    """By gates, and by people."""
    made = Morning(tmp_path)
    for name in ("good", "black", "dull"):
        made.make(name)
    with made.store() as store, PageIndex(made.state) as index:
        rejected = Judgement(verdict=Verdict.REJECTED, gate="black_seconds < 1")
        store.checks.record_verdict(made.job("black"), rejected, run=1, now=5.0)
        for name, kind in (("good", VoteKind.PICK), ("dull", VoteKind.REJECT)):
            store.votes.record_vote(Vote(person="ann", kind=kind, job=made.job(name).seq))
        assert names_found(store, index, Filter(rejected=True)) == ["black"]
        assert names_found(store, index, Filter(choice=Choice.PICKED)) == ["good"]
        assert names_found(store, index, Filter(choice=Choice.REJECTED)) == ["dull"]
        assert names_found(store, index, Filter(choice=Choice.PICKED, rejected=True)) == []

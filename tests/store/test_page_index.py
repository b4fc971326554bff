"""The index of the page: always what a look at every row finds."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from itertools import pairwise
from pathlib import Path

import pytest

from batchveo.core.errors import BatchveoError, UsageError
from batchveo.core.fields import parse_condition
from batchveo.core.gates import Judgement, Verdict
from batchveo.core.job_row import canonical_json
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.outcomes import Accepted, Completed, Downloaded, GenerationFailed
from batchveo.core.votes import Vote, VoteKind
from batchveo.operations.chain_remake import plan_chains, remake_chains
from batchveo.store import MoveLost, Store, page_index
from batchveo.store.clip_checks import NewTake
from batchveo.store.job_search import Choice, Filter, Order, Waits
from batchveo.store.page_index import PageIndex
from tests.helpers.chains import make_chain, make_link
from tests.helpers.factories import make_spec
from tests.helpers.finished_jobs import Morning
from tests.helpers.job_histories import Night
from tests.store.steps import Walk, begun, move

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
    assert index.find_jobs(two, Order.ADDED, most=2).seqs == [30, 29]
    assert index.find_jobs(cancelled, at=1, most=9).seqs == [11, 21]
    assert index.find_jobs(cancelled, Order.ADDED, at=1, most=9).seqs == [11, 1]
    assert index.find_jobs(cancelled, at=3, most=9).seqs == []
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


def test_the_values_of_each_filter_are_counted_among_what_the_others_match(store: Store, index: PageIndex) -> None:
    fill(store)
    begun(store, make_spec("job of another", model="google/veo2", meta={"split": "train"}), scratch=False)
    found = index.find_jobs(Filter.of("job", states=(S.CANCELLED,), model="google/veo3"), most=2)
    assert (found.seqs, found.total, found.compared) == ([1, 11], 3, None)
    assert found.counts == {
        "state": {"cancelled": 3, "pending": 27},
        "model": {"google/veo3": 3},
        "manifest": {"m.yaml": 3},
        "split": {},
        "waits": {},
    }
    assert index.find_jobs(Filter(states=(S.PENDING,)), most=0).counts["split"] == {"train": 1}


def finished(store: Store) -> Night:
    """Six videos that cost 1 to 6 dollars and take 60 to 10 seconds, the third one last; one pending job."""
    specs = [make_spec(name) for name in ("f", "e", "d", "c", "b", "a", "Pending")]
    night = Night(store, specs)
    for number, begin in enumerate((0, 100, 900, 300, 400, 500)):
        night.video(begin, seconds=60.0 - 10 * number, usd=1.0 + number)
    return night


@pytest.mark.parametrize("few", [0, 50_000])
@pytest.mark.parametrize(
    ("order", "seqs"),
    [
        (Order.MANIFEST, [1, 2, 3, 4, 5, 6, 7]),
        (Order.ADDED, [7, 6, 5, 4, 3, 2, 1]),
        (Order.FINISHED, [3, 6, 5, 4, 2, 1, 7]),
        (Order.NAME, [6, 5, 4, 3, 2, 1, 7]),
        (Order.COST, [6, 5, 4, 3, 2, 1, 7]),
        (Order.TIME, [1, 2, 3, 4, 5, 6, 7]),
        (Order.RATING, [5, 2, 1, 3, 4, 6, 7]),
        (Order.PROMPT, [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_any_position_of_any_order_is_found(
    store: Store, index: PageIndex, monkeypatch: pytest.MonkeyPatch, order: Order, seqs: list[int], few: int
) -> None:
    """Of all jobs, of some states, and of a search, whether its matches are few or many."""
    monkeypatch.setattr(page_index, "FEW", few)
    finished(store)
    for job, rating in ((2, 3), (5, 5)):
        store.votes.record_vote(Vote(person="ann", kind=VoteKind.RATE, rating=rating, job=job))
    done = [seq for seq in seqs if seq != 7]
    for wanted, expected in (
        (Filter(), seqs),
        (Filter(states=(S.SUCCEEDED,)), done),
        (Filter.of("bv."), done),
        (Filter(where=parse_condition('name != "d"')), [seq for seq in seqs if seq != 3]),
    ):
        for at in range(len(expected) + 1):
            found = index.find_jobs(wanted, order, at=at, most=2)
            assert (list(found.seqs), found.total) == (expected[at : at + 2], len(expected))


def test_what_is_finished_later_is_counted_and_moves_nothing(store: Store, index: PageIndex) -> None:
    """Until one looks at a later moment: a reader keeps what is on the screen."""
    night = finished(store)
    upto = night.start + 700
    before = index.find_jobs(Filter(), Order.FINISHED, most=9, upto=upto)
    assert (before.seqs, before.total, before.newer) == ([6, 5, 4, 2, 1, 3, 7], 7, 1)
    night.video(1000.0)
    after = index.find_jobs(Filter(), Order.FINISHED, most=9, upto=upto)
    assert (after.seqs, after.total, after.newer) == ([6, 5, 4, 2, 1, 3, 7], 7, 2)
    for at in range(7):
        assert index.find_jobs(Filter(), Order.FINISHED, at=at, most=2, upto=upto).seqs == after.seqs[at : at + 2]
    assert index.find_jobs(Filter(), Order.FINISHED, most=2).seqs == [7, 3]


def test_jobs_of_one_prompt_are_together(store: Store, index: PageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the first of each; not if they are too many."""
    prompts = ("fox", "owl", "fox", "elk", "owl", "fox")
    begun(store, *(make_spec(f"job {n}", request={"prompt": prompt}) for n, prompt in enumerate(prompts)))
    found = index.find_jobs(Filter(), Order.PROMPT, at=1, most=3)
    assert (found.seqs, found.groups, found.total) == ([3, 6, 2], [3, 2, 1], 6)
    assert index.find_jobs(Filter.of("owl"), Order.PROMPT, most=9).groups == [2]
    monkeypatch.setattr(page_index, "MOST_GROUPED", 5)
    with pytest.raises(UsageError, match="at most 5 jobs"):
        index.find_jobs(Filter(), Order.PROMPT, most=9)
    assert index.find_jobs(Filter.of("owl"), Order.PROMPT, most=9).total == 2


def test_a_price_that_comes_without_a_move_is_taken_over(store: Store, index: PageIndex) -> None:
    """As from the ledger, after a run."""
    night = Night(store, [make_spec("dear"), make_spec("cheap")])
    night.video(0.0, usd=None)
    night.video(10.0, usd=1.0)
    assert index.find_jobs(Filter(), Order.COST, most=9).seqs == [2, 1]
    store.transitions.record_cost(1, 9.0)
    assert index.find_jobs(Filter(), Order.COST, most=9).seqs == [1, 2]


def test_a_search_that_depends_on_votes_is_made_again(
    store: Store, index: PageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many jobs not at once: it would never come to its end while a run goes on."""
    finished(store)
    picked = Filter(where=parse_condition("picked"))
    assert index.find_jobs(picked, most=9).total == 0
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.PICK, job=2))
    assert index.find_jobs(picked, most=9).seqs == [2]
    monkeypatch.setattr(page_index, "SEARCH_SECONDS", 0.0)
    monkeypatch.setattr(page_index, "REST_FACTOR", 1e9)
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.PICK, job=3))
    assert index.find_jobs(picked, most=9).seqs == [2]
    monkeypatch.setattr(page_index, "REST_FACTOR", 0.0)
    monkeypatch.setattr(page_index, "SEARCH_SECONDS", 9.0)
    assert index.find_jobs(picked, most=9).seqs == [2, 3]


def test_few_searches_are_kept(store: Store, index: PageIndex) -> None:
    """The latest ones; an older one is made again."""
    fill(store)
    for number in range(page_index.MOST_SEARCHES + 2):
        assert index.find_jobs(Filter.of(f"nr0{number}"), most=9).seqs == [number + 1]
    assert index._copy is not None
    assert len(index._copy.searches) == page_index.MOST_SEARCHES
    kept = index._copy.db.execute("SELECT count(*) FROM found.matches").fetchone()[0]
    assert kept == page_index.MOST_SEARCHES
    assert index.find_jobs(Filter.of("nr00"), most=9).seqs == [1]


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
    monkeypatch.setattr(page_index, "COPY_TEXTS", "SELECT no_such_column WHERE ")
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
    found = index.find_jobs(Filter(where=where, states=(S.CANCELLED,)), Order.ADDED, most=1)
    assert (found.seqs, found.total, found.compared) == ([21], 2, None)
    assert found.counts["state"] == {"cancelled": 2, "pending": 2}
    assert index.find_jobs(Filter(where=where), at=1, most=2).seqs == [11, 21]


def test_a_search_that_takes_too_long_is_resumed_where_it_stopped(
    store: Store, index: PageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer shows how far it came; jobs that change meanwhile are found in their new state."""
    fill(store)
    monkeypatch.setattr(page_index, "SEARCH_STEP", 16)
    cancelled = Filter(where=parse_condition('state == "cancelled"'))
    monkeypatch.setattr(page_index, "SEARCH_SECONDS", -1.0)
    assert index.find_jobs(cancelled, most=9).compared == 0
    ticks = iter(range(1000))
    monkeypatch.setattr("batchveo.store.page_index.time.monotonic", lambda: next(ticks))
    monkeypatch.setattr(page_index, "SEARCH_SECONDS", 2.0)
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
        store.checks.record_verdict(made.job("black"), rejected, run=1, now=5.0)
        for name, kind in (("good", VoteKind.PICK), ("dull", VoteKind.REJECT)):
            store.votes.record_vote(Vote(person="ann", kind=kind, job=made.job(name).seq))
        assert names_found(store, index, Filter(rejected=True)) == ["black"]
        assert names_found(store, index, Filter(choice=Choice.PICKED)) == ["good"]
        assert names_found(store, index, Filter(choice=Choice.REJECTED)) == ["dull"]
        assert names_found(store, index, Filter(choice=Choice.PICKED, rejected=True)) == []


def make_forest() -> list[JobSpec]:
    """Chains that branch, and jobs of two parents, among others of none."""
    specs = [make_link("a", {}), make_link("b", {}), make_spec("alone")]
    specs += make_chain(4)
    for number, parent in enumerate((0, 0, 5, 7, 7, 9)):
        specs.append(make_link(f"c{number}", {"last": specs[parent]}))
    specs.append(make_link("both", {"last": specs[0], "first": specs[6]}))
    specs.append(make_link("after both", {"last": specs[-1]}))
    return specs


class Filming:
    """Random steps of the jobs of a forest."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store, self.random, self.run = store, random.Random(seed), begun(store, *make_forest())

    def step(self) -> None:
        """Something that changes what waits for what."""
        jobs = list(self.store.jobs())
        done = [job for job in jobs if job.state is S.SUCCEEDED]
        with suppress(MoveLost, BatchveoError, ValueError):
            match self.random.randrange(9):
                case 0 | 1:
                    self._make_next(succeeds=True)
                case 2:
                    self._make_next(succeeds=False)
                case 3:
                    self.store.manual.cancel_job(self.random.choice(jobs), now=8.0)
                case 4:
                    self.store.manual.retry_job(self.random.choice(jobs), now=9.0)
                case 5 if done:
                    self._judge(self.random.choice(done))
                case 6 if done:
                    kind = self.random.choice([VoteKind.PICK, VoteKind.REJECT])
                    self.store.votes.record_vote(Vote(person="ann", kind=kind, job=self.random.choice(done).seq))
                case 7 if self.random.random() < 0.2:
                    planned = plan_chains(self.store, [self.random.choice(jobs)])
                    remake_chains(self.store, planned, now=9.0)
                case _:
                    self._fill(self.random.choice(jobs))

    def _make_next(self, *, succeeds: bool) -> None:
        job = self.store.transitions.claim_job(run=self.run, now=1e9)
        if job is None:
            return
        job = move(self.store, job, Accepted(generation_id=f"g {job.client_request_id}"))
        if not succeeds:
            move(self.store, job, GenerationFailed(reason="refused"))
            return
        job = move(self.store, job, Completed(url="https://x/v", cost_usd=1.0))
        move(self.store, job, Downloaded(folder="/v", file="v.mp4", bytes=1, sha256=f"{job.seq}"))

    def _judge(self, job: Job) -> None:
        take = NewTake(request=canonical_json({**job.request, "seed": self.random.randrange(10**6)}), tries=3)
        verdict = self.random.choice([Verdict.ACCEPTED, Verdict.REJECTED])
        more = take if verdict is Verdict.REJECTED and self.random.random() < 0.5 else None
        self.store.checks.record_verdict(job, Judgement(verdict=verdict), run=self.run, now=20.0, take=more)

    def _fill(self, child: Job) -> None:
        for link in self.store.links.list_links(child):
            source = self.store.links.find_source(link)
            if source is not None and link.value is None:
                self.store.links.fill_text(link, source, "x", run=self.run, now=30.0)


@pytest.mark.parametrize("seed", range(4))
def test_waiting_and_blocked_jobs_are_those_of_a_look_at_every_link(store: Store, seed: int) -> None:
    """Whatever becomes of their parents, and of the parents of those; a search for them follows too."""
    filming = Filming(store, seed)
    met: Counter[Waits] = Counter()
    with PageIndex(store.path) as index:
        for _ in range(60):
            for _ in range(filming.random.randrange(1, 4)):
                filming.step()
            blocked = set(store.waiting.find_blocked())
            pending = [job for job in store.jobs(S.PENDING) if job.waits]
            expected = {
                Waits.BLOCKED: [job.seq for job in pending if job.seq in blocked],
                Waits.WAITING: [job.seq for job in pending if job.seq not in blocked],
            }
            for waits, seqs in expected.items():
                met[waits] += len(seqs)
                assert index.find_jobs(Filter(waits=waits), most=99).seqs == seqs
                shots = [seq for seq in seqs if "shot" in store.queries.read_job(seq).name]
                assert index.find_jobs(Filter.of("shot", waits=waits), most=99).seqs == shots
            counted = index.find_jobs(Filter(), most=1).counts["waits"]
            assert counted == {waits.value: len(seqs) for waits, seqs in expected.items() if seqs}
            waits_of = store.waiting.find_waits([job.seq for job in store.jobs()])
            assert {seq for seq, wait in waits_of.items() if wait.is_blocked} == blocked
            assert sorted(waits_of) == [job.seq for job in pending]
    assert min(met.values()) > 0


def test_a_chain_is_found_and_the_jobs_are_grouped_by_chain(store: Store, index: PageIndex) -> None:
    """Link by link, and the jobs of no chain at last; a job of an earlier manifest may become the first of a chain."""
    first, *others = make_chain(3)
    begun(store, first, make_spec("alone"))
    assert index.find_jobs(Filter(), Order.CHAIN, most=9).groups == [2]
    begun(store, *make_chain(2, "other"), first, *others, scratch=False)
    matches = index.find_jobs(Filter(), Order.CHAIN, most=9)
    names = [row["name"] for row in store.search.read_cards(matches.seqs)]
    assert names == ["shot 0", "shot 1", "shot 2", "other 0", "other 1", "alone"]
    assert matches.groups == [3, 2, 1]
    assert names_found(store, index, Filter(chain=first.id)) == ["shot 0", "shot 1", "shot 2"]
    assert names_found(store, index, Filter.of("other", chain=first.id)) == []
    assert names_found(store, index, Filter(chain="none")) == []

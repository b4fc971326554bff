"""Which take of a parent fills a link, and what people and gates change about that."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.gates import Judgement, Verdict
from batchveo.core.models import Job
from batchveo.core.votes import Vote, VoteKind
from batchveo.operations.further_takes import add_takes, plan_takes
from batchveo.operations.manage import is_made_again
from batchveo.operations.remake import replace_prompt
from batchveo.store import Store
from batchveo.store.links import LinkRecord
from batchveo.store.waiting_jobs import BlockedCount
from tests.helpers.chains import POLICY, make_chain, make_link
from tests.helpers.fake_clips import FakeClips
from tests.helpers.virtual_run import Night


@pytest.fixture
async def night(tmp_path: Path) -> Night:
    """A chain of two: its first job has two clips, and the second was never begun."""
    night = Night(tmp_path, clips=FakeClips())
    await night.run(make_chain(1))
    with night.store() as store:
        (parent,) = store.jobs()
        add_takes(store, plan_takes(store, [parent], 1), now=night.clock.now())
    await night.run()
    with night.store() as store:
        run = store.runs.begin_run(command="run", service="x", now=night.clock.now())
        store.imports.add_jobs(make_chain(2), run=run, now=night.clock.now())
    return night


def vote(store: Store, kind: VoteKind, job: Job, person: str = "ann") -> None:
    store.votes.record_vote(Vote(person=person, kind=kind, job=job.seq))


def read_family(store: Store) -> tuple[list[Job], LinkRecord]:
    """The takes of the first job, and the link of the second."""
    (child,) = store.queries.find_jobs("shot 1")
    (link,) = store.links.list_links(child)
    return store.takes.list_family(store.queries.read_job(link.parent)), link


def find_source(store: Store, **changes: bool) -> str | None:
    _, link = read_family(store)
    source = store.links.find_source(link, **changes)
    return None if source is None else source.name


@pytest.mark.anyio
async def test_people_decide_before_gates_which_take_fills_a_link(night: Night) -> None:
    with night.store() as store:
        (first, second), _ = read_family(store)
        assert find_source(store) == "shot 0"
        vote(store, VoteKind.REJECT, first)
        assert find_source(store) == "shot 0-take2"
        vote(store, VoteKind.REJECT, second)
        assert find_source(store) is None
        assert store.waiting.count_blocked() == [BlockedCount(state="rejected", jobs=1, example="shot 0")]
        store.verdicts.record_verdict(second, Judgement(verdict=Verdict.REJECTED, gate="g"), run=None, now=9.0)
        vote(store, VoteKind.PICK, second)
        assert find_source(store) == "shot 0-take2"
        assert store.waiting.count_blocked() == []
        store.votes.undo_latest("ann", now=9.0)
        assert find_source(store) is None
        vote(store, VoteKind.PICK, first)
        vote(store, VoteKind.PICK, second)
        assert find_source(store) == "shot 0"


@pytest.mark.anyio
async def test_gates_must_accept_what_nobody_picked(night: Night) -> None:
    with night.store() as store:
        run = store.runs.begin_run(command="run", service="x", now=night.clock.now())
        store.imports.add_jobs(make_chain(2, policy=POLICY), run=run, now=night.clock.now())
        (first, second), _ = read_family(store)
        assert (find_source(store), find_source(store, judged=False)) == (None, "shot 0")
        store.verdicts.record_verdict(first, Judgement(verdict=Verdict.OPEN, gate="g"), run=run, now=9.0)
        assert (find_source(store), store.waiting.count_blocked()) == (None, [])
        store.verdicts.record_verdict(first, Judgement(verdict=Verdict.REJECTED, gate="g"), run=run, now=9.0)
        assert (find_source(store), find_source(store, judged=False)) == (None, "shot 0-take2")
        store.verdicts.record_verdict(second, Judgement(verdict=Verdict.ACCEPTED, gate="g"), run=run, now=9.0)
        assert find_source(store) == "shot 0-take2"


@pytest.mark.anyio
async def test_a_picked_take_is_what_the_next_run_makes_the_child_from(night: Night) -> None:
    with night.store() as store:
        vote(store, VoteKind.PICK, read_family(store)[0][1])
    assert (await night.run()).exit_status == 0
    with night.store() as store:
        (_, second), link = read_family(store)
        assert link.taken_from == second.seq


def test_a_link_is_filled_once_and_opened_again_only_of_a_pending_job(store: Store, run: int) -> None:
    """Two that fill it at the same time count it once; what was claimed stays as it was sent."""
    first, last = make_link("first", {}), make_link("last", {})
    store.imports.add_jobs([first, last, make_link("between", {"last": first, "first": last})], run=run, now=1.0)
    before, after, child = store.jobs()
    (end,) = store.links.list_open_links(before.seq)
    assert store.links.fill_frame(end, before, b"one", run=run, now=2.0)
    assert not store.links.fill_frame(end, before, b"two", run=run, now=2.0)
    assert store.queries.read_job(child.seq).waits == 1
    (begin,) = store.links.list_open_links(after.seq)
    assert store.links.fill_frame(begin, after, b"three", run=run, now=2.0)
    filled = store.links.list_links(child)
    store.manual.cancel_job(store.queries.read_job(child.seq), now=3.0)
    store.links.open_again(end, "x", run=run, now=4.0)
    assert store.links.list_links(child) == filled


def test_a_replaced_job_stays_known_as_such_when_its_link_is_filled(store: Store, run: int) -> None:
    """Else ``retry`` would let it be bought beside the job that replaces it."""
    first = make_link("first", {})
    store.imports.add_jobs([first, make_link("child", {"first": first})], run=run, now=1.0)
    parent, child = store.jobs()
    replace_prompt(store, child, "another prompt", now=2.0)
    links = store.links.list_open_links(parent.seq)
    assert len(links) == 2
    for link in links:
        assert store.links.fill_frame(link, parent, b"one", run=run, now=3.0)
    assert is_made_again(store.queries.read_job(child.seq))


def test_a_job_that_was_bought_otherwise_takes_nothing(store: Store, run: int) -> None:
    """Its generation was imported before its parent had a video."""
    first = make_link("first", {})
    child, other = make_link("child", {"first": first}), make_link("other", {"first": first})
    store.imports.add_jobs([first, child, other], run=run, now=1.0)
    parent, bought, waiting = store.jobs()
    store.manual.adopt_generation(bought, "g-9", now=2.0)
    assert [link.child for link in store.links.list_open_links(parent.seq)] == [waiting.seq]

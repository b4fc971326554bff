"""Reads of chains: the line through a job, what branches off, both ends of a link, finished chains."""

from __future__ import annotations

from batchveo.core.gates import Judgement, Verdict
from batchveo.core.job_row import canonical_json
from batchveo.core.models import JobState
from batchveo.core.votes import Vote, VoteKind
from batchveo.store import Store
from batchveo.store.takes import NewTake
from tests.helpers.busy_database import moved_on
from tests.helpers.chains import make_chain, make_tree
from tests.helpers.factories import make_spec
from tests.store.steps import begun, find, succeed

MADE = (JobState.GENERATING, JobState.DOWNLOADING, JobState.SUCCEEDED)


def show_line(store: Store, name: str) -> tuple[list[str], list[tuple[str, str]]]:
    """The names of a line, and of its branches with what they begin from."""
    line = store.chains.read_line(find(store, name))
    names = [store.queries.read_job(seq).name for seq in line.links]
    return names, [(branch.name, branch.parent) for branch in line.branches]


def test_a_line_is_all_before_a_job_and_the_first_way_after_it(store: Store) -> None:
    """Other ways are branches, so are jobs of other chains that take a video of the line."""
    begun(store, *make_tree(), make_spec("alone"))
    shots = [f"shot {number}" for number in range(4)]
    for name in shots:
        assert show_line(store, name) == (shots, [("night", "shot 1"), ("bridge", "shot 3")])
    for name in ("night", "later"):
        assert show_line(store, name) == (["shot 0", "shot 1", "night", "later"], [("shot 2", "shot 1")])
    assert show_line(store, "bridge") == (["other", "bridge"], [])
    assert show_line(store, "alone") == (["alone"], [])


def test_of_several_takes_the_line_has_the_one_that_the_next_link_is_made_from(store: Store) -> None:
    """Else the best one; but the job itself is always on its line."""
    run = begun(store, *make_chain(2))
    job = succeed(store, run)
    take = NewTake(request=canonical_json(job.request), tries=3)
    store.verdicts.record_verdict(job, Judgement(verdict=Verdict.REJECTED), run=run, now=20.0, take=take)
    again = succeed(store, run)
    assert show_line(store, "shot 1") == ([again.name, "shot 1"], [])
    assert show_line(store, "shot 0") == (["shot 0", "shot 1"], [])
    assert show_line(store, again.name) == ([again.name, "shot 1"], [])
    (link,) = store.links.list_links(find(store, "shot 1"))
    store.links.fill_text(link, job, "x", run=run, now=30.0)
    assert show_line(store, "shot 1") == (["shot 0", "shot 1"], [])


def test_a_line_of_thousands_is_cut(store: Store) -> None:
    """A thousand links before a job, and after it."""
    chain = make_chain(2500)
    begun(store, *chain)
    line = store.chains.read_line(find(store, "shot 1200")).links
    assert line == list(range(201, 2202))


def test_how_many_wait_and_in_which_row(store: Store, run: int) -> None:
    """Two children of one parent can be made at the same time, so they count once in a row."""
    assert (store.chains.has_links(), store.waiting.count_waiting(), store.chains.measure_row()) == (False, 0, 0)
    fan = make_chain(3, "fan")
    store.imports.add_jobs([*make_chain(2), *fan, make_spec("single")], run=run, now=1.0)
    twin = make_spec("twin", request={**fan[2].request, "prompt": "other"}, chain=fan[2].chain)
    store.imports.add_jobs([twin], run=run, now=1.0)
    assert (store.chains.has_links(), store.waiting.count_waiting(), store.chains.measure_row()) == (True, 4, 2)


def test_chains_that_are_done(store: Store, run: int) -> None:
    """Each job has a video; one that is rejected is none, unless another take is not."""
    store.imports.add_jobs([*make_chain(2), *make_chain(1, "lone"), make_spec("single")], run=run, now=1.0)
    assert store.chains.count_chains() == (1, 0)
    first = moved_on(store, run, *MADE, now=2.0)
    assert store.chains.count_chains() == (1, 0)
    (link,) = store.links.list_open_links(first.seq)
    store.links.fill_frame(link, first, b"image", run=run, now=3.0)
    moved_on(store, run, *MADE, now=4.0)
    assert store.chains.count_chains() == (1, 1)
    store.connection.db.execute("UPDATE jobs SET verdict = 'rejected' WHERE seq = 1")
    assert store.chains.count_chains() == (1, 0)


def test_both_ends_of_a_link(store: Store, run: int) -> None:
    """The job at the other end, the part, and the take that it was taken from once that is so."""
    store.imports.add_jobs(make_chain(3), run=run, now=1.0)
    first = moved_on(store, run, *MADE, now=2.0)
    (link,) = store.links.list_open_links(first.seq)
    store.links.fill_frame(link, first, b"image", run=run, now=3.0)
    _, second, third = store.jobs()
    (tie,) = store.chains.list_parents(second)
    assert (tie.job, tie.part, tie.taken_from, tie.sha256) == (store.queries.read_job(1), "last", "shot 0", "1")
    (tie,) = store.chains.list_children(second)
    assert (tie.job, tie.part, tie.taken_from, tie.sha256) == (third, "last", None, None)
    assert store.waiting.list_open_parents(third) == [(second.seq, "shot 1", JobState.PENDING, None, False)]


def test_a_take_that_people_rejected_is_neither_shown_nor_enough_for_what_follows(store: Store) -> None:
    """A take counts on a line, and for the jobs that wait, as it does for what fills their links."""
    run = begun(store, *make_chain(2))
    first = succeed(store, run)
    (second,) = store.takes.add_takes(first, [NewTake(request=canonical_json(first.request), tries=3)], now=9.0)
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.REJECT, job=first.seq))
    child = find(store, "shot 1")
    assert show_line(store, "shot 1") == ([second.name, "shot 1"], [])
    assert store.chains.list_following([second], only_these=True) == [child]
    second = succeed(store, run)
    assert show_line(store, "shot 1") == ([second.name, "shot 1"], [])
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.PICK, job=first.seq))
    assert show_line(store, "shot 1") == (["shot 0", "shot 1"], [])
    assert store.chains.list_following([second], only_these=True) == []
    assert store.chains.count_chains() == (1, 0)


def test_a_clip_that_people_rejected_leaves_its_chain_unfinished(store: Store) -> None:
    run = begun(store, *make_chain(2))
    first = succeed(store, run)
    (link,) = store.links.list_open_links(first.seq)
    store.links.fill_text(link, first, "x", run=run, now=30.0)
    last = succeed(store, run)
    assert store.chains.count_chains() == (1, 1)
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.REJECT, job=last.seq))
    assert store.chains.count_chains() == (1, 0)
    store.connection.db.execute("UPDATE jobs SET verdict = 'rejected' WHERE seq = 2")
    store.votes.record_vote(Vote(person="ann", kind=VoteKind.PICK, job=last.seq))
    assert store.chains.count_chains() == (1, 1)

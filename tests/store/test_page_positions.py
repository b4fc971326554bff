"""Positions of jobs in the orders of the page."""

from __future__ import annotations

import pytest

from batchveo.core.errors import UsageError
from batchveo.core.fields import parse_condition
from batchveo.core.models import JobState
from batchveo.core.votes import Vote, VoteKind
from batchveo.store import Store, page_index, page_positions
from batchveo.store.job_search import Filter, Order
from batchveo.store.page_index import PageIndex
from tests.helpers.chains import make_chain
from tests.helpers.factories import make_spec
from tests.store.page_jobs import fill, finished, names_found
from tests.store.steps import begun


def test_states_are_found_in_both_directions_page_by_page(store: Store, index: PageIndex) -> None:
    """In manifest order and from the end."""
    fill(store)
    cancelled, two = Filter(states=(JobState.CANCELLED,)), Filter(states=(JobState.CANCELLED, JobState.PENDING))
    assert names_found(store, index, cancelled) == ["job nr00", "job nr10", "job nr20"]
    assert index.find_jobs(two, Order.ADDED, most=2).seqs == [30, 29]
    assert index.find_jobs(cancelled, at=1, most=9).seqs == [11, 21]
    assert index.find_jobs(cancelled, Order.ADDED, at=1, most=9).seqs == [11, 1]
    assert index.find_jobs(cancelled, at=3, most=9).seqs == []
    assert (index.find_jobs(cancelled, most=1).total, index.find_jobs(two, most=1).total) == (3, 30)


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
    monkeypatch.setattr(page_positions, "FEW", few)
    finished(store)
    for job, rating in ((2, 3), (5, 5)):
        store.votes.record_vote(Vote(person="ann", kind=VoteKind.RATE, rating=rating, job=job))
    done = [seq for seq in seqs if seq != 7]
    for wanted, expected in (
        (Filter(), seqs),
        (Filter(states=(JobState.SUCCEEDED,)), done),
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

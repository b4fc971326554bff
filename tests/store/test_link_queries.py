"""Reads of chains for displays."""

from __future__ import annotations

from batchveo.core.fields import parse_condition
from batchveo.core.models import JobState
from batchveo.store import Store
from tests.helpers.busy_database import moved_on
from tests.helpers.chains import make_chain
from tests.helpers.factories import make_spec

S = JobState
MADE = (S.GENERATING, S.DOWNLOADING, S.SUCCEEDED)


def test_how_many_wait_and_in_which_row(store: Store, run: int) -> None:
    """Two children of one parent can be made at the same time, so they count once in a row."""
    assert (store.links.has_links(), store.links.count_waiting(), store.links.measure_row()) == (False, 0, 0)
    fan = make_chain(3, "fan")
    store.imports.add_jobs([*make_chain(2), *fan, make_spec("single")], run=run, now=1.0)
    twin = make_spec("twin", request={**fan[2].request, "prompt": "other"}, chain=fan[2].chain)
    store.imports.add_jobs([twin], run=run, now=1.0)
    assert (store.links.has_links(), store.links.count_waiting(), store.links.measure_row()) == (True, 4, 2)


def test_chains_that_are_done(store: Store, run: int) -> None:
    """Each job has a video; one that is rejected is none, unless another take is not."""
    store.imports.add_jobs([*make_chain(2), *make_chain(1, "lone"), make_spec("single")], run=run, now=1.0)
    assert store.links.count_chains() == (1, 0)
    first = moved_on(store, run, *MADE, now=2.0)
    assert store.links.count_chains() == (1, 0)
    (link,) = store.chains.list_open_links(first.seq)
    store.chains.fill_frame(link, first, b"image", run=run, now=3.0)
    moved_on(store, run, *MADE, now=4.0)
    assert store.links.count_chains() == (1, 1)
    store.connection.db.execute("UPDATE jobs SET verdict = 'rejected' WHERE seq = 1")
    assert store.links.count_chains() == (1, 0)


def test_both_ends_of_a_link(store: Store, run: int) -> None:
    """The job at the other end, the part, and the take that it was taken from once that is so."""
    store.imports.add_jobs(make_chain(3), run=run, now=1.0)
    first = moved_on(store, run, *MADE, now=2.0)
    (link,) = store.chains.list_open_links(first.seq)
    store.chains.fill_frame(link, first, b"image", run=run, now=3.0)
    _, second, third = store.jobs()
    (tie,) = store.links.list_parents(second)
    assert (tie.job, tie.part, tie.taken_from, tie.sha256) == (store.queries.read_job(1), "last", "shot 0", "1")
    (tie,) = store.links.list_children(second)
    assert (tie.job, tie.part, tie.taken_from, tie.sha256) == (third, "last", None, None)
    assert [job.name for job in store.links.list_around(third, distance=1, most=9)] == ["shot 1", "shot 2"]
    assert store.links.list_open_parents(third) == [(second.seq, "shot 1", S.PENDING, None, False)]


def test_chains_in_conditions(store: Store, run: int) -> None:
    """By their first job, by place, by parent; whether they wait, or wait in vain."""
    store.imports.add_jobs([*make_chain(3), make_spec("single")], run=run, now=1.0)
    first, second, *_ = store.jobs()

    def choose(text: str) -> list[str]:
        return [job.name for job in store.queries.list_jobs(where=parse_condition(text))]

    assert choose(f'chain == "{first.id}"') == ["shot 0", "shot 1", "shot 2"]
    assert choose("link < 3") == ["shot 0", "shot 1"]
    assert choose("chain == null and link == null") == ["single"]
    assert choose(f'"{second.id}" in parent') == ["shot 2"]
    assert (choose("waiting"), choose("blocked")) == (["shot 1", "shot 2"], [])
    moved_on(store, run, S.FAILED, now=2.0)
    assert (choose("waiting"), choose("blocked")) == ([], ["shot 1", "shot 2"])
    assert choose("not blocked") == ["shot 0", "single"]

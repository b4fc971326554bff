"""Prices that are remembered, and what manifests would come to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.core.job_row import JobRow
from batchveo.core.models import JobState
from batchveo.store import Quote, StagingTable, Store, foresee
from tests.helpers.factories import make_spec


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "s.db") as store:
        yield store


def test_the_latest_price_is_remembered(store: Store) -> None:
    """By model; of others nothing is known."""
    store.prices.save_quotes({"a": {"kind": "fixed"}, "b": {"kind": "variable"}}, now=1.0)
    store.prices.save_quotes({"a": {"kind": "variants", "note": "éé"}}, now=2.0)
    assert store.prices.load_quotes(["a", "b", "c"]) == {
        "a": Quote(pricing={"kind": "variants", "note": "éé"}, at=2.0),
        "b": Quote(pricing={"kind": "variable"}, at=1.0),
    }


def test_what_is_foreseen_is_what_happens(store: Store) -> None:
    """The jobs that are told to be due and to lose their names are those that the state adds so."""
    run = store.runs.begin_run(command="run", service="x", now=1.0)
    store.imports.add_jobs([make_spec("a cat"), make_spec("a dog"), make_spec("a fox")], run=run, now=1.0)
    dog = store.queries.find_jobs("a dog")[0]
    store.manual.cancel_job(dog, now=2.0)
    named = [
        make_spec("a cat"),
        make_spec("a dog"),
        make_spec("A CAT"),
        make_spec("a hen"),
        make_spec("a hen", id="b" * 20),
    ]
    with StagingTable() as scratch:
        scratch.take(tuple(JobRow.from_spec(spec)) for spec in named)
        seen = list(foresee(scratch, store.path))
        added = store.imports.add_jobs(scratch, run=run, now=3.0)
    states = [JobState.PENDING, JobState.CANCELLED, None, None, None]
    assert [job.state for job in seen] == states
    assert [job.is_due for job in seen] == [True, False, True, True, True]
    assert [job.taken for job in seen] == [False, False, False, False, True]
    assert added.new == 3
    assert {job.name for job in store.jobs() if "~" in job.stem} == {"a hen"}
    assert store.queries.list_pending_models() == ["google/veo3"]
    assert len(list(store.queries.list_pending_requests())) == 5


def test_without_a_state_all_is_new() -> None:
    """Names that differ by case only are two files where the disk tells them apart."""
    with StagingTable() as scratch:
        twin = make_spec("a", id="b" * 20)
        scratch.take(tuple(JobRow.from_spec(spec)) for spec in (make_spec("a"), make_spec("A"), twin))
        seen = list(foresee(scratch, None))
    assert [(job.state, job.taken) for job in seen] == [(None, False), (None, False), (None, True)]


def test_whoever_stops_looking_leaves_nothing_locked(store: Store) -> None:
    """The state can be joined again."""
    store.runs.begin_run(command="run", service="x", now=1.0)
    with StagingTable() as scratch:
        scratch.take(tuple(JobRow.from_spec(make_spec(name))) for name in "abc")
        looking = foresee(scratch, store.path)
        next(looking)
        looking.close()
        assert len(list(foresee(scratch, store.path))) == 3

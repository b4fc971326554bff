"""Reads of jobs: by any of their names, by state, page by page."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import Accepted, SubmitUncertain
from batchveo.core.state_machine import Move
from batchveo.store import Store
from tests.helpers.factories import make_spec
from tests.store.steps import claimed, move

S = JobState


def test_what_succeeded_comes_in_pages(tmp_path: Path, done: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it, in order, and only that; while one is looked at nothing holds the log of writes."""
    monkeypatch.setattr("batchveo.store.queries.PAGE", 2)
    with Store(tmp_path / "b.db") as store, Store(tmp_path / "b.db") as other:
        store.imports.add_jobs([make_spec(name) for name in "bcdef"], run=1, now=1.0)
        for name in "bce":
            columns = (f"g-{name}", f"{name}.mp4", name)
            store.connection.db.execute(
                "UPDATE jobs SET state = 'succeeded', generation_id = ?, file = ?, sha256 = '0' WHERE name = ?",
                columns,
            )
        names = []
        for job in store.queries.iter_succeeded():
            names.append(job.name)
            assert other.connection.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        assert names == ["a", "b", "c", "e"]
        assert list(other.jobs(JobState.SUCCEEDED)) == list(other.queries.iter_succeeded())


def test_held_jobs_are_counted_apart(store: Store, run: int) -> None:
    """They are in doubt, and more."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    job = move(store, claimed(store, run), SubmitUncertain(reason="reset"))
    store.transitions.apply_move(job, Move(to=S.IN_DOUBT, set={"held": True}), run=run, now=9.0)
    assert (store.counts()[S.IN_DOUBT], store.counts().held) == (1, 1)


def test_find_by_id_prefix_name_and_generation(store: Store, run: int) -> None:
    """Whatever a person has at hand."""
    store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
    job = move(store, claimed(store, run), Accepted(generation_id="g-1"))
    for key in (job.id, job.id[:6], "a", "g-1", job.client_request_id or ""):
        assert [found.seq for found in store.queries.find_jobs(key)] == [job.seq]
    assert not store.queries.find_jobs("nothing")
    assert not store.queries.find_jobs("%")

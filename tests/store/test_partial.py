"""Some of the jobs of a manifest taken in: what is said of the others, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.core.job_row import JobRow
from batchveo.core.models import JobState
from batchveo.store import Added, StagingTable, Store
from tests.helpers.factories import make_spec


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        yield store


def take(store: Store, *names: str, partial: bool) -> tuple[int, Added]:
    run = store.runs.begin_run(command="run", service="https://s.example", now=1.0)
    with StagingTable() as scratch:
        scratch.take(JobRow.from_spec(make_spec(name)) for name in names)
        scratch.is_partial = partial
        return run, store.imports.add_jobs(scratch, run=run, now=1.0)


def test_others_are_not_said_to_be_gone(store: Store) -> None:
    """They are named by the manifest, only not chosen."""
    take(store, "a", "b", "c", partial=False)
    assert not take(store, "b", partial=True)[1].no_longer_named
    assert dict(take(store, "b", partial=False)[1].no_longer_named) == {JobState.PENDING: 2}


def test_others_are_not_submitted(store: Store) -> None:
    """Though they wait in the database."""
    take(store, "a", "b", "c", partial=False)
    run, _ = take(store, "b", partial=True)
    job = store.transitions.claim_job(run=run, now=2.0)
    assert job is not None
    assert job.name == "b"
    assert store.transitions.claim_job(run=run, now=3.0) is None


def test_others_under_way_are_this_runs_business(store: Store) -> None:
    """What is paid for is fetched, whatever was chosen; that of other manifests is left alone."""
    first, _ = take(store, "a", "b", partial=False)
    store.imports.add_jobs([make_spec("z", manifest="other.yaml")], run=first, now=1.0)
    claimed = [store.transitions.claim_job(run=first, now=2.0) for _ in range(3)]
    assert [job.name for job in claimed if job] == ["a", "b", "z"]
    run, _ = take(store, "c", partial=True)
    of_run = store.connection.db.execute("SELECT name FROM jobs WHERE run = ? ORDER BY name", (run,)).fetchall()
    assert [row["name"] for row in of_run] == ["a", "b", "c"]

"""The finished videos one by one, and where each is when it moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import Accepted, Completed, Downloaded, Outcome
from batchveo.core.state_machine import next_state
from batchveo.operations.verify import refetch_video
from batchveo.store import MoveLost, Store
from tests.helpers.factories import make_spec


def move(store: Store, job: Job, outcome: Outcome) -> Job:
    step = next_state(job, outcome, now=10.0, jitter=0.0)
    assert step is not None
    return store.transitions.apply_move(job, step, run=1, now=10.0)


@pytest.fixture
def done(tmp_path: Path) -> Job:
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
        job = store.transitions.claim_job(run=run, now=2.0)
        assert job is not None
        job = move(store, job, Accepted(generation_id="g"))
        job = move(store, job, Completed(url="https://x/v", cost_usd=1.0))
        return move(store, job, Downloaded(folder="/v", file="a.mp4", bytes=3, sha256="00"))


def test_a_new_place_is_recorded(tmp_path: Path, done: Job) -> None:
    """The job is what it was, elsewhere; its history says so, and its counts stay."""
    with Store(tmp_path / "b.db") as store:
        placed = store.transitions.record_place(done, Path("/w/train/a.mp4"), now=20.0)
        assert (placed.folder, placed.file) == ("/w/train", "a.mp4")
        assert store.queries.read_job(done.seq) == placed
        assert store.queries.list_moves(done)[-1]["detail"] == "its video was moved to /w/train/a.mp4"
        assert store.counts()[JobState.SUCCEEDED] == 1


def test_a_job_that_moved_on_keeps_its_place(tmp_path: Path, done: Job) -> None:
    """Fetched again or placed by another meanwhile: nothing is changed."""
    with Store(tmp_path / "b.db") as store:
        store.transitions.record_place(done, Path("/w/a.mp4"), now=20.0)
        with pytest.raises(MoveLost):
            store.transitions.record_place(done, Path("/x/a.mp4"), now=21.0)
        again = refetch_video(store, store.queries.read_job(done.seq), now=22.0)
        with pytest.raises(MoveLost):
            store.transitions.record_place(again, Path("/x/a.mp4"), now=23.0)
        assert store.queries.read_job(done.seq).file is None


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
